package cost

import "math"

// estimate is a value with its 95% interval; known is false where it has none.
type estimate struct {
	value, lower, upper float64
	known               bool
}

// times scales an estimate by a positive constant.
func (e estimate) times(k float64) estimate {
	return estimate{e.value * k, e.lower * k, e.upper * k, e.known}
}

// plus shifts an estimate by a constant.
func (e estimate) plus(k float64) estimate {
	return estimate{e.value + k, e.lower + k, e.upper + k, e.known}
}

// sum is the sum of independent estimates, its interval from theirs by the method of variance estimates recovery:
//
//	lower = Σv - √Σ(v-l)²,  upper = Σv + √Σ(u-v)²
//
// Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach", Statistics in
// Medicine 27(10), 1693-1702. It keeps the asymmetry of intervals made on the log scale, and stays above zero when each
// of them does: √Σ(v-l)² is less than Σ(v-l) unless there is one term. One estimate without an interval leaves the sum
// without one.
func sum(parts ...estimate) estimate {
	s := estimate{known: len(parts) > 0}
	var below, above float64
	for _, p := range parts {
		s.value += p.value
		below += (p.value - p.lower) * (p.value - p.lower)
		above += (p.upper - p.value) * (p.upper - p.value)
		s.known = s.known && p.known
	}
	s.lower, s.upper = s.value-math.Sqrt(below), s.value+math.Sqrt(above)
	return s
}
