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

// meter adds up energy between readings of one quantity of a device.
type meter struct {
	method Method
	limit  units.Watts // more than the device draws
	n      int64
	before moment
	apart  time.Duration // how far the reading before was from the one before it
	shown  int64         // what it shows a counter has shown since then at the earliest
	idle   bool          // whether the time after it is marked idle
	all    stretch       // all energy
	read   time.Duration // between readings, without gaps
	rests  []resting     // of each stretch marked idle
	falls  int64         // of a counter
	fell   bool          // at all, also where the recorder stood still
	fallen bool          // and has not risen since: its recorder may begin anew at each reading
	lost   time.Duration // between readings of which nothing is known for that
	seen   bool          // a reading other than 0
	rises  rises         // of a counter
	calm   calm          // of power

	busy   int  // parts in a row that are not marked idle
	after  bool // the part before them was
	worked bool // not all that is not marked idle is the moment before the first mark or behind the last
}

// stretch is energy over some time.
type stretch struct {
	time   time.Duration
	joules float64
}

// add takes a reading in. It counts nothing where a counter falls, nor over a gap of power; a counter that only rose has
// counted on meanwhile. again says that another recording begins, whose counter is another. A counter is renewed every span,
// and an average is taken over one, as far as that is known.
func (m *meter) add(now moment, idle, again bool, rests rests, span int64) {
	before, wasIdle, gap := m.before, m.idle, m.gap(now)
	fresh := m.n == 0 || again
	m.rest(before, now, fresh, rests, span)
	was := m.show(before, now, fresh, span)
	if m.n++; m.n > 1 {
		m.apart = time.Duration(now.ts - before.ts)
	}
	m.before, m.idle = now, idle
	m.seen = m.seen || now.value != 0
	m.watch(before, now, fresh || gap, wasIdle)
	if m.n == 1 {
		return
	}
	fell := m.method == Counter && now.value < before.value && !again
	m.fell = m.fell || fell
	if fell && !gap {
		m.falls++
	}
	if m.fallen = fell || m.fallen && now.value <= before.value; m.fallen && !gap {
		m.lost += time.Duration(now.ts - before.ts)
		return
	}
	part, ok := m.between(before, now, rests)
	if !ok || again || gap && (m.method != Counter) {
		return
	}
	if !gap {
		m.read += part.time
	}
	m.all.add(part)
	m.touch(view{before.ts, was}, view{now.ts, m.shown}, part, rests)
	if wasIdle {
		m.busy, m.after = 0, true
		return
	}
	m.busy++
	m.worked = m.worked || m.busy > 1 || m.after && idle
}

// watch notes what shows whether the sensor works. apart says that the reading before says nothing of the time until now.
func (m *meter) watch(before, now moment, apart, idle bool) {
	if m.method == Counter {
		m.rises.add(before, now, apart)
		return
	}
	m.calm.add(before, now, apart || idle)
}

// gap reports whether readings were missing before the one that is now.
func (m *meter) gap(now moment) bool {
	return m.n > 1 && time.Duration(now.ts-m.before.ts) > gapAfter(max(m.apart, m.read/time.Duration(m.n-1)))
}

// between is the energy from one reading to the next. At a mark between two readings of power it goes from the one to the other.
func (m *meter) between(a, b moment, rests rests) (part stretch, ok bool) {
	part.time = time.Duration(b.ts - a.ts)
	marks, stretches := rests.marks(a.ts, b.ts)
	switch {
	case part.time <= 0:
		return part, false
	case m.method == Counter:
		part.joules = b.value - a.value
		return part, part.joules >= 0 && stretches < 2
	case m.method == Averaged || len(marks) == 0:
		part.joules = (a.value + b.value) / 2 * part.time.Seconds()
		return part, stretches < 2
	}
	part.joules = a.value*time.Duration(marks[0]-a.ts).Seconds() + b.value*time.Duration(b.ts-marks[0]).Seconds()
	return part, len(marks) == 1
}

// rest takes in what a reading tells of the stretch that was marked idle last.
func (m *meter) rest(before, now moment, fresh bool, rests rests, span int64) {
	for len(m.rests) < len(rests) {
		next := resting{}
		if !fresh {
			next.before = units.Ptr(before.value)
		}
		m.rests = append(m.rests, next)
	}
	if len(rests) == 0 {
		return
	}
	last := &m.rests[len(rests)-1]
	q := &last.quiet
	q.From, q.To = rests.span(len(rests) - 1)
	switch r := (energy.Reading{TS: now.ts, V: now.value}); {
	case m.method == Counter:
		q.Counter(energy.Reading{TS: before.ts, V: before.value}, r, fresh, span)
	case m.method == Integrated:
		last.flank(now, span)
		q.Power(r, span)
	case span > 0:
		q.Power(r, span)
	}
}

func (s *stretch) add(part stretch) {
	s.time += part.time
	s.joules += part.joules
}

func (s stretch) watts() units.Watts { return units.Joules(s.joules).Over(s.time) }

// mostFalls is the share of its readings at which a counter may fall to be one that was set back: more often, it is two
// recordings of one device in one. Nor is it one that was not known for most of the time.
const mostFalls = 0.05

// unbelieved is why a meter is none, "" where it is one.
func (m *meter) unbelieved() string {
	switch {
	case m.falls > 1 && float64(m.falls) > mostFalls*float64(m.n), m.lost > m.all.time:
		return energy.CounterReset
	case m.all.time > 0 && m.all.joules == 0:
		return energy.Stuck
	case m.rises.leapt, units.Joules(m.all.joules) > m.limit.For(m.all.time):
		return energy.Implausible
	case m.halted():
		return energy.Stuck
	}
	return ""
}

// halted reports whether a counter stood still for a while although it was read: it is believed where there is nothing else.
func (m *meter) halted() bool {
	return m.method == Counter && m.all.joules > 0 && m.rises.halts(m.rises.stood(), m.read)
}
