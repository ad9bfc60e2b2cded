package energy

import (
	"math"
	"slices"
)

// update is a moment at which a device renewed a reading: later than lo, at hi at the latest, when the new value was read.
type update struct {
	lo, hi int64 // unix nanoseconds
	v      float64
}

func (u update) mid() int64 { return u.lo + (u.hi-u.lo)/2 }

// curve is a quantity that a device keeps, as an energy counter, by its updates. The device adds to it all the time, and
// shows it at its updates only.
type curve []update

// changes is the curve of a sorted series of readings, of a device that renews its reading every period; 0 where that is
// not known. A reading at t shows the value at the last update before t. Readings that repeat the one before say only that
// there was no update yet; one that differs says that the last update lies in (max(t of the reading before, t - period), t].
func changes(s series, period int64) curve {
	c := make(curve, 0, len(s))
	for i, p := range s {
		switch {
		case i == 0:
			c = append(c, update{first(s, period), p.ts, p.v})
		case p.v == s[i-1].v:
		case p.ts == s[i-1].ts: // read twice at once: the later value, as a counter rises
			c[len(c)-1].v = p.v
		default:
			lo := s[i-1].ts
			if period > 0 {
				lo = max(lo, p.ts-period+1) // later than t - period
			}
			c = append(c, update{lo, p.ts, p.v})
		}
	}
	return c
}

// first is since when the first of s may have stood there, before which nothing was read.
func first(s series, period int64) int64 {
	switch {
	case period > 0:
		return s[0].ts - period + 1
	case len(s) > 1:
		return s[0].ts - (s[1].ts - s[0].ts)
	}
	return s[0].ts
}

// inside counts the updates that were read in a window.
func (c curve) inside(w Window) (n int64) {
	for _, u := range c {
		if u.hi >= w.Start && u.hi <= w.End {
			n++
		}
	}
	return n
}

// What is looked at around the edge of a window. The value at a moment is a function of that moment and of the updates near it
// alone, so that energies of windows that touch add up to that of the whole.
const (
	near      = MaxGap          // updates further away say nothing of the power at an edge
	far       = 2*near + MaxGap // what is held around a window at least
	rangeSpan = 10              // segments on each side whose powers bound the power at an edge
	fitSpan   = 8               // updates on each side that a line is laid through at most
	sideSpan  = 4               // segments on each side that the power before and behind a step is taken from at most
	evidence  = 6               // a step of power is believed where it is so many standard deviations of the power beside it; a ramp has 4.2
	roughness = 0.4             // third differences of power beside its range, above which it is not smooth
	fresh     = 1e-8            // seconds; updates whose times are known that well need no others
	widen     = 0.25            // the range of powers seen is widened by so much of itself on each side

	// So many updates on each side are looked at however far away they are: of a slow counter, or one that is seldom read, those
	// within near do not show how far power goes.
	least = 4
	// Power that is not constant may go so many times as high as it was seen to for less than a segment, as while a prompt is
	// worked on before the tokens come.
	burst = 2
)

// unlimited is the power, W, where there are too few segments to tell.
var unlimited = math.Inf(1)

// estimated is a value with the interval that it lies in.
type estimated struct {
	v, lo, hi float64
	open      bool // no update behind it was seen yet
}

func (e estimated) bound() float64 { return max(e.hi-e.v, e.v-e.lo, 0) }

// knot is an update near an edge: x seconds after the edge, within h seconds.
type knot struct{ x, h, v float64 }

// at is the value at t, which lies behind the first update. Between two updates a and b the curve may run anywhere that the
// power allows; which way is told by the powers on both sides:
//
//   - where a straight line through several updates on both sides meets all of them within the time that each is uncertain
//     by, the power is constant here, and the line knows better than the two updates next to t (it averages the
//     uncertainty of their times);
//   - where the power changes smoothly, as a sine of ten updates a period, a cubic through four updates is closer than a line;
//   - where the powers before a and behind b differ by far more than each side varies by itself, and the power from a to b
//     lies between the two, it stepped once: the line from before goes on until it meets the one from behind;
//   - else the curve is taken to be straight from a to b, which has the least mean square error where the powers of
//     segments are independent.
//
// Tried and rejected: always the straight line from a to b, which is off by an eighth of a segment's step at every edge
// that falls together with a step of the load, as the edges of measured windows do; always two lines, which is worse where
// power is noisy, as it takes noise for steps; a cubic everywhere, which swings beside steps.
//
// Behind the last update it goes on for so long at most.
func (c curve) at(t, period, on int64) estimated {
	k := c.around(t)
	lock(k, float64(period)/1e9)
	b, _ := slices.BinarySearchFunc(k, 0, func(n knot, x float64) int {
		if n.x > x {
			return 1
		}
		return -1
	})
	a := max(b-1, 0)
	low, high := powers(k, a)
	if b >= len(k) {
		return behind(k, low, high, float64(period)/1e9, float64(on)/1e9)
	}
	if b == 0 { // only where locking moved the first update behind t
		return estimated{v: k[0].v, lo: k[0].v, hi: k[0].v}
	}
	v, constant := straight(k, a, b)
	if !constant {
		high *= burst
	}
	e := between(k, a, b, low, high)
	if constant && max(k[a].h, k[b].h) > fresh {
		e.v = v
	} else if v, ok := smooth(k, a); ok && !constant {
		e.v = v
	} else if v, ok := stepped(k, a, b); ok && !constant {
		e.v = v
	}
	e.v = min(max(e.v, e.lo), e.hi)
	return e
}

// around is the updates within near of t, and at any rate the next ones on each side.
func (c curve) around(t int64) []knot {
	index := func(t int64) int {
		i, _ := slices.BinarySearchFunc(c, t, func(u update, t int64) int { return cmpInt(u.mid(), t) })
		return i
	}
	from, to, next := index(t-int64(near)), index(t+int64(near)+1), index(t+1)
	from, to = min(from, max(next-least, 0)), max(to, min(next+least, len(c)))
	k := make([]knot, 0, to-from)
	for _, u := range c[from:to] {
		half := float64(u.hi-u.lo) / 2e9
		k = append(k, knot{float64(u.hi-t)/1e9 - half, half, u.v})
	}
	return k
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// slope is the mean power from knot i to the one behind it.
func slope(k []knot, i int) float64 { return (k[i+1].v - k[i].v) / max(k[i+1].x-k[i].x, 1e-9) }

// powers is the range that the power near knot a keeps to: up to that of the segments around it, widened, as what is averaged
// over a segment varies less than what happens within it, and down to nothing, as a load that pauses for less than a segment
// shows in none of them how far it falls. (Down to the least of the segments, widened alike, the bound held for no more than
// nine windows in ten between pauses of an update, and for three in ten between pauses of 3 ms; docs/bench/energy.txt.)
func powers(k []knot, a int) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	from, to := max(a-rangeSpan, 0), min(a+rangeSpan+1, len(k)-1)
	for i := from; i < to; i++ {
		p := slope(k, i)
		low, high = min(low, p), max(high, p)
	}
	if to-from < 3 {
		return 0, unlimited
	}
	more := widen * (high - low)
	if low >= 0 {
		return 0, high + more
	}
	return low - more, high + more
}

// between is the straight line from a to b at x = 0, with the interval that powers from low to high allow, as the update a
// lies within h of its time, and so does b:
//
//	v[a] + low*(t - t[a]) <= v(t) <= v[a] + high*(t - t[a]),  v[b] - high*(t[b] - t) <= v(t) <= v[b] - low*(t[b] - t)
func between(k []knot, a, b int, low, high float64) estimated {
	least := func(dx float64) float64 { return reach(dx, pick(dx >= 0, low, high)) }
	most := func(dx float64) float64 { return reach(dx, pick(dx >= 0, high, low)) }
	p, q := k[a], k[b]
	e := estimated{
		v:  p.v + (q.v-p.v)*(-p.x)/(q.x-p.x),
		lo: max(p.v+least(-p.x-p.h), q.v-most(q.x+q.h)),
		hi: min(p.v+most(-p.x+p.h), q.v-least(q.x-q.h)),
	}
	if e.lo > e.hi { // the powers seen nearby cannot explain the segment: anything between its ends is possible
		e.lo, e.hi = min(p.v, q.v), max(p.v, q.v)
	}
	return e
}

// reach is the energy of power over dx seconds; none over none, however high it may go.
func reach(dx, power float64) float64 {
	if dx == 0 {
		return 0
	}
	return dx * power
}

func pick(c bool, a, b float64) float64 {
	if c {
		return a
	}
	return b
}

// behind is the value behind the last update. A reading has shown that there was none since, so that the power goes on from
// the last segment, within the range that was seen; for a period at most where that is told, as there would have been an update
// then of a device that works, and never for longer than on.
func behind(k []knot, low, high, period, on float64) estimated {
	last := k[len(k)-1]
	p := 0.0
	if len(k) > 1 {
		p = slope(k, len(k)-2)
	}
	dx := max(-last.x, 0)
	if period > 0 {
		dx = min(dx, period)
	}
	v := last.v + p*min(dx, on)
	return estimated{v: v, lo: last.v + low*max(dx-last.h, 0), hi: last.v + reach(dx+last.h, high), open: true}
}

// line is a straight line through knots: v + slope*x.
type line struct{ v, slope float64 }

// fit lays a line through knots from to to by least squares. It reports whether the line meets every one of them within the
// time that the knot is uncertain by: whether the power may have been constant.
func fit(k []knot) (l line, ok bool) {
	var mx, mv, sxx, sxv float64
	for _, n := range k {
		mx, mv = mx+n.x, mv+n.v
	}
	mx, mv = mx/float64(len(k)), mv/float64(len(k))
	for _, n := range k {
		sxx += (n.x - mx) * (n.x - mx)
		sxv += (n.x - mx) * (n.v - mv)
	}
	if sxx == 0 {
		return line{}, false
	}
	l.slope = sxv / sxx
	l.v = mv - l.slope*mx
	for _, n := range k {
		if math.Abs(n.v-l.v-l.slope*n.x) > math.Abs(l.slope)*n.h+1e-9*math.Abs(n.v-k[0].v) {
			return l, false
		}
	}
	return l, true
}

// straight is the value at x = 0 where the power is constant over at least two updates on each side.
func straight(k []knot, a, b int) (float64, bool) {
	for n := min(fitSpan, a+1, len(k)-b); n >= 2; n-- {
		if l, ok := fit(k[a-n+1 : b+n]); ok {
			return l.v, true
		}
	}
	return 0, false
}

// smooth is the value at x = 0 where the power changes smoothly: where the third differences of the powers of the five
// segments around are small beside their range, as those of a sine are down to ten updates a period, and those of noise
// hardly ever. It is that of the cubic through the four updates next to the edge.
func smooth(k []knot, a int) (float64, bool) {
	if a < 2 || a+3 >= len(k) {
		return 0, false
	}
	var p [5]float64
	for i := range p {
		p[i] = slope(k, a-2+i)
	}
	third := max(math.Abs(p[3]-3*p[2]+3*p[1]-p[0]), math.Abs(p[4]-3*p[3]+3*p[2]-p[1]))
	if third > roughness*(slices.Max(p[:])-slices.Min(p[:])) {
		return 0, false
	}
	v := 0.0
	for i := a - 1; i <= a+2; i++ { // Lagrange's form
		l := k[i].v
		for j := a - 1; j <= a+2; j++ {
			if j != i {
				l *= -k[j].x / (k[i].x - k[j].x)
			}
		}
		v += l
	}
	return v, true
}

// stepped is the value at x = 0 where the power stepped once between a and b. Each side is as many segments as agree.
func stepped(k []knot, a, b int) (float64, bool) {
	for n := min(sideSpan, a, len(k)-1-b); n >= 2; n-- {
		before, after := k[a-n:a+1], k[b:b+n+1]
		low, sdLow := level(before)
		high, sdHigh := level(after)
		noise := math.Sqrt((sdLow*sdLow + sdHigh*sdHigh) / 2)
		p := slope(k, a)
		if math.Abs(high-low) < evidence*noise || (p-low)*(high-p) <= 0 {
			continue
		}
		left, right := side(k[:a+1], true, low), side(k[b:], false, high)
		if high > low {
			return max(left, right), true
		}
		return min(left, right), true
	}
	return 0, false
}

// level is the mean power over knots, and the standard deviation of the powers of their segments.
func level(k []knot) (mean, sd float64) {
	last := len(k) - 1
	mean = (k[last].v - k[0].v) / (k[last].x - k[0].x)
	for i := range last {
		sd += (slope(k, i) - mean) * (slope(k, i) - mean)
	}
	return mean, math.Sqrt(sd / float64(last-1))
}

// side is the value at x = 0 as one side has it: by the line through as many of its knots as it meets, counted from the one
// next to the edge, else by going on from that one at the power of the side.
func side(k []knot, before bool, power float64) float64 {
	for n := min(fitSpan, len(k)); n > 2; n-- {
		part := k[:n]
		if before {
			part = k[len(k)-n:]
		}
		if l, ok := fit(part); ok {
			return l.v
		}
	}
	next := k[0]
	if before {
		next = k[len(k)-1]
	}
	return next.v - power*next.x
}

// periodOf is the time between two updates as the readings show it where the device does not tell: 0 unless some readings
// repeat the ones before, the median distance of those that do not otherwise.
func periodOf(s series) int64 {
	var gaps []int64
	last, repeats := -1, 0
	for i := 1; i < len(s); i++ {
		if s[i].v == s[i-1].v {
			repeats++
			continue
		}
		if last >= 0 {
			gaps = append(gaps, s[i].ts-s[last].ts)
		}
		last = i
	}
	if repeats == 0 || len(gaps) < 2 {
		return 0
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}
