package report

import (
	"math"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

// TestFirstPlaceIsAgainstEveryone: a runner-up that is separated from the first says nothing of the one behind it, whose
// values go up and down more.
func TestFirstPlaceIsAgainstEveryone(t *testing.T) {
	scenarios := []string{"s1", "s2", "s3", "s4", "s5", "s6"}
	sample := func(label string, power float64, factors ...float64) measuredBy {
		m := measuredBy{label, map[place]number{}}
		for i, f := range factors {
			m.values[place{scenario: scenarios[i]}] = number{value: ptr(math.Pow(f, power))}
		}
		return m
	}
	build := func(power float64) ([]measuredBy, []ranked) {
		list := []measuredBy{
			sample("first", power, 1, 2, 3, 4, 5, 6),
			sample("next", power, 1.5, 3.05, 4.6, 6, 7.5, 9.1),
			sample("loose", power, 1.2, 12, 2.8, 30, 4.5, 44),
		}
		var order []ranked
		for _, m := range list {
			order = append(order, ranked{label: m.label})
		}
		return list, order
	}
	d := newData(cpuOnly(t))
	said := map[float64]string{}
	for _, power := range []float64{1, -1} { // carbon, and tokens per kWh
		list, order := build(power)
		tests := d.pairTests(list, "cell", false)
		for i := range tests {
			tests[i].firstIsHighest = power < 0
		}
		said[power] = firstDoubt(tests, order)
	}
	if got := said[1]; !strings.HasPrefix(got, "not separated from loose within 6 cells, p = 0.") || !strings.Contains(got, "; separated from next within 6 cells, p = ") {
		t.Errorf("saw %q", got)
	}
	if said[1] != said[-1] {
		t.Errorf("the inverse says otherwise: %q, %q", said[1], said[-1])
	}
}

// TestStandingWords: all that are tied are named, and of all that are behind the largest p value.
func TestStandingWords(t *testing.T) {
	of := func(other string, o opinion, p float64) standing {
		return standing{other: other, opinion: o, p: p, within: " within 6 cells", adjusted: "Holm", better: "lower"}
	}
	elsewhere := of("d", agrees, 0.04)
	elsewhere.within = " within 2 cells"
	missing := standing{other: "e", absent: " within cells: they share 1, which is too few"}
	for _, c := range []struct {
		list []standing
		want string
	}{
		{nil, "the only one with a figure"},
		{[]standing{of("b", agrees, 0.01)}, "separated from b within 6 cells, p = 0.01 after Holm"},
		{[]standing{of("b", agrees, 0.01), of("c", agrees, 0.03)}, "separated from all 2 others within 6 cells, largest p = 0.03 after Holm"},
		{[]standing{of("b", open, 0.1), of("c", open, 0.3), elsewhere},
			"not separated from b (p = 0.1), c (p = 0.3) within 6 cells after Holm; separated from d within 2 cells, p = 0.04 after Holm"},
		{[]standing{of("b", agrees, 0.01), elsewhere, missing},
			"separated from b, d within the cells that each pair shares, largest p = 0.04 after Holm; not tested against e within cells: they share 1, which is too few"},
		{[]standing{of("b", reversed, 0.01), of("c", reversed, 0.02)}, "b (p = 0.01), c (p = 0.02) are the lower ones within 6 cells after Holm"},
	} {
		if got := standingWords(c.list); got != c.want {
			t.Errorf("saw %q, want %q", got, c.want)
		}
	}
}

// TestEverySummaryIsAgainstEveryone: latency and cost are said of all others too, whoever comes next by the mean.
func TestEverySummaryIsAgainstEveryone(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	pairs := []compare.PairRatio{
		{A: "a", B: "b", Scenarios: 3, Ratio: 0.5, PHolm: p(0.01), Significant: true},
		{A: "a", B: "c", Scenarios: 3, Ratio: 0.5, PHolm: p(0.4)},
	}
	d := &data{Inputs: &Inputs{Method: "default", Stats: &compare.Document{Runs: &compare.RunAnalysis{}, Modes: []compare.ModeAnalysis{
		{Mode: record.Prefill, Metric: compare.LatencyMS, Default: &compare.DefaultResult{Pairs: pairs}},
		{Mode: record.Prefill, Metric: compare.TotalUSD, Method: "default", Default: &compare.DefaultResult{Pairs: pairs}},
	}}}}
	order := []ranked{{label: "a"}, {label: "b"}, {label: "c"}}
	const want = "not separated from c within 3 scenarios, p = 0.4 after Holm; separated from b within 3 scenarios, p = 0.01 after Holm"
	for what, got := range map[string]string{"latency": d.latencyDoubt(record.Prefill, order), "cost": d.costDoubt(record.Prefill, order)} {
		if got != want {
			t.Errorf("%s: saw %q, want %q", what, got, want)
		}
	}
}
