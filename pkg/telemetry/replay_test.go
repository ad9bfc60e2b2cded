//go:build linux && cgo

package telemetry

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
)

// load is what a device draws: its power over time in seconds, and the integral of that from 0, in closed form.
type load struct {
	name          string
	power, energy func(t float64) float64
}

// loads are those of a window from begin to end.
func loads(begin, end float64) []load {
	inside := func(t float64) float64 { return min(max(t-begin, 0), end-begin) }
	busy := func(t float64) bool { return t >= begin && t < end }
	const cycle, on = 0.0213, 0.7 // of a decode loop: seconds a token, share of it at full power
	return []load{
		{"constant", func(float64) float64 { return 150 }, func(t float64) float64 { return 150 * t }},
		{"step at both edges", func(t float64) float64 {
			if busy(t) {
				return 300
			}
			return 60
		}, func(t float64) float64 { return 60*t + 240*inside(t) }},
		{"ramp", func(t float64) float64 { return 60 + 30*t }, func(t float64) float64 { return 60*t + 15*t*t }},
		{"sine", func(t float64) float64 { return 200 + 80*math.Sin(2*t) },
			func(t float64) float64 { return 200*t + 40*(1-math.Cos(2*t)) }},
		{"decode loop", func(t float64) float64 {
			switch {
			case !busy(t):
				return 60
			case math.Mod(t-begin, cycle) < on*cycle:
				return 320
			}
			return 180
		}, func(t float64) float64 {
			n, rest := math.Modf(inside(t) / cycle)
			return 60*(t-inside(t)) + 180*inside(t) + 140*cycle*(n*on+min(rest, on))
		}},
	}
}

// sweeps reads a source every interval, a little late now and then, from 0 to length seconds, after show has set what its
// sensors say at that moment.
func sweeps(t *testing.T, src Source, interval, length float64, show func(at float64)) []record.Sample {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var out []record.Sample
	for at := interval; at < length; at += interval {
		late := at + 200e-6*r.Float64()
		show(late)
		var err error
		if out, err = src.Sample(epoch.Add(time.Duration(late*1e9)), out); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// held holds the energy of a window against the truth.
func held(t *testing.T, name string, samples []record.Sample, w energy.Window, want float64, grades ...record.Grade) {
	t.Helper()
	r := energy.Of(samples, w)
	if r.Joules == nil || r.Error == nil {
		t.Errorf("%s: saw no energy: %v", name, r.Reasons)
		return
	}
	off := math.Abs(float64(*r.Joules)/want - 1)
	if off > 0.005 {
		t.Errorf("%s: saw %.4g J, off by %.2f%%, want %.4g within 0.5%%", name, float64(*r.Joules), 100*off, want)
	}
	if float64(*r.Error) < off*want {
		t.Errorf("%s: the bound is %.3g J, the error %.3g J", name, float64(*r.Error), off*want)
	}
	if !slices.Contains(grades, r.Grade) {
		t.Errorf("%s: saw grade %s, %v, want one of %v", name, r.Grade, r.Reasons, grades)
	}
}

func windowOf(device record.Device, begin, end float64) energy.Window {
	at := func(t float64) int64 { return epoch.Add(time.Duration(t * 1e9)).UnixNano() }
	return energy.Window{Start: at(begin), End: at(end), Device: device}
}

// Two packages whose counters renew every millisecond in a tree of /sys, one of them about to wrap.
func TestReplayRAPL(t *testing.T) {
	const begin, end, length, wrap = 4.0123, 5.5431, 9.0, 262143328850
	for _, l := range loads(begin, end) {
		for _, interval := range []float64{0.010, 0.050} {
			tree := fixture(t, "two-sockets")
			show := func(at float64) {
				shown := math.Floor(at*1000) / 1000
				uj := uint64(l.energy(shown)/2*1e6) + wrap - 400e6
				for i, v := range []uint64{uj % wrap, uj - wrap/2} {
					zone := fmt.Sprintf("sys/class/powercap/intel-rapl:%d/", i)
					set(tree, zone+"energy_uj", fmt.Sprint(v))
					set(tree, zone+"max_energy_range_uj", fmt.Sprint(uint64(wrap)))
				}
			}
			show(0)
			src, _, err := openRAPL(machine(tree), Options{})
			if err != nil {
				t.Fatal(err)
			}
			samples := sweeps(t, src, interval, length, show)
			held(t, fmt.Sprintf("%s, every %v s", l.name, interval), samples, windowOf(record.CPU, begin, end),
				l.energy(end)-l.energy(begin), record.GradeB)
		}
	}
}

// A GPU whose driver renews counter and power by a clock of its own.
func TestReplayNVML(t *testing.T) {
	const begin, length = 4.0123, 12.0
	for _, c := range []struct{ update, interval, end float64 }{
		{0.0203, 0.010, begin + 0.7}, {0.1007, 0.010, begin + 1.9}, {0.1007, 0.047, begin + 2.3},
	} {
		for _, l := range loads(begin, c.end) {
			gpu := &card{}
			watts := 0.0
			gpu.fields = func(v []nvml.FieldValue) nvml.Return {
				ret := powers(v)
				field(&v[0], uint32(watts*1000)) // the instantaneous one is asked for first
				return ret
			}
			show := func(at float64) {
				shown := math.Floor(at/c.update) * c.update
				gpu.millijoules, watts = uint64(l.energy(shown)*1000), l.power(shown)
			}
			show(0)
			src, _ := openCards(t, machine(fixture(t, "desktop")), []*card{gpu})
			samples := sweeps(t, src, c.interval, length, show)
			held(t, fmt.Sprintf("%s, renewed every %v s, read every %v s", l.name, c.update, c.interval), samples,
				windowOf(record.GPU, begin, c.end), l.energy(c.end)-l.energy(begin), record.GradeA, record.GradeB)
		}
	}
}
