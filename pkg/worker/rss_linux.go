package worker

import (
	"bytes"
	"os"
	"strconv"

	"github.com/banterhearts/bh/pkg/units"
)

// resetPeakRSS sets the kernel's peak of this process's resident memory to its present value (proc(5), clear_refs, value
// 5). Where that is not allowed the peak stays that of the whole process, which is still an upper bound of the run's.
func resetPeakRSS() {
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) // see above
}

// peakRSS is the peak resident memory since the last reset, from VmHWM in /proc/self/status; nil when it cannot be read.
func peakRSS() *int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil
	}
	_, rest, ok := bytes.Cut(data, []byte("VmHWM:"))
	if !ok {
		return nil
	}
	fields := bytes.Fields(rest)
	if len(fields) < 2 || string(fields[1]) != "kB" {
		return nil
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return nil
	}
	return units.Ptr(kib << 10)
}
