package energy

import (
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// Steps takes power from an energy counter as its readings pass: the mean between two updates that are so far apart that it
// does not matter when exactly they were.
type Steps struct {
	period int64 // ns between two updates, 0 where that is not known
	n      int   // readings
	before point // the latest of them
	slow   bool  // it is renewed less often than it tells
	begun  bool  // an update was seen; the first reading may be one of long before
	last   update
}

// StepsOf takes the power of a counter of a telemetry source.
func StepsOf(source string) Steps {
	return Steps{period: newDevice(sensor{source: source}).counterPeriod}
}

// Period is the time between two updates as far as it is known, else 0.
func (s *Steps) Period() int64 { return s.period }

// Restart forgets the readings, as where a counter begins again.
func (s *Steps) Restart() { *s = Steps{period: s.period, slow: s.slow} }

// Add takes the next reading in, and the time between two updates where the reading tells it. Where it is an update far enough
// behind an earlier one, the mean power between the two comes back, with the time in the middle.
func (s *Steps) Add(ts int64, joules units.Joules, period *int64) (at int64, power units.Watts, ok bool) {
	if !s.slow {
		carry(&s.period, period)
	}
	now, before := point{ts, float64(joules)}, s.before
	s.n, s.before = s.n+1, now
	switch {
	case s.n == 1:
		return 0, 0, false
	case now.v == before.v:
		if s.period > 0 && s.begun && ts-s.last.hi > s.period {
			s.period, s.slow, s.begun = 0, true, false
		}
		return 0, 0, false
	case now.ts == before.ts: // read twice at once: the later value, as a counter rises
		if s.last.hi == ts {
			s.last.v = now.v
		}
		return 0, 0, false
	}
	next := update{before.ts, ts, now.v}
	if s.period > 0 {
		next.lo = max(next.lo, ts-s.period+1)
	}
	if !s.begun {
		s.begun, s.last = true, next
		return 0, 0, false
	}
	return s.step(next)
}

// step is the power from the last update that one was taken from to the next.
func (s *Steps) step(next update) (at int64, power units.Watts, ok bool) {
	last := s.last
	span := next.mid() - last.mid()
	if span <= 0 || span < steps/2*max(last.hi-last.lo, next.hi-next.lo) {
		return 0, 0, false
	}
	s.last = next
	return last.mid() + span/2, units.Joules(max(next.v-last.v, 0)).Over(time.Duration(span)), true
}
