package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

func setPressure(tree fstest.MapFS, cpu, memory, io uint64) {
	for name, total := range map[string]uint64{"cpu": cpu, "memory": memory, "io": io} {
		set(tree, pressureFolder+"/"+name, fmt.Sprintf("some avg10=9.00 avg60=9.00 avg300=9.00 total=%d\n"+
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=7", total))
	}
}

func TestPressure(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	setPressure(tree, 1000, 2000, 3000)
	src, _ := openAt(t, openPressure, machine(tree), Options{}, func(p *pressure) { p.at, p.slow.last = epoch, epoch })
	if got := read(t, src, epoch.Add(900*time.Millisecond)); len(got) != 0 {
		t.Errorf("within a second: saw %+v, want no row", got)
	}
	setPressure(tree, 501_000, 2000, 9_003_000) // half a second of two; none; more than there was
	s := read(t, src, epoch.Add(2*time.Second))[0]
	if s.Device != "host" || s.PressureCPUPct == nil || *s.PressureCPUPct != 25 || *s.PressureMemPct != 0 || *s.PressureIOPct != 100 {
		t.Errorf("saw %s %v %v %v, want 25, 0, 100", s.Device, units.G4Ptr(s.PressureCPUPct), units.G4Ptr(s.PressureMemPct),
			units.G4Ptr(s.PressureIOPct))
	}
	setPressure(tree, 0, 2000, 9_003_000)
	if s := read(t, src, epoch.Add(3*time.Second))[0]; s.PressureCPUPct != nil || s.PressureMemPct == nil {
		t.Errorf("a total that fell: saw %v, want null and the others", *s.PressureCPUPct)
	}
	set(tree, "proc/pressure/io", "nothing")
	if got, err := src.Sample(epoch.Add(4*time.Second), nil); err == nil || len(got) != 0 ||
		!strings.Contains(err.Error(), `proc/pressure/io: saw "nothing"`) {
		t.Errorf("saw %v, %v", got, err)
	}
}

// unsupported is a tree whose kernel was told not to count pressure: the files are there and cannot be read.
type unsupported struct{ fs.FS }

func (u unsupported) Open(name string) (fs.File, error) {
	if strings.HasPrefix(name, pressureFolder) {
		return nil, &fs.PathError{Op: "read", Path: name, Err: syscall.EOPNOTSUPP}
	}
	return u.FS.Open(name)
}

func TestPressureUnavailable(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	for _, c := range []struct {
		name  string
		files fs.FS
		kind  error
		fix   string
	}{
		{"kernel without", tree, ErrAbsent, pressureBoot},
		{"turned off", unsupported{tree}, ErrAbsent, pressureBoot},
		{"not Linux", fstest.MapFS{}, ErrAbsent, ""},
		{"denied", denied{tree, "pressure/cpu"}, ErrPermission, "sudo chmod a+r /proc/pressure/*"},
	} {
		_, _, err := openPressure(machine(c.files), Options{})
		var u *unavailable
		if !errors.Is(err, c.kind) || !errors.As(err, &u) || u.fix != c.fix {
			t.Errorf("%s: saw %v, want %v and %q", c.name, err, c.kind, c.fix)
		}
	}
}
