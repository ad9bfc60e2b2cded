//go:build !linux

package worker

// resetPeakRSS does nothing: only Linux tells the peak.
func resetPeakRSS([]int) {}

// peakRSS is nil: only Linux tells the peak.
func peakRSS([]int) *int64 { return nil }
