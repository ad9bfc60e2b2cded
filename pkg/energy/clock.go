package energy

import "time"

// MaxSlew is how far the wall clock may move against the samples' timeline between two rows of the recorder without having
// been set. Kernels pull a clock by half a millisecond a second at most (adjtime), chrony by up to a twelfth of the time.
const MaxSlew = 5 * time.Millisecond

// clock translates the wall clock, which the windows of runs are told in, to the timeline of the samples.
type clock struct {
	ts     int64 // time of the latest row of the recorder
	offset int64 // wall clock minus timeline then; 0 where no recorder tells
	known  bool
	steps  []int64 // times at which the wall clock was set
}

// observe takes in where the wall clock stood at t. It reports whether the clock was set since the row before.
func (c *clock) observe(t, offset int64) (set bool) {
	set = c.known && time.Duration(offset-c.offset).Abs() > MaxSlew
	c.ts, c.offset, c.known = t, offset, true
	// Two recorders whose timelines differ make a step of every row; two a second tell as much, and are not too many to hold.
	if n := len(c.steps); set && (n == 0 || t-c.steps[n-1] > int64(near)/2) {
		c.steps = append(c.steps, t)
	}
	return set
}

// pulled translates a wall time behind the row before, was, by c's row after it, between which the clock ran evenly.
func (c *clock) pulled(was clock, wall int64) int64 {
	from, to := was.ts+was.offset, c.ts+c.offset
	if wall >= to || to <= from {
		return wall - c.offset
	}
	return was.ts + int64(float64(wall-from)*float64(c.ts-was.ts)/float64(to-from))
}

// stepped reports whether the clock was set between two times.
func (c *clock) stepped(from, to int64) bool {
	for _, t := range c.steps {
		if t >= from && t <= to {
			return true
		}
	}
	return false
}
