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

// sensor is one that renews its power now and then, which it may tell, and is read now and then.
type sensor struct {
	renewed, every time.Duration
	tells          bool
}

// alternating is what a recording comes to of 90 W for work and 12 W for rest, in turns.
func (c sensor) alternating(work, rest time.Duration, turns int, phase time.Duration) (d DeviceSummary, worked time.Duration) {
	m, g := New(), NewGrader()
	add := func(s record.Sample) {
		m.Add(s)
		g.Add(&s)
	}
	turn := work + rest
	watts := func(at time.Duration) float64 {
		update := (at+c.renewed-phase)/c.renewed*c.renewed + phase - c.renewed
		noise := math.Sin(1e5 * update.Seconds())
		if at := update % turn; update >= 0 && at >= work {
			return 12 + noise/10
		}
		return 90 + noise
	}
	read := func(at time.Duration) {
		s := powered(at, watts(at))
		if c.tells {
			s.PowerUpdateNS = units.Ptr(int64(c.renewed))
		}
		add(s)
	}
	end := time.Duration(turns)*turn + work
	mark, begins := work, true
	for now := time.Duration(0); now <= end; now += c.every {
		for mark < end && mark <= now {
			add(own(mark, map[bool]string{true: record.EventIdleBegin, false: record.EventIdleEnd}[begins]))
			read(mark + time.Microsecond)
			mark += map[bool]time.Duration{true: rest, false: work}[begins]
			begins = !begins
		}
		read(now + 2*time.Microsecond)
	}
	return Summarize(m, g).Devices[0], time.Duration(turns+1) * work
}

func powered(now time.Duration, watts float64) record.Sample {
	s := at(now, "hwmon", "system")
	s.PowerW = units.Ptr(units.Watts(watts))
	return s
}

// What a sensor that is renewed now and then shows behind a mark is still of before it: it is no idle power, and the work has no less
// for it.
func TestStalePowerIsNotIdle(t *testing.T) {
	for _, c := range []struct {
		sensor
		work, rest time.Duration
	}{
		{sensor{100 * time.Millisecond, 97 * time.Millisecond, true}, 5 * time.Second, time.Second},
		{sensor{100 * time.Millisecond, 47 * time.Millisecond, true}, 10 * time.Second, time.Second},
		{sensor{100 * time.Millisecond, 47 * time.Millisecond, false}, 10 * time.Second, 3 * time.Second},
		{sensor{time.Second, time.Second, true}, 20 * time.Second, 3500 * time.Millisecond},
		{sensor{2500 * time.Millisecond, time.Second, false}, 60 * time.Second, 10 * time.Second},
	} {
		for _, phase := range []time.Duration{1, 4, 7, 9} {
			d, worked := c.alternating(c.work, c.rest, 30, c.renewed*phase/10)
			truth := units.Watts(90).For(worked)
			if d.EnergyJ == nil || d.ErrorJ == nil || d.IdleW == nil || math.Abs(float64(*d.IdleW)-12) > 0.2 ||
				math.Abs(float64(*d.EnergyJ-truth)) > float64(*d.ErrorJ) {
				t.Errorf("%v, %d: saw %s J ± %s, %s W idle, want %.0f J and 12 W", c, phase, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ),
					units.G4Ptr(d.IdleW), float64(truth))
			}
		}
	}
}

// Of a stretch that is over before the sensor shows it, idle power is not known, and what it shows of it behind is not the work's.
func TestShorterThanAnUpdate(t *testing.T) {
	c := sensor{time.Second, 100 * time.Millisecond, true}
	d, worked := c.alternating(10*time.Second, 1050*time.Millisecond, 20, 600*time.Millisecond)
	if d.IdleW != nil || !slices.Contains(d.Grade.Reasons, energy.IdleUnderSampled) {
		t.Errorf("saw %s W idle, %v, want none", units.G4Ptr(d.IdleW), d.Grade.Reasons)
	}
	if d.MeanW == nil || math.Abs(float64(*d.MeanW)-90) > 0.5 || d.EnergyS > worked.Seconds()-10 {
		t.Errorf("saw %s W over %v s, want 90 W over 10 s less than %v", units.G4Ptr(d.MeanW), d.EnergyS, worked)
	}
}
