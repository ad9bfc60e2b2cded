package monitor

import (
	"math"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/units"
)

// rises watches how a counter rises.
type rises struct {
	limit   units.Watts // more than the device draws
	n       int64
	since   int64         // it shows its value
	latest  int64         // reading
	longest time.Duration // that it showed one, but for where power beside it was 0
	beside  mean          // power beside while it shows its value
	next    mean          // power beside, which is of that time if the counter does not rise next
	most    float64       // power beside at all
	from    moment        // an update of it, at least a second before the next one here
	begun   bool          // there is one
	leapt   bool          // it rose by more than any device draws
}

// add takes a reading in, and the one before it, which is apart where it is of another recording or nothing was read for long.
func (r *rises) add(before, now moment, apart bool) {
	switch {
	case now.value < before.value:
		r.begun, apart = false, true
	case now.value > before.value:
		r.n++
		r.leap(now)
	}
	if apart || now.value != before.value {
		r.longest, r.since, r.beside = r.stood(), now.ts, mean{}
	} else {
		r.beside = mean{r.beside.sum + r.next.sum, r.beside.n + r.next.n}
	}
	r.latest, r.next = now.ts, mean{}
}

// power takes a reading of power beside the counter in, which is so old at most: older than the counter's value it tells nothing.
func (r *rises) power(now moment, age int64) {
	if r.most = max(r.most, now.value); now.ts-age >= r.since {
		r.next = mean{now.value, 1}
	}
}

// nothing is the share of the most power beside a counter up to which it has nothing to count.
const nothing = 0.01

// stood is how long it showed one value at most, where it had something to count as far as is known.
func (r *rises) stood() time.Duration {
	if r.beside.n > 0 && r.beside.sum <= nothing*r.most*float64(r.beside.n) {
		return r.longest
	}
	return max(r.longest, time.Duration(r.latest-r.since))
}

// leap takes in what the counter has risen by at an update. Within a second nobody knows when exactly its updates are.
func (r *rises) leap(now moment) {
	dt := time.Duration(now.ts - r.from.ts)
	if r.begun && units.Joules(now.value-r.from.value) > r.limit.For(max(dt, counterSpan)) {
		r.leapt = true
	}
	if !r.begun || dt >= counterSpan {
		r.from, r.begun = now, true
	}
}

// halts reports whether a counter that stood so long did so for much longer than between two updates, in the time that it was read.
func (r *rises) halts(stood, read time.Duration) bool {
	usual := (read - r.stood()) / time.Duration(max(r.n, 1))
	return stood > max(energy.MaxGap, energy.Stall*usual)
}

// calm watches for how long readings of power do not change. A sensor whose readings went up and down and which shows one in the
// midst of them to the end stands still; constant power is what it may be where the load went there in one step or by and by, at a
// value that was there again and again, as of a meter in coarse steps, or at the edge of what was there, as at a limit or idle.
type calm struct {
	latest []moment // readings that differ from the one before
	since  int64    // the value is the same
	asked  bool     // whether it stands still, which the readings before tell once and for all
	still  bool     // it does
}

const (
	vicinity = 0.1                  // how far readings lie around one, by its power
	mostly   = partReadings * 3 / 4 // of the latest readings
	often    = partReadings / 4
	kept     = 10 * partReadings // readings of which it is known what is at their edges, a fifth of them at each
	edges    = 5

	coarse      = 0.003 // of the power is a step that noise may just not cross any more, and so is
	coarseWatts = 1
)

// add takes a reading in, and the one before it.
func (c *calm) add(before, now moment, apart bool) {
	c.still = c.still && now.value == before.value
	switch {
	case apart:
		c.latest = c.latest[:0]
	case now.value == before.value:
		c.ask(now)
		return
	}
	if c.since, c.asked = now.ts, false; len(c.latest) == kept {
		c.latest = append(c.latest[:0], c.latest[1:]...)
	}
	c.latest = append(c.latest, now)
}

// ask finds whether the sensor stands still once it has shown its value for long enough.
func (c *calm) ask(now moment) {
	stood := time.Duration(now.ts - c.since)
	if c.asked || stood <= partLength || len(c.latest) < partReadings {
		return
	}
	latest := c.latest[len(c.latest)-partReadings:]
	if changing := time.Duration(c.since - latest[0].ts); stood <= changing { // the readings before
		return
	}
	c.asked = true
	c.still = c.still || wavers(latest, now.value) && c.amid(now.value)
}

// wavers reports whether readings went up and down around a value, without keeping to it.
func wavers(latest []moment, value float64) bool {
	around, turns, same := 0, 0, 0
	for i, m := range latest {
		if closeTo(m.value, value) {
			around++
		}
		if m.value == value {
			same++
		}
		if i > 1 && (m.value > latest[i-1].value) != (latest[i-1].value > latest[i-2].value) {
			turns++
		}
	}
	return around >= mostly && turns >= often && same < often
}

func closeTo(v, value float64) bool { return math.Abs(v-value) <= vicinity*value }

// amid reports whether the value is one in fine steps, with enough of those around it below and above.
func (c *calm) amid(value float64) bool {
	var around []float64
	for _, m := range c.latest {
		if closeTo(m.value, value) {
			around = append(around, m.value)
		}
	}
	slices.Sort(around)
	step := math.Inf(1)
	for i := 1; i < len(around); i++ {
		if apart := around[i] - around[i-1]; apart > 0 {
			step = min(step, apart)
		}
	}
	least := len(around) / edges
	const rounding = 1 - 1e-6
	return step < rounding*min(coarseWatts, coarse*value) && around[least] < value && value < around[len(around)-1-least]
}
