package energy

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Columns that are told once a second hold on until they are told again, and describe a short window too.
func TestResourcesOfAShortWindow(t *testing.T) {
	at := func(t int64, edit func(*record.Sample)) func(*record.Sample) {
		return func(s *record.Sample) {
			if (s.TSUnixNS-t0)%(1000*ms) == t {
				edit(s)
			}
		}
	}
	load := both(counterAt(func(s float64) float64 { return 200*s + 100*max(0, s-5.05) - 100*max(0, s-5.1) }),
		powerAt(func(s float64) float64 {
			if s > 5.05 && s < 5.1 {
				return 300
			}
			return 200
		}))
	gpu := every(10*ms, 0, 10_000*ms, "nvml", "gpu:0", both(load, at(0, func(s *record.Sample) {
		s.TempC = units.Ptr(units.Celsius(40 + seconds(s)))
		s.MemUsedBytes = units.Ptr(units.Bytes(1e9 * seconds(s)))
		s.MemOwnBytes = units.Ptr(units.Bytes(1e9))
		s.UtilPct = units.Ptr(units.Percent(50))
		s.Processes, s.ForeignProcesses = units.Ptr(int64(3)), units.Ptr(int64(0))
	})))
	for i := range gpu {
		if ts := gpu[i].TSUnixNS - t0; ts >= 5100*ms && ts < 5125*ms {
			gpu[i].Throttle = "hw_thermal"
		}
	}
	tree := every(10*ms, 0, 10_000*ms, "processes", record.DeviceProcesses, func(s *record.Sample) {
		s.MemUsedBytes = units.Ptr(units.Bytes(1000))
		if s.TSUnixNS == t0+5100*ms {
			s.MemUsedBytes = units.Ptr(units.Bytes(3000))
		}
		s.CPUTimeNS = units.Ptr(int64(2 * (s.TSUnixNS - t0)))
	})
	run := okRun("1", record.GPU, 5000*ms, 5200*ms, 4)
	Apply(run, slices.Concat(gpu, tree))
	wantNear(t, "temperature", run.GPUTempMeanC, 45.1)
	wantNear(t, "GPU memory", run.GPUMemMeanBytes, 5.1e9)
	wantNear(t, "GPU memory, peak", run.GPUMemPeakBytes, 5.2e9)
	wantNear(t, "utilisation", run.GPUUtilMeanPct, 50)
	wantNear(t, "peak power", run.PowerPeakW, 300)
	wantNear(t, "throttled", run.ThrottledPct, 100*30.0/200)
	wantNear(t, "memory", run.MemMeanBytes, 1100)
	wantNear(t, "memory, peak", run.MemPeakBytes, 3000)
	wantNear(t, "CPU time", run.CPUTimeNS, 2*200e6/4)
	if run.EnergyReasons != Throttled || run.EnergyGrade != record.GradeC {
		t.Errorf("saw %s, %s, want C: throttled, and of three processes none is foreign", run.EnergyGrade, run.EnergyReasons)
	}
	if run.EnergyJoules == nil || *run.EnergyJoules < 11.2 || *run.EnergyJoules > 11.3 {
		t.Errorf("saw %s J, want 45/4", units.G4Ptr(run.EnergyJoules))
	}
	wantNear(t, "energy per token", run.JoulesPerToken, float64(*run.EnergyJoules)/8)
	wantNear(t, "tokens per kWh", run.TokensPerKWh, 8*3.6e6/float64(*run.EnergyJoules))
	if err := run.Validate(); err != nil {
		t.Error(err)
	}
}

// Of a counter alone the peak is the mean power between two updates far enough apart for their times.
func TestPeakOfACounter(t *testing.T) {
	samples := every(10*ms, 0, 4000*ms, "rapl", "cpu:0", func(s *record.Sample) {
		counterAt(func(s float64) float64 { return 50*s + 100*max(0, s-1.5) - 100*max(0, s-1.7) })(s)
		s.CounterUpdateNS = units.Ptr(ms)
	})
	r := Of(samples, window(record.CPU, 1000*ms, 2000*ms))
	wantNear(t, "peak", r.Peak, 150)
	if r.Throttled != nil {
		t.Errorf("saw %v%% throttled, want none: no sensor tells of it", *r.Throttled)
	}
}

// A counter's rise has in it what readings of power beside it fall between: its mean may be above the highest of them.
func TestPeakIsNotBelowMean(t *testing.T) {
	samples := every(50*ms, 0, 30_000*ms, "nvml", "gpu:0", both(counterAt(func(s float64) float64 { return 104 * s }),
		powerAt(func(s float64) float64 { return 99 + float64(int(20*s)%3) })))
	r := Of(samples, window(record.GPU, 10_000*ms, 20_000*ms))
	wantNear(t, "mean", r.MeanPower, 104)
	wantNear(t, "peak", r.Peak, 104)
}

// Right after a run readings of power and steps of a counter end before its window does. Of several devices the highest sum is taken,
// where one was read for longer than the other; and where none was read for long before the end, nothing is known.
func TestPeakRightAfterARun(t *testing.T) {
	counter := counterAt(func(s float64) float64 { return 104 * s })
	watts := powerAt(func(s float64) float64 { return 120 + s })
	edges := []record.Sample{reading("rapl", "cpu:0", 10_000*ms, counter), reading("rapl", "cpu:0", 12_000*ms, counter)}
	second := append(every(100*ms, 80*ms, 11_900*ms, "rapl", "cpu:1", both(counter, watts)), reading("rapl", "cpu:1", 12_000*ms, counter))
	for _, c := range []struct {
		name  string
		until int64
		set   func(*record.Sample)
		more  []record.Sample
		want  float64
	}{
		{"a counter", 11_990 * ms, counter, nil, 104},
		{"power beside a counter", 11_950 * ms, both(counter, watts), nil, 131.93},
		{"power that ends long before", 11_000 * ms, both(counter, watts), every(100*ms, 11_030*ms, 11_950*ms, "rapl", "cpu:0", counter), 0},
		{"two packages", 11_950 * ms, both(counter, watts), second, 131.93 + 131.88},
	} {
		r := Of(slices.Concat(every(100*ms, 30*ms, c.until, "rapl", "cpu:0", c.set), edges, c.more), window(record.CPU, 10_000*ms, 12_000*ms))
		switch {
		case r.MeanPower == nil:
			t.Errorf("%s: saw no mean, %v", c.name, r.Reasons)
		case c.want == 0 && r.Peak != nil:
			t.Errorf("%s: saw a peak of %v W, want none", c.name, *r.Peak)
		case c.want > 0:
			wantNear(t, c.name, r.Peak, c.want)
		}
	}
}

// What runs between the iterations of a window is not theirs: energy is shared out by time.
func TestPauses(t *testing.T) {
	samples := every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s }))
	for _, c := range []struct {
		each    int64 // ms of each of four iterations
		joules  float64
		grade   record.Grade
		reasons string
	}{
		{250, 10, record.GradeB, "counter_only"},
		{248, 10, record.GradeB, "counter_only"},
		{240, 9.6, record.GradeB, "counter_only,pauses"},
		{200, 8, record.GradeC, "counter_only,pauses,long_pauses"},
	} {
		run := okRun("1", record.CPU, 1000*ms, 2000*ms, 4)
		run.IterationNS = []int64{c.each * ms, c.each * ms, (c.each - 3) * ms, (c.each + 3) * ms}
		Apply(run, slices.Concat(samples, idleMarks(100*ms, 900*ms)))
		wantNear(t, "energy", run.EnergyJoules, c.joules)
		wantNear(t, "marginal energy", run.EnergyMarginalJoules, 0)
		if run.EnergyGrade != c.grade || run.EnergyReasons != c.reasons {
			t.Errorf("%d ms: saw %s, %s, want %s, %s", c.each, run.EnergyGrade, run.EnergyReasons, c.grade, c.reasons)
		}
	}
}

func TestForeignProcesses(t *testing.T) {
	for _, c := range []struct {
		name               string
		processes, foreign *int64
		shared             bool
	}{
		{"foreign beside ours", units.Ptr(int64(2)), units.Ptr(int64(1)), true},
		{"several, all ours", units.Ptr(int64(2)), units.Ptr(int64(0)), false},
		{"several, whose is not told", units.Ptr(int64(2)), nil, true},
		{"one, whose is not told", units.Ptr(int64(1)), nil, false},
	} {
		samples := every(10*ms, 0, 3000*ms, "nvml", "gpu:0", func(s *record.Sample) {
			both(counterAt(func(s float64) float64 { return 50 * s }), powerAt(func(float64) float64 { return 50 }))(s)
			if s.TSUnixNS == t0+500*ms { // told before the window, and holding on
				s.Processes, s.ForeignProcesses = c.processes, c.foreign
			}
		})
		r := Of(samples, window(record.GPU, 1000*ms, 2000*ms))
		if slices.Contains(r.Reasons, Shared) != c.shared {
			t.Errorf("%s: saw %v", c.name, r.Reasons)
		}
	}
}

// A GPU in MIG mode is not read: where the run's processes hold no memory on those that are, their energy is not the run's.
func TestWorkOnAGPUThatIsNotRead(t *testing.T) {
	for own, want := range map[int64]bool{0: true, 1e9: false} {
		samples := every(10*ms, 0, 3000*ms, "nvml", "gpu:0", func(s *record.Sample) {
			both(counterAt(func(s float64) float64 { return 50 * s }), powerAt(func(float64) float64 { return 50 }))(s)
			s.MemOwnBytes = units.Ptr(units.Bytes(own))
		})
		r := Of(samples, window(record.GPU, 1000*ms, 2000*ms))
		if slices.Contains(r.Reasons, NotOnGPU) != want || (r.Grade == record.GradeC) != want {
			t.Errorf("%d bytes of our own: saw %s, %v", own, r.Grade, r.Reasons)
		}
	}
}

// A source that was asked for is taken whatever it measures; parts of a processor are not added to the whole.
func TestChosenSource(t *testing.T) {
	watts := func(w float64) func(*record.Sample) { return powerAt(func(float64) float64 { return w }) }
	samples := slices.Concat(
		every(50*ms, 0, 3000*ms, "nvml", "gpu:0", watts(200)),
		every(50*ms, 0, 3000*ms, "rapl", "cpu:0", watts(50)),
		every(50*ms, 0, 3000*ms, "rapl", "core:0", watts(30)),
		every(50*ms, 0, 3000*ms, "wall", "meter:plug", watts(320)),
		every(50*ms, 0, 3000*ms, "board", "system", watts(300)))
	for source, want := range map[string]float64{"": 200, "nvml": 200, "rapl": 50, "wall": 320, "board": 300} {
		w := window(record.GPU, 1000*ms, 2000*ms)
		w.Source = source
		r := Of(samples, w)
		wantJoules(t, r, want)
		if source != "" && r.Source != source {
			t.Errorf("saw source %s, want %s", r.Source, source)
		}
		wantNear(t, "GPU power", r.GPUPower, 200)
	}
	w := window(record.GPU, 1000*ms, 2000*ms)
	w.Source = "none"
	if r := Of(samples, w); r.Joules != nil || !slices.Equal(r.Reasons, []string{NoPowerSource}) {
		t.Errorf("a source that is not there: saw %+v", r)
	}
}

// Averages over a second of a run between idleness: taken apart where the readings reach back far enough, else told of.
func TestMovingAverages(t *testing.T) {
	boxed := func(s float64) float64 { // joules up to s: 60 W, and 240 W more from 4 s to 16.5 s
		return 60*s + 240*(max(0, s-4)-max(0, s-16.5))
	}
	average := func(s *record.Sample) {
		at := seconds(s)
		s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(boxed(at)-boxed(at-1))), units.Ptr(1000*ms)
	}
	for _, c := range []struct {
		name    string
		from    int64 // first reading
		start   int64
		end     int64
		reasons string
		within  float64 // relative
	}{
		{"busy window between idleness", 0, 4000 * ms, 16_500 * ms, "power_only", 0.005},
		{"fewer than ten spans", 0, 4000 * ms, 13_900 * ms, "power_only,power_averaged", 0.005},
		{"shorter than the span", 0, 4000 * ms, 4800 * ms, "power_only,power_averaged,error_bound", 0.03},
		{"the readings begin with the window", 3800 * ms, 4000 * ms, 6500 * ms, "power_only,power_averaged,error_bound", 0.2},
		{"no steady power before", 0, 4500 * ms, 5800 * ms, "power_only,power_averaged,error_bound", 0.3},
	} {
		r := Of(every(50*ms, c.from, 20_000*ms, "nvml", "gpu:0", average), window(record.GPU, c.start, c.end))
		want := boxed(float64(c.end)/1e9) - boxed(float64(c.start)/1e9)
		if r.Joules == nil {
			t.Errorf("%s: saw none: %v", c.name, r.Reasons)
			continue
		}
		off := float64(*r.Joules)/want - 1
		if got := strings.Join(r.Reasons, ","); got != c.reasons || off > c.within || off < -c.within || r.Error == nil ||
			float64(*r.Error) < max(off, -off)*want-1e-9 {
			t.Errorf("%s: saw %s, off by %v, bound %v of %v J, want %s within %v",
				c.name, got, off, units.G4Ptr(r.Error), want, c.reasons, c.within)
		}
	}
}

// ownMemory tells that the measured processes hold so much of a GPU's memory.
func ownMemory(bytes int64) func(*record.Sample) {
	return func(s *record.Sample) {
		s.MemOwnBytes, s.ForeignProcesses = units.Ptr(units.Bytes(bytes)), units.Ptr(int64(0))
	}
}
