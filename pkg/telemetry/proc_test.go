package telemetry

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

func openAt[T Source](t *testing.T, open func(Environment, Options) (Source, string, error), env Environment, opt Options,
	begin func(T)) (T, string) {
	t.Helper()
	src, detail, err := open(env, opt)
	if err != nil {
		t.Fatal(err)
	}
	begin(src.(T))
	return src.(T), detail
}

func openProcAt(t *testing.T, env Environment) (*proc, string) {
	return openAt(t, openProc, env, Options{}, func(p *proc) { p.lastAt = epoch })
}

func TestProc(t *testing.T) {
	tree := fixture(t, "desktop")
	set(tree, "proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\nSwapTotal: 2000 kB\nSwapFree: 1500 kB")
	src, detail := openProcAt(t, machine(tree))
	if detail != "2 processors" {
		t.Errorf("detail: saw %q", detail)
	}
	// 100 ticks later, 25 of them busy.
	set(tree, procStat, "cpu 1020 20 305 8070 100 5 15 65\ncpu0 1\ncpu1 1")
	got := read(t, src, epoch.Add(500*time.Millisecond))
	if len(got) != 1 {
		t.Fatalf("saw %d rows, want 1", len(got))
	}
	s := got[0]
	if s.Device != "host" || s.Host != "testhost" || s.TSUnixNS != epoch.UnixNano()+5e8 {
		t.Errorf("saw %+v", s)
	}
	if s.UtilPct == nil || *s.UtilPct != 25 {
		t.Errorf("utilisation: saw %v, want 25%%", units.G4Ptr(s.UtilPct))
	}
	if s.ClockMHz == nil || *s.ClockMHz != 3500 {
		t.Errorf("clock: saw %v, want the mean of 3000 and 4000", units.G4Ptr(s.ClockMHz))
	}
	if s.MemUsedBytes == nil || *s.MemUsedBytes != 4_000_000*1024 {
		t.Errorf("memory: saw %v, want MemTotal - MemAvailable", s.MemUsedBytes)
	}
	if s.MemTotalBytes == nil || *s.MemTotalBytes != 16_000_000*1024 {
		t.Errorf("memory: saw %v in all, want MemTotal", s.MemTotalBytes)
	}
	if s.SwapUsedBytes == nil || *s.SwapUsedBytes != 500*1024 {
		t.Errorf("swap: saw %v, want SwapTotal - SwapFree", s.SwapUsedBytes)
	}
	if s.Throttle != "" {
		t.Errorf("throttle: saw %q, want none since it was opened", s.Throttle)
	}
}

func TestProcPace(t *testing.T) {
	tree := fixture(t, "desktop")
	src, _ := openProcAt(t, machine(tree))
	read(t, src, epoch.Add(100*time.Millisecond))
	set(tree, "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "4")
	if got := read(t, src, epoch.Add(190*time.Millisecond)); len(got) != 0 {
		t.Errorf("after 90 ms, nine ticks of the kernel: saw %+v, want no row", got)
	}
	s := read(t, src, epoch.Add(200*time.Millisecond))[0]
	if s.ClockMHz != nil || s.MemUsedBytes != nil {
		t.Errorf("saw clock %v, memory %v, want null until a second has passed", s.ClockMHz, s.MemUsedBytes)
	}
	if s.Throttle != "thermal" {
		t.Errorf("throttle: saw %q, want thermal after the count rose", s.Throttle)
	}
	s = read(t, src, epoch.Add(1200*time.Millisecond))[0]
	if s.Throttle != "" || s.ClockMHz == nil || s.MemUsedBytes == nil {
		t.Errorf("a second later: saw %+v, want clock and memory and no throttling", s)
	}
	if s.UtilPct != nil {
		t.Errorf("utilisation when no tick passed: saw %v, want null", *s.UtilPct)
	}
}

func TestProcWithoutFrequencyScaling(t *testing.T) {
	src, detail := openProcAt(t, machine(fixture(t, "virtual-machine")))
	if want := "2 processors, no clock (the kernel scales no frequency here), no throttle counter"; detail != want {
		t.Errorf("detail: saw %q, want %q", detail, want)
	}
	if s := read(t, src, epoch)[0]; s.ClockMHz != nil {
		t.Errorf("clock: saw %v, want null", *s.ClockMHz)
	}
}

func TestProcFailures(t *testing.T) {
	if _, _, err := openProc(machine(fstest.MapFS{}), Options{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no /proc: saw %v, want absent", err)
	}
	if _, _, err := openProc(machine(denied{fixture(t, "desktop"), "stat"}), Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("denied: saw %v, want permission", err)
	}
	for _, c := range []struct{ meminfo, want string }{
		{"MemTotal: 100 kB", "line MemAvailable: saw no number"},
		{"MemTotal: lots kB", "line MemTotal: saw no number"},
	} {
		tree := fixture(t, "desktop")
		src, _ := openProcAt(t, machine(tree))
		set(tree, "proc/meminfo", c.meminfo)
		got, err := src.Sample(epoch, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("meminfo %q: saw error %v, want %q", c.meminfo, err, c.want)
		}
		if len(got) != 1 || got[0].MemUsedBytes != nil || got[0].ClockMHz == nil {
			t.Errorf("meminfo %q: saw %+v, want the rest of the row and no memory", c.meminfo, got)
		}
	}
}

// What disappears while a recording runs is told of, and the rest of the row stays where there is one.
func TestProcDisappears(t *testing.T) {
	tree := fixture(t, "desktop")
	src, _ := openProcAt(t, machine(tree))
	throttle, clock := "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count", "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq"
	delete(tree, throttle)
	delete(tree, clock)
	got, err := src.Sample(epoch.Add(time.Second), nil)
	if err == nil || !strings.Contains(err.Error(), throttle) || !strings.Contains(err.Error(), clock) {
		t.Errorf("saw %v, want both files named", err)
	}
	if len(got) != 1 || got[0].ClockMHz != nil || got[0].MemUsedBytes == nil {
		t.Errorf("saw %+v, want memory and no clock", got)
	}
	delete(tree, procStat)
	if got, err := src.Sample(epoch.Add(2*time.Second), nil); err == nil || len(got) != 0 {
		t.Errorf("saw %+v, %v, want an error and no row", got, err)
	}
}
