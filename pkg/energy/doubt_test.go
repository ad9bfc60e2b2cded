package energy

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Readings that no working sensor gives: what they say is not energy, or is told.
func TestReadingsThatCannotBe(t *testing.T) {
	steady := powerAt(func(s float64) float64 { return 100 + (s-5)/10 }) // 100 W on average over the window
	frozen := powerAt(func(float64) float64 { return 100 })
	still := counterAt(func(float64) float64 { return 7 })
	none := powerAt(func(float64) float64 { return 0 })
	half := counterAt(func(s float64) float64 { return 100 * min(s, 4) }) // stands still from 4 s on
	jump := counterAt(func(s float64) float64 {
		if s > 5 {
			return 100*s + 262143
		}
		return 100 * s
	})
	for _, c := range []struct {
		name    string
		edit    func(*record.Sample)
		joules  float64 // 0: none
		grade   record.Grade
		reasons string
	}{
		{"a counter that stands still", still, 0, "", Stuck},
		{"the same beside power", both(still, steady), 800, record.GradeB, Stuck},
		{"the same beside power that stands still", both(still, frozen), 800, record.GradeC, Stuck + "," + Unchanged},
		{"power of 0 all the time", none, 0, "", Stuck},
		{"the same beside a counter", both(none, counterAt(func(s float64) float64 { return 100 * s })), 800, record.GradeB, CounterOnly},
		{"both", both(still, none), 0, "", Stuck},
		{"a counter that stands still half of the time", half, 300, record.GradeC, CounterOnly + "," + Gap},
		{"a counter that jumps", jump, 0, "", Implausible},
		{"the same beside power", both(jump, steady), 800, record.GradeB, Implausible},
		{"power beyond reason", powerAt(func(float64) float64 { return 1e300 }), 0, "", Implausible},
	} {
		r := Of(every(10*ms, 0, 10_000*ms, "nvml", "gpu:0", c.edit), window(record.GPU, 1000*ms, 9000*ms))
		if r.Grade != c.grade || strings.Join(r.Reasons, ",") != c.reasons {
			t.Errorf("%s: saw %s, %v, want %s, %s", c.name, r.Grade, r.Reasons, c.grade, c.reasons)
		}
		if c.joules == 0 && r.Joules != nil {
			t.Errorf("%s: saw %v J, want none", c.name, *r.Joules)
		} else if c.joules != 0 {
			wantNear(t, c.name, r.Joules, c.joules)
		}
	}
}

// Of what was not read no reading shows how much it was.
func TestPowerWithAGapHasNoBound(t *testing.T) {
	samples := slices.DeleteFunc(every(10*ms, 0, 10_000*ms, "nvml", "gpu:0", powerAt(func(float64) float64 { return 100 })),
		func(s record.Sample) bool { return s.TSUnixNS > t0+3000*ms && s.TSUnixNS < t0+7000*ms })
	if r := Of(samples, window(record.GPU, 1000*ms, 9000*ms)); r.Error != nil || r.Grade != record.GradeC {
		t.Errorf("saw %+v", r)
	}
}

// The energy is that of the device that worked: of sources, the one that saw the run on its GPU, and the one that knows all
// packages.
func TestTheRightSource(t *testing.T) {
	counter := func(watts float64) func(*record.Sample) {
		return counterAt(func(s float64) float64 { return watts * s })
	}
	held := func(bytes int64) func(*record.Sample) {
		return func(s *record.Sample) {
			s.MemOwnBytes, s.ForeignProcesses = units.Ptr(units.Bytes(bytes)), units.Ptr(int64(0))
		}
	}
	read := func(source, device string, edit func(*record.Sample)) []record.Sample {
		return every(10*ms, 0, 10_000*ms, source, device, edit)
	}
	other := read("hwmon", "gpu:0", counter(12))
	for _, c := range []struct {
		name    string
		device  record.Device
		samples []record.Sample
		joules  float64
		reasons string
	}{
		{"an idle GPU of another maker", record.GPU, slices.Concat(other, read("nvml", "gpu:0", both(counter(150), held(5e8)))), 150, CounterOnly},
		{"two makers, and nobody tells whose work it was", record.GPU, slices.Concat(other, read("nvml", "gpu:0", counter(150))), 12,
			CounterOnly + "," + SeveralGPUs},
		{"a source that knows one package of two", record.CPU, slices.Concat(read("amd-energy", "cpu:0", counter(100)),
			read("rapl", "cpu:0", counter(100)), read("rapl", "cpu:1", counter(80))), 180, CounterOnly},
	} {
		r := Of(c.samples, window(c.device, 4000*ms, 5000*ms))
		wantNear(t, c.name, r.Joules, c.joules)
		if got := strings.Join(r.Reasons, ","); got != c.reasons {
			t.Errorf("%s: saw %s of %s, want %s", c.name, got, r.Source, c.reasons)
		}
	}
}

// A counter that is read all the time and does not move for many of its periods is not working, however short that is
// beside the window; and behind its last update it is not taken to go on.
func TestCounterThatStalls(t *testing.T) {
	stalled := func(from, to float64) func(*record.Sample) {
		return func(s *record.Sample) {
			at := seconds(s)
			s.EnergyCounterJoules = units.Ptr(units.Joules(100 * (min(at, from) + max(at-to, 0))))
		}
	}
	for _, c := range []struct {
		name     string
		from, to float64
		joules   float64
		grade    record.Grade
	}{
		{"within", 4, 4.9, 310, record.GradeC},
		{"up to the end", 4.2, 20, 320, record.GradeC},
		{"for two readings", 4, 4.02, 398, record.GradeC},
		{"for a period", 4, 4.001, 399.9, record.GradeB},
	} {
		r := Of(every(10*ms, 0, 10_000*ms, "rapl", "cpu:0", stalled(c.from, c.to)), window(record.CPU, 1000*ms, 5000*ms))
		if r.Joules == nil || math.Abs(float64(*r.Joules)-c.joules) > 0.2 || r.Grade != c.grade || (r.Error == nil) != (c.grade == record.GradeC) {
			t.Errorf("%s: saw %s J ± %s, %s %v, want %v, %s", c.name, units.G4Ptr(r.Joules), units.G4Ptr(r.Error), r.Grade, r.Reasons, c.joules, c.grade)
		}
	}
}

// What power was where readings are missing no reading tells, also below a second.
func TestPowerThatDropsOut(t *testing.T) {
	power := powerAt(func(s float64) float64 { return 50 + math.Mod(s*100, 3) })
	for lost, grade := range map[int64]record.Grade{0: record.GradeB, 100: record.GradeB, 500: record.GradeC, 950: record.GradeC} {
		samples := slices.DeleteFunc(every(10*ms, 0, 10_000*ms, "hwmon", "gpu:0", power), func(s record.Sample) bool {
			return s.TSUnixNS > t0+3000*ms && s.TSUnixNS < t0+(3000+lost)*ms
		})
		r := Of(samples, window(record.GPU, 1000*ms, 5000*ms))
		if r.Grade != grade || slices.Contains(r.Reasons, Gap) != (grade == record.GradeC) || (r.Error == nil) != (grade == record.GradeC) {
			t.Errorf("%d ms lost: saw %s, %v, ± %s", lost, r.Grade, r.Reasons, units.G4Ptr(r.Error))
		}
	}
}

// Readings that look odd and are not: what they say is believed.
func TestReadingsThatAreOrdinary(t *testing.T) {
	whole := func(s float64) float64 { return 180 + math.Floor(math.Mod(s*7, 3)) } // repeats now and then
	slow := func(s *record.Sample) { s.EnergyCounterJoules = units.Ptr(units.Joules(20 * math.Floor(seconds(s)))) }
	low := both(counterAt(func(s float64) float64 { return 4.5 * s }), powerAt(func(s float64) float64 { return 4 + math.Mod(math.Floor(s), 2)/100 }))
	for _, c := range []struct {
		name    string
		samples []record.Sample
		device  record.Device
		source  string
		grade   record.Grade
		reasons string
	}{
		{"a meter in whole watts, once per second", every(1000*ms, 0, 40_000*ms, "meter", "meter:wall", powerAt(whole)), record.CPU, "meter",
			record.GradeB, PowerOnly},
		{"RAPL that a hypervisor passes on once per second", every(50*ms, 0, 40_000*ms, "rapl", "cpu:0", slow), record.CPU, "",
			record.GradeB, CounterOnly},
		{"power in steps of a watt beside a counter, of little power", every(50*ms, 0, 40_000*ms, "nvml", "gpu:0", low), record.GPU, "",
			record.GradeB, Disagree},
		{"means over a time that nobody tells", every(100*ms, 0, 40_000*ms, "hwmon", "gpu:0", func(s *record.Sample) {
			s.PowerAvgW = units.Ptr(units.Watts(whole(seconds(s))))
		}), record.GPU, "", record.GradeC, PowerOnly + "," + PowerAveraged},
	} {
		w := window(c.device, 5300*ms, 35_300*ms)
		w.Source = c.source
		r := Of(c.samples, w)
		if got := strings.Join(r.Reasons, ","); r.Joules == nil || r.Grade != c.grade || got != c.reasons {
			t.Errorf("%s: saw %s J ± %s, %s %s, want %s %s", c.name, units.G4Ptr(r.Joules), units.G4Ptr(r.Error), r.Grade, got, c.grade, c.reasons)
		}
		if (r.Error == nil) != (c.grade == record.GradeC) {
			t.Errorf("%s: saw a bound of %s", c.name, units.G4Ptr(r.Error))
		}
	}
}

// Behind the last of two or three updates nothing shows how high power goes: there is no bound, and a reason that says why.
func TestTooFewUpdatesForABound(t *testing.T) {
	for _, updates := range []int64{1, 2} {
		rising := func(s float64) float64 { return 100 * min(math.Floor(10*s)/10, float64(updates)/10) }
		samples := every(10*ms, 0, 1000*ms, "hwmon", "cpu:0", untold(rising))
		r := Of(samples, window(record.CPU, 0, 100*updates*ms+50*ms))
		if r.Joules == nil || r.Error != nil || !slices.Contains(r.Reasons, UnderSampled) {
			t.Errorf("%d updates: saw %s J ± %s, %v, want no bound, %s",
				updates, units.G4Ptr(r.Joules), units.G4Ptr(r.Error), r.Reasons, UnderSampled)
		}
	}
}

// A meter may have a rack behind it, or a hall; a processor does not draw what one does.
func TestMostPower(t *testing.T) {
	for _, c := range []struct {
		source, device string
		watts          float64
		reasons        string
	}{
		{"meter", "meter:rack", 25e3, PowerOnly},
		{"meter", "meter:hall", 120e6, PowerOnly},
		{"meter", "meter:broken", 2e9, Implausible},
		{"ipmi", "system", 25e3, PowerOnly},
		{"rapl", "cpu:0", 25e3, Implausible},
		{"nvml", "gpu:0", 25e3, Implausible},
		{"battery", "battery:BAT0", 25e3, Implausible},
	} {
		w := window(record.CPU, 20_000*ms, 120_000*ms)
		w.Source = c.source
		r := Of(every(1000*ms, 0, 200_000*ms, c.source, c.device, powerAt(func(s float64) float64 { return c.watts * (1 + s/1e6) })), w)
		if saw := strings.Join(r.Reasons, ","); saw != c.reasons || (r.Joules == nil) != (c.reasons == Implausible) {
			t.Errorf("%s of %g W: saw %s J, %s, want %s", c.device, c.watts, units.G4Ptr(r.Joules), saw, c.reasons)
		}
	}
}
