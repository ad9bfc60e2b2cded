package energy

import (
	"math"
	"slices"
)

// How the updates of a device are taken to be a clock.
const (
	lockTolerance = 0.01 // of the period: by how much an update may be early or late
	lockWidth     = 0.75 // of the period: readings further apart cannot tell one update from the next
	lockLeast     = 5    // updates
	lockSpan      = 30   // updates on each side at most; more say nothing new and cost their square
)

// lock narrows down when the updates near an edge were. A device renews its reading by a clock of its own, so that the n
// updates around the edge lie on a line of time over number, and each says of the line that it passes through its own
// interval. Readings that are not in step with the updates see them at changing phases, and all together leave far less
// room than each alone: of updates every 100 ms, read every 9.7 ms, some tenths of a millisecond instead of 9.7. The lines
// that pass through all intervals are a polygon (two unknowns), so the highest and the lowest of them at one update are
// given by two intervals each. Where no line passes through all of them, the device has no such clock, and nothing changes.
func lock(k []knot, period float64) {
	edge := slices.IndexFunc(k, func(n knot) bool { return n.x > 0 })
	if edge < 0 {
		edge = len(k)
	}
	from, to := max(edge-lockSpan, 0), min(edge+lockSpan, len(k))
	part := k[from:to]
	if len(part) < lockLeast {
		return
	}
	if period = rhythm(part, period); period == 0 {
		return
	}
	number := numbers(part, period)
	out := slices.Clone(part)
	for i := max(edge-from-rangeSpan-2, 0); i < min(edge-from+rangeSpan+2, len(out)); i++ { // those that are looked at
		lo, hi := room(part, number, number[i], lockTolerance*period)
		if lo > hi {
			return
		}
		out[i].x, out[i].h = (lo+hi)/2, (hi-lo)/2
	}
	for i := 1; i < len(out); i++ {
		if out[i].x <= out[i-1].x {
			return
		}
	}
	copy(part, out)
}

// numbers counts the updates, those that were not seen included. Where one is expected is followed up from the ones before:
// the middles of two intervals may be one and a half periods apart, and readings that are closer together than updates
// have missed none, unless the value stood still.
func numbers(k []knot, period float64) []float64 {
	number := make([]float64, len(k))
	at := k[0].x
	for i := 1; i < len(k); i++ {
		passed := (k[i].x - at) / period
		if 2*k[i].h < period {
			passed -= 0.25
		}
		n := max(1, math.Round(passed))
		number[i] = number[i-1] + n
		at = min(max(at+n*period, k[i].x-k[i].h), k[i].x+k[i].h)
	}
	return number
}

// rhythm is the period of the updates, or 0 where they were not read often enough to tell one from the next: the mean of the
// gaps that are not of two updates. What the device tells of it is no more than a hint, as it drifts and is rounded.
func rhythm(k []knot, told float64) float64 {
	gaps, widths := make([]float64, 0, len(k)), make([]float64, 0, len(k))
	for i, n := range k {
		widths = append(widths, 2*n.h)
		if i > 0 {
			gaps = append(gaps, n.x-k[i-1].x)
		}
	}
	slices.Sort(gaps)
	slices.Sort(widths)
	period := told
	if period == 0 {
		period = gaps[len(gaps)/2]
	}
	if widths[len(widths)/2] > lockWidth*period {
		return 0
	}
	sum, n := 0.0, 0.0
	for _, g := range gaps {
		if g < 1.75*period {
			sum, n = sum+g, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return sum / n
}

// room is the interval that the lines of time over number leave at number q, where each passes within slack of the
// interval of every knot.
func room(k []knot, number []float64, q, slack float64) (lo, hi float64) {
	lo, hi = math.Inf(-1), math.Inf(1)
	for i, n := range k {
		nl, nh := n.x-n.h-slack, n.x+n.h+slack
		if number[i] == q {
			lo, hi = max(lo, nl), min(hi, nh)
		}
		for j := i + 1; j < len(k); j++ {
			m, run := k[j], number[j]-number[i]
			ml, mh := m.x-m.h-slack, m.x+m.h+slack
			switch {
			case number[i] < q && q < number[j]:
				f := (q - number[i]) / run
				lo, hi = max(lo, nl+(ml-nl)*f), min(hi, nh+(mh-nh)*f)
			case number[j] < q:
				d := q - number[j]
				lo, hi = max(lo, ml+(ml-nh)/run*d), min(hi, mh+(mh-nl)/run*d)
			case number[i] > q:
				d := number[i] - q
				lo, hi = max(lo, nl-(mh-nl)/run*d), min(hi, nh-(ml-nh)/run*d)
			}
		}
	}
	return lo, hi
}
