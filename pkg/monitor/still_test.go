package monitor

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// stepped is what a counter that is renewed every 100 ms shows of the energy that was drawn.
func stepped(drawn func(float64) float64) func(s *record.Sample, at float64) {
	return func(s *record.Sample, at float64) {
		s.EnergyCounterJoules = units.Ptr(units.Joules(drawn(math.Floor(at*10) / 10)))
		s.CounterUpdateNS = units.Ptr(int64(100 * time.Millisecond))
	}
}

// beside is a counter with readings of 302 W beside it.
func beside(counter func(*record.Sample, float64)) func(*record.Sample, float64) {
	return func(s *record.Sample, at float64) {
		counter(s, at)
		s.PowerW = units.Ptr(units.Watts(300 + float64(int64(at*1e3)*7919%5)))
		s.PowerUpdateNS = units.Ptr(int64(50 * time.Millisecond))
	}
}

// A counter that stood still, or rises as none does, is no counter: where power was read beside it, energy, bound and grade are its.
func TestPowerInsteadOfACounter(t *testing.T) {
	for name, c := range map[string]struct {
		drawn func(float64) float64
		why   string
	}{
		"stops":         {func(t float64) float64 { return 300 * min(t, 20) }, energy.Stuck},
		"stops early":   {func(t float64) float64 { return 300 * min(t, 1) }, energy.Stuck},
		"stops late":    {func(t float64) float64 { return 300 * min(t, 57) }, energy.Stuck},
		"begins late":   {func(t float64) float64 { return 300 * max(t, 25) }, energy.Stuck},
		"loses":         {func(t float64) float64 { return 300 * (min(t, 30) + max(t-42, 0)) }, energy.Stuck},
		"30 kW":         {func(t float64) float64 { return 30_000 * t }, energy.Implausible},
		"leaps":         {func(t float64) float64 { return 300*t + 1e7*math.Floor(t/30.05) }, energy.Implausible},
		"leaps by less": {func(t float64) float64 { return 300*t + 5e4*math.Floor(t/50.05) }, energy.Implausible},
	} {
		d, _ := gradedAs("nvml", "gpu:0", 50*time.Millisecond, time.Minute, beside(stepped(c.drawn)))
		if d.EnergyJ == nil || math.Abs(float64(*d.EnergyJ)-302*60) > 30 || d.Method != Integrated || d.Grade.Grade != record.GradeB ||
			!slices.Equal(d.Grade.Reasons, []string{c.why}) || d.ErrorJ == nil || *d.ErrorJ < 5 || *d.ErrorJ > 50 {
			t.Errorf("%s: saw %s J ± %s by %s, %v, want 18120 by power, B and %s", name, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Method,
				d.Grade, c.why)
		}
	}
}

// What hangs behind a meter may be a rack, which draws more than any processor or GPU does.
func TestRackBehindAMeter(t *testing.T) {
	load := func(s *record.Sample, at float64) { s.PowerW = units.Ptr(units.Watts(120_000 + 500*math.Sin(at/3))) }
	for device, want := range map[string][]string{"meter:rack": {energy.PowerOnly}, "gpu:0": {energy.Implausible}} {
		d, _ := gradedAs("meter", device, time.Second, 5*time.Minute, load)
		if !slices.Equal(d.Grade.Reasons, want) || (d.EnergyJ != nil) != (device == "meter:rack") {
			t.Errorf("%s: saw %s J, %v, want %v", device, units.G4Ptr(d.EnergyJ), d.Grade, want)
		}
	}
}

// Of a counter alone that stood still there is no bound, and of one that rises as none does no energy.
func TestCounterAloneThatStandsStill(t *testing.T) {
	for _, c := range []struct{ stops, length float64 }{{20, 30}, {20, 60}, {20, 120}, {11, 60}, {57, 60}, {20.3, 60}, {100, 600}} {
		d, _ := gradedAs("rapl", "cpu:0", 50*time.Millisecond, time.Duration(c.length)*time.Second, func(s *record.Sample, at float64) {
			s.EnergyCounterJoules = units.Ptr(units.Joules(100 * min(at, c.stops)))
		})
		if d.EnergyJ == nil || d.Grade.Grade != record.GradeC || d.ErrorJ != nil || !slices.Contains(d.Grade.Reasons, energy.Gap) {
			t.Errorf("%v: saw %s J ± %s, %v, want C without a bound", c, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
		}
	}
	d, _ := gradedAs("rapl", "cpu:0", 50*time.Millisecond, time.Minute, stepped(func(t float64) float64 { return 100*t + 1e6*math.Floor(t/30.05) }))
	if d.EnergyJ != nil || d.ErrorJ != nil || d.PeakW != nil || d.Grade.Grade != "" || !slices.Equal(d.Grade.Reasons, []string{energy.Implausible}) {
		t.Errorf("leaps: saw %s J ± %s, %v, want none and why", units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
	}
}

// A slow counter does not stand still between its updates, nor one that a recorder did not read.
func TestSlowCounterIsNotStill(t *testing.T) {
	for _, c := range []struct {
		source  string
		renewed float64
		every   time.Duration
	}{{"hwmon", 3, 100 * time.Millisecond}, {"hwmon", 1, 50 * time.Millisecond}, {"rapl", 0.001, 10 * time.Second}} {
		set := func(s *record.Sample, at float64) {
			s.EnergyCounterJoules = units.Ptr(units.Joules(200 * math.Floor(at/c.renewed) * c.renewed))
		}
		d, _ := gradedAs(c.source, "cpu:0", c.every, 10*time.Minute, set)
		if d.Method != Counter || d.Grade.Grade != record.GradeB || d.ErrorJ == nil {
			t.Errorf("%v: saw %s J ± %s, %v, want B", c, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
		}
	}
}

// What a counter had risen to before it began again in a pause of its recorder is not known.
func TestResetInAPause(t *testing.T) {
	m, g := New(), NewGrader()
	for i := range 1201 {
		now := time.Duration(i) * 50 * time.Millisecond
		if i > 400 && i < 800 {
			continue
		}
		s := at(now+time.Microsecond, "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(5 * (i - i/800*800)))
		for _, s := range []record.Sample{own(now, ""), s} {
			m.Add(s)
			g.Add(&s)
		}
	}
	d := Summarize(m, g).Devices[0]
	near(t, "without the pause", d.EnergyJ, 4000)
	if d.Grade.Grade != record.GradeC || d.ErrorJ != nil || !slices.Contains(d.Grade.Reasons, energy.CounterReset) {
		t.Errorf("saw ± %s, %v, want C for the reset", units.G4Ptr(d.ErrorJ), d.Grade)
	}
}

// Readings that always changed and then to the end repeat one value in the midst of theirs are of a sensor that stands still; a meter
// in coarse steps at constant power is none, nor one whose load went or met a limit, and its bound counts what is below a watt.
func TestMeterThatStandsStill(t *testing.T) {
	noise := func(at float64) float64 { return math.Sin(1e5 * at) }
	rest := func(before func(float64) float64, watts float64) func(float64) float64 {
		return func(at float64) float64 {
			if at < 20 {
				return before(at)
			}
			return watts
		}
	}
	for name, c := range map[string]struct {
		watts func(float64) float64
		still bool
	}{
		"stops":                  {func(at float64) float64 { return 300 + 8*noise(min(at, 20)) }, true},
		"stops, goes on, stops":  {func(at float64) float64 { return 300 + 8*noise(max(min(at, 20), min(at-300, 50.3))) }, true},
		"lives after all":        {func(at float64) float64 { return 300 + 8*noise(at-min(max(at-20, 0), 300)) }, false},
		"whole watts at rest":    {func(at float64) float64 { return math.Round(300 + 8*noise(min(at, 20))) }, false},
		"25 mW steps at rest":    {func(at float64) float64 { return math.Round(40*(5+noise(min(at, 20))/8)) / 40 }, false},
		"at a limit":             {rest(func(at float64) float64 { return 290 + 10*noise(at) }, 299), false},
		"idle":                   {rest(func(at float64) float64 { return 25.4 + noise(at)/2 }, 24.96), false},
		"whole watts":            {func(at float64) float64 { return math.Round(300.3 + 0.6*noise(min(at, 20))) }, false},
		"whole watts, then idle": {func(at float64) float64 { return math.Round(60 + max(20-at, 0)*(12+0.4*noise(at))) }, false},
		"below a limit":          {func(at float64) float64 { return min(400, 398+8*noise(at)+max(0, at-20)) }, false},
		"comes to rest":          {func(at float64) float64 { return 300 + math.Round(1e3*8*math.Exp(-at))/1e3 + max(at-380, 0)*noise(at) }, false},
		"steps between levels": {func(at float64) float64 {
			return 280 + 30*math.Round(3*noise(math.Floor(at/15))) + max(at-380, 0)*noise(at)
		}, false},
		"idle, load in tenths": {func(at float64) float64 { return math.Round(600+max(at-380, 0)*(120+4*noise(at))) / 10 }, false},
	} {
		d, _ := gradedAs("meter", "meter:x", 100*time.Millisecond, 400*time.Second, func(s *record.Sample, at float64) {
			s.PowerW = units.Ptr(units.Watts(c.watts(at)))
		})
		still := slices.Contains(d.Grade.Reasons, energy.Unchanged)
		if still != c.still || still != (d.ErrorJ == nil) || still && d.Grade.Grade != record.GradeC || !still && *d.ErrorJ < min(16, 5e-3**d.EnergyJ) {
			t.Errorf("%s: saw %s J ± %s, %v, want it to stand still: %t", name, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade, c.still)
		}
	}
}

// What rounding to whole watts takes from power is to one side in all parts, and no longer recording makes it less.
func TestWholeWattsAreOffToOneSide(t *testing.T) {
	for length, share := range map[time.Duration]float64{20 * time.Second: 0.4, 10 * time.Minute: 0.4} {
		d, _ := gradedAs("meter", "meter:x", 100*time.Millisecond, length, func(s *record.Sample, at float64) {
			s.PowerW = units.Ptr(units.Watts(math.Round(300.4 + 0.2*math.Sin(1e5*at))))
		})
		if off := share * length.Seconds(); d.ErrorJ == nil || float64(*d.ErrorJ) < off || float64(*d.ErrorJ) > 2*off || d.Grade.Grade != record.GradeB {
			t.Errorf("%v: saw ± %s J, %v, want at least %.0f", length, units.G4Ptr(d.ErrorJ), d.Grade, off)
		}
	}
}

// Rounding takes half a step to one side at most, however far off readings were while power moved.
func TestCoarseStepsAtRest(t *testing.T) {
	d, _ := gradedAs("ipmi", "system", time.Second, time.Hour, func(s *record.Sample, at float64) {
		s.PowerW = units.Ptr(units.Watts(math.Round(20+min(max(300-at, 0), 1)*(1+1.5*math.Sin(1e5*at))) * 10))
	})
	if d.ErrorJ == nil || *d.ErrorJ < 5*3300 || *d.ErrorJ > 5*3300+2000 || d.Grade.Grade != record.GradeB {
		t.Errorf("saw %s J ± %s, %v, want half of 10 W for most of an hour", units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
	}
}

// A counter that rests while power beside it is 0 has nothing to count, and is right, however late power shows it.
func TestCounterRestsWithoutPower(t *testing.T) {
	for _, rest := range []float64{1.5, 5, 30} {
		watts := func(at float64) float64 {
			if math.Mod(at, 60) >= 60-rest {
				return 0
			}
			return 65 + 25*math.Sin(9*at)
		}
		joules, until := 0.0, 0.0
		d, _ := gradedAs("hwmon", "gpu:0", 100*time.Millisecond, 5*time.Minute, func(s *record.Sample, at float64) {
			for ; until+1e-3 <= at; until += 1e-3 {
				joules += watts(until) * 1e-3
			}
			s.EnergyCounterJoules = units.Ptr(units.Joules(math.Round(1e6*joules) / 1e6))
			s.PowerW, s.PowerUpdateNS = units.Ptr(units.Watts(watts(math.Floor(at)))), units.Ptr(int64(time.Second))
		})
		if d.Method != Counter || slices.Contains(d.Grade.Reasons, energy.Stuck) || math.Abs(float64(*d.EnergyJ)-joules) > 1 {
			t.Errorf("%v s: saw %s J by %s, %v, want %.1f J by the counter", rest, units.G4Ptr(d.EnergyJ), d.Method, d.Grade, joules)
		}
	}
}
