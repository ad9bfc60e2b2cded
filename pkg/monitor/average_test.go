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

// Averages over more than the time that is marked have some of the work and some of the idleness in them: they count for neither, and
// how far off what is left is nobody knows.
func TestAveragesOverShortMarks(t *testing.T) {
	m, g := New(), NewGrader()
	add := func(s record.Sample) {
		m.Add(s)
		g.Add(&s)
	}
	const work, rest = 5, 0.9 // s, of 90 W and of 12 W
	set := average(func(s float64) float64 {
		turns := math.Floor(s / (work + rest))
		return turns*(90*work+12*rest) + 90*min(s-turns*(work+rest), work) + 12*max(s-turns*(work+rest)-work, 0)
	})
	for i := range 1770 {
		now := time.Duration(i) * 100 * time.Millisecond
		switch i % 59 {
		case 50:
			add(own(now, record.EventIdleBegin))
		case 0:
			if i > 0 {
				add(own(now, record.EventIdleEnd))
			}
		}
		s := at(now+time.Microsecond, "nvml", "gpu:0")
		set(&s, now.Seconds()+1e-6)
		add(s)
	}
	d := Summarize(m, g).Devices[0]
	if d.MeanW == nil || math.Abs(float64(*d.MeanW)-90) > 1 || d.EnergyS > 130 || d.ErrorJ != nil || d.Grade.Grade != record.GradeC || d.IdleW != nil {
		t.Errorf("saw %s W over %v s ± %s, %v, %s W idle, want 90 W, no bound", units.G4Ptr(d.MeanW), d.EnergyS, units.G4Ptr(d.ErrorJ), d.Grade,
			units.G4Ptr(d.IdleW))
	}
}
