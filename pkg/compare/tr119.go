package compare

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/stats"
)

// tr119 is the design of Technical Report 119: a backend's scenario values are one independent sample each; one-way
// ANOVA over backends, pooled two-sample t tests and Cohen's d with s = √((s1²+s2²)/2) for every pair, and no correction
// for the number of pairs. The spread between scenarios, which is the workload's and not noise, is its error term, so it
// sees only differences that are large beside it. warnings are its doubts.
func (b *block) tr119(alpha float64) (r *TR119Result, warnings []string, err error) {
	groups := make([]stats.Moments, len(b.series))
	for i := range b.series {
		if groups[i], err = stats.Of(b.series[i].values()); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", b.series[i].label, err)
		}
	}
	r = &TR119Result{Pairs: []PairTR119{}}
	if warnings, err = r.oneWay(groups); err != nil {
		return nil, nil, err
	}
	doubts := map[string]int{}
	for i := range b.series {
		for j := i + 1; j < len(b.series); j++ {
			p, doubt, err := pairTR119(groups[i], groups[j])
			if err != nil {
				return nil, nil, fmt.Errorf("%s against %s: %w", b.series[i].label, b.series[j].label, err)
			}
			p.A, p.B = b.series[i].label, b.series[j].label
			if p.Significant = p.P != nil && *p.P < alpha; p.Significant {
				r.Significant++
			}
			for _, d := range doubt {
				doubts[d]++
			}
			r.Pairs = append(r.Pairs, p)
		}
	}
	for _, d := range sortedKeys(doubts) {
		warnings = append(warnings, fmt.Sprintf("tr119 t tests, %d of %s: %s", doubts[d], count(len(r.Pairs), "pair"), d))
	}
	return r, warnings, nil
}

// oneWay fills in the ANOVA, or why there is none.
func (r *TR119Result) oneWay(groups []stats.Moments) (warnings []string, err error) {
	a, err := stats.OneWay(groups)
	if why, ok := untestable(err); ok {
		r.ANOVAAbsent = why
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r.ANOVA = &ANOVA{F: a.F, DFBetween: a.DFBetween, DFWithin: a.DFWithin, P: a.P}
	for _, w := range a.Warnings {
		warnings = append(warnings, "tr119 ANOVA: "+w)
	}
	return warnings, nil
}

// pairTR119 is the test of one pair, without names, and its doubts.
func pairTR119(a, b stats.Moments) (PairTR119, []string, error) {
	p := PairTR119{DiffUSD: a.Mean - b.Mean}
	if b.Mean != 0 {
		pct := 100 * p.DiffUSD / b.Mean
		p.DiffPct = &pct
	}
	t, err := stats.Pooled(a, b)
	if why, ok := untestable(err); ok {
		p.Absent = why
		return p, nil, nil
	}
	if err != nil {
		return p, nil, err
	}
	d, err := stats.CohensD(a, b)
	if err != nil {
		return p, nil, err
	}
	p.T, p.DF, p.P, p.CohensD = &t.T, &t.DF, &t.P, &d
	return p, t.Warnings, nil
}
