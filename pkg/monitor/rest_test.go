package monitor

import (
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
		if d.IdleW == nil || *d.IdleW < units.Watts(c.idle)-1e-6 || *d.IdleW > units.Watts(c.idle)+1e-6 ||
			slices.Contains(d.Grade.Reasons, energy.IdleBusy) {
			t.Errorf("%v: saw %s W idle, %v", c, units.G4Ptr(d.IdleW), d.Grade.Reasons)
		}
	}
}
