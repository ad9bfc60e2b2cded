package cost

import "math"

// estimate is a value with its 95% interval; known is false where it has none. shared says that the interval is over
// sessions: worker processes that other figures of the backend come from as well, so that these go up and down with it.
type estimate struct {
	value, lower, upper float64
	known, shared       bool
}

// times scales an estimate by a positive constant.
func (e estimate) times(k float64) estimate {
	return estimate{e.value * k, e.lower * k, e.upper * k, e.known, e.shared}
}

// plus shifts an estimate by a constant.
func (e estimate) plus(k float64) estimate {
	return estimate{e.value + k, e.lower + k, e.upper + k, e.known, e.shared}
}

// sum is the sum of estimates, its interval from theirs by the method of variance estimates recovery:
//
//	lower = Σv - √Σ(v-l)²,  upper = Σv + √Σ(u-v)²
//
// Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach", Statistics in
// Medicine 27(10), 1693-1702. It keeps the asymmetry of intervals made on the log scale, and stays above zero when each
// of them does: √Σ(v-l)² is less than Σ(v-l) unless there is one term. One estimate without an interval leaves the sum
// without one.
//
// Estimates are taken as independent unless they are shared: how far those are correlated is not on record, and their
// half widths are added as they are, which no correlation can exceed.
func sum(parts ...estimate) estimate {
	s := estimate{known: len(parts) > 0}
	var below, above halfWidth
	for _, p := range parts {
		s.value += p.value
		below.add(p.value-p.lower, p.shared)
		above.add(p.upper-p.value, p.shared)
		s.known = s.known && p.known
		s.shared = s.shared || p.shared
	}
	s.lower, s.upper = s.value-below.width(), s.value+above.width()
	return s
}

// halfWidth is the half width of the interval of a sum, as sum adds them up.
type halfWidth struct{ squares, shared float64 }

func (h *halfWidth) add(w float64, shared bool) {
	if shared {
		h.shared += w
		return
	}
	h.squares += w * w
}

func (h *halfWidth) width() float64 { return math.Sqrt(h.squares + h.shared*h.shared) }
