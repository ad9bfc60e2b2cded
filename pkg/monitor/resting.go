package monitor

import (
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/units"
)

// resting is what a device drew in a stretch that is marked idle.
type resting struct {
	quiet   energy.Quiet
	time    time.Duration // of what is metered, in the stretch
	touched stretch       // what is metered between readings of which one is in it, or both
	rise    stretch       // between the readings next to its marks
	stood   time.Duration // for how long a counter showed one value

	// How far from the marks, or from the first and the last reading, the time is that a counter shows there.
	into, out time.Duration

	// Of power: the readings before and behind, and how old they may be.
	before, after *float64
	left          bool // the one behind is not of the stretch any more
	stale         int64
}

// atMark is how far from a mark the time that a counter shows may be for its rise from there to be the stretch's, as of one that
// is renewed every 10 ms and read at the mark. From there to twice as far the rise counts less and less, and idle power more and
// more: the reading at a mark of a counter that is renewed seldom lacks what was drawn before the mark.
const atMark = 5 * time.Millisecond

// view is when a counter was read, and since when at the earliest it has shown what it showed.
type view struct{ ts, since int64 }

// off is how far from a mark the time is that the counter shows, taken from the middle of when that may be.
func (v view) off(mark int64) time.Duration {
	return time.Duration(v.since + (v.ts-v.since)/2 - mark).Abs()
}

// show notes since when at the earliest a counter shows what it does now, and returns what that was at the reading before.
func (m *meter) show(before, now moment, fresh bool, span int64) (was int64) {
	was = m.shown
	if m.method == Averaged { // of which a part is old also where it is new
		m.shown = now.ts - span
		return was
	}
	switch {
	case fresh:
		m.shown = 0
	case now.value != before.value:
		m.shown = before.ts
	}
	if span > 0 {
		m.shown = max(m.shown, now.ts-span+1)
	}
	return was
}

// touch notes how much of a part lies in stretches that are marked idle.
func (m *meter) touch(a, b view, part stretch, rests rests) {
	for i := len(rests) - 1; i >= 0; i-- {
		in := rests.overlap(i, a.ts, b.ts)
		begin, end := rests.span(i)
		r := &m.rests[i]
		if in <= 0 {
			if m.method != Counter && i == len(rests)-1 && a.since < end { // what is read still tells of the stretch
				r.touched.add(part)
			}
			return
		}
		if r.edges(a, b, begin, end) {
			r.rise.add(part)
		}
		r.time += in
		r.touched.add(part)
		r.stood = max(r.stood, rests.overlap(i, m.rises.since, b.ts))
	}
}

// edges notes how far from the marks the readings next to them are. It reports whether the part from a to b lies between these.
func (r *resting) edges(a, b view, begin, end int64) bool {
	inside := true
	if r.time == 0 {
		r.into = a.off(max(a.ts, begin))
		if b.ts-begin < begin-a.ts {
			r.into, inside = b.off(begin), false
		}
	}
	switch {
	case end == 0 || b.ts <= end:
		r.out = b.off(b.ts)
	case end-a.ts < b.ts-end:
		r.out, inside = a.off(end), false
	default:
		r.out = b.off(end)
	}
	return inside
}

// stands reports whether a counter stood still in the stretch.
func (m *meter) stands(r *resting) bool { return m.method == Counter && m.rises.halts(r.stood, m.read) }

// idleW is the power of the stretch, nil where it is not known, as where a counter stood still.
func (m *meter) idleW(r *resting) *units.Watts {
	if m.stands(r) {
		return nil
	}
	return r.quiet.Watts()
}

// idleness is the energy of the stretch: idle power times its time, and of a counter that was renewed right at the marks, or that
// stood still meanwhile, what it rose by. It is nothing where that is not known.
func (m *meter) idleness(r *resting) stretch {
	if m.stands(r) {
		return r.rise
	}
	watts := m.idleW(r)
	if watts == nil {
		return stretch{}
	}
	part := stretch{r.time, float64(watts.For(r.time))}
	if m.method != Counter {
		return part
	}
	return r.rise.towards(part, float64(max(r.into, r.out)-atMark)/float64(atMark))
}

// towards is s at a share of 0, the other at 1, and between them in between.
func (s stretch) towards(other stretch, share float64) stretch {
	share = min(max(share, 0), 1)
	return stretch{s.time + time.Duration(share*float64(other.time-s.time)), s.joules + share*(other.joules-s.joules)}
}

// idly is the energy of the time that is marked idle, as far as readings inside it tell.
func (m *meter) idly() (sum stretch) {
	for i := range m.rests {
		sum.add(m.idleness(&m.rests[i]))
	}
	return sum
}

// mixed reports whether averages lie around a stretch of which idle power is not known: how much of them is the stretch's is not either.
func (m *meter) mixed() bool {
	return m.method == Averaged && slices.ContainsFunc(m.rests, func(r resting) bool { return r.touched.time > 0 && m.idleW(&r) == nil })
}

// unmarked is the energy of the time that is not marked idle: what was metered less what the stretches that are marked drew. What
// lies between readings around one of which that is not known is neither's.
func (m *meter) unmarked() stretch {
	out := m.all
	for i := range m.rests {
		part := m.idleness(&m.rests[i])
		if part.time == 0 {
			part = m.rests[i].touched
		}
		out.time, out.joules = out.time-part.time, out.joules-part.joules
	}
	return stretch{out.time, max(out.joules, 0)}
}
