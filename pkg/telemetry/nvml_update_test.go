//go:build linux && cgo

package telemetry

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
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
