//go:build !linux

package worker

// resetPeakRSS does nothing: only Linux tells the peak.
func resetPeakRSS() {}

// peakRSS is nil: only Linux tells the peak.
func peakRSS() *int64 { return nil }
