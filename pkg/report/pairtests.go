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

// doubt says what the tests have about the first of a ranking and another of it.
func doubt(tests []pairTest, first, other string) string {
	for _, t := range tests {
		if t.a != first && t.b != first || t.a != other && t.b != other {
			continue
		}
		if t.pHolm == nil {
			return fmt.Sprintf("not tested against %s within %ss: %s", other, t.unit, t.absent)
		}
		firstBefore := (*t.ratio < 1) == (t.a == first)
		words := testWords(judged(t.significant, firstBefore != t.firstIsHighest), other, t.cells, t.unit, *t.pHolm)
		if t.estimated {
			words += ", by an estimated power"
		}
		return words
	}
	return "not tested against " + other
}

// testWords is the outcome of a test within cells.
func testWords(o opinion, other string, cells int, unit string, pHolm float64) string {
	return fmt.Sprintf("%s within %s, p = %.2g after Holm", o.words(other), count(int64(cells), unit), pHolm)
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

// energyDoubt says how sure it is that the first takes less energy per token than another. Where power is an estimate, energy
// is time by another name, and the test of the latencies is the one that speaks.
func (d *data) energyDoubt(mode record.Mode, first, other string) string {
	for _, label := range []string{first, other} {
		if d.resourceMean(d.group(label, mode), resPerToken).estimated {
			_, words := d.withinDoubt(mode, compare.LatencyMS, "", first, other)
			return "power is an estimate, so that the latencies decide: " + words
		}
	}
	return doubt(d.energyTests(mode), first, other)
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
