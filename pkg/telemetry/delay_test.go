package telemetry

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

// slowly is a watch, and a reading of 1, 2, 3 … whose k-th call takes took[k].
func slowly(took ...time.Duration) (watch stopwatch, get func() (uint64, error)) {
	now, calls := epoch, 0
	return func() time.Time { return now }, func() (uint64, error) {
		now = now.Add(took[calls])
		calls++
		return uint64(calls), nil
	}
}

func TestDelay(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		name string
		last time.Duration // of the reading before
		took []time.Duration
		v    uint64
		end  time.Duration
		says time.Duration // the update period; 0 for nothing
	}{
		{"prompt", 0, []time.Duration{prompt}, 1, prompt, 0},
		{"held up once", prompt, []time.Duration{5 * ms, prompt}, 2, 5*ms + prompt, 0},
		{"held up twice", prompt, []time.Duration{5 * ms, 3 * ms}, 2, 8 * ms, 4 * ms},
		{"held up longer", prompt, []time.Duration{3 * ms, 5 * ms}, 1, 3 * ms, 4 * ms},
		{"slow always", 2 * ms, []time.Duration{3 * ms}, 1, 3 * ms, 4 * ms},
	} {
		watch, get := slowly(c.took...)
		d := delay{last: c.last, told: ms}
		v, end, err := d.read(watch, get)
		if v != c.v || end.Sub(epoch) != c.end || err != nil {
			t.Errorf("%s: saw %d at %v, %v, want %d at %v", c.name, v, end.Sub(epoch), err, c.v, c.end)
		}
		if says := d.update(ms, false); (says == nil) != (c.says == 0) || says != nil && *says != int64(c.says) {
			t.Errorf("%s: saw an update period of %d, want %d", c.name, deref(says), c.says)
		}
	}
}

// At its turn a row tells of the longest reading since the turn before, and in between only of a longer one.
func TestDelayIsToldOf(t *testing.T) {
	const ms = time.Millisecond
	watch, get := slowly(4*ms, 3*ms, 5*ms, prompt, prompt)
	var d delay
	d.last = 4 * ms // none is read twice
	for i, c := range []struct {
		turn bool
		want time.Duration
	}{{true, 5 * ms}, {false, 0}, {false, 6 * ms}, {true, 6 * ms}, {true, ms}} {
		if _, _, err := d.read(watch, get); err != nil {
			t.Fatal(err)
		}
		if got := d.update(ms, c.turn); (got == nil) != (c.want == 0) || got != nil && *got != int64(c.want) {
			t.Errorf("reading %d: saw %d, want %d", i, deref(got), c.want)
		}
	}
	if _, _, err := d.read(watch, func() (uint64, error) { return 0, fs.ErrPermission }); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("saw %v", err)
	}
}

// tardy is a tree in which the files whose names end in suffix take their time.
type tardy struct {
	fs.FS
	suffix string
	takes  time.Duration
}

func (s tardy) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, s.suffix) {
		time.Sleep(s.takes)
	}
	return s.FS.Open(name)
}

// A zone whose reading takes long does not shift the ones behind it, stands where it was read, and says how well that is
// known.
func TestRAPLReadingTakesLong(t *testing.T) {
	const long = 3 * time.Millisecond
	src, _, err := openRAPL(machine(tardy{fixture(t, "two-sockets"), "intel-rapl:0/energy_uj", long}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	rows := byDevice(t, read(t, src, epoch))
	for device, s := range rows {
		if at := time.Duration(s.TSUnixNS - epoch.UnixNano()); at < long {
			t.Errorf("%s: saw a row %v after the sweep began, want %v or more", device, at, long)
		}
	}
	if s := rows["cpu:0"]; s.CounterUpdateNS == nil || *s.CounterUpdateNS < int64(raplUpdate+long) {
		t.Errorf("cpu:0: saw an update period of %d ns, want the reading's length in it", deref(s.CounterUpdateNS))
	}
}

// What passes between the sweep's clock and the source's is not lost where the sweep's has a monotonic reading.
func TestWatchGoesOn(t *testing.T) {
	const held = 2 * time.Millisecond
	now := time.Now()
	time.Sleep(held)
	if passed := startWatch(now)().Sub(now); passed < held {
		t.Errorf("saw %v on the watch, want %v or more", passed, held)
	}
	if passed := startWatch(epoch)().Sub(epoch); passed < 0 || passed > time.Hour {
		t.Errorf("of a time without one: saw %v on the watch, want next to nothing", passed)
	}
}
