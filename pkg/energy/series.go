package energy

import (
	"cmp"
	"slices"
	"time"
)

// point is one reading of one quantity.
type point struct {
	ts int64 // unix nanoseconds
	v  float64
}

// series is the readings of one quantity of one device around a window. Its methods want it sorted.
type series []point

// sort orders the readings by time, and readings of the same moment by value, so that the order of the input cannot
// matter.
func (s series) sort() {
	slices.SortFunc(s, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.ts, b.ts), cmp.Compare(a.v, b.v))
	})
}

// coverage is how well a series covers a window.
type coverage struct {
	first, last int   // indices of the last reading at or before the start and of the first at or after the end
	inside      int64 // readings inside the window, its edges included
	gap         bool  // readings are missing for more than MaxGap and a tenth of the window
}

// cover reports whether readings lie on both sides of w, and close enough that interpolating between them says something
// of w. Two rules decide that: with readings inside the window, the segments that cross its edges are no longer than
// the window or MaxGap; with none inside, the window is at least half of the segment it lies in. A window much shorter
// than the sampling interval, of which only the surroundings are known, is therefore not covered.
func (s series) cover(w Window) (coverage, bool) {
	after := func(t int64) int { // index of the first reading later than t
		i, _ := slices.BinarySearchFunc(s, t, func(p point, t int64) int {
			if p.ts > t {
				return 1
			}
			return -1
		})
		return i
	}
	c := coverage{first: after(w.Start) - 1, last: after(w.End - 1)}
	if c.first < 0 || c.last >= len(s) {
		return coverage{}, false
	}
	atStart := after(w.Start - 1) // the first reading inside
	c.inside = int64(after(w.End) - atStart)
	limit := max(w.Length(), MaxGap)
	if c.inside == 0 {
		limit = 2 * w.Length()
	}
	for i := c.first; i < c.last; i++ {
		segment := time.Duration(s[i+1].ts - s[i].ts)
		edge := i == c.first || i == c.last-1
		if edge && segment > limit {
			return coverage{}, false
		}
		c.gap = c.gap || segment > max(MaxGap, w.Length()/MinSamples)
	}
	return c, true
}

// at is the value at time t, linear between the readings around it, which must exist.
func (s series) at(t int64) float64 {
	i, found := slices.BinarySearchFunc(s, t, func(p point, t int64) int { return cmp.Compare(p.ts, t) })
	if found {
		return s[i].v
	}
	a, b := s[i-1], s[i]
	return a.v + (b.v-a.v)*float64(t-a.ts)/float64(b.ts-a.ts)
}

// rise is how much a covered counter rises over w; ok is false when it falls anywhere in between, as it does where a
// recorder was restarted.
func (s series) rise(w Window, c coverage) (v float64, ok bool) {
	for i := c.first; i < c.last; i++ {
		if s[i+1].v < s[i].v {
			return 0, false
		}
	}
	return s.at(w.End) - s.at(w.Start), true
}

// integral is the integral over w of a covered series, in value-seconds: the trapezoid rule on the readings inside the
// window and on the interpolated values at its edges.
func (s series) integral(w Window, c coverage) float64 {
	sum, prev := 0.0, point{w.Start, s.at(w.Start)}
	add := func(p point) {
		sum += (p.v + prev.v) / 2 * time.Duration(p.ts-prev.ts).Seconds()
		prev = p
	}
	for _, p := range s[c.first : c.last+1] {
		if p.ts > w.Start && p.ts < w.End {
			add(p)
		}
	}
	add(point{w.End, s.at(w.End)})
	return sum
}

// mean is the time-weighted mean over w, or nil where the series does not cover it.
func (s series) mean(w Window) *float64 {
	c, ok := s.cover(w)
	if !ok {
		return nil
	}
	m := s.integral(w, c) / w.Length().Seconds()
	return &m
}
