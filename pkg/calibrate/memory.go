package calibrate

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/units"
)

// lastLevelCache is the largest cache of the first processor, below root, which is "/" but in tests.
func lastLevelCache(root string) (units.Bytes, bool) {
	files, err := filepath.Glob(filepath.Join(root, "sys/devices/system/cpu/cpu0/cache/index[0-9]*/size"))
	if err != nil {
		return 0, false
	}
	var largest units.Bytes
	for _, f := range files {
		largest = max(largest, suffixed(text(f)))
	}
	return largest, largest > 0
}

// suffixed is a size as the kernel writes it: 32K, 4M; 0 where it is none.
func suffixed(s string) units.Bytes {
	factor := int64(1)
	for suffix, by := range map[string]int64{"K": 1 << 10, "M": 1 << 20, "G": 1 << 30} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, factor = rest, by
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return units.Bytes(n * factor)
}

// freeMemory is the memory that can be taken without swapping, and within the control group's limit.
func freeMemory(root string) (units.Bytes, bool) {
	var free units.Bytes
	for line := range strings.Lines(text(filepath.Join(root, "proc/meminfo"))) {
		if v, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			free = suffixed(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), " kB"))) << 10
		}
	}
	group := filepath.Join(root, "sys/fs/cgroup")
	if limit := suffixed(text(filepath.Join(group, "memory.max"))); limit > 0 {
		free = min(free, limit-suffixed(text(filepath.Join(group, "memory.current"))))
	}
	return free, free > 0
}

// text is the content of a small file, "" where there is none.
func text(name string) string {
	data, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
