package energy

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// tallied counts windows whose bound holds, those that have none included, and those that have one.
type tallied struct{ all, held, bounded int }

func (n *tallied) add(o outcome) {
	if math.IsNaN(o.off) { // of readings as far apart as the window is long there may be no energy
		return
	}
	n.all++
	if o.off <= o.bound+1e-7 {
		n.held++
	}
	if !math.IsInf(o.bound, 1) {
		n.bounded++
	}
}

// Averages over a second that are renewed every tenth of their span to every two spans, and read as often as that or up to every
// 10 ms, by devices that tell how often they renew them and others. The bound holds for each device over all waves, and for each
// wave over all devices; where a part of the time is in no average there is none.
func TestBoundOfSeldomAverages(t *testing.T) {
	r := rand.New(rand.NewPCG(*truthSeed, 5))
	byWave := make([]tallied, len(waves))
	for _, period := range []float64{0.1, 0.25, 0.35, 0.5, 0.7, 0.9, 1, 1.05, 1.5, 2} {
		for _, interval := range []float64{0.01, period / 3, period} {
			for _, untold := range []bool{false, true} {
				s := simulated{source: "hwmon", device: "gpu:0", interval: interval, power: period, box: 1, jitter: 1e-4,
					untold: untold, unit: 1}
				name, n := fmt.Sprintf("renewed every %g s, read every %.2g s, untold: %v", period, interval, untold), tallied{}
				for i, w := range waves {
					for range *truthWindows / 2 {
						if s.blind(w.name) {
							break
						}
						o := s.trial(r, w.draw, 2, 15)
						n.add(o)
						byWave[i].add(o)
					}
				}
				if n.held < n.all*95/100 {
					t.Errorf("%s: the bound holds in %d of %d windows, want 95%%", name, n.held, n.all)
				}
				if interval < period && period <= 1 && n.bounded < n.all*9/10 {
					t.Errorf("%s: %d of %d windows have a bound, want nearly all", name, n.bounded, n.all)
				}
				if period > late && !untold && n.bounded > 0 {
					t.Errorf("%s: %d of %d windows have a bound, want none", name, n.bounded, n.all)
				}
			}
		}
	}
	for i, n := range byWave {
		if n.held < n.all*95/100 {
			t.Errorf("%s: the bound holds in %d of %d windows, want 95%%", waves[i].name, n.held, n.all)
		}
	}
}
