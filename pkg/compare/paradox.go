package compare

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// statistic is a way to sum up a sample in one number, of its sorted values.
type statistic struct {
	name string
	of   func(sorted []float64) float64
}

// statistics are those whose orders a paradox compares; the mean is the first.
var statistics = []statistic{
	{"mean", func(x []float64) float64 { return sum(x) / float64(len(x)) }},
	{"p50", func(x []float64) float64 { return sortedQuantile(x, 0.50) }},
	{"p95", func(x []float64) float64 { return sortedQuantile(x, 0.95) }},
	{"p99", func(x []float64) float64 { return sortedQuantile(x, 0.99) }},
}

// paradoxes finds the pairs of backends that some statistic orders otherwise than the mean does, in the order of their
// names. Lower is better for the metric.
func paradoxes(groups []group, m runMetric, opt Options) ([]Paradox, error) {
	var out []Paradox
	for i := range groups {
		for j := i + 1; j < len(groups); j++ {
			a, b := &groups[i], &groups[j]
			if len(m.values(a.runs)) == 0 || len(m.values(b.runs)) == 0 {
				continue
			}
			p, err := paradoxOf(a, b, m, opt)
			if err != nil {
				return nil, fmt.Errorf("%s against %s: %w", a.label, b.label, err)
			}
			if p != nil {
				out = append(out, *p)
			}
		}
	}
	return out, nil
}

// paradoxOf examines one pair; it is nil where every statistic gives the order of the means, or none.
func paradoxOf(a, b *group, m runMetric, opt Options) (*Paradox, error) {
	x, y := sorted(m.values(a.runs)), sorted(m.values(b.runs))
	if statistics[0].of(x) > statistics[0].of(y) {
		a, b, x, y = b, a, y, x
	}
	p := &Paradox{Mode: a.mode, Metric: m.name, A: a.label, B: b.label, Reversed: []string{},
		Orders: ordersOf(a.label, b.label, x, y)}
	if p.Orders[0].First == "" {
		return nil, nil // equal means are no order to contradict
	}
	for _, o := range p.Orders[1:] {
		if o.First == p.B {
			p.Reversed = append(p.Reversed, o.Statistic)
		}
	}
	if len(p.Reversed) == 0 {
		return nil, nil
	}
	p.Crossings, p.Stretches = newDuel(p.A, p.B, x, y).crossings()
	p.SlowestOfB = slowestBehind(x, y)
	p.countScenarios(a, b, m)
	first, second := strata(a, m), strata(b, m)
	if p.ResamplingAbsent = cmp.Or(fewSessions(first.sessions), fewSessions(second.sessions)); p.ResamplingAbsent == "" {
		p.weigh(first, second, opt)
	} else {
		p.leaveOpen()
	}
	p.DisturbedA, p.DisturbedB = a.disturbed(), b.disturbed()
	p.Sentence = p.sentence(1-opt.Alpha) + p.doubt(len(a.runs), len(b.runs))
	return p, nil
}

// ordersOf ranks two sorted samples by each statistic.
func ordersOf(nameA, nameB string, x, y []float64) []Order {
	out := make([]Order, len(statistics))
	for i, s := range statistics {
		o := Order{Statistic: s.name, A: s.of(x), B: s.of(y)}
		switch sign(o.A - o.B) {
		case -1:
			o.First = nameA
		case 1:
			o.First = nameB
		}
		out[i] = o
	}
	return out
}

// slowestBehind is how many of the largest values of y must go for its mean to fall below that of x, both sorted and mean(x)
// < mean(y). It is nil where half of them are not enough.
func slowestBehind(x, y []float64) *int {
	mean, rest := sum(x)/float64(len(x)), sum(y)
	for k := 1; k <= len(y)/2; k++ {
		rest -= y[len(y)-k]
		if rest/float64(len(y)-k) < mean {
			return &k
		}
	}
	return nil
}

// countScenarios says in how many of the scenarios B comes first by the first reversed statistic.
func (p *Paradox) countScenarios(a, b *group, m runMetric) {
	s := statistics[slices.IndexFunc(statistics, func(s statistic) bool { return s.name == p.Reversed[0] })]
	theirs := map[string][]float64{}
	for _, runs := range b.byScenario() {
		theirs[runs[0].scenario] = sorted(m.values(runs))
	}
	for _, runs := range a.byScenario() {
		x, y := sorted(m.values(runs)), theirs[runs[0].scenario]
		if len(x) == 0 || len(y) == 0 {
			continue
		}
		p.Scenarios++
		if s.of(y) < s.of(x) {
			p.ScenariosB++
		}
	}
}

// sample is what is drawn again of a group: from each stratum as many units as it has, a unit being the values that stay
// together.
type sample struct {
	sessions int
	strata   [][][]float64
}

// strata are the runs of each scenario, drawn on its own as the scenarios are chosen and not drawn; or, where there are
// several sessions, these as wholes.
func strata(g *group, m runMetric) sample {
	sessions := m.bySession(g.runs)
	if len(sessions) > 1 {
		return sample{len(sessions), [][][]float64{sessions}}
	}
	s := sample{sessions: 1}
	for _, runs := range g.byScenario() {
		var units [][]float64
		for _, v := range m.values(runs) {
			units = append(units, []float64{v})
		}
		if len(units) > 0 {
			s.strata = append(s.strata, units)
		}
	}
	return s
}

// leaveOpen fills in what is not known without resampling.
func (p *Paradox) leaveOpen() {
	p.WithinNoise = true
	for i := range p.Orders {
		p.Orders[i].Pick = either
	}
}

// maxDraws bounds the values drawn in one paradox's resampling; a larger sample is resampled less often, but at least
// leastResamples times.
const (
	maxDraws       = 10_000_000
	leastResamples = 200
)

// weigh resamples both backends, and says in which share of the resamples each order and the paradox hold.
func (p *Paradox) weigh(a, b sample, opt Options) {
	first, second := newUrn(a.strata), newUrn(b.strata)
	resamples := min(opt.Resamples, max(leastResamples, maxDraws/(len(first.values)+len(second.values))))
	rng := rand.New(rand.NewPCG(uint64(opt.Seed), 0))
	same, paradox := make([]int, len(p.Orders)), make([]int, len(p.Orders))
	for range resamples {
		now := ordersOf(p.A, p.B, first.draw(rng), second.draw(rng))
		for i := range now {
			if now[i].First == p.Orders[i].First {
				same[i]++
				if now[0].First == p.A {
					paradox[i]++
				}
			}
		}
	}
	p.WithinNoise = true
	for i := range p.Orders {
		o := &p.Orders[i]
		agreeing := float64(same[i]) / float64(resamples)
		o.Share, o.Pick = &agreeing, o.First
		if agreeing < 1-opt.Alpha || o.First == "" {
			o.Pick = either
		}
		if o.First == p.B && i > 0 {
			share := float64(paradox[i]) / float64(resamples)
			o.ParadoxShare = &share
			p.WithinNoise = p.WithinNoise && share < 1-opt.Alpha
		}
	}
}

// either is the pick where the resamples do not agree on one.
const either = "either"

// urn draws samples of strata again, in order: it counts how often each value is drawn instead of sorting what comes out.
type urn struct {
	values []float64 // of all strata, sorted
	strata [][][]int // of units, and of these the places in values
	counts []int
	drawn  []float64
}

func newUrn(strata [][][]float64) *urn {
	u := &urn{values: sorted(slices.Concat(slices.Concat(strata...)...))}
	taken := make([]bool, len(u.values))
	for _, units := range strata {
		places := make([][]int, len(units))
		for i, values := range units {
			for _, v := range values {
				k, _ := slices.BinarySearch(u.values, v)
				for taken[k] {
					k++ // equal values stand together
				}
				taken[k], places[i] = true, append(places[i], k)
			}
		}
		u.strata = append(u.strata, places)
	}
	u.counts = make([]int, len(u.values))
	return u
}

// draw draws each stratum with replacement; the values of all of them come sorted, and hold until the next draw.
func (u *urn) draw(rng *rand.Rand) []float64 {
	clear(u.counts)
	for _, units := range u.strata {
		for range units {
			for _, k := range units[rng.IntN(len(units))] {
				u.counts[k]++
			}
		}
	}
	u.drawn = u.drawn[:0]
	for k, n := range u.counts {
		for range n {
			u.drawn = append(u.drawn, u.values[k])
		}
	}
	return u.drawn
}

// sentence says what the paradox means for a reader.
func (p *Paradox) sentence(level float64) string {
	const unit = " ms"
	mean := p.Orders[0]
	var s strings.Builder
	fmt.Fprintf(&s, "%s in %s: %s has the lower mean (%.4g against %.4g%s), but %s has the lower %s",
		p.Metric, p.Mode, p.A, mean.A, mean.B, unit, p.B, strings.Join(p.Reversed, ", "))
	for _, o := range p.Orders[1:] {
		if o.First == p.B {
			fmt.Fprintf(&s, " (%s %.4g against %.4g%s)", o.Statistic, o.B, o.A, unit)
		}
	}
	s.WriteString(". " + p.where())
	if p.SlowestOfB != nil {
		fmt.Fprintf(&s, " Without its %s, %s would have the lower mean too.", count(*p.SlowestOfB, "slowest run"), p.B)
	}
	if p.Scenarios > 1 {
		fmt.Fprintf(&s, " Scenario by scenario, %s has the lower %s in %d of %d.", p.B, p.Reversed[0], p.ScenariosB, p.Scenarios)
	}
	s.WriteString(" " + p.picks())
	switch {
	case p.ResamplingAbsent != "":
		fmt.Fprintf(&s, " Whether it is more than noise is not known: %s.", p.ResamplingAbsent)
	case p.WithinNoise:
		fmt.Fprintf(&s, " Repeating the runs shows the contradiction in fewer than %g%% of the resamples: it is within noise.", 100*level)
	default:
		fmt.Fprintf(&s, " It is more than noise: at least %g%% of the resamples show it.", 100*level)
	}
	return s.String()
}

// doubt says that others disturbed the runs, where they disturbed more than a tenth of either backend's.
func (p *Paradox) doubt(runsA, runsB int) string {
	const noticeable = 10 // runs for each disturbed one
	if p.DisturbedA*noticeable <= runsA && p.DisturbedB*noticeable <= runsB {
		return ""
	}
	return fmt.Sprintf(" Other load disturbed %d of %d runs of %s and %d of %d of %s, which may be all there is to it.",
		p.DisturbedA, runsA, p.A, p.DisturbedB, runsB, p.B)
}

// where says who is lower between which percentiles; of many crossings only how many there are.
func (p *Paradox) where() string {
	const most = 3
	if len(p.Crossings) > most {
		return fmt.Sprintf("Their quantiles cross %d times, between percentiles %.1f and %.1f.", len(p.Crossings),
			p.Crossings[0].Percentile, p.Crossings[len(p.Crossings)-1].Percentile)
	}
	parts := make([]string, len(p.Stretches))
	for i, st := range p.Stretches {
		parts[i] = fmt.Sprintf("%s by %.4g ms on average from percentile %.1f to %.1f", st.First, st.MeanGap, st.From, st.To)
	}
	return "Lower is " + strings.Join(parts, ", ") + "."
}

// picks says what to take for each purpose.
func (p *Paradox) picks() string {
	parts := make([]string, len(p.Orders))
	for i, o := range p.Orders {
		who := o.Pick
		switch {
		case p.ResamplingAbsent != "":
			who = "either (not resampled)"
		case who == either:
			who = "either (not separated)"
		}
		name := "the " + o.Statistic
		if i == 0 {
			name = "the mean (cost, throughput)"
		}
		parts[i] = fmt.Sprintf("by %s %s", name, who)
	}
	return "Pick " + strings.Join(parts, ", ") + "."
}
