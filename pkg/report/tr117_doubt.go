package report

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

// latencyDoubt says how sure it is that the first of an order is the fastest: by the test within scenarios, for which more
// repetitions alone make nothing surer, and by the one over all runs where that says otherwise of somebody.
func (d *data) latencyDoubt(mode record.Mode, order []ranked) string {
	within := d.latencyStandings(mode, order)
	words := standingWords(within)
	var alone, otherwise []standing
	sessions := 0
	for _, w := range within {
		over, n := d.overRunsStanding(mode, order[0].label, w.other)
		switch {
		case over.opinion == untested || over.opinion == w.opinion:
			continue
		case w.opinion == untested:
			alone = append(alone, over)
		default:
			otherwise = append(otherwise, over)
		}
		sessions = max(sessions, n)
	}
	basis, unit := ", which takes repetitions for independent, ", " "
	if sessions > 1 {
		basis = fmt.Sprintf(", by the means of %d sessions, ", sessions)
		unit = basis
	}
	if len(alone) > 0 {
		words += "; over all runs" + basis + standingWords(alone)
	}
	if len(otherwise) > 0 {
		words += "; the test over all runs" + unit + "says otherwise: " + standingWords(otherwise)
	}
	return words
}

// latencyStandings are those of the first of an order by latency within scenarios.
func (d *data) latencyStandings(mode record.Mode, order []ranked) []standing {
	return against(order, func(first, other string) standing { return d.statsStanding(mode, compare.LatencyMS, "", first, other) })
}

// costDoubt says how sure it is that the first of an order is the cheapest, by the test within scenarios.
func (d *data) costDoubt(mode record.Mode, order []ranked) string {
	return standingWords(against(order, func(first, other string) standing {
		return d.statsStanding(mode, compare.TotalUSD, d.Method, first, other)
	}))
}

// statsStanding is what the statistics' comparison within scenarios says.
func (d *data) statsStanding(mode record.Mode, metric, method, first, other string) standing {
	s := standing{other: other, adjusted: "Holm", better: "lower", absent: " within scenarios: they have none in common"}
	a := d.Stats.Find(mode, metric, method)
	if a == nil || a.Default == nil {
		s.absent = " within scenarios, as the statistics have no such test"
		return s
	}
	for _, p := range a.Default.Pairs {
		if p.A != first && p.B != first || p.A != other && p.B != other {
			continue
		}
		if p.PHolm == nil {
			s.absent = " within scenarios: " + p.Absent
			return s
		}
		s.opinion, s.p = judged(p.Significant, (p.Ratio < 1) == (p.A == first)), *p.PHolm
		s.within = " within " + count(int64(p.Scenarios), "scenario")
		return s
	}
	return s
}

// overRunsStanding is what the paired test over all runs says of the mean latency, and from how many sessions these come.
func (d *data) overRunsStanding(mode record.Mode, first, other string) (s standing, sessions int) {
	s = standing{other: other, adjusted: "Bonferroni", better: "lower"}
	for _, t := range d.singleRuns().Tests {
		if t.Mode != mode || t.Metric != compare.LatencyMS {
			continue
		}
		for _, p := range t.Pairs {
			if p.A != first && p.B != first || p.A != other && p.B != other || p.PBonferroni == nil {
				continue
			}
			s.opinion, s.p = judged(p.Significant, (p.Diff < 0) == (p.A == first)), *p.PBonferroni
			return s, p.Sessions
		}
	}
	return s, 0
}
