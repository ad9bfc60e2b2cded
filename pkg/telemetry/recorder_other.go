//go:build !unix

package telemetry

// ownUsage is not known here.
func ownUsage() (usage, bool) { return usage{}, false }
