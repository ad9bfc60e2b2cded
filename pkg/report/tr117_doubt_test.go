package report

import (
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TestAbstractSaysDisturbance: a reader of the abstract alone learns that the machine was not quiet.
func TestAbstractSaysDisturbance(t *testing.T) {
	in := requests(t, requestRuns())
	if got := newData(in).disturbance(); got != "" {
		t.Errorf("few flags and quiet cells: %q", got)
	}
	i := &in.Stats.Runs.Isolation[0]
	i.Flags = append(i.Flags, compare.FlagCount{Flag: string(backend.ForeignLoad), Runs: 200})
	const flagged = "Other work ran beside the measurement in 202 of 220 observed runs (100 more were not observed)"
	if md := renderedMarkdown(t, in); strings.Index(md, flagged) < 0 || strings.Index(md, flagged) > strings.Index(md, "Executive summary\n") {
		t.Errorf("the abstract lacks %q", flagged)
	}
	for k := range in.Cells {
		if in.Cells[k].LatMeanMS != nil {
			in.Cells[k].LatSDMS = units.Ptr(*in.Cells[k].LatMeanMS)
		}
	}
	in.Stats.Runs.Isolation = nil
	if got := newData(in).disturbance(); !strings.HasPrefix(got, "The latencies of 8 of 8 cells have a standard deviation above 20%") {
		t.Errorf("noisy cells: %q", got)
	}
}

// TestHeadlineIsWithinScenarios: the decision rests on the test within scenarios, and says where the one over all runs,
// which takes repetitions for independent, says otherwise.
func TestHeadlineIsWithinScenarios(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	within := compare.PairRatio{A: "a", B: "b", Scenarios: 7, Ratio: 0.5, PHolm: p(0.2)}
	over := compare.RunPair{A: "b", B: "a", Diff: 3, PBonferroni: p(0.001), Significant: true}
	set := func() *data {
		return &data{Inputs: &Inputs{Stats: &compare.Document{
			Modes: []compare.ModeAnalysis{{Mode: record.Prefill, Metric: compare.LatencyMS, Default: &compare.DefaultResult{Pairs: []compare.PairRatio{within}}}},
			Runs:  &compare.RunAnalysis{Tests: []compare.RunTests{{Mode: record.Prefill, Metric: compare.LatencyMS, Pairs: []compare.RunPair{over}}}}}}}
	}
	for _, c := range []struct {
		change func()
		want   string
	}{
		{func() {}, "not separated from b within 7 scenarios, p = 0.2 after Holm; the test over all runs says otherwise: separated from b, p = 0.001 after Bonferroni"},
		{func() { within.Significant, within.PHolm = true, p(0.01) }, "separated from b within 7 scenarios, p = 0.01 after Holm"},
		{func() { within.Ratio = 2 }, "b is the lower one within 7 scenarios, p = 0.01 after Holm; the test over all runs says otherwise: separated from b, p = 0.001 after Bonferroni"},
		{func() { within.PHolm, within.Absent = nil, "one scenario" }, "not tested against b within scenarios: one scenario; over all runs, which takes repetitions for independent, separated from b, p = 0.001 after Bonferroni"},
		{func() { over.Sessions = 5 }, "not tested against b within scenarios: one scenario; over all runs, by the means of 5 sessions, separated from b, p = 0.001 after Bonferroni"},
		{func() { within.PHolm, within.Absent, within.Significant = p(0.2), "", false }, "not separated from b within 7 scenarios, p = 0.2 after Holm; the test over all runs, by the means of 5 sessions, says otherwise: separated from b, p = 0.001 after Bonferroni"},
	} {
		c.change()
		if got := set().latencyDoubt(record.Prefill, []ranked{{label: "a"}, {label: "b"}}); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// TestBulletsNameTheMode of a report about two.
func TestBulletsNameTheMode(t *testing.T) {
	runs := requestRuns()
	for _, r := range requestRuns() {
		r.Mode, r.RunID = record.Generate, "uncached/"+r.RunID
		runs = append(runs, r)
	}
	d := newData(requests(t, runs))
	for _, line := range append(d.choices117(), d.findings117()...) {
		s := line.plain()
		if strings.HasPrefix(s, "Runs: ") {
			continue // of all modes
		}
		if !strings.Contains(s, "generate") {
			t.Errorf("no mode in %q", s)
		}
	}
	md := renderedMarkdown(t, d.Inputs)
	for _, want := range []string{"| generate | ollama | onnxruntime-cpu |", "| generate-cached | ollama | onnxruntime-cpu |"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}

// TestApartIsNoTest: that two intervals are apart is no claim where the test within scenarios does not separate the backends.
func TestApartIsNoTest(t *testing.T) {
	p := func(v float64) *float64 { return &v }
	within := compare.PairRatio{A: "a", B: "b", Scenarios: 7, Ratio: 0.5, PHolm: p(0.2)}
	said := func() string {
		d := &data{Inputs: &Inputs{Stats: &compare.Document{
			Modes: []compare.ModeAnalysis{{Mode: record.Prefill, Metric: compare.LatencyMS, Default: &compare.DefaultResult{Pairs: []compare.PairRatio{within}}}},
			Runs: &compare.RunAnalysis{Backends: []compare.BackendRuns{
				{Backend: "a", Mode: record.Prefill, Metrics: []compare.Distribution{{Metric: compare.LatencyMS, P50Upper: p(2)}}},
				{Backend: "b", Mode: record.Prefill, Metrics: []compare.Distribution{{Metric: compare.LatencyMS, P50Lower: p(3)}}}}}}}}
		return d.medianDoubt(record.Prefill, []ranked{{label: "a"}, {label: "b"}})
	}
	const apart = "its 95% interval is apart from that of b"
	if got, want := said(), apart+", which is no test; by mean latency not separated from b within 7 scenarios, p = 0.2 after Holm"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	within.PHolm, within.Significant = p(0.01), true
	if got := said(); got != apart {
		t.Errorf("got %q, want %q", got, apart)
	}
}
