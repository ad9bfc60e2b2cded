//go:build linux && cgo

package telemetry

import (
	"math"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/units"
)

// The period is found within 15% where sampling is at least four times as fast as the updates, whatever the phase, the
// jitter of sampling and a value that stays the same now and then; where each reading shows another value it is not told.
func TestUpdatesLearn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		period := rapid.Float64Range(5, 200).Draw(t, "period in ms")
		interval := period / rapid.Float64Range(4, 20).Draw(t, "readings per update")
		phase := rapid.Float64Range(0, 1).Draw(t, "phase")
		stuck := rapid.IntRange(8, 50).Draw(t, "every so many updates show the same value")
		jitter := rapid.SliceOfN(rapid.Float64Range(-0.1, 0.1), 1, 50).Draw(t, "jitter")
		var u updates
		for i := 0; float64(i)*interval < 40*period; i++ {
			at := (float64(i) + jitter[i%len(jitter)]) * interval
			n := int(at/period + phase + 1)
			u.saw(epoch.Add(time.Duration(at*1e6)), uint64(n-n/stuck))
		}
		if got := float64(u.period) / 1e6; math.Abs(got-period) > 0.15*period {
			t.Fatalf("saw %v ms, want %v ms", got, period)
		}
	})
}

func TestUpdatesNotKnown(t *testing.T) {
	for name, c := range map[string]struct{ interval, period time.Duration }{
		"sampled as fast as updated":      {100 * time.Millisecond, 100 * time.Millisecond},
		"sampled slower than updated":     {100 * time.Millisecond, 20 * time.Millisecond},
		"sampled little faster":           {80 * time.Millisecond, 100 * time.Millisecond},
		"a value that stays":              {10 * time.Millisecond, time.Hour},
		"changes that are not yet enough": {10 * time.Millisecond, 200 * time.Millisecond},
	} {
		var u updates
		for i := range 300 {
			at := time.Duration(i) * c.interval
			u.saw(epoch.Add(at), uint64(at/c.period))
		}
		if u.period != 0 {
			t.Errorf("%s: saw a period of %v, want none", name, u.period)
		}
	}
}

// While sampling, the update periods of counter and power are learned, told once per second and given as the resolution.
func TestNVMLLearnsUpdates(t *testing.T) {
	c := &card{}
	milliwatts := uint32(50000)
	c.fields = func(v []nvml.FieldValue) nvml.Return {
		noPowers(v)
		field(&v[0], milliwatts)
		return nvml.SUCCESS
	}
	src, _ := openCards(t, machine(nil), []*card{c})
	var counter, power *int64
	for i := range 300 {
		if i%10 == 0 {
			c.millijoules += 5000
		}
		if i%4 == 0 {
			milliwatts++
		}
		s := read(t, src, epoch.Add(time.Duration(i)*10*time.Millisecond))[0]
		if i%100 != 0 && (s.CounterUpdateNS != nil || s.PowerUpdateNS != nil) {
			t.Fatalf("sweep %d: saw update periods before their turn", i)
		}
		if s.PowerUpdateNS != nil {
			counter, power = s.CounterUpdateNS, s.PowerUpdateNS
		}
	}
	near := func(ns *int64, want time.Duration) bool {
		return ns != nil && math.Abs(float64(*ns)-float64(want)) < 0.02*float64(want)
	}
	if !near(counter, 100*time.Millisecond) || !near(power, 40*time.Millisecond) {
		t.Errorf("saw updates of %v and %v ns, want 100 and 40 ms", counter, power)
	}
	got := src.Resolution() // what was learned since it was told last is in it too
	if g := got["gpu:0"]; len(got) != 1 || !near(units.Ptr(int64(g.Counter)), 100*time.Millisecond) || !near(units.Ptr(int64(g.Power)), 40*time.Millisecond) {
		t.Errorf("saw resolution %v, want 100 and 40 ms of gpu:0", got)
	}
}
