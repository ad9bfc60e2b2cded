package compare

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// okRun is a good run of decoding 4 tokens in ms.
func okRun(backend, scenario string, repetition int64, ms float64) record.Run {
	ns := int64(math.Round(ms * 1e6))
	return record.Run{
		Schema: record.SchemaRun, RunID: fmt.Sprintf("%s/%s/%d", backend, scenario, repetition), Backend: backend, Model: "m",
		Precision: "fp32", Device: record.CPU, Scenario: scenario, Mode: record.GenerateCached, BatchSize: 1, PromptTokens: 3,
		MaxNewTokens: 4, Repetition: repetition, Seed: 42, Threads: 2, Concurrency: 1, Status: record.OK,
		StartUnixNS: units.Ptr(int64(1e18)), EndUnixNS: units.Ptr(int64(1e18) + ns), LatencyNS: &ns, TTFTNS: units.Ptr(ns / 4),
		TokensProcessed: units.Ptr(units.Tokens(3)), TokensGenerated: units.Ptr(units.Tokens(4)), Iterations: units.Ptr(int64(1)),
		ThroughputTokS: units.Ptr(units.TokensPerSecond(4e3 / ms)),
	}
}

// withIDs gives a run its tokens.
func withIDs(r record.Run, ids ...int64) record.Run {
	r.OutputIDs, r.OutputHash = ids, fmt.Sprint(ids)
	return r
}

// analysed is what AnalyseRuns makes of runs.
func analysed(t testing.TB, opt Options, runs ...record.Run) *RunAnalysis {
	t.Helper()
	c, b := NewRuns(), cell.NewBuilder()
	for i := range runs {
		if err := runs[i].Validate(); err != nil {
			t.Fatal(err)
		}
		c.Add(&runs[i])
		b.AddRun(&runs[i])
	}
	cells, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	a, err := AnalyseRuns(c, cells, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// threeBackends are two scenarios of three repetitions each.
func threeBackends() []record.Run {
	var runs []record.Run
	for backend, ms := range map[string][]float64{
		"a": {10, 12, 11, 30, 33, 31}, "b": {11, 12.5, 12.5, 29, 31, 30}, "c": {20, 24, 21, 60, 66, 61},
	} {
		for i, v := range ms {
			runs = append(runs, okRun(backend, "s"+string(rune('0'+i/3)), int64(i%3), v))
		}
	}
	return runs
}

func TestRunsAreDescribed(t *testing.T) {
	runs := threeBackends()
	lost := okRun("a", "s0", 7, 1)
	lost = record.Run{Schema: lost.Schema, RunID: "a/lost", Backend: "a", Model: "m", Precision: "fp32", Device: record.CPU, Threads: 2,
		Scenario: "s0", Mode: lost.Mode, BatchSize: 1, PromptTokens: 3, MaxNewTokens: 4, Status: record.Failed, Reason: "worker_crashed"}
	a := analysed(t, Options{}, append(runs, lost)...)
	b := a.Backends[0]
	if b.Backend != "a" || b.Planned != 7 || b.OK != 6 || b.Scenarios != 2 || len(b.Metrics) != 4 {
		t.Fatalf("%+v", b)
	}
	near(t, "success rate", b.SuccessRate, 6.0/7)
	m := b.Metric(LatencyMS)
	// NumPy 2.4.6: mean, std(ddof=1), percentile.
	for what, v := range map[string][2]float64{"mean": {m.Mean, 127.0 / 6}, "sd": {*m.SD, 11.19672571186178}, "min": {m.Min, 10}, "p50": {m.P50, 21},
		"p95": {m.P95, 32.5}, "p99": {m.P99, 32.9}, "max": {m.Max, 33}} {
		if math.Abs(v[0]-v[1]) > 1e-9 {
			t.Errorf("%s: got %v, want %v", what, v[0], v[1])
		}
	}
	// SciPy 1.17.1, bootstrap(np.mean, method="BCa", n_resamples=200000): 14.0 to 28.667; values are a grid of sixths.
	if math.Abs(*m.MeanLower-14) > 0.34 || math.Abs(*m.MeanUpper-28.667) > 0.34 {
		t.Errorf("interval of the mean %v to %v", *m.MeanLower, *m.MeanUpper)
	}
	// sd/mean: 1/11 and 1.527525231651947/31.333.
	near(t, "cv within", *m.CVWithinPct, 100*(1.0/11+1.527525231651947/(94.0/3))/2)
	near(t, "requests per s", b.Metric(RequestsPerS).Max, 100)
	near(t, "ttft", b.Metric(TTFTMS).Max, 33.0/4)
	if b.Metric("speed") != nil {
		t.Error("an unknown metric has values")
	}
	want := []StatusCount{{"a", record.GenerateCached, record.Failed, "worker_crashed", 1}, {"a", record.GenerateCached, record.OK, "", 6}}
	if !slices.Equal(a.Statuses[:2], want) {
		t.Errorf("statuses %+v", a.Statuses)
	}
}

// TestRunTests holds the design of TR117 against SciPy 1.17.1: f_oneway, ttest_rel, and bootstrap with BCa.
func TestRunTests(t *testing.T) {
	a := analysed(t, Options{}, threeBackends()...)
	r := a.Tests[0]
	if r.Metric != LatencyMS || !r.LowerIsBetter || r.Tests != 3 || len(a.Tests) != 4 || a.Tests[2].LowerIsBetter {
		t.Fatalf("%+v", a.Tests)
	}
	near(t, "F", r.ANOVA.F, 3.6195881974446187)
	near(t, "p of F", r.ANOVA.P, 0.05215478942070637)
	for i, want := range []struct {
		diff, pct, t, p, adjusted, d, low, high float64
		significant                             bool
	}{
		{1.0 / 6, 0.7936507936507935, 0.2988071523335984, 0.7771076543348819, 1, 0.015774362005028124, -0.8333, 1.1667, false},
		{-125.0 / 6, -49.603174603174594, -4.550421352121656, 0.006110151934897873, 0.01833045580469362, -1.1762863042491565, -28.5, -13.667, true},
		{-21, -50, -4.101385187680388, 0.009342162788139877, 0.028026488364419632, -1.2125366142266136, -29.75, -12.833, true},
	} {
		p := r.Pairs[i]
		name := p.A + " against " + p.B
		near(t, name+" diff", p.Diff, want.diff)
		near(t, name+" pct", *p.DiffPct, want.pct)
		near(t, name+" t", *p.T, want.t)
		near(t, name+" p", *p.P, want.p)
		near(t, name+" Bonferroni", *p.PBonferroni, want.adjusted)
		near(t, name+" d", *p.CohensD, want.d)
		if p.N != 6 || *p.DF != 5 || p.Significant != want.significant {
			t.Errorf("%s: %+v", name, p)
		}
		if math.Abs(*p.CILower-want.low) > 0.8 || math.Abs(*p.CIUpper-want.high) > 0.8 {
			t.Errorf("%s: interval %v to %v, want %v to %v", name, *p.CILower, *p.CIUpper, want.low, want.high)
		}
	}
}

func TestRunsWithoutCounterpart(t *testing.T) {
	a := analysed(t, Options{Resamples: 10}, okRun("a", "s0", 0, 10), okRun("b", "s1", 0, 12))
	r := a.Tests[0]
	if r.ANOVA != nil || !strings.Contains(r.ANOVAAbsent, "too few") {
		t.Errorf("analysis of variance of single runs: %+v, %q", r.ANOVA, r.ANOVAAbsent)
	}
	if p := r.Pairs[0]; p.N != 0 || p.P != nil || p.Absent != "they have no scenario, session and repetition in common" {
		t.Errorf("%+v", p)
	}
	alike := analysed(t, Options{Resamples: 10}, okRun("a", "s0", 0, 10), okRun("a", "s0", 1, 11), okRun("b", "s0", 0, 12), okRun("b", "s0", 1, 13))
	if p := alike.Tests[0].Pairs[0]; p.P != nil || !strings.Contains(p.Absent, "no variance") || p.Diff != -2 || p.CILower != nil {
		t.Errorf("equal differences: %+v", p)
	}
	if one := analysed(t, Options{Resamples: 10}, okRun("a", "s0", 0, 10)).Backends[0].Metrics[0]; one.SD != nil || one.MeanLower != nil || one.P50Lower != nil || one.CVWithinPct != nil {
		t.Errorf("one run has a spread: %+v", one)
	}
}

func TestRunAnalysisIgnoresTheOrderOfRuns(t *testing.T) {
	runs := threeBackends()
	for i := range runs {
		runs[i].Flags = []string{"", "foreign_load", "cpu_steal,foreign_load"}[i%3]
		runs[i].CPUStealPct, runs[i].ModelLoadNS = units.Ptr(units.Percent(0.1*float64(i))), units.Ptr(int64(7e6))
		runs[i] = withIDs(runs[i], 1, 2, int64(i), 4)
	}
	opt := Options{Resamples: 20}
	want, err := json.Marshal(analysed(t, opt, runs...))
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 0))
		rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		got, err := json.Marshal(analysed(t, opt, runs...))
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			rt.Fatalf("shuffled runs give\n%s\nwant\n%s", got, want)
		}
	})
}

func TestNoRunsNoAnalysis(t *testing.T) {
	cells, _ := grid(map[string][]float64{"a": {1, 2}})
	if a, err := AnalyseRuns(NewRuns(), cells, nil, Options{}); a != nil || err != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := AnalyseRuns(NewRuns(), cells, nil, Options{Alpha: 2}); err == nil {
		t.Error("a level of 2 passes")
	}
}
