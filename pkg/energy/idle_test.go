package energy

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// idleMarks are the recorder's rows around a stretch of idleness.
func idleMarks(from, to int64) []record.Sample {
	return []record.Sample{
		reading(record.SourceRecorder, record.RecorderDevice, from, func(s *record.Sample) { s.Event = record.EventIdleBegin }),
		reading(record.SourceRecorder, record.RecorderDevice, to, func(s *record.Sample) { s.Event = record.EventIdleEnd }),
	}
}

func wantNear[T ~float64 | ~int64](t *testing.T, what string, got *T, want float64) {
	t.Helper()
	if got == nil || math.Abs(float64(*got)-want) > 1e-6*max(1, math.Abs(want)) {
		saw := "none"
		if got != nil {
			saw = fmt.Sprint(*got)
		}
		t.Errorf("%s: saw %s, want %v", what, saw, want)
	}
}

// load is 20 W, 30 W from 60 s on, and 100 W more from 10 s to 20 s.
func load(s float64) float64 { return 20*s + 10*max(0, s-60) + 100*(max(0, s-10)-max(0, s-20)) }

func TestMarginalEnergy(t *testing.T) {
	run := func() *record.Run { return okRun("1", record.CPU, 11_000*ms, 19_000*ms, 4) }
	samples := every(50*ms, 0, 100_000*ms, "rapl", "cpu:0", counterAt(load))
	far, before := idleMarks(100*ms, 1000*ms), idleMarks(5000*ms, 7000*ms)
	after, late := idleMarks(70_000*ms, 72_000*ms), idleMarks(80_000*ms, 81_000*ms)
	r := run()
	joinAll(t, slices.Concat(samples, far, before, after, late), r)
	wantNear(t, "energy", r.EnergyJoules, 240)
	wantNear(t, "idle before", r.IdleBeforeW, 20)
	wantNear(t, "idle after", r.IdleAfterW, 30)
	wantNear(t, "marginal energy", r.EnergyMarginalJoules, 240-25*2)
	r = run()
	joinAll(t, slices.Concat(samples, before), r)
	wantNear(t, "marginal energy, idle before alone", r.EnergyMarginalJoules, 240-20*2)
	if r.IdleAfterW != nil {
		t.Errorf("idle after: saw %v, want none", *r.IdleAfterW)
	}
	r = run()
	joinAll(t, slices.Concat(samples, after, before[:1]), r) // the recorder was killed in its first idle stretch
	wantNear(t, "marginal energy, idle after alone", r.EnergyMarginalJoules, 240-30*2)
	r = run()
	joinAll(t, samples, r)
	if r.EnergyMarginalJoules != nil || r.IdleBeforeW != nil || r.EnergyGrade != record.GradeB {
		t.Errorf("without idleness: saw %+v, want no marginal energy and the same grade", r)
	}
	r = run()
	live := slices.DeleteFunc(slices.Concat(samples, before, after), func(s record.Sample) bool { return s.TSUnixNS > t0+19_010*ms })
	Apply(r, append(live, reading("rapl", "cpu:0", 19_010*ms, counterAt(load))))
	wantNear(t, "live, marginal energy", r.EnergyMarginalJoules, 240-20*2)
}

// A stretch of any length counts, of a long one the part next to the run, and what is held does not grow with it; one that never
// ends is of a recorder that was killed.
func TestLongIdleness(t *testing.T) {
	for _, long := range []int64{100_000 * ms, 121_000 * ms, 180_000 * ms, 1000_000 * ms} {
		from, to := 10_000*ms+long, 20_000*ms+long
		drawn := func(s float64) float64 { // 40 W until half a minute before the run, and from half a minute after it on; else 20 W
			begin, end := float64(from)/1e9, float64(to)/1e9
			return 20*s + 20*min(s, max(0, begin-30)) + 20*max(0, s-end-30) + 100*max(0, min(s-begin, 10))
		}
		samples := every(200*ms, 0, to+long+20_000*ms, "rapl", "cpu:0", counterAt(drawn))
		run := okRun("1", record.CPU, from+1000*ms, to-1000*ms, 1)
		j := NewJoiner()
		if err := j.Add(run); err != nil {
			t.Fatal(err)
		}
		samples = slices.Concat(samples, idleMarks(from-long, from), idleMarks(to, to+long))
		byTime(samples)
		most := 0
		for i := range samples {
			j.Sample(&samples[i])
			most = max(most, held(j))
		}
		j.Finish()
		if most > 5*130 {
			t.Errorf("%d s: held %d readings, want about the 620 of two minutes and a little", long/1000/ms, most)
		}
		if run.IdleBeforeW == nil || run.IdleAfterW == nil {
			t.Fatalf("%d s: saw no idle power, %s", long/1000/ms, run.EnergyReasons)
		}
		for _, watts := range []units.Watts{*run.IdleBeforeW, *run.IdleAfterW} { // of a stretch or part of 60 to 120 s
			if watts < 29.9 || watts > 35.1 {
				t.Errorf("%d s: saw %v W of a part that was 20 W for half a minute and else 40 W", long/1000/ms, watts)
			}
		}
	}
	run := okRun("1", record.CPU, 311_000*ms, 319_000*ms, 1)
	samples := every(200*ms, 0, 900_000*ms, "rapl", "cpu:0", counterAt(load))
	again := []record.Sample{idleMarks(600_000*ms, 601_000*ms)[1]}
	joinAll(t, slices.Concat(samples, idleMarks(30_000*ms, 31_000*ms)[:1], idleMarks(500_000*ms, 501_000*ms)[:1], again), run)
	if run.IdleBeforeW != nil {
		t.Errorf("a stretch that was never ended: saw %v W before", *run.IdleBeforeW)
	}
	wantNear(t, "idle after, the stretch that was ended", run.IdleAfterW, 30)
}

// A stretch in which something worked is not idle, whatever its marks say.
func TestBusyIdleness(t *testing.T) {
	samples := every(50*ms, 0, 100_000*ms, "rapl", "cpu:0", counterAt(load))
	before, after := idleMarks(5000*ms, 7000*ms), idleMarks(70_000*ms, 72_000*ms)
	use := func(until int64) []record.Sample { // others use half of the processors until then
		return every(100*ms, 0, 100_000*ms, "proc", "host", func(s *record.Sample) {
			s.UtilPct = units.Ptr(units.Percent(3))
			if s.TSUnixNS < t0+until {
				s.UtilPct = units.Ptr(units.Percent(50))
			}
		})
	}
	r := okRun("1", record.CPU, 11_000*ms, 19_000*ms, 4)
	joinAll(t, slices.Concat(samples, before, after, use(8000*ms)), r)
	wantNear(t, "marginal energy, by the idleness after it", r.EnergyMarginalJoules, 240-30*2)
	if r.IdleBeforeW != nil || r.EnergyReasons != "counter_only" {
		t.Errorf("saw %s W before, %s", units.G4Ptr(r.IdleBeforeW), r.EnergyReasons)
	}
	r = okRun("1", record.CPU, 11_000*ms, 19_000*ms, 4)
	joinAll(t, slices.Concat(samples, before, after, use(80_000*ms)), r)
	if r.EnergyMarginalJoules != nil || r.IdleAfterW != nil || r.EnergyReasons != "counter_only,idle_busy" || r.EnergyGrade != record.GradeB {
		t.Errorf("saw %s J, %s W, %s, %s", units.G4Ptr(r.EnergyMarginalJoules), units.G4Ptr(r.IdleAfterW), r.EnergyReasons, r.EnergyGrade)
	}
}

// The first reading of utilisation of a recording lies within its first idle stretch, and the last one of it within its last.
// What is known of a stretch counts, and a stretch of which next to nothing is known does not.
func TestIdlenessAtTheEnds(t *testing.T) {
	samples := every(50*ms, 0, 30_000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 20 * s }))
	before, after := idleMarks(0, 1000*ms), idleMarks(29_000*ms, 30_000*ms)
	memory := every(1000*ms, 0, 30_000*ms, "proc", "host", func(s *record.Sample) { s.MemUsedBytes = units.Ptr(units.Bytes(1)) })
	use := func(from, to int64, percent units.Percent) []record.Sample {
		return every(141*ms, from, to, "proc", "host", func(s *record.Sample) { s.UtilPct = units.Ptr(percent) })
	}
	for name, c := range map[string]struct {
		use   []record.Sample
		idle  bool
		wants string
	}{
		"busy":                          {use(110*ms, 29_900*ms, 50), false, "counter_only,idle_busy"},
		"left alone":                    {use(110*ms, 29_900*ms, 5), true, "counter_only"},
		"known of the run alone":        {use(11_000*ms, 19_000*ms, 5), false, "counter_only,idle_busy"},
		"known of less than half of it": {use(600*ms, 29_400*ms, 5), false, "counter_only,idle_busy"},
	} {
		r := okRun("1", record.CPU, 11_000*ms, 19_000*ms, 4)
		joinAll(t, slices.Concat(samples, memory, before, after, c.use), r)
		if (r.IdleBeforeW != nil) != c.idle || (r.IdleAfterW != nil) != c.idle || r.EnergyReasons != c.wants {
			t.Errorf("%s: saw %s W before, %s W after, %s, want idle power: %t, %s", name, units.G4Ptr(r.IdleBeforeW),
				units.G4Ptr(r.IdleAfterW), r.EnergyReasons, c.idle, c.wants)
		}
	}
}

func TestBurdens(t *testing.T) {
	for pair, want := range map[[2]string]bool{{"gpu:0", "gpu:0"}: true, {"gpu:0", "gpu:1"}: false, {"host", "gpu:0"}: false,
		{"host", "cpu:0"}: true, {"host", "cpu"}: true, {"host", "dram:1"}: true, {"host", "meter:wall"}: true, {"host", "system"}: true,
		{"gpu:0", "meter:wall"}: true, {"gpu:3", "system"}: true, {"gpu:0", "cpu:0"}: false} {
		if Burdens(pair[0], pair[1]) != want {
			t.Errorf("%v: want %t", pair, want)
		}
	}
}

// Of processors that others worked on the energy is not the run's alone.
func TestForeignLoadIsShared(t *testing.T) {
	samples := every(10*ms, 0, 3000*ms, "rapl", "cpu:0", both(counterAt(func(s float64) float64 { return 40 * s }), powerAt(func(float64) float64 { return 40 })))
	for flags, want := range map[string]record.Grade{"": record.GradeA, "foreign_load": record.GradeC, "cpu_steal": record.GradeA} {
		run := okRun("1", record.CPU, 1000*ms, 2000*ms, 4)
		run.Flags = flags
		joinAll(t, samples, run)
		if run.EnergyGrade != want || slices.Contains(strings.Split(run.EnergyReasons, ","), Shared) != (want == record.GradeC) {
			t.Errorf("%q: saw %s, %s, want %s", flags, run.EnergyGrade, run.EnergyReasons, want)
		}
	}
}

// Idle power is that of the GPU that the run used.
func TestIdlePowerIsOfTheDevicesUsed(t *testing.T) {
	gpu := func(device string, watts float64, before, own int64) []record.Sample {
		return every(50*ms, 0, 20_000*ms, "nvml", device, func(s *record.Sample) {
			both(counterAt(func(s float64) float64 { return watts * s }), powerAt(func(float64) float64 { return watts }))(s)
			switch s.TSUnixNS - t0 {
			case 9500 * ms:
				s.MemOwnBytes = units.Ptr(units.Bytes(before))
			case 10_500 * ms:
				s.MemOwnBytes = units.Ptr(units.Bytes(own))
			}
		})
	}
	run := okRun("1", record.GPU, 10_000*ms, 12_000*ms, 1)
	joinAll(t, slices.Concat(gpu("gpu:0", 70, 5, 0), gpu("gpu:1", 90, 0, 5), idleMarks(2000*ms, 4000*ms)), run)
	wantNear(t, "energy", run.EnergyJoules, 180)
	wantNear(t, "idle before", run.IdleBeforeW, 90)
	wantNear(t, "marginal energy", run.EnergyMarginalJoules, 0)
	if run.EnergyGrade != record.GradeA || run.EnergyReasons != "" {
		t.Errorf("saw grade %s, %s, want A: it is known which GPU did the work", run.EnergyGrade, run.EnergyReasons)
	}
}

// Idle power is of what was read inside the stretch: a meter that is read once a second, away from the marks, and whose reading
// is the mean of the last second; and with one reading inside there is none.
func TestIdlePowerOfASlowMeter(t *testing.T) {
	drawn := func(s float64) float64 { // 60 W until 2 s and from 8 s on, 260 W between
		return 60*s + 200*(max(0, s-2)-max(0, s-8))
	}
	for name, c := range map[string]struct {
		set   func(*record.Sample)
		every int64
		want  float64
	}{
		"power":   {powerAt(func(s float64) float64 { return (drawn(s+1e-9) - drawn(s)) / 1e-9 }), 900 * ms, 60},
		"counter": {counterAt(drawn), 900 * ms, 60},
		"means": {func(s *record.Sample) {
			at := seconds(s)
			s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(drawn(at)-drawn(at-1))), units.Ptr(1000*ms)
		}, 450 * ms, 60},
		"power, read once": {powerAt(func(s float64) float64 { return (drawn(s+1e-9) - drawn(s)) / 1e-9 }), 2300 * ms, 0},
	} {
		run := okRun("1", record.CPU, 2100*ms, 7900*ms, 1)
		samples := every(c.every, 300*ms, 15_000*ms, "rapl", "cpu:0", c.set)
		joinAll(t, slices.Concat(samples, idleMarks(0, 2000*ms), idleMarks(8000*ms, 10_000*ms)), run)
		if few := strings.Contains(run.EnergyReasons, IdleUnderSampled); few != (c.want == 0) || (run.EnergyMarginalJoules == nil) != few {
			t.Errorf("%s: saw %s J, %s", name, units.G4Ptr(run.EnergyMarginalJoules), run.EnergyReasons)
		}
		for _, watts := range []*units.Watts{run.IdleBeforeW, run.IdleAfterW} {
			if c.want == 0 && watts != nil || watts != nil && math.Abs(float64(*watts)-c.want) > 0.01 {
				t.Errorf("%s: saw %s W, want %g", name, units.G4Ptr(watts), c.want)
			}
		}
	}
}

// A sensor that is renewed now and then shows the load for as long after the mark: what it shows then is not idle power.
func TestIdlePowerOfASlowSensor(t *testing.T) {
	for name, c := range map[string]struct {
		renewed, every int64
		told           bool
	}{
		"told, read as often as renewed": {1000 * ms, 1000 * ms, true},
		"told, read more often":          {100 * ms, 47 * ms, true},
		"as seen":                        {1000 * ms, 350 * ms, false},
	} {
		samples := every(c.every, 30*ms, 40_000*ms, "hwmon", "cpu:0", func(s *record.Sample) {
			at := (s.TSUnixNS - t0 - 70*ms) / c.renewed * c.renewed // when it was renewed, less 70 ms
			watts := units.Watts(90 + float64(at/c.renewed%7)/10)
			if from := at + 70*ms; from >= 20_000*ms && from < 23_000*ms {
				watts -= 78
			}
			s.PowerW = &watts
			if c.told {
				s.PowerUpdateNS = &c.renewed
			}
		})
		run := okRun("1", record.CPU, 3000*ms, 19_000*ms, 1)
		joinAll(t, slices.Concat(samples, idleMarks(20_000*ms, 23_000*ms)), run)
		if run.IdleAfterW == nil || *run.IdleAfterW > 12.7 {
			t.Errorf("%s: saw %s W idle, want 12 to 12.6", name, units.G4Ptr(run.IdleAfterW))
		}
	}
}
