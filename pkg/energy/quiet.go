package energy

import (
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// Quiet takes the mean power of a device in a stretch of time from what was read inside it alone, as its readings pass: a value
// between the last reading of a load and the first one behind it is neither's. It keeps the first and the last of them.
type Quiet struct {
	From, To int64 // To is 0 while the stretch goes on

	first, last update
	joules      float64 // between the readings of power
	n           int     // readings inside
}

// sweep is how long after a mark the sweep that belongs to it has read a counter at the latest: nothing has begun until then.
const sweep = 10 * time.Millisecond

// leastQuiet is how many readings inside a stretch tell of its power.
const leastQuiet = 2

// Counter takes the reading of a counter in and the one before it, which may lie before the stretch. fresh says that there is
// none before it, and period is the time between two updates, 0 where that is not known. Only a reading that differs from the
// one before tells when the counter was renewed.
func (q *Quiet) Counter(before, now Reading, fresh bool, period int64) {
	u := update{lo: before.TS, hi: now.TS, v: now.V}
	switch {
	case fresh && period == 0, !fresh && now.V == before.V:
		return
	case fresh:
		u.lo = now.TS - period + 1
	case now.V < before.V: // what it had risen to is not known
		q.n = 0
	}
	if period > 0 {
		u.lo = max(u.lo, now.TS-period+1)
	}
	if u.lo < q.From-int64(sweep) || q.To > 0 && u.hi > q.To+int64(sweep) {
		return
	}
	q.take(u)
	q.joules = q.last.v - q.first.v
}

// Power takes a reading of power in; span is how long before it what it tells of may have begun, all of which must lie inside the
// stretch: the time between two renewals of a power of the moment, as a reading may be as old as that and still of the load
// before, or the time that a mean is of.
func (q *Quiet) Power(now Reading, span int64) {
	if now.TS-span < q.From || q.To > 0 && now.TS > q.To {
		return
	}
	u := update{now.TS, now.TS, now.V}
	if q.n > 0 {
		q.joules += (q.last.v + u.v) / 2 * time.Duration(u.hi-q.last.hi).Seconds()
	}
	q.take(u)
}

func (q *Quiet) take(u update) {
	if q.n == 0 {
		q.first = u
	}
	q.last = u
	q.n++
}

// Watts is the mean power, nil where too little was read inside the stretch, or nothing but zeros.
func (q *Quiet) Watts() *units.Watts {
	span := time.Duration(q.last.mid() - q.first.mid())
	if q.n < leastQuiet || span <= 0 || q.joules <= 0 {
		return nil
	}
	return units.Ptr(units.Joules(q.joules).Over(span))
}

// Reading is a value at a time.
type Reading struct {
	TS int64 // unix nanoseconds
	V  float64
}

// stale is how old a reading of power may be: the time between two renewals that is told, or else seen where the sensor is read
// more often than that. Where each reading is a new one nothing shows that they are old.
func (d *device) stale() int64 {
	if seen := periodOf(d.power); d.powerPeriod == 0 && 2*seen > 3*d.power.usual() {
		return seen
	}
	return d.powerPeriod
}

// quiet is the power of the device in w by the first of its quantities that tells it.
func (d *device) quiet(w Window) *units.Watts {
	counter, power, average := Quiet{From: w.Start, To: w.End}, Quiet{From: w.Start, To: w.End}, Quiet{From: w.Start, To: w.End}
	for i, p := range d.counter {
		before := Reading{}
		if i > 0 {
			before = Reading{d.counter[i-1].ts, d.counter[i-1].v}
		}
		counter.Counter(before, Reading{p.ts, p.v}, i == 0, d.renewed())
	}
	stale := d.stale()
	for _, p := range d.power {
		power.Power(Reading{p.ts, p.v}, stale)
	}
	for _, p := range d.average {
		if d.box == 0 {
			break
		}
		average.Power(Reading{p.ts, p.v}, d.box)
	}
	for _, q := range []*Quiet{&counter, &power, &average} {
		if watts := q.Watts(); watts != nil {
			return watts
		}
	}
	return nil
}
