package monitor

import (
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/units"
)

// moment is one reading.
type moment struct {
	ts    int64
	value float64
}

// meter adds up energy between readings.
type meter struct {
	n         int64
	before    moment
	idle      bool      // whether the time after it is marked idle
	all, idly stretch   // all energy, and that of the time marked idle
	rests     []stretch // that of each stretch marked idle
	fell      bool      // it is a counter that was set back

	busy   int  // parts in a row that are not marked idle
	after  bool // the part before them was
	worked bool // not all that is not marked idle is the moment before the first mark or behind the last
}

// stretch is energy over some time.
type stretch struct {
	time   time.Duration
	joules float64
}

// add takes a reading in; between is the energy from one to the next. It counts nothing over a gap, nor where a counter
// falls, as it does where another recording begins.
func (m *meter) add(now moment, idle bool, rests int, between func(a, b moment) float64) {
	before, wasIdle, gap := m.before, m.idle, m.gap(now)
	m.n++
	m.before, m.idle = now, idle
	if m.n == 1 {
		return
	}
	part := stretch{time.Duration(now.ts - before.ts), between(before, now)}
	if part.time <= 0 || part.joules < 0 || gap {
		return
	}
	m.all.add(part)
	if wasIdle {
		m.rest(rests, part)
		m.busy, m.after = 0, true
		return
	}
	m.busy++
	m.worked = m.worked || m.busy > 1 || m.after && idle
}

// gap reports whether readings were missing before the one that is now.
func (m *meter) gap(now moment) bool {
	return m.n > 1 && time.Duration(now.ts-m.before.ts) > gapAfter(m.all.time/time.Duration(m.n-1))
}

// rest adds a part of the last of so many stretches that are marked idle.
func (m *meter) rest(rests int, part stretch) {
	m.idly.add(part)
	for len(m.rests) < rests {
		m.rests = append(m.rests, stretch{})
	}
	m.rests[rests-1].add(part)
}

// unmarked is the energy of the time that is not marked idle.
func (m *meter) unmarked() stretch {
	return stretch{m.all.time - m.idly.time, m.all.joules - m.idly.joules}
}

func (s *stretch) add(part stretch) {
	s.time += part.time
	s.joules += part.joules
}

func (s stretch) watts() units.Watts { return units.Joules(s.joules).Over(s.time) }

// trapezoid is the energy between two readings of power.
func trapezoid(a, b moment) float64 {
	return (a.value + b.value) / 2 * time.Duration(b.ts-a.ts).Seconds()
}

// unbelieved is why a counter that rose so far is none, "" where it is one.
func (m *meter) unbelieved() string {
	switch {
	case m.fell:
		return energy.CounterReset
	case m.all.time > 0 && m.all.joules == 0:
		return energy.Stuck
	}
	return ""
}
