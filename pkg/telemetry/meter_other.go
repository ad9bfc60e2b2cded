//go:build !unix

package telemetry

import "os/exec"

var shellName = []string{"cmd", "/c"}

// endTogether leaves it at ending the command itself: there are no process groups here.
func endTogether(*exec.Cmd) {}
