package monitor

import (
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// renewed is how often a sensor renews its reading of power, as it tells or as its readings show.
type renewed struct {
	told    int64
	before  moment
	n       int
	apart   int64 // between the latest readings
	change  int64 // when it changed last
	least   int64 // the least time between two changes
	changes int
	repeats bool
}

// fewChanges is how many changes of a reading show nothing yet of how often it is renewed: so many a load makes that comes and goes.
const fewChanges = 3

func (r *renewed) add(now moment) {
	if r.n++; r.n == 1 {
		r.before = now
		return
	}
	if r.apart = now.ts - r.before.ts; now.value == r.before.value {
		r.repeats = true
	} else {
		if apart := now.ts - r.change; r.changes > 0 && (r.least == 0 || apart < r.least) {
			r.least = apart
		}
		r.changes++
		r.change = now.ts
	}
	r.before = now
}

// period is how old a reading may be: where that is not told, the least time between two changes and one reading more, and 0 where
// no two readings are the same: then each stands for itself.
func (r *renewed) period() int64 {
	switch {
	case r.told > 0:
		return r.told
	case r.repeats && r.changes > fewChanges:
		return r.least + r.apart
	}
	return 0
}

// smeared is how long ago what an average tells of may be, 0 where that is not known.
func (d *device) smeared() int64 {
	if d.box == 0 {
		return 0
	}
	return d.box + d.renewed.told
}

// flank notes what power was read next to a stretch that is marked idle, which the readings next to its marks still show.
func (r *resting) flank(now moment, span int64) {
	r.stale = max(r.stale, span)
	if r.quiet.To > 0 && !r.left {
		r.after, r.left = units.Ptr(now.value), now.ts-span >= r.quiet.To
	}
}

// late is what power counts on the wrong side of the marks of a stretch, of which idle power is known: readings show on average what
// was half an update before, and anything up to a whole one.
func (r *resting) late(watts units.Watts) (shift, bound float64) {
	half := time.Duration(r.stale).Seconds() / 2
	if r.before != nil {
		step := half * (*r.before - float64(watts))
		shift, bound = shift-step, bound+max(step, -step)
	}
	if r.after != nil {
		step := half * (*r.after - float64(watts))
		shift, bound = shift+step, bound+max(step, -step)
	}
	return shift, bound
}

// late is the same of all stretches: what their readings are late by is of the same sign in all of them.
func (m *meter) late() (shift, bound float64) {
	for i := range m.rests {
		if watts := m.idleW(&m.rests[i]); m.method == Integrated && watts != nil {
			more, wider := m.rests[i].late(*watts)
			shift, bound = shift+more, bound+wider
		}
	}
	return shift, bound
}
