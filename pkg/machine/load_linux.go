package machine

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Load is how much CPU time has been used since boot, in ticks of a hundredth of a second (proc(5): USER_HZ).
type Load struct {
	total, busy, steal uint64 // of all CPUs together
	own                uint64 // of the processes that were asked for
	tree               int    // how many of them there were
}

// minTicks is the shortest time, over all CPUs, of which shares are told: below it the counters' resolution of a tick per
// process is more than a few per cent.
const minTicks = 50

// Loads reads the load of a run's processes. It remembers which they are: looking at every thread for children takes longer than
// all the rest, and finds no others while the kernel has started none.
type Loads struct {
	roots, pids []int
	started     uint64 // processes and threads since boot when pids were looked up; 0 where the kernel does not tell
}

// Read reads the counters, with the time of the processes roots and all their children counted as the run's own.
func (l *Loads) Read(roots ...int) (Load, error) { return l.read("/proc", roots) }

func (l *Loads) read(proc string, roots []int) (Load, error) {
	data, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return Load{}, err
	}
	load, started, err := parseStat(data)
	if err != nil {
		return Load{}, err
	}
	if started == 0 || started != l.started || !slices.Equal(roots, l.roots) {
		l.roots, l.started, l.pids = slices.Clone(roots), started, nil
		for _, root := range roots {
			l.pids = append(l.pids, tree(proc, root, nil)...)
		}
		slices.Sort(l.pids)
		l.pids = slices.Compact(l.pids) // one root may be another's child
	}
	for _, pid := range l.pids {
		load.add(proc, pid)
	}
	return load, nil
}

// parseStat reads /proc/stat: of its first line user nice system idle iowait irq softirq steal, where a guest's time is in user,
// and how many processes and threads were ever started (proc(5)); 0 where it does not say.
func parseStat(data []byte) (l Load, started uint64, err error) {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(line))
	const steal = 8
	if len(fields) <= steal || fields[0] != "cpu" {
		return Load{}, 0, fmt.Errorf("/proc/stat: saw %q, want cpu and eight times", line)
	}
	for i, f := range fields[1 : steal+1] {
		v, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return Load{}, 0, fmt.Errorf("/proc/stat: field %d: saw %q, want a number", i+1, f)
		}
		l.total += v
		switch i {
		case 3, 4: // idle, iowait
		case 7:
			l.steal = v
		default:
			l.busy += v
		}
	}
	if _, number, ok := bytes.Cut(data, []byte("\nprocesses ")); ok {
		number, _, _ = bytes.Cut(number, []byte("\n"))
		if started, err = strconv.ParseUint(string(number), 10, 64); err != nil {
			return Load{}, 0, fmt.Errorf("/proc/stat: processes: saw %q, want a number", number)
		}
	}
	return l, started, nil
}

// add adds the time of a process and of the children it has waited for. One that has ended meanwhile is in its parent's.
func (l *Load) add(proc string, pid int) {
	data, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return
	}
	// The name in parentheses may hold anything; what follows its last ")" are the fields from the third on.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	const utime = 14 - 3 // then stime, cutime, cstime
	if len(fields) < utime+4 {
		return
	}
	l.tree++
	for _, f := range fields[utime : utime+4] {
		if v, err := strconv.ParseUint(f, 10, 64); err == nil {
			l.own += v
		}
	}
}

// Tree lists a process and its living children, theirs, and so on.
func Tree(root int) []int { return tree("/proc", root, nil) }

// tree reads the children of every thread, as any thread may have started one. Package filepath's Glob does the same, and
// takes three times as long.
func tree(proc string, pid int, out []int) []int {
	out = append(out, pid)
	tasks := filepath.Join(proc, strconv.Itoa(pid), "task")
	dir, err := os.Open(tasks)
	if err != nil {
		return out // it has ended
	}
	names, err := dir.Readdirnames(-1)
	if err = errors.Join(err, dir.Close()); err != nil {
		return out // as above
	}
	for _, name := range names {
		children, err := os.ReadFile(tasks + "/" + name + "/children")
		if err != nil {
			continue // the thread has ended
		}
		for _, child := range strings.Fields(string(children)) {
			if id, err := strconv.Atoi(child); err == nil {
				out = tree(proc, id, out)
			}
		}
	}
	return out
}

// Since gives the shares in per cent of all CPUs' time since an earlier reading that other virtual machines took and that
// processes other than the run's used. ok is false where the time is too short to tell.
func (l Load) Since(earlier Load) (stealPct, foreignPct float64, ok bool) {
	if l.total < earlier.total+minTicks {
		return 0, 0, false
	}
	total := float64(l.total - earlier.total)
	steal := float64(l.steal) - float64(earlier.steal)
	foreign := float64(l.busy) - float64(earlier.busy) - (float64(l.own) - float64(earlier.own))
	return percent(steal, total), percent(foreign, total), true
}

// percent is a share of total; the kernel's counters of different processes are read one after the other, so a share can
// come out a tick below nothing, which is nothing.
func percent(part, total float64) float64 { return max(0, part) / total * 100 }
