package energy

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// recording draws samples of two processor packages and a GPU at uneven intervals from before 0 to after 5 s.
func recording(t *rapid.T) []record.Sample {
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "recording"), 0))             // hundreds of draws would be slow
	period := rapid.SampledFrom([]int64{0, 1, ms, 20 * ms, 100 * ms}).Draw(t, "period") // of the counters, where not 0
	var out []record.Sample
	for _, d := range []struct{ source, device string }{{"rapl", "cpu:0"}, {"rapl", "cpu:1"}, {"nvml", "gpu:0"}} {
		joules, at := 0.0, -200*ms
		for at < 5200*ms {
			step := 1*ms + random.Int64N(89*ms)
			watts := 400 * random.Float64()
			at += step
			joules += watts * time.Duration(step).Seconds()
			out = append(out, reading(d.source, d.device, at, func(s *record.Sample) {
				s.EnergyCounterJoules = units.Ptr(units.Joules(joules))
				if period > 0 {
					s.CounterUpdateNS = &period
				}
				if d.source == "nvml" {
					s.PowerW = units.Ptr(units.Watts(watts))
				}
			}))
		}
	}
	return out
}

// edges draws times in order, far enough apart to be windows that every recording covers.
func edges(t *rapid.T) []int64 {
	at, out := rapid.Int64Range(0, 500*ms).Draw(t, "first"), []int64{}
	for at <= 5000*ms {
		out = append(out, at)
		at += rapid.Int64Range(200*ms, 1500*ms).Draw(t, "length")
	}
	return out
}

func TestEnergyIsAdditiveOverSplitWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples, at := recording(t), edges(t)
		device := rapid.SampledFrom([]record.Device{record.CPU, record.GPU}).Draw(t, "device")
		sum := 0.0
		for i := range len(at) - 1 {
			sum += float64(*Of(samples, window(device, at[i], at[i+1])).Joules)
		}
		whole := float64(*Of(samples, window(device, at[0], at[len(at)-1])).Joules)
		if math.Abs(sum-whole) > 1e-6 {
			t.Fatalf("parts %v, whole %v", sum, whole)
		}
	})
}

func TestOrderOfSamplesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples, at := recording(t), edges(t)
		samples = append(samples, samples[0], samples[len(samples)/2]) // and the same reading twice
		w := window(rapid.SampledFrom([]record.Device{record.CPU, record.GPU}).Draw(t, "device"), at[0], at[1])
		want := Of(samples, w)
		seed := rapid.Uint64().Draw(t, "seed")
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		if got := Of(samples, w); !reflect.DeepEqual(got, want) {
			t.Fatalf("saw %+v, want %+v", got, want)
		}
	})
}

// Constant power gives power times time to the last digit that float64 has, however it is sampled and wherever the
// window lies.
func TestConstantPowerIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		watts := rapid.Float64Range(0.1, 1000).Draw(t, "watts")
		samples, at := recording(t), edges(t)
		for i := range samples {
			samples[i].EnergyCounterJoules, samples[i].PowerW = nil, units.Ptr(units.Watts(watts))
		}
		r := Of(samples, window(record.GPU, at[0], at[1]))
		if got := float64(*r.MeanPower); math.Abs(got-watts) > 1e-12*watts {
			t.Fatalf("saw %v W, want %v", got, watts)
		}
	})
}

// Whatever the samples are, a grade comes with energy and energy with a grade, and A never without agreement.
func TestGradeInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := recording(t)
		from := rapid.Int64Range(-1000*ms, 6000*ms).Draw(t, "from")
		w := window(rapid.SampledFrom([]record.Device{record.CPU, record.GPU}).Draw(t, "device"), from,
			from+rapid.Int64Range(1, 3000*ms).Draw(t, "length"))
		r := Of(samples, w)
		if (r.Joules == nil) != (r.Grade == "") || (r.Joules == nil) != (r.MeanPower == nil) || (r.Joules == nil) != (r.Source == "") {
			t.Fatalf("saw %+v", r)
		}
		if r.Joules == nil && len(r.Reasons) == 0 || r.Grade != record.GradeA && len(r.Reasons) == 0 {
			t.Fatalf("saw %+v without a reason", r)
		}
		unsure := r.Error == nil || *r.Error > MaxBound**r.Joules
		if r.Grade == record.GradeA && (w.Device == record.CPU || r.Samples < MinUpdates || unsure) {
			t.Fatalf("saw grade A: %+v", r)
		}
		if r.Error != nil && (r.Joules == nil || *r.Error < 0 || math.IsNaN(float64(*r.Error))) {
			t.Fatalf("saw a bound of %v: %+v", *r.Error, r)
		}
		if r.Joules != nil && (math.IsNaN(float64(*r.Joules)) || *r.Joules < 0) {
			t.Fatalf("saw %v J", *r.Joules)
		}
	})
}
