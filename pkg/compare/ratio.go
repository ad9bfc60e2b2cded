package compare

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/stats"
)

// ratios is the default design: a pair of backends is compared within each scenario that both have, by its ratio, so that
// what differs between scenarios drops out; a paired t test of the log ratios over scenarios; Holm's adjustment within
// the block. The sample is the scenarios, so a result speaks of workloads like these, not of this one repeated.
func (b *block) ratios(opt Options) (*DefaultResult, error) {
	r := &DefaultResult{Pairs: []PairRatio{}}
	for i := range b.series {
		for j := i + 1; j < len(b.series); j++ {
			p, err := pairRatio(&b.series[i], &b.series[j], 1-opt.Alpha)
			if err != nil {
				return nil, fmt.Errorf("%s against %s: %w", b.series[i].label, b.series[j].label, err)
			}
			if p != nil {
				r.Pairs = append(r.Pairs, *p)
			}
		}
	}
	if err := r.adjust(opt.Alpha); err != nil {
		return nil, err
	}
	r.Ranking = b.rank(r.Pairs, opt)
	return r, nil
}

// adjust fills in Holm's p values over the pairs that were tested.
func (r *DefaultResult) adjust(alpha float64) error {
	var p []float64
	var tested []*PairRatio
	for i := range r.Pairs {
		if r.Pairs[i].P != nil {
			p = append(p, *r.Pairs[i].P)
			tested = append(tested, &r.Pairs[i])
		}
	}
	adjusted, err := stats.Holm(p)
	if err != nil {
		return err
	}
	for i, pair := range tested {
		pair.PHolm = &adjusted[i]
		pair.Significant = adjusted[i] < alpha
	}
	r.Tests = len(tested)
	return nil
}

// pairRatio compares a with b over the scenarios that both have; it is nil when there is none.
func pairRatio(a, b *series, confidence float64) (*PairRatio, error) {
	pa, pb := common(a, b)
	if len(pa) == 0 {
		return nil, nil
	}
	p := &PairRatio{A: a.label, B: b.label, Scenarios: len(pa), PerScenario: make([]ScenarioRatio, len(pa))}
	x, y, r := make([]float64, len(pa)), make([]float64, len(pa)), make([]float64, len(pa))
	for i := range pa {
		x[i], y[i], r[i] = pa[i].value, pb[i].value, pa[i].value/pb[i].value
		p.PerScenario[i] = scenarioRatio(&pa[i], &pb[i], confidence)
	}
	var err error
	if p.Ratio, err = stats.GeoMean(r); err != nil {
		return nil, err
	}
	t, ratio, err := stats.PairedRatio(x, y, confidence)
	if why, ok := untestable(err); ok {
		p.Absent = why
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.T, p.DF, p.P, p.CILower, p.CIUpper = &t.T, &t.DF, &t.P, &ratio.CI.Lower, &ratio.CI.Upper
	return p, nil
}

// common are the points of a and b in the scenarios that both have, in the same order.
func common(a, b *series) (pa, pb []point) {
	for i, j := 0, 0; i < len(a.points) && j < len(b.points); {
		switch x, y := a.points[i], b.points[j]; {
		case x.scenario < y.scenario:
			i++
		case x.scenario > y.scenario:
			j++
		default:
			pa, pb = append(pa, x), append(pb, y)
			i++
			j++
		}
	}
	return pa, pb
}

// scenarioRatio is a/b in one scenario, with Welch's interval on the log scale where both spreads are known.
func scenarioRatio(a, b *point, confidence float64) ScenarioRatio {
	r := ScenarioRatio{Scenario: a.scenario, Ratio: a.value / b.value}
	for _, p := range []*point{a, b} {
		if p.spread == nil {
			r.Absent = p.flat
			return r
		}
	}
	ratio, err := stats.RatioOfMeans(*a.spread, *b.spread, confidence)
	if err != nil {
		r.Absent = err.Error()
		return r
	}
	r.CILower, r.CIUpper = &ratio.CI.Lower, &ratio.CI.Upper
	return r
}
