package energy

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// point is one reading of one quantity.
type point struct {
	ts int64 // unix nanoseconds
	v  float64
}

// series is the readings of one quantity of one device around a window, in order of time.
type series []point

// insert puts a reading in its place, which nearly always is the end: by time, and among readings of the same moment by
// value, so that the order of the input cannot matter. It reports whether the reading is new: one that is there already,
// as from a copy of a recording, counts once.
func (s *series) insert(p point) bool {
	order := func(a, b point) int { return cmp.Or(cmp.Compare(a.ts, b.ts), cmp.Compare(a.v, b.v)) }
	if n := len(*s); n == 0 || order((*s)[n-1], p) < 0 {
		*s = append(*s, p)
		return true
	}
	i, found := slices.BinarySearchFunc(*s, p, order)
	if !found {
		*s = slices.Insert(*s, i, p)
	}
	return !found
}

// after is the index of the first reading later than t.
func (s series) after(t int64) int {
	i, _ := slices.BinarySearchFunc(s, t, func(p point, t int64) int {
		if p.ts > t {
			return 1
		}
		return -1
	})
	return i
}

// around is the readings from from to to, and one more on each side.
func (s series) around(from, to int64) series {
	return s[max(s.after(from-1)-1, 0):min(s.after(to)+1, len(s))]
}

// within is the readings from from to to.
func (s series) within(from, to int64) series { return s[s.after(from-1):s.after(to)] }

// coverage is how well a series covers a window.
type coverage struct {
	first, last int   // indices of the last reading at or before the start and of the first at or after the end
	inside      int64 // readings inside the window, its edges included
	gap         bool  // readings are missing for more than MaxGap and a tenth of the window
}

// cover reports whether readings lie on both sides of w, and close enough that interpolating between them says something
// of w. Two rules decide that: with readings inside the window, the segments that cross its edges are no longer than
// the window or MaxGap; with none inside, the window is at least half of the segment it lies in. A window much shorter
// than the sampling interval, of which only the surroundings are known, is therefore not covered. Of a quantity that
// changes slowly the edges may be patience away in either case.
func (s series) cover(w Window, patience time.Duration) (coverage, bool) {
	c := coverage{first: s.after(w.Start) - 1, last: s.after(w.End - 1)}
	if c.first < 0 || c.last >= len(s) {
		return coverage{}, false
	}
	atStart := s.after(w.Start - 1) // the first reading inside
	c.inside = int64(s.after(w.End) - atStart)
	limit := max(w.Length(), MaxGap)
	if c.inside == 0 {
		limit = 2 * w.Length()
	}
	limit = max(limit, patience)
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

// falls reports whether a covered counter falls anywhere in the window, as it does where a recorder was restarted.
func (s series) falls(c coverage) bool {
	for i := c.first; i < c.last; i++ {
		if s[i+1].v < s[i].v {
			return true
		}
	}
	return false
}

// rising is the readings around a covered window since the counter fell last before it, until it falls next.
func (s series) rising(c coverage) series {
	first, last := c.first, c.last
	for first > 0 && s[first-1].v <= s[first].v {
		first--
	}
	for last+1 < len(s) && s[last+1].v >= s[last].v {
		last++
	}
	return s[first : last+1]
}

// goesOn is for how long a counter may rise behind its last update without showing it: the time between two, told or seen, or else
// until it is read again.
func (s series) goesOn(period int64) int64 {
	if apart := cmp.Or(period, periodOf(s)); apart > 0 {
		return apart
	}
	last := s[len(s)-1]
	i := slices.IndexFunc(s, func(p point) bool { return p.v == last.v })
	return s[min(i+1, len(s)-1)].ts - s[i].ts
}

// still reports whether a covered series shows one value all through w.
func (s series) still(w Window) bool {
	in := s.within(w.Start, w.End)
	return len(in) > 0 && !slices.ContainsFunc(in, func(p point) bool { return p.v != in[0].v })
}

// holes is by how much a distance between readings exceeds the usual one where readings are missing: a reader that is late
// by an interval or two is no more than that.
const holes = 4

// usual is the median distance between two readings.
func (s series) usual() int64 {
	if len(s) < 2 {
		return 0
	}
	apart := make([]int64, 0, len(s)-1)
	for i := 1; i < len(s); i++ {
		apart = append(apart, s[i].ts-s[i-1].ts)
	}
	slices.Sort(apart)
	return apart[len(apart)/2]
}

// missing looks for distances between readings much larger than they usually are: the longest within w, and the root of the sum
// of their squares, by which what happened in them adds up, in seconds.
func (s series) missing(w Window) (longest, together float64) {
	limit := holes * s.usual()
	for i := 1; i < len(s); i++ {
		if from, to := max(s[i-1].ts, w.Start), min(s[i].ts, w.End); s[i].ts-s[i-1].ts > limit && to > from {
			hole := time.Duration(to - from).Seconds()
			longest, together = max(longest, hole), together+hole*hole
		}
	}
	return longest, math.Sqrt(together)
}

// spread is the range of all readings.
func (s series) spread() float64 {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range s {
		low, high = min(low, p.v), max(high, p.v)
	}
	return high - low
}

// grain is what the readings are multiples of, whole watts or tenths, else 0: then nobody knows on which side of a reading the power
// was all the time.
func (s series) grain() float64 {
	for _, g := range []float64{1, 0.1} {
		if !slices.ContainsFunc(s, func(p point) bool { return math.Abs(p.v/g-math.Round(p.v/g)) > 1e-6 }) {
			return g
		}
	}
	return 0
}

// Stall is how many periods a counter may show one value for, while it is read, until it counts as standing still.
const Stall = 10

// frozen reports whether readings in w show a counter that was not renewed for much longer than its period: the readings
// themselves repeat, so that a recorder that did not read says nothing here.
func (s series) frozen(w Window, period int64) bool {
	limit := Stall * period
	if period == 0 {
		limit = max(int64(MaxGap), int64(w.Length())/MinSamples)
	}
	first := 0
	for i := 1; i < len(s); i++ {
		if s[i].v != s[first].v {
			first = i
		}
		if from, to := max(s[first].ts, w.Start), min(s[i].ts, w.End); to-from > limit && i-first > 1 {
			return true
		}
	}
	return false
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

// patience is how far apart the readings of a quantity may be that changes slowly and is read about once a second.
const patience = 3 * time.Second

// mean is the time-weighted mean over w of a quantity that changes slowly, or nil where the series does not cover it.
func (s series) mean(w Window) *float64 {
	c, ok := s.cover(w, patience)
	if !ok {
		return nil
	}
	m := s.integral(w, c) / w.Length().Seconds()
	return &m
}

// peak is the highest reading inside w, its interpolated edges included, or nil where the series does not cover it.
func (s series) peak(w Window) *float64 {
	if _, ok := s.cover(w, patience); !ok {
		return nil
	}
	m := max(s.at(w.Start), s.at(w.End))
	for _, p := range s.within(w.Start, w.End) {
		m = max(m, p.v)
	}
	return &m
}

// rise is how much a counter that is read afresh rose over w, or nil where it is not covered or fell.
func (s series) rise(w Window) *float64 {
	c, ok := s.cover(w, 0)
	if !ok || s.falls(c) {
		return nil
	}
	v := s.at(w.End) - s.at(w.Start)
	return &v
}

// highest is the highest value that held at some time in w, each reading holding until the next; 0 where there is none.
func (s series) highest(w Window) float64 {
	m := 0.0
	for _, p := range s[max(s.after(w.Start)-1, 0):s.after(w.End)] {
		m = max(m, p.v)
	}
	return m
}

// latest is the highest value that was read in w, or where none was read the last before it.
func (s series) latest(w Window) float64 {
	if in := s.within(w.Start, w.End); len(in) > 0 {
		s = in
	}
	return s.highest(w)
}

// share is the share of w in which the value was above 0, each reading holding until the next, for patience at most.
func (s series) share(w Window) float64 {
	held := int64(0)
	for i := max(s.after(w.Start)-1, 0); i < s.after(w.End); i++ {
		until := s[i].ts + int64(patience)
		if i+1 < len(s) {
			until = min(until, s[i+1].ts)
		}
		if from, to := max(s[i].ts, w.Start), min(until, w.End); s[i].v > 0 && to > from {
			held += to - from
		}
	}
	return float64(held) / float64(w.End-w.Start)
}
