package monitor

import (
	"math"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/units"
)

// rises watches how a counter rises.
type rises struct {
	n       int64
	since   int64         // it shows its value
	longest time.Duration // that it showed one
	from    moment        // an update of it, at least a second before the next one here
	begun   bool          // there is one
	leapt   bool          // it rose by more than any device draws
}

// periods is for how many of its own updates a counter shows one value until it stands still, as package energy has it.
const periods = 10

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
		r.since = now.ts
	}
	r.longest = max(r.longest, time.Duration(now.ts-r.since))
}

// leap takes in what the counter has risen by at an update. Within a second nobody knows when exactly its updates are.
func (r *rises) leap(now moment) {
	dt := time.Duration(now.ts - r.from.ts)
	if r.begun && units.Joules(now.value-r.from.value) > energy.MaxPower.For(max(dt, counterSpan)) {
		r.leapt = true
	}
	if !r.begun || dt >= counterSpan {
		r.from, r.begun = now, true
	}
}

// halted reports whether the counter stood still for much longer than it does between two updates, in the time that it was read.
func (r *rises) halted(read time.Duration) bool {
	usual := (read - r.longest) / time.Duration(max(r.n, 1))
	return r.longest > max(energy.MaxGap, periods*usual)
}

// calm watches for how long readings of power do not change, at each level of power: one that always changed at a level and then
// does not is of a sensor that stands still, while one that is told in coarse steps, or at another level, may be of constant power.
type calm struct {
	levels map[int]*plateau
	since  int64   // the value is the same
	least  float64 // the smallest change
}

// plateau is what is known of readings around one power.
type plateau struct {
	time, longest time.Duration // there, and in one piece with one value
	changes       int           // from around that power to it
	moved         float64       // by these
}

const (
	levelWidth = 0.1 // of a level, by its power
	coarse     = 3   // changes of that many of the smallest ones, on average, are no rounding
)

// add takes a reading in, and the one before it.
func (c *calm) add(before, now moment, apart bool) {
	if apart || before.value <= 0 || now.value <= 0 {
		c.since = now.ts
		return
	}
	l := c.plateau(before.value)
	l.time += time.Duration(now.ts - before.ts)
	l.longest = max(l.longest, time.Duration(now.ts-c.since))
	step := math.Abs(now.value - before.value)
	if step == 0 {
		return
	}
	c.since = now.ts
	if c.least == 0 || step < c.least {
		c.least = step
	}
	if step <= levelWidth*before.value {
		l = c.plateau(now.value)
		l.changes, l.moved = l.changes+1, l.moved+step
	}
}

func (c *calm) plateau(watts float64) *plateau {
	if c.levels == nil {
		c.levels = map[int]*plateau{}
	}
	i := rung(watts)
	if c.levels[i] == nil {
		c.levels[i] = &plateau{}
	}
	return c.levels[i]
}

// rung is the number of a level.
func rung(watts float64) int { return int(math.Floor(math.Log(watts) / math.Log(1+levelWidth))) }

// still reports whether the sensor stood still.
func (c *calm) still() bool {
	for i, l := range c.levels {
		around := plateau{}
		for j := i - 1; j <= i+1; j++ {
			if near := c.levels[j]; near != nil {
				around.time, around.changes, around.moved = around.time+near.time, around.changes+near.changes, around.moved+near.moved
			}
		}
		if around.changes < partReadings || around.moved < coarse*c.least*float64(around.changes) {
			continue
		}
		usual := (around.time - l.longest) / time.Duration(around.changes)
		if l.longest > max(partLength, partReadings*usual) {
			return true
		}
	}
	return false
}
