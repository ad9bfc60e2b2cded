package report

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// pairTest compares two backends within cells: stats.PairedRatio over the cells that both have, as the default design of the
// statistics does with costs and latencies.
type pairTest struct {
	a, b           string
	cells          int      // that both have
	ratio          *float64 // geometric mean of a/b
	low, high      *float64 // its 95% interval, of this pair alone
	p, pHolm       *float64
	significant    bool
	absent         string // why it could not be tested
	estimated      bool   // a value rests on an estimate of power
	unit           string // what a cell is called: scenario or cell
	firstIsHighest bool   // the first of a ranking by this is the highest
}

// measuredBy is the values of one backend by cell.
type measuredBy struct {
	label  string
	values map[place]number
}

// pairTests tests every pair, or with measuredOnly those whose power is measured, p values adjusted by Holm's method for the
// number of pairs tested.
func (d *data) pairTests(samples []measuredBy, unit string, measuredOnly bool) []pairTest {
	var list []pairTest
	for i, a := range samples {
		for _, b := range samples[i+1:] {
			t := a.against(b)
			t.unit = unit
			if measuredOnly && t.estimated {
				t.low, t.high, t.p = nil, nil, nil
				t.absent = "power is an estimate, see latency"
			}
			list = append(list, t)
		}
	}
	var p []float64
	for _, t := range list {
		if t.p != nil {
			p = append(p, *t.p)
		}
	}
	adjusted, err := stats.Holm(p)
	for i := range list {
		switch t := &list[i]; {
		case t.p == nil:
		case err != nil:
			t.absent = err.Error()
		default:
			t.pHolm, adjusted = &adjusted[0], adjusted[1:]
			t.significant = *t.pHolm < d.Stats.Alpha
		}
	}
	return list
}

// against is the test of two backends, without the adjustment.
func (a measuredBy) against(b measuredBy) pairTest {
	t := pairTest{a: a.label, b: b.label}
	var x, y []float64
	for _, at := range slices.SortedFunc(maps.Keys(a.values), comparePlaces) {
		m, n := a.values[at], b.values[at]
		if !m.known() || !n.known() {
			continue
		}
		x, y = append(x, *m.value), append(y, *n.value)
		t.estimated = t.estimated || m.estimated || n.estimated
	}
	t.cells = len(x)
	test, ratio, err := stats.PairedRatio(x, y, stats.DefaultConfidence)
	switch {
	case err == nil:
		t.ratio, t.low, t.high, t.p = &ratio.Ratio, &ratio.CI.Lower, &ratio.CI.Upper, &test.P
	case errors.Is(err, stats.ErrTooFew):
		t.absent = fmt.Sprintf("they share %d, which is too few", t.cells)
	case errors.Is(err, stats.ErrZeroVariance):
		t.absent = "the ratio is the same in all of them"
	default:
		t.absent = err.Error()
	}
	return t
}

// standingIn is what the tests have about the first of a ranking and another of it.
func standingIn(tests []pairTest, first, other string) standing {
	s := standing{other: other, adjusted: "Holm", better: "lower"}
	for _, t := range tests {
		if t.a != first && t.b != first || t.a != other && t.b != other {
			continue
		}
		if t.pHolm == nil {
			s.absent = fmt.Sprintf(" within %ss: %s", t.unit, t.absent)
			return s
		}
		if t.firstIsHighest {
			s.better = "higher"
		}
		firstLower := (*t.ratio < 1) == (t.a == first)
		s.opinion, s.p = judged(t.significant, firstLower != t.firstIsHighest), *t.pHolm
		s.within, s.estimated = " within "+count(int64(t.cells), t.unit), t.estimated
		return s
	}
	return s
}

// firstDoubt says how sure the first place of a ranking is. The p values are adjusted for all pairs and not only for those of
// the first: who is first was picked by the same data, and so the same pair has one p value whoever is.
func firstDoubt(tests []pairTest, order []ranked) string {
	return standingWords(against(order, func(first, other string) standing { return standingIn(tests, first, other) }))
}

// energyTests compares the backends of a mode by energy per token within scenarios.
func (d *data) energyTests(mode record.Mode) []pairTest {
	var list []measuredBy
	for _, g := range d.measuredIn(mode) {
		s := measuredBy{g.label, map[place]number{}}
		for _, c := range g.cells {
			s.values[place{"", mode, c.Scenario}] = d.resourceNumber(c, resPerToken)
		}
		list = append(list, s)
	}
	return d.pairTests(list, "scenario", true)
}

// energyDoubt says how sure it is that the first of an order takes the least energy per token. Where power is an estimate,
// energy is time by another name, and the test of the latencies is the one that speaks.
func (d *data) energyDoubt(mode record.Mode, order []ranked) string {
	tests := d.energyTests(mode)
	var measured, timed []standing
	for _, r := range order[1:] {
		if order[0].estimated || r.estimated {
			timed = append(timed, d.statsStanding(mode, compare.LatencyMS, "", order[0].label, r.label))
		} else {
			measured = append(measured, standingIn(tests, order[0].label, r.label))
		}
	}
	const decide = "power is an estimate, so that the latencies decide: "
	switch {
	case len(timed) == 0:
		return standingWords(measured)
	case len(measured) == 0:
		return decide + standingWords(timed)
	}
	return standingWords(measured) + "; of the others " + decide + standingWords(timed)
}

// costTests compares the backends by a column of costs that has no price in it, within modes and scenarios.
func (d *data) costTests(col costColumn, highestFirst bool) []pairTest {
	var list []measuredBy
	for _, label := range d.measuredBackends() {
		s := measuredBy{label, map[place]number{}}
		for _, r := range d.allRows(label, "") {
			s.values[place{"", r.Mode, r.Scenario}] = d.costNumber(&r, col)
		}
		list = append(list, s)
	}
	tests := d.pairTests(list, "cell", false)
	for i := range tests {
		tests[i].firstIsHighest = highestFirst
	}
	return tests
}
