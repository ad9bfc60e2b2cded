package monitor

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// idled is what a recording comes to of a device with a counter that is renewed now and then, and told to be, for the first time
// at some phase. It is read every 47 ms, and around each mark: idle begins at each of the even ones and ends at the odd ones.
func idled(drawn func(float64) float64, renewed, phase time.Duration, marks ...time.Duration) DeviceSummary {
	m, g := New(), NewGrader()
	add := func(s record.Sample) {
		m.Add(s)
		g.Add(&s)
	}
	read := func(now time.Duration) {
		s := at(now, "rapl", "cpu:0")
		shown := (now + renewed - phase).Truncate(renewed) + phase - renewed
		s.EnergyCounterJoules = units.Ptr(units.Joules(math.Round(1e6*drawn(shown.Seconds())) / 1e6))
		s.CounterUpdateNS = units.Ptr(int64(renewed))
		add(s)
	}
	for now, i := time.Duration(0), 0; now <= marks[len(marks)-1]; now += 47 * time.Millisecond {
		for ; i < len(marks) && marks[i] <= now+47*time.Millisecond; i++ {
			if marks[i] > now+time.Millisecond {
				read(max(now, marks[i]-150*time.Microsecond*time.Duration(i%2+1)))
			}
			add(own(marks[i], []string{record.EventIdleBegin, record.EventIdleEnd}[i%2]))
			read(marks[i] + 20*time.Microsecond)
		}
		if i < len(marks) {
			read(now + 47*time.Millisecond)
		}
	}
	return Summarize(m, g).Devices[0]
}

// A short command between two stretches of power that goes up and down: what is left of the marked time is not its own, and its
// mean is not above all that the counter ever rose by.
func TestShortCommandBetweenMarks(t *testing.T) {
	for _, renewed := range []time.Duration{time.Microsecond, time.Millisecond} {
		for i := range 20 {
			swing := 3 + 0.37*float64(i)
			drawn := func(s float64) float64 { // from 3 to 7 W in marked time, and 7 W between
				between := min(max(s-1.5, 0), 0.06)
				s -= between
				return 5*s - 2/swing*math.Cos(swing*s) + 7*between
			}
			d := idled(drawn, renewed, 0, 0, 1500*time.Millisecond, 1560*time.Millisecond, 3060*time.Millisecond)
			off := 14 * (20*time.Microsecond + renewed).Seconds()
			most := units.Watts(7 + off/0.06)
			if d.EnergyJ == nil || math.Abs(float64(*d.EnergyJ)-0.42) > off || *d.MeanW > most || *d.PeakW > most {
				t.Errorf("%v, %g: saw %s J, %s W, at most %s W, want 0.42 J and 7 W", renewed, swing, units.G4Ptr(d.EnergyJ),
					units.G4Ptr(d.MeanW), units.G4Ptr(d.PeakW))
			}
		}
	}
}

// However often a counter is renewed, a load between two marks has its energy: the reading at a mark lacks up to a whole
// update of it, which the readings in the marked time have. Nothing leaps from one way of counting to the other.
func TestMarkedTimeByAllPeriods(t *testing.T) {
	drawn := func(s float64) float64 { return 40*s + 260*min(max(s-10, 0), 20) }
	const phases = 20
	before, held, all := 0.0, 0, 0
	for _, ms := range []int{1, 2, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 23, 29, 50, 97, 200, 487, 997} {
		renewed, off := time.Duration(ms)*time.Millisecond, 0.0
		for i := range phases {
			d := idled(drawn, renewed, renewed*time.Duration(i)/phases, 0, 10*time.Second, 30*time.Second, 40*time.Second)
			if d.EnergyJ == nil || d.ErrorJ == nil || d.IdleW == nil || math.Abs(float64(*d.IdleW)-40) > 0.5 {
				t.Fatalf("%v: saw %s J ± %s, %s W idle", renewed, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), units.G4Ptr(d.IdleW))
			}
			saw := float64(*d.EnergyJ) - 6000
			if off += saw / phases; math.Abs(saw) > 0.5+min(300*renewed.Seconds(), 5.2+40*renewed.Seconds()) {
				t.Errorf("%v: saw %v J, want 6000", renewed, *d.EnergyJ)
			}
			if all++; math.Abs(saw) <= float64(*d.ErrorJ) {
				held++
			}
		}
		if math.Abs(off) > 2 || ms < 30 && math.Abs(off-before) > 0.7 {
			t.Errorf("%v: off by %.2f J, and by %.2f J where it is renewed a little more often", renewed, off, before)
		}
		before = off
	}
	if float64(held) < 0.95*float64(all) {
		t.Errorf("the bound held in %d of %d", held, all)
	}
}

// What a counter did not count in marked time is not the load's to lose. Idle power is not known where it stood still.
func TestCounterThatStandsInMarkedTime(t *testing.T) {
	for _, c := range []struct {
		stops [][2]float64
		known bool
	}{{[][2]float64{{2, 10}}, true}, {[][2]float64{{2, 5}}, true}, {[][2]float64{{30, 41}}, true}, {[][2]float64{{32, 41}}, true},
		{[][2]float64{{0.5, 10}, {31, 41}}, false}, {[][2]float64{{3, 7}, {30, 38}}, false}} {
		t.Run(fmt.Sprint(c.stops), func(t *testing.T) {
			d := idled(func(s float64) float64 {
				joules := 40*s + 60*min(max(s-10, 0), 20)
				for _, stop := range c.stops {
					joules -= 40 * max(min(s, stop[1])-stop[0], 0)
				}
				return joules
			}, time.Millisecond, 0, 0, 10*time.Second, 30*time.Second, 40*time.Second)
			if d.EnergyJ == nil || math.Abs(float64(*d.EnergyJ)-2000) > 1 || d.Grade.Grade != record.GradeC || d.ErrorJ != nil ||
				!slices.Contains(d.Grade.Reasons, energy.Gap) {
				t.Errorf("saw %s J ± %s, %v, want 2000 J, C", units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
			}
			few := slices.Contains(d.Grade.Reasons, energy.IdleUnderSampled)
			if few == c.known || (d.IdleW != nil) != c.known || (d.MarginalJ != nil) != c.known {
				t.Errorf("saw %s W idle, %s J more, %v, want idle power: %t", units.G4Ptr(d.IdleW), units.G4Ptr(d.MarginalJ), d.Grade, c.known)
			}
			if c.known && (math.Abs(float64(*d.IdleW)-40) > 0.1 || math.Abs(float64(*d.MarginalJ)-1200) > 5) {
				t.Errorf("saw %v W idle, %v J more, want 40 and 1200", *d.IdleW, *d.MarginalJ)
			}
		})
	}
}
