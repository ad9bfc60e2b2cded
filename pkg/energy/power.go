package energy

import (
	"cmp"
	"math"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// confidence of the bounds that rest on a distribution.
const confidence = 0.95

// integral is energy or another integral over a window, with what sampling leaves open.
type integral struct {
	v, bound float64
	inside   int64 // updates inside the window that it rests on
	averaged bool  // of moving averages that could not be taken apart
	chance   bool  // the bound is one of probability alone, or rests on what was before, or on few updates
}

// renewals thins a sorted series of readings of a device that renews its reading every period to the updates: repeated
// readings of a slower sensor are not independent, and count once. A reading that repeats the one before is an update all
// the same when a period has passed. With period 0 every reading stands for itself at its own time.
func renewals(s series, period int64) curve {
	out := make(curve, 0, len(s))
	for i, p := range s {
		lo := p.ts - period
		if i > 0 {
			lo = max(lo, s[i-1].ts)
		}
		if n := len(out); n > 0 && p.v == out[n-1].v && p.ts-out[n-1].hi < period {
			continue
		}
		if period == 0 {
			lo = p.ts
		}
		out = append(out, update{lo, p.ts, p.v})
	}
	return out
}

// points is the updates of a series in the middle of the times that they may have been at.
func points(s series, period int64) series {
	if period == 0 {
		period = periodOf(s)
	}
	out := make(series, 0, len(s))
	for _, u := range renewals(s, period) {
		out = append(out, point{u.mid(), u.v})
	}
	return out
}

// vague reports whether readings of power repeat and hardly ever change, of a device that does not tell how often it renews
// them: they may be of a sensor as slow as all of them together.
func vague(s series, period int64) bool {
	if period > 0 || periodOf(s) > 0 {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i].v == s[i-1].v {
			return true
		}
	}
	return false
}

// beats is how much wider the bound is than that of readings that the load is not in step with.
const beats = 1.25

// trapezoid integrates a series of power readings over w: the trapezoid rule with the values at the edges interpolated.
// What happens between two readings is not known; how much it may matter is told by how much successive readings differ.
// Readings at even distances are a systematic sample, and the variance of the mean of n of them is estimated from their
// successive differences,
//
//	d^2 = sum (y[i+1] - y[i])^2 / (n - 1),  var(mean) = d^2 / (2 n)
//
// (von Neumann, Kent, Bellinson and Hart 1941, "The mean square successive difference", Annals of Mathematical Statistics
// 12(2), 153-162; Wolter 2007, "Introduction to Variance Estimation", 2nd edition, section 8.2.1, estimator v2). It does not
// count a slow trend as noise, and counts a step in the segments that cross the edges. The bound is Student's t quantile
// times its root times the length, with 2 (n-1)^2 / (3n-4) degrees of freedom, as the variance of d^2 of independent normal
// readings is 4 sd^4 (3n-4) / (n-1)^2 (von Neumann and others): a third fewer than the n-1 of the usual variance. Where the
// readings around the window differ more than those in it, theirs is taken: ten readings may by chance all miss what comes
// now and then. With fewer than three readings the bound is the whole range seen.
//
// A load that repeats itself, as the steps of a decode loop, beats with the readings, and then successive readings differ by
// less than they err. The bound is widened by a quarter for that, which docs/bench/energy.txt shows to be enough for loops
// that wander by a tenth of their length; of one that keeps perfect step with the readings nothing can be known.
func trapezoid(s series, w Window, c coverage) integral {
	out := integral{v: s.integral(w, c), inside: c.inside, chance: true}
	length := w.Length().Seconds()
	if n := float64(c.inside); n >= 3 {
		d2 := max(s[c.first:c.last+1].successive(), s.successive())
		out.bound = beats * tQuantile(2*(n-1)*(n-1)/(3*n-4)) * math.Sqrt(d2/(2*n)) * length
		return out
	}
	out.bound = s.spread() * length // of all that was seen around the window
	return out
}

// delayed is by how much the energy of w may change where a reading is not the power of the moment but a mean over a part of the
// time since the update before, or all of it: half of that part is how late all readings are, up to most/2. What is d late shows
// in [s, s+d] what was before the window, and in [e, e+d] what was in it. (Of some chips a reading is the mean of a quarter of the
// time: Yang, Adamek and Armour 2024, see averages.)
func (s series) delayed(w Window, most int64) float64 {
	last := s[len(s)-1].ts
	more := func(x int64) float64 { return s.at(min(w.End+x, last)) - s.at(min(w.Start+x, last)) }
	by := func(d int64) float64 { return math.Abs(more(0)+2*more(d/2)+more(d)) / 4 * time.Duration(d).Seconds() }
	return max(by(most/4), by(most/2))
}

// spacing is the time between two updates of power: told, seen, or where each reading is a new one at most their distance.
func (s series) spacing(told int64) int64 { return cmp.Or(told, periodOf(s), s.usual()) }

// successive is the mean square of the differences between successive readings.
func (s series) successive() float64 {
	sum := 0.0
	for i := 1; i < len(s); i++ {
		sum += (s[i].v - s[i-1].v) * (s[i].v - s[i-1].v)
	}
	return sum / float64(max(len(s)-1, 1))
}

// tQuantile is Student's t at the two-sided confidence.
func tQuantile(df float64) float64 {
	return -distuv.StudentsT{Sigma: 1, Nu: df}.Quantile((1 - confidence) / 2)
}
