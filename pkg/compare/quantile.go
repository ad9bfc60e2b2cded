package compare

import (
	"math"
	"slices"
)

// sorted is a sorted copy.
func sorted(x []float64) []float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s
}

// sortedQuantile is the quantile of type 7 (Hyndman and Fan, 1996) of sorted values at the probability p: linear between
// the order statistics, the k-th of n standing at (k-1)/(n-1).
func sortedQuantile(x []float64, p float64) float64 {
	at := p * float64(len(x)-1)
	i := min(int(at), len(x)-1)
	j := min(i+1, len(x)-1)
	return x[i] + (at-float64(i))*(x[j]-x[i])
}

// duel sets the quantile functions of two sorted samples against each other.
type duel struct {
	nameA, nameB string
	a, b         []float64
	// knots are the probabilities at which one of the two functions bends, ascending. Between two of them both are straight,
	// so that all there is to know is known there: no finer grid finds more.
	knots []float64
}

func newDuel(nameA, nameB string, a, b []float64) *duel {
	d := &duel{nameA: nameA, nameB: nameB, a: sorted(a), b: sorted(b), knots: []float64{0, 1}}
	for _, n := range []int{len(a), len(b)} {
		for i := 1; i < n-1; i++ {
			d.knots = append(d.knots, float64(i)/float64(n-1))
		}
	}
	slices.Sort(d.knots)
	// The same probability as two fractions may differ in its last bits.
	d.knots = slices.CompactFunc(d.knots, func(p, q float64) bool { return math.Abs(p-q) < 1e-12 })
	return d
}

// gap is the quantile of A less that of B.
func (d *duel) gap(p float64) float64 { return sortedQuantile(d.a, p) - sortedQuantile(d.b, p) }

// crossings are where the functions cross, and who is lower in between. Where they are equal for a while, neither is lower,
// and a crossing stands in the middle of it.
func (d *duel) crossings() ([]Crossing, []Stretch) {
	crossed, stretches := []Crossing{}, []Stretch{}
	side := 0            // sign of the last gap that was not 0
	last, from := -1, 0. // the knot of that gap; where its stretch began
	for i, p := range d.knots {
		now := sign(d.gap(p))
		if now == 0 {
			continue
		}
		if side == -now {
			at := d.zero(last, i)
			crossed = append(crossed, Crossing{Percentile: 100 * at, Value: sortedQuantile(d.a, at)})
			stretches = append(stretches, d.stretch(from, at))
			from = at
		}
		side, last = now, i
	}
	if side != 0 {
		stretches = append(stretches, d.stretch(from, 1))
	}
	return crossed, stretches
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// zero is where the gap, of opposite signs at two knots and 0 at those between, is 0: of a straight line between
// neighbours its zero, else the middle of the knots between.
func (d *duel) zero(i, j int) float64 {
	if j > i+1 {
		return (d.knots[i+1] + d.knots[j-1]) / 2
	}
	p, q := d.knots[i], d.knots[j]
	left, right := d.gap(p), d.gap(q)
	return p + (q-p)*left/(left-right)
}

// stretch says who is lower between two probabilities, and by how much on average: the trapezoidal rule over the knots,
// which is exact for straight pieces.
func (d *duel) stretch(from, to float64) Stretch {
	area, p := 0.0, from
	first, _ := slices.BinarySearch(d.knots, from)
	for _, q := range append(slices.Clone(d.knots[first:]), to) {
		q = min(max(q, from), to)
		area += (d.gap(p) + d.gap(q)) / 2 * (q - p)
		if p = q; q == to {
			break
		}
	}
	s := Stretch{From: 100 * from, To: 100 * to, First: d.nameA, MeanGap: math.Abs(area) / (to - from)}
	if area > 0 {
		s.First = d.nameB
	}
	return s
}
