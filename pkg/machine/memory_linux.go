package machine

import (
	"bufio"
	"os"
	"strconv"
	"strings"
)

// OOMKills is how many processes the kernel has killed for lack of memory since boot (/proc/vmstat, and memory.events of
// this process's control group, whose limit may be lower than the machine's); 0 where it does not tell.
func OOMKills() int64 {
	return counter("/proc/vmstat", "oom_kill") + counter("/sys/fs/cgroup/memory.events", "oom_kill")
}

// counter is the number behind a key in a file of "key number" lines; 0 where it is not there.
func counter(file, key string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close() //nolint:errcheck // only read
	for s := bufio.NewScanner(f); s.Scan(); {
		if k, v, _ := strings.Cut(s.Text(), " "); k == key {
			n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return 0
			}
			return n
		}
	}
	return 0
}
