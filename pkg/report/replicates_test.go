package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TestIntervalsInSentences: one that rests on two values, or is ten times as wide as its value, is none to put into a sentence.
func TestIntervalsInSentences(t *testing.T) {
	n := func(v float64) number { return number{value: &v} }
	for _, c := range []struct {
		low, high float64
		r         replicates
		want      string
	}{
		{9, 11, replicates{3, "run"}, " (95% interval 9 to 11)"},
		{9, 11, replicates{2, "run"}, " (too few runs for an interval, n = 2)"},
		{9, 11, replicates{2, "session"}, " (too few sessions for an interval, n = 2)"},
		{5, 1e3, replicates{4, "run"}, " (its runs vary too much for an interval, n = 4)"},
	} {
		if got := intervalWords(n(10), n(c.low), n(c.high), c.r).plain(); got != c.want {
			t.Errorf("saw %q, want %q", got, c.want)
		}
	}
	if got := intervalWords(n(10), number{}, number{}, replicates{1, "run"}); got != nil {
		t.Errorf("without an interval: saw %q", got.plain())
	}
}

// TestReplicates: sessions are what is repeated where there are several, and the cell with the fewest counts.
func TestReplicates(t *testing.T) {
	cell := func(n, sessions int64) cellRow {
		return cellRow{Cell: &record.Cell{N: n, Sessions: units.Ptr(sessions)}}
	}
	for _, c := range []struct {
		cells []cellRow
		want  replicates
	}{
		{nil, replicates{}},
		{[]cellRow{cell(6, 1), cell(0, 1), cell(4, 1)}, replicates{4, "run"}},
		{[]cellRow{cell(6, 3), cell(4, 1)}, replicates{3, "session"}},
	} {
		if got := replicatesIn(c.cells); got != c.want {
			t.Errorf("saw %v, want %v", got, c.want)
		}
	}
}

// TestTwoRunsHaveNoIntervalInAHeadline, of energy, of a roof and of a cost, however far apart the two are.
func TestTwoRunsHaveNoIntervalInAHeadline(t *testing.T) {
	two := slices.DeleteFunc(scenarioRuns([3]float64{1.1, 2, 4}, record.GradeB), func(r record.Run) bool { return r.Repetition > 1 })
	for i := range two {
		if two[i].Repetition == 1 { // half as long again
			*two[i].LatencyNS += *two[i].LatencyNS / 2
			*two[i].EnergyJoules *= 1.5
			*two[i].ThroughputTokS /= 1.5
		}
	}
	few := "too few runs for an interval, n = 2"
	d := newData(loaded(t, resourceFolderOf(t, two, roofs10())))
	for _, text := range append(keyFindings(d.Inputs), d.limitAnswer().plain(), d.bottlenecks()[0].full().plain()) {
		if strings.Contains(text, "95% interval") {
			t.Errorf("saw %q", text)
		}
	}
	if got := d.energyFinding(record.Prefill).plain(); !strings.Contains(got, "J per token ("+few+")") {
		t.Errorf("saw %q", got)
	}
	if got := d.bottlenecks()[0].full().plain(); !strings.Contains(got, few) {
		t.Errorf("saw %q", got)
	}
}
