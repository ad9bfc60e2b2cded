package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

const procStat = "proc/stat"

// userHZ is the unit of the processor times in /proc/stat on every architecture that Go runs on, whatever the kernel's
// own tick is (proc(5): sysconf(_SC_CLK_TCK)).
const userHZ = 100

// cpuTimes is what /proc/stat says of all processors together since boot, in ticks of 1/userHZ s.
type cpuTimes struct {
	cpus        int    // processors online
	busy, total uint64 // total counts busy, idle, waiting for I/O and stolen by the hypervisor
}

// openCPUTimes opens /proc/stat and reads it.
func openCPUTimes(files fs.FS) (*kept, cpuTimes, error) {
	stat := keep(files, procStat)
	t, err := readCPUTimes(stat)
	if err != nil {
		return nil, cpuTimes{}, errors.Join(err, stat.close())
	}
	return stat, t, nil
}

func readCPUTimes(stat *kept) (cpuTimes, error) {
	b, err := stat.read()
	if err != nil {
		return cpuTimes{}, err
	}
	return parseCPUTimes(b)
}

// parseCPUTimes parses the lines "cpu …" and "cpuN …", which stand first in /proc/stat. Time of guests is counted in user
// time already (proc(5)). Waiting for I/O is idling; stolen time is another machine's work.
func parseCPUTimes(stat []byte) (cpuTimes, error) {
	var t cpuTimes
	for line := range bytes.Lines(stat) {
		name, rest := word(line)
		if !bytes.HasPrefix(name, []byte("cpu")) {
			break
		}
		if len(name) > len("cpu") {
			t.cpus++
			continue
		}
		var v [8]uint64 // user nice system idle iowait irq softirq steal; kernels before 2.6.11 end earlier
		for i := range v {
			var w []byte
			if w, rest = word(rest); len(w) == 0 {
				break
			}
			var ok bool
			if v[i], ok = digits(w); !ok {
				return cpuTimes{}, fmt.Errorf("%s: field %d of line cpu: saw %q, want a number", procStat, i+1, w)
			}
		}
		t.busy = v[0] + v[1] + v[2] + v[5] + v[6]
		t.total = t.busy + v[3] + v[4] + v[7]
	}
	if t.cpus == 0 || t.total == 0 {
		return cpuTimes{}, fmt.Errorf("%s: saw no processor times, want lines cpu and cpu0", procStat)
	}
	return t, nil
}

// since is the ticks that passed since an earlier reading. The kernel's idle times may step back by a tick, and more
// when a processor goes offline; that counts as none passed.
func (t cpuTimes) since(earlier cpuTimes) (busy, total uint64) {
	if t.total <= earlier.total || t.busy < earlier.busy {
		return 0, 0
	}
	return t.busy - earlier.busy, t.total - earlier.total
}

const cpuFolder = "sys/devices/system/cpu"

// cpuFolders lists the folders of the processors, cpu0 first.
func cpuFolders(files fs.FS) []string {
	entries, err := fs.ReadDir(files, cpuFolder)
	if err != nil {
		return nil // no topology: what is built on it is left out
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(strings.TrimPrefix(e.Name(), "cpu")); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	out := make([]string, len(numbers))
	for i, n := range numbers {
		out[i] = path.Join(cpuFolder, "cpu"+strconv.Itoa(n))
	}
	return out
}

// packageCPUs is the folder of one processor of each package (socket).
func packageCPUs(files fs.FS) []string {
	var first []string
	seen := map[string]bool{}
	for _, folder := range cpuFolders(files) {
		id, err := readText(files, path.Join(folder, "topology/physical_package_id"))
		if err == nil && !seen[id] {
			seen[id] = true
			first = append(first, folder)
		}
	}
	return first
}

// virtualMachine reports whether the processor says that a hypervisor runs it (x86 only; false where it does not say).
func virtualMachine(files fs.FS) bool {
	info, err := fs.ReadFile(files, "proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range bytes.Lines(info) {
		if name, flags, _ := bytes.Cut(line, []byte(":")); bytes.Equal(bytes.TrimSpace(name), []byte("flags")) {
			return bytes.Contains(flags, []byte(" hypervisor"))
		}
	}
	return false
}
