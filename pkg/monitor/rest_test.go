package monitor

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// rested is a recording of 3 s with a second of idleness at either end, of which the processors were busy for the given per
// cents; they draw 10 W, 30 W and 20 W. Utilisation is first read when the recording has begun.
func rested(first, last units.Percent) Summary {
	m, g := New(), NewGrader()
	joules := 0.0
	for i := range 61 {
		now := time.Duration(i) * 50 * time.Millisecond
		watts, use := 30.0, units.Percent(100)
		switch {
		case i <= 20:
			watts, use = 10, first
		case i > 40:
			watts, use = 20, last
		}
		if i > 0 {
			joules += watts * 0.05
		}
		row := own(now, map[int]string{0: record.EventIdleBegin, 20: record.EventIdleEnd, 40: record.EventIdleBegin,
			60: record.EventIdleEnd}[i])
		cpu, host := at(now+time.Microsecond, "rapl", "cpu:0"), at(now+2*time.Microsecond, "proc", "host")
		cpu.EnergyCounterJoules = units.Ptr(units.Joules(joules))
		if i%3 == 2 {
			host.UtilPct = &use
		}
		for _, s := range []record.Sample{row, cpu, host} {
			m.Add(s)
			g.Add(&s)
		}
	}
	return Summarize(m, g)
}

// What a machine drew that was not left alone is no idle power, whatever the marks say.
func TestBusyIdleness(t *testing.T) {
	for _, c := range []struct {
		first, last units.Percent
		idle        float64 // 0 for none
	}{{3, 4, 15}, {98, 4, 20}, {3, 98, 10}, {98, 97, 0}} {
		d := rested(c.first, c.last).Devices[0]
		if c.idle == 0 {
			if d.IdleW != nil || d.MarginalJ != nil || !slices.Contains(d.Grade.Reasons, energy.IdleBusy) || d.Grade.Grade == "" {
				t.Errorf("%v: saw %s W, marginal %s J, %v, want none", c, units.G4Ptr(d.IdleW), units.G4Ptr(d.MarginalJ), d.Grade)
			}
			continue
		}
		near(t, "energy", d.EnergyJ, 30)
		near(t, "marginal energy", d.MarginalJ, 30-c.idle)
		if d.IdleW == nil || *d.IdleW < units.Watts(c.idle)-1e-5 || *d.IdleW > units.Watts(c.idle)+1e-5 ||
			slices.Contains(d.Grade.Reasons, energy.IdleBusy) {
			t.Errorf("%v: saw %s W idle, %v", c, units.G4Ptr(d.IdleW), d.Grade.Reasons)
		}
	}
}

// A meter that is read once a second, with marks between its readings: the idle stretch has the readings inside it, and the load
// goes on until the mark. One that is read too rarely has no idle power, and what lies around a mark is neither's.
func TestIdlenessOfASlowMeter(t *testing.T) {
	drawn := func(s float64) float64 { return 60*s + 200*(max(0, s-2)-max(0, s-8)) }
	for _, c := range []struct {
		source string
		every  time.Duration
		idle   float64
	}{{"meter", 950 * time.Millisecond, 60}, {"rapl", 950 * time.Millisecond, 60}, {"meter", 2100 * time.Millisecond, 0}} {
		m, g := New(), NewGrader()
		add := func(s record.Sample) {
			m.Add(s)
			g.Add(&s)
		}
		for now := time.Duration(0); now <= 10*time.Second; now += 50 * time.Millisecond {
			add(own(now, map[time.Duration]string{0: record.EventIdleBegin, 2 * time.Second: record.EventIdleEnd,
				8 * time.Second: record.EventIdleBegin, 10 * time.Second: record.EventIdleEnd}[now]))
			if (now-50*time.Millisecond)%c.every != 0 {
				continue
			}
			s := at(now+time.Microsecond, c.source, "cpu:0")
			if at := now.Seconds() + 1e-6; c.source == "rapl" {
				s.EnergyCounterJoules = units.Ptr(units.Joules(drawn(at)))
			} else {
				s.PowerW = units.Ptr(units.Watts((drawn(at+1e-7)-drawn(at))/1e-7 + math.Sin(at)/100))
			}
			add(s)
		}
		d := Summarize(m, g).Devices[0]
		if d.MeanW == nil || math.Abs(float64(*d.MeanW)-260) > 0.1 {
			t.Errorf("%v: saw %s W, want 260", c, units.G4Ptr(d.MeanW))
		}
		if c.source == "meter" && slices.Contains(d.Grade.Reasons, energy.ErrorBound) {
			t.Errorf("%v: saw %s J ± %s, %v: the steps at the marks are none of the load's", c, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade)
		}
		few := slices.Contains(d.Grade.Reasons, energy.IdleUnderSampled)
		if (c.idle == 0) != few || (d.IdleW == nil) != few || (d.MarginalJ == nil) != few {
			t.Errorf("%v: saw %s W idle, %s J, %v", c, units.G4Ptr(d.IdleW), units.G4Ptr(d.MarginalJ), d.Grade)
		}
		if !few && (math.Abs(float64(*d.IdleW)-60) > 0.1 || math.Abs(float64(*d.MarginalJ)-1200) > 2) {
			t.Errorf("%v: saw %v W idle, %v J, want 60 and 1200", c, *d.IdleW, *d.MarginalJ)
		}
	}
}
