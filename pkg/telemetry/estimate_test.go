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
	if r := src.Resolution()["cpu"]; r.Counter != 10*time.Millisecond || deref(s.CounterUpdateNS) != 1e7 {
		t.Errorf("saw resolution %+v and %d ns, want the kernel's tick", r, deref(s.CounterUpdateNS))
	}
	if s.PowerW != nil {
		t.Errorf("power over 5 ms: saw %v, want null", *s.PowerW)
	}
	if want := 2 * 0.74 * 0.005; !near(float64(*s.EnergyCounterJoules), want) {
		t.Errorf("energy: saw %v, want %v", *s.EnergyCounterJoules, want)
	}
	set(tree, procStat, "cpu 104 0 0 904\ncpu0 1\ncpu1 1")
	s = read(t, src, epoch.Add(400*time.Millisecond))[0]
	want := 2*0.74*0.400 + 0.040*2.76
	if !near(float64(*s.EnergyCounterJoules), want) || s.PowerW == nil || !near(float64(*s.PowerW), want/0.400) {
		t.Errorf("saw %v J, %v W, want %v J, %v W", *s.EnergyCounterJoules, units.G4Ptr(s.PowerW), want, want/0.400)
	}
}

// A tick that is told late is no power beyond the model's full load, neither in the column nor by the counter between any two
// readings, and is not lost.
func TestEstimateStaysBelowFullLoad(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	src, _ := openEstimateAt(t, tree, Options{})
	const full = 2 * 3.5
	before, at := 0.0, time.Duration(0)
	for _, c := range []struct {
		at     time.Duration
		stat   string
		energy float64
	}{
		{100 * time.Millisecond, "cpu 122 0 0 900", full * 0.1}, // 22 ticks in the time of 20
		{105 * time.Millisecond, "cpu 122 0 0 900", full * 0.105},
		{200 * time.Millisecond, "cpu 122 0 0 919", 2*0.74*0.2 + 0.22*2.76},
	} {
		set(tree, procStat, c.stat+"\ncpu0 1\ncpu1 1")
		s := read(t, src, epoch.Add(c.at))[0]
		got := float64(*s.EnergyCounterJoules)
		if !near(got, c.energy) {
			t.Errorf("%v: saw %v J, want %v", c.at, got, c.energy)
		}
		if mean := (got - before) / (c.at - at).Seconds(); mean > full+1e-9 {
			t.Errorf("%v: saw %v W by the counter, above full load", c.at, mean)
		}
		if s.PowerW != nil && float64(*s.PowerW) > full+1e-9 {
			t.Errorf("%v: saw %v W, above full load", c.at, *s.PowerW)
		}
		before, at = got, c.at
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

// Coefficients from the table of processors: on a whole machine each package, in a virtual machine the threads it has.
func TestEstimateFromTable(t *testing.T) {
	info := func(model, flags string) string {
		return "processor : 0\nmodel name : " + model + "\nflags : fpu " + flags + " x"
	}
	for _, c := range []struct {
		tree, info string
		idle, full float64 // of all processors
		detail     string
	}{
		{"two-sockets", info("AMD EPYC 7763 64-Core Processor", "vme"), 2 * 0.12 * 280, 2 * 280,
			"4 processors, 67.2 W idle, 560 W at full load: an estimate, from the 280 W (TDP) of a EPYC 7763, " +
				"amd_cpu_server_dataset of 2025-07-11 in CodeCarbon, 2 packages"},
		{"virtual-machine", info("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", "hypervisor"), 0.12 * 210 * 2 / 48, 210. * 2 / 48,
			"2 processors, 1.05 W idle, 8.75 W at full load: an estimate, from the 210 W (TDP) of a Xeon Platinum 8259CL, " +
				"cpu_power of 2026-04-13 in CodeCarbon, scaled to 2 of its 48 threads as this is a virtual machine"},
		{"virtual-machine", info("Intel(R) Core(TM) i9-9900K CPU @ 3.60GHz", "hypervisor"), 1.48, 7,
			"2 processors, 1.48 W idle, 7 W at full load: an estimate, averages of Cloud Carbon Footprint, as the table does " +
				"not tell how many threads of a i9-9900K are this virtual machine's"},
		{"virtual-machine", info("Intel(R) Xeon(R) Processor", "hypervisor"), 1.48, 7,
			"2 processors, 1.48 W idle, 7 W at full load: an estimate, averages of Cloud Carbon Footprint, as the table of " +
				"processors has no \"Intel(R) Xeon(R) Processor\""},
	} {
		tree := fixture(t, c.tree)
		set(tree, "proc/cpuinfo", c.info)
		src, detail := openEstimateAt(t, tree, Options{})
		if detail != c.detail {
			t.Errorf("saw %q, want %q", detail, c.detail)
		}
		cpus := float64(src.times.cpus)
		if !near(float64(src.idle)*cpus, c.idle) || !near(float64(src.max)*cpus, c.full) {
			t.Errorf("%s: saw %v W and %v W of each, want %v and %v of all", c.info, src.idle, src.max, c.idle, c.full)
		}
	}
	tree := fixture(t, "desktop")
	set(tree, "proc/cpuinfo", info("AMD EPYC 7763 64-Core Processor", "vme"))
	src, detail := openEstimateAt(t, tree, Options{CPUIdleWatts: units.Ptr(units.Watts(1)), CPUMaxWatts: units.Ptr(units.Watts(3))})
	if src.max != 1.5 || !strings.HasSuffix(detail, "given for each of 1 package") {
		t.Errorf("given watts: saw %v and %q, want them to win over the table", src.max, detail)
	}
}
