package energy

import (
	"math"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// A counter that does not tell how often it is renewed and stands still from 100 s on, as of a device that sleeps: what it drew
// before does not go on until the window's end.
func TestNothingIsDrawnWhereACounterStandsStill(t *testing.T) {
	for name, c := range map[string]struct {
		read, renewed int64
		off           float64 // joules: power before for the time between two rises, as far as that is seen
	}{
		"read every 10 ms, each reading a new one": {10 * ms, 1 * ms, 0.9},
		"read every 100 ms":                        {100 * ms, 1 * ms, 9},
		"renewed every 100 ms":                     {10 * ms, 100 * ms, 9.9},
		"read every second":                        {1000 * ms, 1 * ms, 90},
	} {
		samples := every(c.read, 3*ms, 300_000*ms, "hwmon", "cpu:0", func(s *record.Sample) {
			at := float64((s.TSUnixNS-t0)/c.renewed*c.renewed) / 1e9
			s.EnergyCounterJoules = units.Ptr(units.Joules(1000 + 90*min(at, 100)))
		})
		for _, w := range []Window{window(record.CPU, 10_000*ms, 290_000*ms), window(record.CPU, 90_000*ms, 120_000*ms)} {
			want := 90 * (100 - float64(w.Start-t0)/1e9)
			r := Of(samples, w)
			if r.Joules == nil || math.Abs(float64(*r.Joules)-want) > c.off+0.1 {
				t.Errorf("%s, until %v: saw %s J, %v, want %g within %g", name, w.Length(), units.G4Ptr(r.Joules), r.Reasons, want, c.off)
			}
		}
	}
}
