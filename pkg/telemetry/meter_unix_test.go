//go:build unix

package telemetry

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A command that prints once is run again and again; each run is one reading.
func TestMeterCommandAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "n")
	count := fmt.Sprintf("n=$(cat %[1]s 2>/dev/null || echo 0); n=$((n+1)); echo $n > %[1]s; echo ${n} W", file)
	m, detail, err := beginMeters(t, 20*time.Millisecond, 10*time.Second, "wall="+count)
	if err != nil || detail != "wall says 1 W" {
		t.Fatalf("saw %q, %v", detail, err)
	}
	watts, times, err := await(t, m, 3)
	if err != nil || !slices.Equal(watts[:3], []float64{1, 2, 3}) {
		t.Errorf("saw %v, %v, want each reading once", watts, err)
	}
	if !slices.IsSorted(times) || times[0] == times[1] {
		t.Errorf("times: saw %v, want them apart", times)
	}
	if got := m.Resolution()["meter:wall"].Power; got != 20*time.Millisecond {
		t.Errorf("resolution: saw %v", got)
	}
}

// A command that goes on is read as a stream, and what is no power in it is told while the rest goes on.
func TestMeterCommandStream(t *testing.T) {
	m, _, err := beginMeters(t, time.Hour, 10*time.Second, `wall=for i in 1 2 oops 3; do echo $i; sleep 0.05; done; sleep 100`)
	if err != nil {
		t.Fatal(err)
	}
	watts, _, err := await(t, m, 5)
	if err == nil || !strings.Contains(err.Error(), "meter wall:") || !strings.Contains(err.Error(), `saw "oops", want watts`) {
		t.Errorf("saw %v", err)
	}
	more, _, err := await(t, m, 3-len(watts))
	if err != nil || !slices.Equal(append(watts, more...), []float64{1, 2, 3}) {
		t.Errorf("saw %v and %v, %v, want 1, 2, 3", watts, more, err)
	}
	time.Sleep(20 * time.Millisecond)
	if rows := read(t, m, time.Now()); len(rows) != 0 {
		t.Errorf("saw %+v, want nothing repeated", rows)
	}
}

func TestMeterCommandFails(t *testing.T) {
	for _, c := range []struct{ command, want string }{
		{"echo 12 V", `saw "12 V", want watts`},
		{"true", "printed nothing, want watts"},
		{"echo no such meter >&2; exit 3", "exit status 3: no such meter"},
		{"/nowhere/meter", "exit status 127"},
		{"sleep 100 & sleep 100", "gave nothing for 200ms"},
	} {
		begin := time.Now()
		_, _, err := beginMeters(t, time.Second, 200*time.Millisecond, "wall="+c.command)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: saw %v, want %q", c.command, err, c.want)
		}
		if time.Since(begin) > 20*time.Second {
			t.Errorf("%s: took %v", c.command, time.Since(begin))
		}
	}
}

// As a user asks for meters: one that works is a source, one that does not is told of and the machine's own sensors stay.
func TestMetersOpen(t *testing.T) {
	env := machine(fixture(t, "desktop"))
	set, err := Open(env, Options{Meters: []string{"wall=echo 5"}})
	if err != nil {
		t.Fatal(err)
	}
	if f := finding1(t, set.Findings(), meterName); f.Status != Present || f.Detail != "wall says 5 W" {
		t.Errorf("saw %+v", f)
	}
	i := slices.Index(set.Sources(), meterName)
	if i < 0 || set.sources[i].(Resolver).Resolution()["meter:wall"].Power != DefaultMeterInterval {
		t.Errorf("saw sources %v, want the meter with the default interval", set.Sources())
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	set, err = Open(env, Options{Meters: []string{"wall=echo 5", "plug=echo five"}})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	if f := finding1(t, set.Findings(), meterName); f.Status != Broken || !strings.Contains(f.Detail, `meter plug: "echo five": saw "five"`) {
		t.Errorf("saw %+v", f)
	}
	if !slices.Contains(set.Sources(), raplName) {
		t.Errorf("saw sources %v, want the machine's own", set.Sources())
	}
	if _, err := Open(env, Options{Meters: []string{"wall"}}); err == nil {
		t.Error("saw no error for a meter without a command")
	}
}

// What a meter started ends with it, or a recording would leave programs behind.
func TestMeterCommandEnds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	m, _, err := beginMeters(t, time.Second, 10*time.Second, "wall=sleep 100 & echo $! > "+file+"; echo 5; wait")
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); syscall.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("process %d runs on", pid)
		}
	}
	if _, _, err := await(t, m, 0); err != nil {
		t.Errorf("being told to end is no failure, saw %v", err)
	}
}

// zombie reports whether a process has ended and only waits to be waited for.
func zombie(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/", procFile(pid, "stat")))
	if err != nil {
		return false
	}
	s, err := parseProcStatus("stat", text)
	return err == nil && s.zombie
}
