package monitor

import (
	"math"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// average is a device's own mean over the last second, of what it has drawn, renewed every 100 ms.
func average(drawn func(float64) float64) func(*record.Sample, float64) {
	return func(s *record.Sample, at float64) {
		at = math.Floor(at*10) / 10
		s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(drawn(at)-drawn(at-1))), units.Ptr(int64(time.Second))
		s.PowerUpdateNS = units.Ptr(int64(100 * time.Millisecond))
	}
}

// What the averages of a part have too much at its edges the part next to it has too little: the longer, the less it matters.
func TestBoundOfAveragesShrinks(t *testing.T) {
	drawn := func(s float64) float64 { return 200*s - 100/1.7*math.Cos(1.7*s) - 40/0.31*math.Cos(0.31*s) }
	share := func(length time.Duration) float64 {
		d, _ := gradedAs("nvml", "gpu:0", 100*time.Millisecond, length, average(drawn))
		truth := drawn(length.Seconds()) - drawn(0)
		if d.ErrorJ == nil || math.Abs(float64(*d.EnergyJ)-truth) > float64(*d.ErrorJ) {
			t.Fatalf("%v: saw %s J ± %s, want %.0f J", length, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), truth)
		}
		return float64(*d.ErrorJ / *d.EnergyJ)
	}
	if short, long := share(time.Minute), share(30*time.Minute); long > short/4 || long < short/100 {
		t.Errorf("saw a bound of %.3f%% of a minute, of %.3f%% of half an hour, want less", 100*short, 100*long)
	}
}
