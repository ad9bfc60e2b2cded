package telemetry

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// setProcess writes /proc/PID/stat: ticks of its own and of children that it waited for, and resident pages.
func setProcess(tree fstest.MapFS, pid, parent int, own, children, start, pages int) {
	set(tree, procFile(pid, "stat"), fmt.Sprintf(
		"%d (a (b) c) S %d 1 1 0 -1 4194304 9 9 0 0 %d %d %d %d 20 0 1 0 %d 9999 %d 18446744073709551615",
		pid, parent, own-own/2, own/2, children, 0, start, pages))
}

func openProcessesAt(t *testing.T, tree fstest.MapFS) *processes {
	setProcess(tree, 0, 1, 0, 0, 1, 1)
	tree["proc/self/stat"] = tree["proc/0/stat"]
	delete(tree, "proc/0/stat")
	src, detail := openAt(t, openProcesses, machine(tree), Options{}, func(*processes) {})
	if !strings.HasPrefix(detail, "ready") {
		t.Errorf("detail: saw %q", detail)
	}
	return src
}

// wantProcesses reads src and compares ticks of 10 ms, pages and processes.
func wantProcesses(t *testing.T, src *processes, at time.Duration, ticks, pages, live int64) {
	t.Helper()
	got := read(t, src, epoch.Add(at))
	if len(got) != 1 || got[0].Device != "processes" {
		t.Fatalf("%v: saw %+v, want one row", at, got)
	}
	s := got[0]
	if deref(s.CPUTimeNS) != ticks*1e7 || deref(s.MemUsedBytes) != pages*int64(os.Getpagesize()) || deref(s.Processes) != live {
		t.Errorf("%v: saw %d ticks, %d bytes, %d processes, want %d, %d pages, %d", at, deref(s.CPUTimeNS)/1e7,
			deref(s.MemUsedBytes), deref(s.Processes), ticks, pages, live)
	}
}

// The tree of 100: 100 -> 101 -> 102, and 200 is foreign. What they used before Track does not count.
func TestProcesses(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	setProcess(tree, 100, 1, 50, 7, 10, 10)
	setProcess(tree, 101, 100, 5, 0, 11, 20)
	setProcess(tree, 102, 101, 1, 0, 12, 30)
	setProcess(tree, 200, 1, 999, 0, 13, 40)
	src := openProcessesAt(t, tree)
	if got := read(t, src, epoch); len(got) != 0 {
		t.Errorf("nothing tracked: saw %+v, want no rows", got)
	}
	src.Track([]int{100})
	wantProcesses(t, src, 0, 0, 60, 3)
	setProcess(tree, 100, 1, 60, 7, 10, 11)
	setProcess(tree, 102, 101, 4, 0, 12, 30)
	if got := read(t, src, epoch.Add(40*time.Millisecond)); len(got) != 0 {
		t.Errorf("after 40 ms: saw %+v, want no row", got)
	}
	wantProcesses(t, src, 100*time.Millisecond, 13, 61, 3)

	setProcess(tree, 103, 100, 2, 0, 14, 5) // born: found at the next look
	wantProcesses(t, src, 200*time.Millisecond, 13, 61, 3)
	wantProcesses(t, src, 1100*time.Millisecond, 15, 66, 4)

	// 102 uses 6 more and ends; 101 waits for it: its 10 ticks move to the children of 101.
	delete(tree, procFile(102, "stat"))
	setProcess(tree, 101, 100, 5, 10, 11, 20)
	wantProcesses(t, src, 1200*time.Millisecond, 21, 36, 3)

	// 103 ends and nobody waits for it; then its pid is another process, which is not tracked.
	setProcess(tree, 103, 1, 500, 0, 99, 5)
	wantProcesses(t, src, 1300*time.Millisecond, 21, 31, 2)
	wantProcesses(t, src, 1400*time.Millisecond, 21, 31, 2)

	// 100 ends, then 101, which belongs to nobody now: the sum stays.
	delete(tree, procFile(100, "stat"))
	setProcess(tree, 101, 1, 9, 10, 11, 20)
	wantProcesses(t, src, 1500*time.Millisecond, 25, 20, 1)
	delete(tree, procFile(101, "stat"))
	for at := 1600 * time.Millisecond; at < 3*time.Second; at += 100 * time.Millisecond {
		wantProcesses(t, src, at, 25, 0, 0)
	}
	src.Track(nil)
	if got := read(t, src, epoch.Add(time.Minute)); len(got) != 0 {
		t.Errorf("tracking ended: saw %+v, want no rows", got)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// A whole branch ends between two readings, and the root has waited for it: nothing counts twice.
func TestProcessesBranchEnds(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	setProcess(tree, 100, 1, 0, 0, 10, 1)
	src := openProcessesAt(t, tree)
	src.Track([]int{100, 100, 4711}) // twice, and one that is not there
	setProcess(tree, 101, 100, 5, 0, 11, 1)
	setProcess(tree, 102, 101, 7, 0, 12, 1)
	wantProcesses(t, src, 0, 12, 3, 3)
	delete(tree, procFile(101, "stat"))
	delete(tree, procFile(102, "stat"))
	wantProcesses(t, src, 100*time.Millisecond, 12, 1, 1) // read before it waited
	setProcess(tree, 100, 1, 0, 13, 10, 1)                // 101 used one tick more
	wantProcesses(t, src, 200*time.Millisecond, 13, 1, 1)
	wantProcesses(t, src, 300*time.Millisecond, 13, 1, 1)
}

// Where the kernel lists children, /proc is not searched.
func TestProcessesByList(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	setProcess(tree, 100, 1, 0, 0, 10, 1)
	setProcess(tree, 101, 100, 3, 0, 11, 1)
	setProcess(tree, 102, 100, 3, 0, 11, 1)
	set(tree, "proc/self/task/9/children", "")
	set(tree, "proc/100/task/100/children", "101 ")
	set(tree, "proc/100/task/107/children", "103 junk")
	src := openProcessesAt(t, tree)
	src.Track([]int{100})
	wantProcesses(t, src, 0, 0, 2, 2)
}

func TestProcessesFailures(t *testing.T) {
	if _, _, err := openProcesses(machine(fstest.MapFS{}), Options{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no /proc: saw %v, want absent", err)
	}
	for _, stat := range []string{"", "1 (x S 1", "1 (x) S 1 2", "1 (x) S -1" + strings.Repeat(" 0", 30)} {
		tree := fstest.MapFS{}
		set(tree, "proc/self/stat", stat)
		if _, _, err := openProcesses(machine(tree), Options{}); err == nil || errors.Is(err, ErrAbsent) {
			t.Errorf("%q: saw %v, want an error about what stands there", stat, err)
		}
	}
	tree := fixture(t, "virtual-machine")
	setProcess(tree, 100, 1, 0, 0, 10, 1)
	src := openProcessesAt(t, tree)
	src.Track([]int{100})
	set(tree, "proc/100/stat", "rubbish")
	got, err := src.Sample(epoch, nil)
	if err == nil || !strings.Contains(err.Error(), `proc/100/stat: saw "rubbish"`) || len(got) != 1 {
		t.Errorf("saw %v, %v", got, err)
	}
}

func FuzzParseProcStatus(f *testing.F) {
	f.Add([]byte("1 (a) S 2 1 1 0 -1 4194304 9 9 0 0 1 2 3 4 20 0 1 0 5 9999 6 7"))
	f.Add([]byte("1 () Z"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if s, err := parseProcStatus("stat", text); err != nil && s != (procStatus{}) {
			t.Errorf("saw %+v beside %v", s, err)
		}
	})
}
