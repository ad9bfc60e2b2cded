package energy

import (
	"slices"
	"time"
)

// maxSlew is how far the wall clock may move against the samples' timeline between two rows of the recorder without having
// been set, and slewRate how fast kernels pull a clock (adjtimex(2)), which rows that are seconds apart show. What chrony, which
// pulls by up to a twelfth of the time, moves it by between two such rows could as well be a step, and counts as one.
const (
	maxSlew  = 5 * time.Millisecond
	slewRate = 0.0005
)

// ClockSet reports whether a wall clock that moved against the timeline of the samples between two rows of the recorder, which
// are apart, either way, was set between them, and not pulled.
func ClockSet(moved, apart time.Duration) bool {
	return moved.Abs() > maxSlew+time.Duration(slewRate*float64(apart.Abs()))
}

// span is a stretch of time, its ends included.
type span struct{ from, to int64 }

// meets reports whether the span and the time from from to to have a moment in common.
func (s span) meets(from, to int64) bool { return s.from <= to && s.to >= from }

// clock translates the wall clock, which the windows of runs are told in, to the timeline of the samples.
type clock struct {
	ts     int64 // time of the latest row of the recorder
	offset int64 // wall clock minus timeline then; 0 where no recorder tells
	known  bool
	steps  []span // in each the wall clock was set at some time: from the row before to the one that shows it
}

// observe takes in where the wall clock stood at t. It reports whether the clock was set since the row before.
func (c *clock) observe(t, offset int64) (set bool) {
	set = c.known && ClockSet(time.Duration(offset-c.offset), time.Duration(t-c.ts))
	if set {
		c.step(span{min(c.ts, t), t})
	}
	c.ts, c.offset, c.known = t, offset, true
	return set
}

// step notes that the clock was set in s. Two recorders whose timelines differ make a step of every row: those next to each other
// are held as one.
func (c *clock) step(s span) {
	if n := len(c.steps); n > 0 && s.from-c.steps[n-1].to <= int64(near)/2 {
		c.steps[n-1].to = max(c.steps[n-1].to, s.to)
		return
	}
	c.steps = append(c.steps, s)
}

// pulled translates a wall time behind the row before, was, by c's row after it, between which the clock ran evenly.
func (c *clock) pulled(was clock, wall int64) int64 {
	from, to := was.ts+was.offset, c.ts+c.offset
	if wall >= to || to <= from {
		return wall - c.offset
	}
	return was.ts + int64(float64(wall-from)*float64(c.ts-was.ts)/float64(to-from))
}

// stepped reports whether the clock may have been set between two times.
func (c *clock) stepped(from, to int64) bool {
	return slices.ContainsFunc(c.steps, func(s span) bool { return s.meets(from, to) })
}
