package energy

import (
	"math"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// untold is a counter that does not tell how often it is renewed.
func untold(joules func(s float64) float64) func(*record.Sample) {
	return func(s *record.Sample) { s.EnergyCounterJoules = units.Ptr(units.Joules(joules(seconds(s)))) }
}

// A spike of 100 W for 0.6 s on 20 W, read every 10 ms: the counter of a package is known to be renewed every millisecond, and
// of another the mean of 20 readings is the best that is known.
func TestStepsShowASpike(t *testing.T) {
	energy := func(s float64) float64 { return 20*s + 80*(max(0, s-2)-max(0, s-2.6)) }
	for source, step := range map[string]int64{"rapl": 20 * ms, "hwmon": 200 * ms} {
		steps, highest, n := StepsOf(source), units.Watts(0), int64(0)
		for at := int64(0); at <= 5000*ms; at += 10 * ms {
			s := reading(source, "cpu:0", at, untold(energy))
			if _, p, ok := steps.Add(s.TSUnixNS, *s.EnergyCounterJoules, s.CounterUpdateNS); ok {
				highest, n = max(highest, p), n+1
			}
		}
		if math.Abs(float64(highest)-100) > 5 || n != 5000*ms/step-1 { // the first reading tells no update
			t.Errorf("%s: saw a peak of %v W in %d steps, want 100 in %d", source, highest, n, 5000*ms/step-1)
		}
	}
}

// A counter of 100 W that is renewed once a second shows 100 W, whenever the reading begins and whatever it is said to be renewed at.
func TestStepsOfASlowCounter(t *testing.T) {
	for _, source := range []string{"hwmon", "rapl"} {
		for begin := int64(0); begin < 1000*ms; begin += 90 * ms {
			steps, n := StepsOf(source), 0
			for at := begin; at <= begin+20_000*ms; at += 40 * ms {
				s := reading(source, "cpu:0", at, untold(func(s float64) float64 { return 100 * math.Floor(s) }))
				_, p, ok := steps.Add(s.TSUnixNS, *s.EnergyCounterJoules, s.CounterUpdateNS)
				if ok && math.Abs(float64(p)-100) > 100.0/20 {
					t.Errorf("%s from %d ms on: saw %v W, want 100 W to a twentieth", source, begin/ms, p)
				}
				if ok {
					n++
				}
			}
			if n < 15 {
				t.Errorf("%s from %d ms on: saw %d steps", source, begin/ms, n)
			}
		}
	}
}
