//go:build linux

package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestBoundChildren starts a child under Bound, which must be bound, while this process stays as it was.
func TestBoundChildren(t *testing.T) {
	before, err := Allowed(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	one := before[len(before)-1:]
	cmd := exec.Command("sleep", "60")
	if err := Bound(one, cmd.Start); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }() // it is killed: its end is no news
	if got, err := Allowed(cmd.Process.Pid); err != nil || !slices.Equal(got, one) {
		t.Errorf("child: saw CPUs %s, %v, want %s", got, err, one)
	}
	if after, err := Allowed(os.Getpid()); err != nil || !slices.Equal(after, before) {
		t.Errorf("this process: saw CPUs %s, %v, want %s as before", after, err, before)
	}
	if err := Bound(CPUSet{1 << 20}, func() error { t.Error("started on a CPU that is not there"); return nil }); err == nil {
		t.Error("bound to a CPU that is not there")
	}
}

// fixture writes a /proc with the whole machine's ticks and a tree of processes 10 -> 11 beside a foreign 20.
func fixture(t *testing.T, busy, idle, steal, own, child int) string {
	t.Helper()
	return fixtureIn(t, t.TempDir(), 7, busy, idle, steal, own, child)
}

// fixtureIn writes it into a folder, with how many processes were started since boot.
func fixtureIn(t *testing.T, dir string, started, busy, idle, steal, own, child int) string {
	t.Helper()
	put := func(name, text string) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("stat", fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 %d 0 0\ncpu0 0\nprocesses %d\nprocs_running 2\n", busy, idle, steal, started))
	line := "%d (a name) with ) in it) S 1 1 1 0 -1 0 0 0 0 0 %d 1 2 3 20 0 1 0 100\n"
	put("10/stat", fmt.Sprintf(line, 10, own))
	put("10/task/10/children", "11 \n")
	put("11/stat", fmt.Sprintf(line, 11, child))
	put("11/task/11/children", "")
	put("20/stat", fmt.Sprintf(line, 20, 999))
	return dir
}

func TestShares(t *testing.T) {
	before, err := new(Loads).read(fixture(t, 1000, 5000, 10, 100, 50), []int{10, 11})
	if err != nil {
		t.Fatal(err)
	}
	if before.tree != 2 || before.own != 100+50+2*(1+2+3) {
		t.Errorf("saw %d processes with %d ticks", before.tree, before.own)
	}
	// 200 ticks pass: 120 busy of which 90 are ours, 70 idle, 10 stolen.
	after, err := new(Loads).read(fixture(t, 1120, 5070, 20, 160, 80), []int{10})
	if err != nil {
		t.Fatal(err)
	}
	steal, foreign, ok := after.Since(before)
	if !ok || steal != 5 || foreign != 15 {
		t.Errorf("saw steal %g%%, foreign %g%%, %t, want 5, 15", steal, foreign, ok)
	}
	if _, _, ok := before.Since(before); ok {
		t.Error("shares of no time at all")
	}
	if _, err := new(Loads).read(t.TempDir(), nil); err == nil {
		t.Error("no /proc/stat: saw no error")
	}
	if _, _, err := parseStat([]byte("intr 1 2 3")); err == nil || !strings.Contains(err.Error(), "want cpu") {
		t.Errorf("saw %v", err)
	}
}

// A child is found once the kernel says that something was started, or in a reading of other processes, and not looked for before.
func TestChildrenAreLookedUpAnew(t *testing.T) {
	dir := t.TempDir()
	fixtureIn(t, dir, 7, 1000, 5000, 10, 100, 50)
	children := filepath.Join(dir, "10/task/10/children")
	list := func(text string) {
		if err := os.WriteFile(children, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list("")
	var loads Loads
	read := func(want int, roots ...int) {
		t.Helper()
		l, err := loads.read(dir, roots)
		if err != nil || l.tree != want {
			t.Errorf("saw %d processes, %v, want %d", l.tree, err, want)
		}
	}
	read(1, 10)
	list("11 ")
	read(1, 10)
	fixtureIn(t, dir, 8, 1000, 5000, 10, 100, 50)
	read(2, 10)
	read(1, 11)
	read(2, 10, 11)
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte("cpu 1 2 3 4 5 6 7 8\nprocesses many\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := loads.read(dir, nil); err == nil || !strings.Contains(err.Error(), `saw "many", want a number`) {
		t.Errorf("saw %v", err)
	}
}

// TestOwnTimeIsCounted burns a CPU in a grandchild, whose time must become that of the tree.
func TestOwnTimeIsCounted(t *testing.T) {
	cmd := exec.Command("sh", "-c", "(while :; do :; done) & echo; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() }() // it is killed: its end is no news
	if _, err := out.Read(make([]byte, 1)); err != nil {                                   // the grandchild has been started
		t.Fatal(err)
	}
	var loads Loads
	before, err := loads.Read(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		after, err := loads.Read(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		if after.own >= before.own+5 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("saw %d ticks of the tree in 20 s, want at least 5", after.own-before.own)
		}
	}
}

// BenchmarkLoads is what watching the load costs between two runs.
func BenchmarkLoads(b *testing.B) {
	var loads Loads
	for b.Loop() {
		if _, err := loads.Read(os.Getpid()); err != nil {
			b.Fatal(err)
		}
	}
}
