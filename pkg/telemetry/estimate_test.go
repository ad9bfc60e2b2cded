package telemetry

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

func openEstimateAt(t *testing.T, tree fstest.MapFS, opt Options) (*estimate, string) {
	return openAt(t, openEstimate, machine(tree), opt, func(e *estimate) { e.at, e.rateFromAt = epoch, epoch })
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

// One second in which 100 of 200 ticks were busy, reckoned by hand.
func TestEstimate(t *testing.T) {
	watts := func(idle, full units.Watts) Options { return Options{CPUIdleWatts: &idle, CPUMaxWatts: &full} }
	for _, c := range []struct {
		name, tree, stat string
		opt              Options
		want             float64 // W, and as it is one second J
		detail           string
	}{
		{"published", "virtual-machine", "cpu 200 0 0 1000\ncpu0 1\ncpu1 1", Options{},
			2*0.74 + 0.5*2*(3.5-0.74), "2 processors, 1.48 W idle, 7 W at full load: an estimate, averages of Cloud Carbon Footprint"},
		{"given, one package", "virtual-machine", "cpu 200 0 0 1000\ncpu0 1\ncpu1 1", watts(10, 50),
			10 + 0.5*40, "2 processors, 10 W idle, 50 W at full load: an estimate, given for each of 1 package"},
		{"given, two packages", "two-sockets", "cpu 1200 0 0 9200\ncpu0 1\ncpu1 1\ncpu2 1\ncpu3 1", watts(10, 50),
			2 * (10 + 0.5*40), "4 processors, 20 W idle, 100 W at full load: an estimate, given for each of 2 packages"},
	} {
		tree := fixture(t, c.tree)
		src, detail := openEstimateAt(t, tree, c.opt)
		if detail != c.detail {
			t.Errorf("%s: detail: saw %q, want %q", c.name, detail, c.detail)
		}
		set(tree, procStat, c.stat)
		s := read(t, src, epoch.Add(time.Second))[0]
		if s.Source != "cpu-estimate" || s.Device != "cpu" {
			t.Errorf("%s: saw source %q, device %q", c.name, s.Source, s.Device)
		}
		if s.PowerW == nil || !near(float64(*s.PowerW), c.want) {
			t.Errorf("%s: power: saw %v, want %v", c.name, units.G4Ptr(s.PowerW), c.want)
		}
		if s.EnergyCounterJoules == nil || !near(float64(*s.EnergyCounterJoules), c.want) {
			t.Errorf("%s: energy: saw %v, want %v", c.name, units.G4Ptr(s.EnergyCounterJoules), c.want)
		}
	}
}

// Readings closer than the kernel's ticks advance the counter and give no power, and the next power covers all of it.
func TestEstimateBetweenTicks(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	src, _ := openEstimateAt(t, tree, Options{})
	s := read(t, src, epoch.Add(5*time.Millisecond))[0]
	if s.PowerW != nil {
		t.Errorf("power over 5 ms: saw %v, want null", *s.PowerW)
	}
	if want := 2 * 0.74 * 0.005; !near(float64(*s.EnergyCounterJoules), want) {
		t.Errorf("energy: saw %v, want %v", *s.EnergyCounterJoules, want)
	}
	set(tree, procStat, "cpu 104 0 0 904\ncpu0 1\ncpu1 1")
	s = read(t, src, epoch.Add(40*time.Millisecond))[0]
	want := 2*0.74*0.040 + 0.040*2.76
	if !near(float64(*s.EnergyCounterJoules), want) || s.PowerW == nil || !near(float64(*s.PowerW), want/0.040) {
		t.Errorf("saw %v J, %v W, want %v J, %v W", *s.EnergyCounterJoules, units.G4Ptr(s.PowerW), want, want/0.040)
	}
}

func TestEstimateFailures(t *testing.T) {
	if _, _, err := openEstimate(machine(fstest.MapFS{}), Options{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no /proc: saw %v, want absent", err)
	}
	tree := fixture(t, "virtual-machine")
	src, _ := openEstimateAt(t, tree, Options{})
	delete(tree, procStat)
	if got, err := src.Sample(epoch, nil); err == nil || len(got) != 0 {
		t.Errorf("saw %v, %v, want an error and no row", got, err)
	}
}

func TestOptionsValidate(t *testing.T) {
	w := func(v float64) *units.Watts { return units.Ptr(units.Watts(v)) }
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{}, ""},
		{Options{CPUIdleWatts: w(10), CPUMaxWatts: w(65)}, ""},
		{Options{CPUIdleWatts: w(0), CPUMaxWatts: w(1)}, ""},
		{Options{CPUIdleWatts: w(10)}, "want both or neither"},
		{Options{CPUMaxWatts: w(10)}, "want both or neither"},
		{Options{CPUIdleWatts: w(-1), CPUMaxWatts: w(10)}, "saw idle -1"},
		{Options{CPUIdleWatts: w(10), CPUMaxWatts: w(10)}, "want 0 <= idle < full load"},
		{Options{CPUIdleWatts: w(10), CPUMaxWatts: w(math.NaN())}, "want 0 <= idle < full load"},
		{Options{CPUIdleWatts: w(10), CPUMaxWatts: w(math.Inf(1))}, "want 0 <= idle < full load"},
	} {
		err := c.opt.Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("saw %v, want %q", err, c.want)
		}
	}
}
