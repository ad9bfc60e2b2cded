package report

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

// opinion is what a test says of the first of a ranking and the next.
type opinion int

// The opinions.
const (
	untested opinion = iota
	open             // it does not separate them
	agrees           // the first is the lower one
	reversed         // the next is the lower one
)

// latencyDoubt says how sure it is that the first is faster than the next: by the test within scenarios, for which more
// repetitions alone make nothing surer, and by the one over all runs where that says otherwise.
func (d *data) latencyDoubt(mode record.Mode, first, next string) string {
	within, words := d.withinDoubt(mode, compare.LatencyMS, "", first, next)
	over, other, sessions := d.overRunsDoubt(mode, first, next)
	if over == untested || over == within {
		return words
	}
	basis, unit := ", which takes repetitions for independent, ", " "
	if sessions > 1 {
		basis = fmt.Sprintf(", by the means of %d sessions, ", sessions)
		unit = basis
	}
	if within == untested {
		return words + "; over all runs" + basis + other
	}
	return words + "; the test over all runs" + unit + "says otherwise: " + other
}

// costDoubt says the same of cost, which has the test within scenarios alone.
func (d *data) costDoubt(mode record.Mode, first, next string) string {
	_, words := d.withinDoubt(mode, compare.TotalUSD, d.Method, first, next)
	return words
}

// withinDoubt is what the comparison within scenarios says.
func (d *data) withinDoubt(mode record.Mode, metric, method, first, next string) (opinion, string) {
	a := d.Stats.Find(mode, metric, method)
	if a == nil || a.Default == nil {
		return untested, "not tested within scenarios"
	}
	for _, p := range a.Default.Pairs {
		if p.A != first && p.B != first || p.A != next && p.B != next {
			continue
		}
		if p.PHolm == nil {
			return untested, fmt.Sprintf("not tested against %s within scenarios: %s", next, p.Absent)
		}
		o := judged(p.Significant, (p.Ratio < 1) == (p.A == first))
		return o, testWords(o, next, p.Scenarios, "scenario", *p.PHolm)
	}
	return untested, "not tested against " + next + " within scenarios: they have none in common"
}

// overRunsDoubt is what the paired test over all runs says of the mean latency, and from how many sessions these come.
func (d *data) overRunsDoubt(mode record.Mode, first, next string) (o opinion, words string, sessions int) {
	for _, t := range d.singleRuns().Tests {
		if t.Mode != mode || t.Metric != compare.LatencyMS {
			continue
		}
		for _, p := range t.Pairs {
			if p.A != first && p.B != first || p.A != next && p.B != next || p.PBonferroni == nil {
				continue
			}
			o := judged(p.Significant, (p.Diff < 0) == (p.A == first))
			return o, fmt.Sprintf("%s, p = %.2g after Bonferroni", o.words(next), *p.PBonferroni), p.Sessions
		}
	}
	return untested, "", 0
}

func judged(significant, firstLower bool) opinion {
	switch {
	case !significant:
		return open
	case firstLower:
		return agrees
	}
	return reversed
}

// words say what the opinion is about the next of the ranking.
func (o opinion) words(next string) string {
	switch o {
	case agrees:
		return "separated from " + next
	case reversed:
		return next + " is the lower one"
	}
	return "not separated from " + next
}
