package energy

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// total is one quantity summed over the devices of a source.
type total struct {
	integral
	gap    bool
	few    bool    // updates
	ok     bool    // every device covers the window
	why    string  // the reason where the readings are there and cannot be believed
	partly bool    // readings lie inside the window, but do not cover it
	still  bool    // the readings of power are all the same
	vague  bool    // nothing shows how often the readings of power are renewed
	late   float64 // what the readings' lateness leaves open, J
}

// sum adds up the devices of one source: their counters where all have one that covers w, else their integrated power, else
// their moving averages. Where counter and power are both there, it says how well they agree.
func sum(group []*device, w Window) energy {
	counter, power := add(group, w, counted), add(group, w, sampled)
	var e energy
	best := counter
	switch {
	case counter.ok && power.ok:
		e.reasons = compare(counter, power, slackWatts.For(w.Length()))
	case counter.ok:
		e.reasons = []string{CounterOnly}
	case power.ok:
		best, e.reasons = power, []string{PowerOnly}
		best.bound = math.Hypot(best.bound, power.late)
	default:
		if best = add(group, w, averaged); best.ok {
			e.reasons = []string{PowerOnly}
		}
	}
	if why := cmp.Or(counter.why, power.why, best.why); why != "" && (counter.why != "" || !best.ok) {
		e.reasons = []string{why}
	}
	if !best.ok {
		if len(e.reasons) == 0 && (counter.partly || power.partly || best.partly) {
			e.reasons = []string{PartlyCovered}
		}
		return e
	}
	if best.still || best.vague || slices.Contains(e.reasons, Contradict) { // how far off such a sensor is, its readings cannot say
		best.bound = math.Inf(1)
	}
	e.joules, e.bound, e.samples = units.Ptr(units.Joules(best.v)), bounded(best.bound), best.inside
	e.reasons = append(e.reasons, best.doubts()...)
	return e
}

// slackWatts is how far a reading of power may be off whatever the power: of boards' power nvidia-smi's manual says "accurate to
// within +/- 5 watts".
const slackWatts units.Watts = 5

// compare says how a counter's energy and that of power readings beside it agree. Power that is sampled too badly to tell is
// no check. Power that tells of quite another energy says that one of the two sensors is wrong, and not which.
func compare(counter, power total, slack units.Joules) []string {
	apart := math.Abs(counter.v - power.v)
	known := power.bound <= MaxRoughness*power.v
	switch {
	case apart > MaxContradiction*min(counter.v, power.v)+counter.bound+power.bound+float64(slack) && !power.gap && !counter.gap:
		return []string{Contradict}
	case !known:
		return []string{CounterOnly}
	case apart > MaxDisagreement*counter.v:
		return []string{Disagree}
	}
	return nil
}

// bounded is a bound, or nil where there is none.
func bounded(b float64) *units.Joules {
	if math.IsInf(b, 0) || math.IsNaN(b) {
		return nil
	}
	return units.Ptr(units.Joules(b))
}

// doubts are the reasons that lie in the readings themselves.
func (t total) doubts() (reasons []string) {
	if t.averaged {
		reasons = append(reasons, PowerAveraged)
	}
	if t.few {
		reasons = append(reasons, UnderSampled)
	}
	if t.gap {
		reasons = append(reasons, Gap)
	}
	if t.still {
		reasons = append(reasons, Unchanged)
	}
	limit := MaxBound * t.v
	if t.chance { // one in twenty lies beyond: twice as far is where next to none does
		limit /= 2
	}
	if t.bound > limit && !math.IsInf(t.bound, 1) || math.IsNaN(t.bound) {
		reasons = append(reasons, ErrorBound)
	}
	return reasons
}

// add sums a quantity over devices; it is ok only when every device covers the window.
func add(group []*device, w Window, of func(*device, Window) total) total {
	t := total{integral: integral{inside: math.MaxInt64}, ok: true}
	for _, d := range group {
		one := of(d, w)
		if !one.ok {
			return total{why: one.why, partly: one.partly}
		}
		t.v, t.bound, t.late = t.v+one.v, t.bound+one.bound, t.late+one.late
		t.inside = min(t.inside, one.inside)
		t.few = t.few || one.few
		t.gap, t.averaged, t.chance = t.gap || one.gap, t.averaged || one.averaged, t.chance || one.chance
		t.still, t.vague = t.still || one.still, t.vague || one.vague
	}
	return t
}

// partly reports whether there are readings in w that do not cover it.
func (s series) partly(w Window) bool { return len(s.within(w.Start, w.End)) > 0 }

// counted is the energy of a device by its counter.
func counted(d *device, w Window) total {
	c, ok := d.counter.cover(w, 0)
	if !ok {
		return total{partly: d.counter.partly(w)}
	}
	if d.counter.falls(c) {
		return total{why: CounterReset}
	}
	period := d.renewed()
	rising := d.counter.rising(c)
	line, on := changes(rising, period), rising.goesOn(period)
	from, to := line.at(w.Start, period, on), line.at(w.End, period, on)
	n := line.inside(w)
	if !(to.v > from.v) {
		return total{why: Stuck}
	}
	t := total{ok: true, gap: c.gap,
		integral: integral{v: to.v - from.v, bound: from.bound() + to.bound(), inside: n, chance: to.open || n < MinSamples}}
	t.few = n < MinUpdates || c.inside < MinSamples || math.IsInf(t.bound, 1) // behind too few updates to tell how high power goes
	if d.counter.frozen(w, cmp.Or(period, periodOf(d.counter))) {
		t.gap = true
		t = t.blind()
	}
	return t.plausible(d, w)
}

// plausible drops an energy that d cannot draw.
func (t total) plausible(d *device, w Window) total {
	if t.v > float64(MostPower(d.name).For(w.Length())) {
		return total{why: Implausible}
	}
	return t
}

// blind drops the bound where readings are missing: what the power was meanwhile no other reading shows.
func (t total) blind() total {
	if t.gap {
		t.bound = math.Inf(1)
	}
	return t
}

// sampled is the energy of a device by its instantaneous power.
func sampled(d *device, w Window) total {
	s := points(d.power, d.powerPeriod)
	c, ok := s.cover(w, 0)
	if !ok {
		return total{partly: d.power.partly(w)}
	}
	if s.highest(w) == 0 {
		return total{why: Stuck}
	}
	t := total{ok: true, few: c.inside < MinSamples, still: s.still(w), integral: trapezoid(s, w, c)}
	missing, apart := s.missing(w)
	t.gap = missing > MaxMissing*w.Length().Seconds()
	t.bound += apart*s.spread() + s.grain()/2*w.Length().Seconds()
	t.late = s.delayed(w, d.power.spacing(d.powerPeriod))
	t.vague = !t.still && vague(d.power, d.powerPeriod)
	t.few = t.few || t.vague
	return t.blind().plausible(d, w)
}

// averaged is the energy of a device by its moving averages.
func averaged(d *device, w Window) total {
	c, ok := d.average.cover(w, 0)
	if !ok {
		return total{partly: d.average.partly(w)}
	}
	t := total{ok: true, gap: c.gap, still: d.average.still(w)}
	if d.box == 0 { // over which time nobody tells, so that nothing bounds what was before
		t.integral = integral{v: d.average.integral(w, c), bound: math.Inf(1), inside: c.inside}
		t.averaged, t.few = true, c.inside < MinSamples
		return t.plausible(d, w)
	}
	rough, whole := smeared(d.average, w, c, d.box, d.powerPeriod)
	if t.integral, ok = averages(d.average, w, d.box, d.powerPeriod); !ok || !whole || t.bound > MaxBound*t.v {
		if !ok || !whole || rough.bound < t.bound {
			t.integral = rough
		}
		t.averaged = true
	}
	// A swing with the period of the box leaves no trace in the averages, and up to a third of its amplitude times the box in
	// the energy of the rest of a window: of ten boxes that is 3%.
	t.averaged = t.averaged || w.Length() < MinSamples*time.Duration(d.box)
	t.few = t.inside < MinSamples
	return t.blind().plausible(d, w)
}
