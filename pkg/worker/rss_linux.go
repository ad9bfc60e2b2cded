package worker

import (
	"bytes"
	"fmt"
	"os"
	"strconv"

	"github.com/banterhearts/bh/pkg/units"
)

// resetPeakRSS sets the kernel's peak of each process's resident memory to its present value (proc(5), clear_refs, value
// 5). Where that is not allowed the peak stays that of the whole process, which is still an upper bound of the run's.
func resetPeakRSS(pids []int) {
	for _, pid := range pids {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0o200) // see above
	}
}

// peakRSS is the sum of the processes' peaks of resident memory since the last reset; nil when one cannot be read.
func peakRSS(pids []int) *int64 {
	var sum int64
	for _, pid := range pids {
		peak, ok := highWater(pid)
		if !ok {
			return nil
		}
		sum += peak
	}
	if sum == 0 {
		return nil
	}
	return units.Ptr(sum)
}

// highWater is VmHWM in /proc/PID/status, in bytes.
func highWater(pid int) (int64, bool) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	_, rest, ok := bytes.Cut(data, []byte("VmHWM:"))
	if !ok {
		return 0, false
	}
	fields := bytes.Fields(rest)
	if len(fields) < 2 || string(fields[1]) != "kB" {
		return 0, false
	}
	kib, err := strconv.ParseInt(string(fields[0]), 10, 64)
	return kib << 10, err == nil
}
