package energy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// wallRows are the recorder's rows every interval, with the wall clock ahead of the timeline by offset at each.
func wallRows(interval, from, to int64, offset func(t int64) int64) []record.Sample {
	return every(interval, from, to, record.SourceRecorder, record.RecorderDevice, func(s *record.Sample) {
		s.WallOffsetNS = units.Ptr(offset(s.TSUnixNS - t0))
	})
}

// joinAll joins runs to samples given in any order.
func joinAll(t *testing.T, samples []record.Sample, runs ...*record.Run) Summary {
	t.Helper()
	slices.SortStableFunc(samples, func(a, b record.Sample) int { return cmp.Compare(a.TSUnixNS, b.TSUnixNS) })
	j := NewJoiner()
	for _, r := range runs {
		if err := j.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	for i := range samples {
		j.Sample(&samples[i])
	}
	return j.Finish()
}

// The wall clock is set by an hour, or a little, in the middle of a recording: windows after it are found where they were,
// windows near it are doubted and as long as they were, and wall times that came twice or never have no energy.
func TestClockSteps(t *testing.T) {
	const set, end = 30_000 * ms, 60_000 * ms
	power := func(s float64) float64 { // joules: 10 W before the clock is set and 20 W after
		return 10*s + 10*max(0, s-30)
	}
	for _, c := range []struct {
		name     string
		by       int64 // how far the clock is set
		from, to int64 // of the window, wall clock after t0
		want     float64
		reasons  string
	}{
		{"well before", 3_600_000 * ms, 10_000 * ms, 12_000 * ms, 20, "counter_only"},
		{"forward, well after", 3_600_000 * ms, 3_640_000 * ms, 3_642_000 * ms, 40, "counter_only"},
		{"forward, in the hour that never was", 3_600_000 * ms, 100_000 * ms, 102_000 * ms, 0, "clock_step"},
		{"forward, just before", 100 * ms, 28_000 * ms, 29_900 * ms, 19, "counter_only,clock_step"},
		{"forward, just after", 100 * ms, 30_200 * ms, 32_200 * ms, 40, "counter_only,clock_step"},
		{"forward, inside", 100 * ms, 29_000 * ms, 31_000 * ms, 30, "counter_only,clock_step"},
		{"forward by an hour, inside", 3_600_000 * ms, 29_000 * ms, 31_000 * ms, 30, "counter_only,clock_step"},
		{"back, inside", -500 * ms, 29_000 * ms, 31_000 * ms, 30, "counter_only,clock_step"},
		{"back by an hour, inside", -3_600_000 * ms, 29_000 * ms, 31_000 * ms, 30, "counter_only,clock_step"},
		{"back, well after", -10_000 * ms, 41_000 * ms, 43_000 * ms, 40, "counter_only"},
		{"back, time that came twice", -10_000 * ms, 22_000 * ms, 24_000 * ms, 0, "clock_step"},
		{"back, before", -10_000 * ms, 15_000 * ms, 17_000 * ms, 20, "counter_only"},
		{"back by an hour, time that comes again after the recording", -3_600_000 * ms, 15_000 * ms, 17_000 * ms, 20, "counter_only,clock_step"},
		{"back by an hour, time that came before the recording", -3_600_000 * ms, -3_560_000 * ms, -3_558_000 * ms, 40,
			"counter_only,clock_step"},
		{"slewed only", 4 * ms, 40_004 * ms, 42_004 * ms, 40, "counter_only"},
	} {
		run := okRun("1", record.CPU, c.from, c.to, 1)
		samples := slices.Concat(every(50*ms, 0, end, "rapl", "cpu:0", counterAt(power)),
			wallRows(50*ms, 0, end, func(t int64) int64 {
				if t >= set {
					return c.by
				}
				return 0
			}))
		joinAll(t, samples, run)
		saw := "none"
		if run.EnergyJoules != nil {
			saw = fmt.Sprintf("%.6g", float64(*run.EnergyJoules))
		}
		want := "none"
		if c.want > 0 {
			want = fmt.Sprintf("%.6g", c.want)
		}
		if saw != want || run.EnergyReasons != c.reasons {
			t.Errorf("%s: saw %s J, %q, want %s J, %q", c.name, saw, run.EnergyReasons, want, c.reasons)
		}
		if err := run.Validate(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if doubted := run.EnergyGrade == record.GradeC; doubted != (c.reasons == "counter_only,clock_step") {
			t.Errorf("%s: saw grade %s", c.name, run.EnergyGrade)
		}
	}
}

// Between two rows of the recorder the clock may have been set at any time: a window that meets that time is doubted, though other
// sensors are read in between, and tell of the window's end before the recorder tells of the clock.
func TestClockStepsBetweenRowsFarApart(t *testing.T) {
	for _, c := range []struct {
		by, interval, rows int64 // how far the clock is set at 102.7 s, between readings, between the recorder's rows
		from, to           int64 // of the window, wall clock after t0
		want               string
	}{
		{-3000 * ms, 500 * ms, 5000 * ms, 3000 * ms, 100_000 * ms, "counter_only,clock_step"},
		{5000 * ms, 500 * ms, 10_000 * ms, 3000 * ms, 108_000 * ms, "counter_only,clock_step"},
		{5000 * ms, 200 * ms, 10_000 * ms, 95_000 * ms, 101_500 * ms, "counter_only,clock_step"},
		{5000 * ms, 200 * ms, 10_000 * ms, 60_000 * ms, 98_500 * ms, "counter_only"},
		{5000 * ms, 200 * ms, 10_000 * ms, 116_500 * ms, 140_000 * ms, "counter_only"},
	} {
		run := okRun("1", record.CPU, c.from, c.to, 1)
		counter := counterAt(func(s float64) float64 { return 100 * s })
		samples := slices.Concat(every(c.interval, 0, 200_000*ms, "rapl", "cpu:0", counter),
			wallRows(c.rows, 0, 200_000*ms, func(t int64) int64 {
				if t >= 102_700*ms {
					return c.by
				}
				return 0
			}))
		joinAll(t, samples, run)
		if run.EnergyReasons != c.want {
			t.Errorf("set by %d ms, rows every %d ms, window from %d ms: saw %s, want %s", c.by/ms, c.rows/ms, c.from/ms, run.EnergyReasons, c.want)
		}
	}
}

// Of rows many seconds apart a clock that a kernel pulls is a long way further at each, and was not set.
func TestClockPulledByAKernel(t *testing.T) {
	offset := func(t int64) int64 { return t / 2000 }
	for _, rate := range []int64{1, -1} {
		run := okRun("1", record.CPU, 60_000*ms+rate*30*ms, 260_000*ms+rate*130*ms, 1)
		joinAll(t, slices.Concat(every(5750*ms, 0, 400_000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 100 * s })),
			wallRows(11_500*ms, 0, 400_000*ms, func(t int64) int64 { return rate * offset(t) })), run)
		wantNear(t, "energy", run.EnergyJoules, 20_000)
		if run.EnergyReasons != CounterOnly {
			t.Errorf("saw %s", run.EnergyReasons)
		}
	}
}

// Time that comes again between two recordings is like that behind the last.
func TestTimeThatComesAgainBetweenRecordings(t *testing.T) {
	read := func(from, to int64) []record.Sample {
		return slices.Concat(every(50*ms, from, to, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 10 * s })),
			wallRows(50*ms, from, to, func(t int64) int64 {
				if t >= 50_000*ms {
					return -300_000 * ms
				}
				return 0
			}))
	}
	for name, c := range map[string]struct {
		second []record.Sample
		joules bool
	}{
		"none": {nil, true}, "not recorded": {read(600_000*ms, 660_000*ms), true}, "recorded": {read(300_000*ms, 360_000*ms), false},
	} {
		run := okRun("1", record.CPU, 20_000*ms, 22_000*ms, 1)
		joinAll(t, slices.Concat(read(0, 60_000*ms), c.second), run)
		if doubted := strings.Contains(run.EnergyReasons, ClockStep); !doubted || (run.EnergyJoules != nil) != c.joules {
			t.Errorf("%s: saw %s J, %s, want energy: %t", name, units.G4Ptr(run.EnergyJoules), run.EnergyReasons, c.joules)
		}
	}
}

// A recording whose first row comes long after the clock was set is translated from its first row on.
func TestClockOffsetFromTheStart(t *testing.T) {
	for _, by := range []int64{-3_600_000 * ms, 7 * ms, 3_600_000 * ms} {
		run := okRun("1", record.CPU, 1000*ms+by, 2000*ms+by, 1)
		samples := slices.Concat(every(50*ms, 0, 9000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 10 * s * s })),
			wallRows(50*ms, 20*ms, 9000*ms, func(int64) int64 { return by }))
		joinAll(t, samples, run)
		if run.EnergyJoules == nil || *run.EnergyJoules < 29.9 || *run.EnergyJoules > 30.1 || run.EnergyReasons != CounterOnly {
			t.Errorf("%d: saw %s J, %s, want 30", by, units.G4Ptr(run.EnergyJoules), run.EnergyReasons)
		}
	}
}

// Rows that go back in time, as those of files in another order, show no clock that was set.
func TestClockOfRowsBackInTime(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, -time.Second, 0, time.Second, time.Hour} {
		if ClockSet(0, apart) {
			t.Errorf("rows %s apart, the clock where it was: saw a clock that was set", apart)
		}
		if !ClockSet(-10*time.Second, apart) {
			t.Errorf("rows %s apart, the clock 10 s back: saw none", apart)
		}
	}
}

// A clock that is pulled all the time, as fast as chrony pulls one, makes neither edge of a window wrong, however the rows of
// the recorder lie to it: each is translated by where the clock was at that edge.
func TestClockPulled(t *testing.T) {
	const begin, from, to = 10_000 * ms, 18_000 * ms, 22_000 * ms // the pulling, and the load
	power := func(s float64) float64 { return 50*s + 100*min(max(s-18, 0), 4) }
	for _, rate := range []float64{-0.08, -0.0005, 0, 0.0005, 0.02, 0.08} {
		for _, interval := range []int64{10 * ms, 47 * ms, 61 * ms} {
			offset := func(t int64) int64 { return 7*ms + int64(rate*float64(max(t-begin, 0))) }
			run := okRun("1", record.CPU, from+offset(from), to+offset(to), 1)
			samples := slices.Concat(every(5*ms, 0, 40_000*ms, "rapl", "cpu:0", counterAt(power)),
				wallRows(interval, 3*ms, 40_000*ms, offset))
			joinAll(t, samples, run)
			wantNear(t, fmt.Sprintf("%g, rows every %d ms", rate, interval/ms), run.EnergyJoules, 600)
			wantNear(t, "power", run.PowerMeanW, 150)
			if run.EnergyReasons != CounterOnly {
				t.Errorf("%g: saw %s", rate, run.EnergyReasons)
			}
		}
	}
}

// Two recorders of one host that began before and after its clock was set have timelines that differ: where a window lies is not
// sure, and no bound can be told.
func TestNoBoundBetweenTwoTimelines(t *testing.T) {
	joules := func(s float64) float64 { return 20*s + 70*(max(0, s-30)-max(0, s-40)) } // by the wall clock
	const ahead = 1000 * ms
	first := every(100*ms, 0, 100_000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return joules(s + 1) }))
	samples := slices.Concat(first, wallRows(100*ms, 0, 100_000*ms, func(int64) int64 { return ahead }),
		wallRows(100*ms, 10_030*ms, 100_000*ms, func(int64) int64 { return 0 }))
	run := okRun("1", record.CPU, 30_000*ms, 40_000*ms, 1)
	joinAll(t, samples, run)
	if run.EnergyErrorJoules != nil || !strings.Contains(run.EnergyReasons, ClockStep) || run.EnergyGrade == record.GradeB {
		t.Errorf("saw %s ± %s J of 900, %s, %s, want no bound and clock_step", units.G4Ptr(run.EnergyJoules),
			units.G4Ptr(run.EnergyErrorJoules), run.EnergyGrade, run.EnergyReasons)
	}
}
