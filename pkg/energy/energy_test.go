package energy

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	ms = int64(time.Millisecond)
	t0 = int64(1_700_000_000_000_000_000)
)

// reading is one sample of source on device, t after t0.
func reading(source, device string, t int64, edit func(*record.Sample)) record.Sample {
	s := record.Sample{Schema: record.SchemaSample, Host: "h", TSUnixNS: t0 + t, Source: source, Device: device}
	edit(&s)
	return s
}

// counterAt and powerAt are readings of functions of time in seconds.
func counterAt(joules func(s float64) float64) func(*record.Sample) {
	return func(s *record.Sample) {
		s.EnergyCounterJoules = units.Ptr(units.Joules(joules(seconds(s))))
		s.CounterUpdateNS = units.Ptr(int64(1)) // computed when it is read
	}
}

func powerAt(watts func(s float64) float64) func(*record.Sample) {
	return func(s *record.Sample) { s.PowerW = units.Ptr(units.Watts(watts(seconds(s)))) }
}

func both(a, b func(*record.Sample)) func(*record.Sample) {
	return func(s *record.Sample) { a(s); b(s) }
}

func seconds(s *record.Sample) float64 { return time.Duration(s.TSUnixNS - t0).Seconds() }

// every reads a device at an interval from from to to, both included.
func every(interval, from, to int64, source, device string, edit func(*record.Sample)) (out []record.Sample) {
	for t := from; t <= to; t += interval {
		out = append(out, reading(source, device, t, edit))
	}
	return out
}

func window(device record.Device, from, to int64) Window {
	return Window{Start: t0 + from, End: t0 + to, Iterations: 1, Device: device, Host: "h"}
}

func wantJoules(t *testing.T, r Result, want float64) {
	t.Helper()
	if r.Joules == nil || math.Abs(float64(*r.Joules)-want) > 1e-9*max(1, want) {
		t.Errorf("saw %s J (%v), want %v", units.G4Ptr(r.Joules), r.Reasons, want)
	}
}

// Integrals known in closed form.
func TestKnownIntegrals(t *testing.T) {
	constant := func(float64) float64 { return 42 }
	ramp := func(s float64) float64 { return 10 * s }
	rampEnergy := func(s float64) float64 { return 5 * s * s }
	for _, c := range []struct {
		name     string
		samples  []record.Sample
		from, to int64
		want     float64
	}{
		{"constant power", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(constant)), 313 * ms, 2717 * ms, 42 * 2.404},
		{"linear counter", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", counterAt(ramp)), 313 * ms, 2717 * ms, 10 * 2.404},
		{"ramp of power, edges between samples", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(ramp)),
			313 * ms, 2717 * ms, rampEnergy(2.717) - rampEnergy(0.313)},
		{"ramp of power, edges on samples", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(ramp)),
			500 * ms, 2500 * ms, rampEnergy(2.5) - rampEnergy(0.5)},
		// The step from 10 W to 30 W lies between the samples at 1.00 s and 1.05 s, so the trapezoid rule sees its middle.
		{"step of power", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(func(s float64) float64 {
			if s > 1.025 {
				return 30
			}
			return 10
		})), 500 * ms, 2000 * ms, 10*0.525 + 30*0.975},
		{"step of the counter's slope on a sample", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", counterAt(func(s float64) float64 {
			return 10*s + 20*max(0, s-1)
		})), 500 * ms, 2000 * ms, 10*1.5 + 20*1.0},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := window(record.GPU, c.from, c.to)
			r := Of(c.samples, w)
			wantJoules(t, r, c.want)
			if want := c.want / w.Length().Seconds(); math.Abs(float64(*r.MeanPower)-want) > 1e-9*want {
				t.Errorf("mean power: saw %v, want %v", *r.MeanPower, want)
			}
			if r.GPUPower == nil || *r.GPUPower != *r.MeanPower || r.CPUPower != nil {
				t.Errorf("saw GPU power %v, CPU power %v", r.GPUPower, r.CPUPower)
			}
			want := record.GradeB
			switch c.name {
			case "step of power": // which may have been anywhere between two readings
				want = record.GradeC
			case "constant power": // as of a sensor that stands still
				want = record.GradeC
			}
			if r.Grade != want || r.Source != "nvml" {
				t.Errorf("saw grade %s of %s (%v), want %s of nvml", r.Grade, r.Source, r.Reasons, want)
			}
		})
	}
}

// The counter has the word: the power readings beside it only grade it.
func TestCounterFirst(t *testing.T) {
	counter := counterAt(func(s float64) float64 { return 100 * s })
	for _, c := range []struct {
		name    string
		watts   float64
		grade   record.Grade
		reasons []string
	}{
		{"agree", 100, record.GradeA, nil},
		{"agree within 5%", 104.9, record.GradeA, nil},
		{"agree within 5%, from below", 95.1, record.GradeA, nil},
		{"disagree", 105.1, record.GradeB, []string{Disagree}},
		{"disagree from below", 94.9, record.GradeB, []string{Disagree}},
		{"one of them is wrong", 130, record.GradeC, []string{Contradict}},
		{"one of them is wrong, from below", 75, record.GradeC, []string{Contradict}},
		{"a unit that is wrong", 0.1, record.GradeC, []string{Contradict}},
	} {
		power := powerAt(func(float64) float64 { return c.watts })
		r := Of(every(50*ms, 0, 2000*ms, "nvml", "gpu:0", both(counter, power)), window(record.GPU, 500*ms, 1500*ms))
		wantJoules(t, r, 100)
		if r.Grade != c.grade || !slices.Equal(r.Reasons, c.reasons) {
			t.Errorf("%s: saw grade %s, %v, want %s, %v", c.name, r.Grade, r.Reasons, c.grade, c.reasons)
		}
	}
}

func TestGrades(t *testing.T) {
	steady := both(counterAt(func(s float64) float64 { return 50 * s }), powerAt(func(float64) float64 { return 50 }))
	with := func(edit func(*record.Sample)) func(*record.Sample) { return both(steady, edit) }
	for _, c := range []struct {
		name    string
		samples []record.Sample
		shared  bool
		grade   record.Grade
		reasons []string
	}{
		{"counter and power", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", steady), false, record.GradeA, nil},
		{"counter alone", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", counterAt(func(s float64) float64 { return 50 * s })),
			false, record.GradeB, []string{CounterOnly}},
		{"power alone", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(func(s float64) float64 { return 50 + (s-1.5)/10 })),
			false, record.GradeB, []string{PowerOnly}},
		{"power alone that never moves", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", powerAt(func(float64) float64 { return 50 })),
			false, record.GradeC, []string{PowerOnly, Unchanged}},
		{"9 readings", every(120*ms, 0, 3000*ms, "nvml", "gpu:0", steady), false, record.GradeC, []string{UnderSampled}},
		{"10 readings", every(110*ms, 1000*ms-110*ms, 3000*ms, "nvml", "gpu:0", steady), false, record.GradeA, nil},
		{"throttled", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", with(func(s *record.Sample) { s.Throttle = "hw_thermal" })),
			false, record.GradeC, []string{Throttled}},
		{"throttled before only", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", with(func(s *record.Sample) {
			if s.TSUnixNS < t0+1000*ms {
				s.Throttle = "hw_thermal"
			}
		})), false, record.GradeA, nil},
		{"two processes", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", with(func(s *record.Sample) { s.Processes = units.Ptr(int64(2)) })),
			false, record.GradeC, []string{Shared}},
		{"one process", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", with(func(s *record.Sample) { s.Processes = units.Ptr(int64(1)) })),
			false, record.GradeA, nil},
		{"shared with a run", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", steady), true, record.GradeC, []string{Shared}},
		{"two GPUs", slices.Concat(every(50*ms, 0, 3000*ms, "nvml", "gpu:0", steady), every(50*ms, 0, 3000*ms, "nvml", "gpu:1", steady)),
			false, record.GradeC, []string{SeveralGPUs}},
		{"counter reset", every(50*ms, 0, 3000*ms, "nvml", "gpu:0", both(counterAt(func(s float64) float64 {
			if s > 1.5 {
				s -= 1.5
			}
			return 50 * s
		}), powerAt(func(s float64) float64 { return 50 + (s-1.5)/10 }))), false, record.GradeB, []string{CounterReset}},
	} {
		w := window(record.GPU, 1000*ms, 2000*ms)
		w.Shared = c.shared
		r := Of(c.samples, w)
		if r.Grade != c.grade || !slices.Equal(r.Reasons, c.reasons) || r.Joules == nil {
			t.Errorf("%s: saw %s J, grade %s, %v, want grade %s, %v", c.name, units.G4Ptr(r.Joules), r.Grade, r.Reasons, c.grade, c.reasons)
			continue
		}
		want := 50.0
		if c.name == "two GPUs" {
			want = 100
		}
		wantJoules(t, r, want)
	}
}

// A hole in the readings of a long window is told of even where there are enough of them.
func TestGap(t *testing.T) {
	steady := counterAt(func(s float64) float64 { return 50 * s })
	whole := every(100*ms, 0, 20000*ms, "rapl", "cpu:0", steady)
	holed := slices.DeleteFunc(slices.Clone(whole), func(s record.Sample) bool {
		return s.TSUnixNS > t0+5000*ms && s.TSUnixNS < t0+8000*ms
	})
	r := Of(holed, window(record.CPU, 1000*ms, 19000*ms))
	wantJoules(t, r, 900)
	if r.Grade != record.GradeC || !slices.Equal(r.Reasons, []string{CounterOnly, Gap}) {
		t.Errorf("saw grade %s, %v, want C for the gap", r.Grade, r.Reasons)
	}
	if r = Of(whole, window(record.CPU, 1000*ms, 19000*ms)); r.Grade != record.GradeB {
		t.Errorf("without the hole: saw grade %s, %v, want B", r.Grade, r.Reasons)
	}
}

func TestNothingToGrade(t *testing.T) {
	power := powerAt(func(float64) float64 { return 50 })
	counter := counterAt(func(s float64) float64 { return 50 * s })
	falling := counterAt(func(s float64) float64 { return -50 * s })
	gpu := every(50*ms, 0, 3000*ms, "nvml", "gpu:0", power)
	for _, c := range []struct {
		name    string
		samples []record.Sample
		w       Window
		reason  string
	}{
		{"no samples at all", nil, window(record.GPU, 1000*ms, 2000*ms), NoSamples},
		{"window before", gpu, window(record.GPU, -2000*ms, -1000*ms), NoSamples},
		{"window after", gpu, window(record.GPU, 5000*ms, 6000*ms), NoSamples},
		{"window begins before the samples", gpu, window(record.GPU, -100*ms, 1000*ms), PartlyCovered},
		{"window ends after the samples", gpu, window(record.GPU, 1000*ms, 3001*ms), PartlyCovered},
		{"empty window", gpu, window(record.GPU, 1000*ms, 1000*ms), NoSamples},
		{"another host", gpu, Window{Start: t0 + 1000*ms, End: t0 + 2000*ms, Device: record.GPU, Host: "other"}, NoSamples},
		{"only the other device", gpu, window(record.CPU, 1000*ms, 2000*ms), NoPowerSource},
		{"no power column", every(50*ms, 0, 3000*ms, "proc", "host", func(s *record.Sample) { s.UtilPct = units.Ptr(units.Percent(5)) }),
			window(record.CPU, 1000*ms, 2000*ms), NoPowerSource},
		{"6 ms between samples 250 ms apart", every(250*ms, 0, 3000*ms, "nvml", "gpu:0", power),
			window(record.GPU, 1100*ms, 1106*ms), NoSamples},
		{"edge too far", every(2500*ms, 0, 10000*ms, "nvml", "gpu:0", power), window(record.GPU, 2400*ms, 3400*ms), PartlyCovered},
		{"one package silent", slices.Concat(every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counter),
			every(50*ms, 0, 1500*ms, "rapl", "cpu:1", counter)), window(record.CPU, 1000*ms, 2000*ms), PartlyCovered},
		{"one package long silent", slices.Concat(every(50*ms, 0, 9000*ms, "rapl", "cpu:0", counter),
			every(50*ms, 0, 100*ms, "rapl", "cpu:1", counter)), window(record.CPU, 7000*ms, 8000*ms), DeviceMissing},
		{"one package that begins soon", slices.Concat(every(50*ms, 0, 9000*ms, "rapl", "cpu:0", counter),
			every(50*ms, 4500*ms, 9000*ms, "rapl", "cpu:1", counter)), window(record.CPU, 1000*ms, 4000*ms), DeviceMissing},
		{"one package that begins much later", slices.Concat(every(50*ms, 0, 60_000*ms, "rapl", "cpu:0", counter),
			every(50*ms, 50_000*ms, 60_000*ms, "rapl", "cpu:1", counter)), window(record.CPU, 1000*ms, 4000*ms), DeviceMissing},
		{"one GPU that begins much later", slices.Concat(every(50*ms, 0, 60_000*ms, "nvml", "gpu:0", counter),
			every(50*ms, 50_000*ms, 60_000*ms, "nvml", "gpu:1", counter)), window(record.GPU, 1000*ms, 4000*ms), DeviceMissing},
		{"falling counter and no power", every(50*ms, 0, 3000*ms, "rapl", "cpu:0", falling), window(record.CPU, 1000*ms, 2000*ms), CounterReset},
	} {
		r := Of(c.samples, c.w)
		if r.Joules != nil || r.MeanPower != nil || r.Grade != "" || r.Source != "" || r.Samples != 0 {
			t.Errorf("%s: saw %s J, grade %q of %q, want nothing", c.name, units.G4Ptr(r.Joules), r.Grade, r.Source)
		}
		if !slices.Equal(r.Reasons, []string{c.reason}) {
			t.Errorf("%s: saw reasons %v, want %s", c.name, r.Reasons, c.reason)
		}
	}
}

// Sweeps at both edges make a counter exact for a window however short.
func TestShortWindowWithSweepsAtItsEdges(t *testing.T) {
	counter := counterAt(func(s float64) float64 { return 100 * s })
	samples := append(every(50*ms, 0, 500*ms, "rapl", "cpu:0", counter),
		reading("rapl", "cpu:0", 217*ms, counter), reading("rapl", "cpu:0", 224*ms, counter))
	r := Of(samples, window(record.CPU, 218*ms, 223*ms))
	wantJoules(t, r, 0.5)
	if r.Grade != record.GradeC || !slices.Equal(r.Reasons, []string{CounterOnly, UnderSampled}) || r.Samples != 0 {
		t.Errorf("saw grade %s, %v, %d samples", r.Grade, r.Reasons, r.Samples)
	}
}

func TestCPUPackagesAreSummed(t *testing.T) {
	samples := slices.Concat(
		every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 20 * s })),
		every(70*ms, 0, 3000*ms, "rapl", "cpu:1", counterAt(func(s float64) float64 { return 30 * s })),
		every(50*ms, 0, 3000*ms, "proc", "host", func(s *record.Sample) { s.UtilPct = units.Ptr(units.Percent(50)) }))
	r := Of(samples, window(record.CPU, 1000*ms, 2000*ms))
	wantJoules(t, r, 50)
	if r.Samples != 14 {
		t.Errorf("saw %d samples, want 14: those of the package that has fewer", r.Samples)
	}
}

func TestThrottledProcessorIsToldOnTheHost(t *testing.T) {
	samples := append(every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 20 * s })),
		reading("proc", "host", 1500*ms, func(s *record.Sample) { s.Throttle = "thermal" }))
	if r := Of(samples, window(record.CPU, 1000*ms, 2000*ms)); r.Grade != record.GradeC || !slices.Contains(r.Reasons, Throttled) {
		t.Errorf("saw grade %s, %v, want C, throttled", r.Grade, r.Reasons)
	}
}

func TestEstimateIsAlwaysD(t *testing.T) {
	model := both(counterAt(func(s float64) float64 { return 5 * s }), powerAt(func(float64) float64 { return 5 }))
	estimate := every(50*ms, 0, 3000*ms, record.SourceCPUEstimate, "cpu", model)
	r := Of(estimate, window(record.CPU, 1000*ms, 2000*ms))
	wantJoules(t, r, 5)
	if r.Grade != record.GradeD || !slices.Equal(r.Reasons, []string{Estimated}) {
		t.Errorf("saw grade %s, %v, want D, estimated", r.Grade, r.Reasons)
	}
	r = Of(every(500*ms, 0, 3000*ms, record.SourceCPUEstimate, "cpu", model), window(record.CPU, 1000*ms, 2000*ms))
	if r.Grade != record.GradeD || !slices.Equal(r.Reasons, []string{Estimated, UnderSampled}) {
		t.Errorf("under-sampled: saw grade %s, %v, want D, estimated, under_sampled", r.Grade, r.Reasons)
	}
	measured := every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 20 * s }))
	r = Of(slices.Concat(estimate, measured), window(record.CPU, 1000*ms, 2000*ms))
	wantJoules(t, r, 20)
	if r.Source != "rapl" || r.Grade != record.GradeB {
		t.Errorf("beside RAPL: saw grade %s of %s, want B of rapl", r.Grade, r.Source)
	}
}

func TestGPURunMarksAnEstimatedProcessor(t *testing.T) {
	samples := slices.Concat(
		every(50*ms, 0, 3000*ms, "nvml", "gpu:0", func(s *record.Sample) {
			both(counterAt(func(s float64) float64 { return 200 * s }), powerAt(func(float64) float64 { return 200 }))(s)
			s.TempC = units.Ptr(units.Celsius(40 + 10*seconds(s)))
			s.MemUsedBytes = units.Ptr(units.Bytes(1000))
			s.UtilPct = units.Ptr(units.Percent(90))
		}),
		every(50*ms, 0, 3000*ms, record.SourceCPUEstimate, "cpu", counterAt(func(s float64) float64 { return 5 * s })))
	r := Of(samples, window(record.GPU, 1000*ms, 2000*ms))
	wantJoules(t, r, 200)
	if r.Grade != record.GradeA || !slices.Equal(r.Reasons, []string{CPUEstimated}) {
		t.Errorf("saw grade %s, %v, want A with the processor's power marked", r.Grade, r.Reasons)
	}
	if r.CPUPower == nil || math.Abs(float64(*r.CPUPower)-5) > 1e-9 {
		t.Errorf("CPU power: saw %s, want 5", units.G4Ptr(r.CPUPower))
	}
	if math.Abs(float64(*r.GPUTemp)-55) > 1e-9 || *r.GPUMem != 1000 || math.Abs(float64(*r.GPUUtil)-90) > 1e-9 {
		t.Errorf("saw %v C, %v B, %v %%, want 55, 1000, 90", *r.GPUTemp, *r.GPUMem, *r.GPUUtil)
	}
}
