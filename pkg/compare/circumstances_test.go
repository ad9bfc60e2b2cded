package compare

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

func TestAgreeTokens(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b [][]int64
		want tokenAgreement
	}{
		{"equal", [][]int64{{1, 2, 3}}, [][]int64{{1, 2, 3}}, tokenAgreement{1, true, 0}},
		{"parts at the third", [][]int64{{1, 2, 3, 4}}, [][]int64{{1, 2, 9, 4}}, tokenAgreement{0.75, false, 3}},
		{"one ends early", [][]int64{{1, 2}}, [][]int64{{1, 2, 3, 4}}, tokenAgreement{0.5, false, 3}},
		{"two sequences", [][]int64{{1, 2}, {5, 6}}, [][]int64{{1, 2}, {5, 7}}, tokenAgreement{0.75, false, 2}},
		{"the earliest of two", [][]int64{{1, 2, 3}, {5, 6, 7}}, [][]int64{{1, 2, 4}, {4, 6, 7}}, tokenAgreement{4.0 / 6, false, 1}},
		{"nothing", nil, nil, tokenAgreement{1, true, 0}},
	} {
		if got := agreeTokens(c.a, c.b); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestSequences(t *testing.T) {
	decode := func(batch, most int64) *run { return &run{mode: record.GenerateCached, batch: batch, maxNew: most} }
	for _, c := range []struct {
		name string
		run  *run
		ids  []int64
		want [][]int64
	}{
		{"one", decode(1, 9), []int64{1, 2}, [][]int64{{1, 2}}},
		{"all to the limit", decode(2, 2), []int64{1, 2, 3, 4}, [][]int64{{1, 2}, {3, 4}}},
		{"the first ends itself", decode(2, 3), []int64{1, 50256, 3, 4, 5}, [][]int64{{1, 50256}, {3, 4, 5}}},
		{"both end themselves", decode(2, 3), []int64{50256, 3, 50256}, [][]int64{{50256}, {3, 50256}}},
		{"another vocabulary", decode(2, 3), []int64{1, 2, 3, 4}, [][]int64{{1, 2, 3}, {4}}},
		{"too few", decode(3, 3), []int64{1, 2, 3, 4}, nil},
		{"prefill", &run{mode: record.Prefill, batch: 3}, []int64{1, 2, 3}, [][]int64{{1}, {2}, {3}}},
	} {
		got := c.run.sequences(c.ids)
		if !slices.EqualFunc(got, c.want, slices.Equal[[]int64]) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestAgreement(t *testing.T) {
	sampled := func(r record.Run) record.Run { r.Temperature = 0.7; return r }
	server := sampled(withIDs(okRun("ollama", "s", 0, 9), 8, 8, 8, 8))
	server.ServerPrefillNS, server.ServerDecodeNS = units.Ptr(int64(1e6)), units.Ptr(int64(5e6))
	a := analysed(t, Options{Resamples: 10},
		sampled(withIDs(okRun("onnxruntime-cpu", "s", 0, 10), 1, 2, 3, 4)), sampled(withIDs(okRun("onnxruntime-cpu", "s", 1, 10), 1, 2, 3, 4)),
		sampled(withIDs(okRun("transformers-cpu", "s", 0, 10), 1, 2, 3, 4)), sampled(withIDs(okRun("transformers-cpu", "s", 1, 10), 1, 2, 9, 9)),
		sampled(withIDs(okRun("transformers-cpu", "s", 2, 10), 1, 2, 3, 4)), // the reference has no third repetition
		sampled(okRun("openai", "s", 0, 12)), server)
	byBackend := map[string]Agreement{}
	for _, x := range a.Agreement {
		byBackend[x.Backend] = x
	}
	x := byBackend["transformers-cpu"]
	if x.Reference != "onnxruntime-cpu" || x.Runs != 3 || x.Compared != 2 || x.Equal != 1 || x.FirstEqual != 2 || *x.Share != 0.75 || *x.FirstDifference != 3 || x.OwnSampler {
		t.Errorf("%+v", x)
	}
	if x := byBackend["ollama"]; *x.Share != 0 || x.FirstEqual != 0 || *x.FirstDifference != 1 || !x.OwnSampler {
		t.Errorf("%+v", x)
	}
	if x := byBackend["openai"]; x.Share != nil || x.Compared != 0 || x.Absent != "the backend does not tell its token ids" {
		t.Errorf("%+v", x)
	}
	if x := byBackend["onnxruntime-cpu"]; *x.Share != 1 || x.FirstDifference != nil {
		t.Errorf("%+v", x)
	}
}

// TestReferenceIsNamed: without onnxruntime-cpu in fp32 another backend is the measure, and without ids none.
func TestReferenceIsNamed(t *testing.T) {
	half := withIDs(okRun("onnxruntime-cpu", "s", 0, 10), 1, 2, 3, 4)
	half.Precision = "fp16"
	a := analysed(t, Options{Resamples: 10}, half, withIDs(okRun("transformers-cpu", "s", 0, 10), 1, 2, 3, 5))
	if x := a.Agreement[0]; x.Reference != "transformers-cpu" || *x.Share != 0.75 {
		t.Errorf("%+v", x)
	}
	b := analysed(t, Options{Resamples: 10}, okRun("openai", "s", 0, 10))
	if x := b.Agreement[0]; x.Reference != "" || x.Share != nil || x.Absent != "no backend tells its token ids" {
		t.Errorf("%+v", x)
	}
	other := withIDs(okRun("transformers-cpu", "s", 0, 10), 1, 2, 3, 4)
	other.Seed = 7
	c := analysed(t, Options{Resamples: 10}, withIDs(okRun("onnxruntime-cpu", "s", 0, 10), 1, 2, 3, 4), other)
	if x := c.Agreement[1]; x.Compared != 0 || !strings.HasPrefix(x.Absent, "onnxruntime-cpu has no run of the same task") {
		t.Errorf("another seed: %+v", x)
	}
}

func TestIsolation(t *testing.T) {
	runs := runsOf("a", []float64{10, 11, 12})
	runs[0].Flags, runs[1].Flags = "cpu_steal,foreign_load", "foreign_load"
	runs[0].CPUStealPct, runs[1].CPUStealPct = units.Ptr(units.Percent(2)), units.Ptr(units.Percent(0))
	runs[2].ForeignGPUProcs = units.Ptr(int64(1))
	whole := okRun("b", "s", 0, 9)
	whole.CPUStealPct, whole.ForeignCPUPct = units.Ptr(units.Percent(0)), units.Ptr(units.Percent(3))
	if b := analysed(t, Options{Resamples: 10}, append(slices.Clone(runs), whole)...).Isolation[1]; b.NotObserved != 0 || b.Runs != 1 {
		t.Errorf("%+v", b)
	}
	i := analysed(t, Options{Resamples: 10}, runs...).Isolation[0]
	if i.Runs != 3 || i.Flagged != 2 || !slices.Equal(i.Flags, []FlagCount{{"cpu_steal", 1}, {"foreign_load", 2}}) {
		t.Errorf("%+v", i)
	}
	if i.NotObserved != 3 || i.StealKnown != 2 || *i.StealMeanPct != 1 || *i.StealMaxPct != 2 || i.ForeignMeanPct != nil || *i.ForeignGPUProcs != 1 {
		t.Errorf("%+v", i)
	}
}

func TestPreparation(t *testing.T) {
	runs := runsOf("a", []float64{10, 11, 12})
	for i := range runs {
		runs[i].Session = int64(i / 2)
		runs[i].ModelLoadNS, runs[i].CompileNS = units.Ptr(int64(100e6+50e6*runs[i].Session)), units.Ptr(int64(2e9))
		runs[i].GraphBreaks = units.Ptr(int64(i))
	}
	runs[2].Recompiles = units.Ptr(int64(1))
	p := analysed(t, Options{Resamples: 10}, append(runs, okRun("b", "s", 0, 9))...).Preparation
	if len(p) != 1 {
		t.Fatalf("%+v", p)
	}
	if x := p[0]; x.Sessions != 2 || *x.LoadMeanMS != 125 || *x.LoadMaxMS != 150 || x.CompiledCells != 2 || *x.CompileSumMS != 4000 || *x.GraphBreaks != 2 || x.Recompiled != 1 {
		t.Errorf("%+v", x)
	}
}

// TestServers: the client waited 20 ms, and of two requests in flight 30 ms on average; the server says 15 and 24.
func TestServers(t *testing.T) {
	one, two := okRun("ollama", "one", 0, 20), okRun("ollama", "two", 0, 40)
	one.ServerPrefillNS, one.ServerDecodeNS, one.ServerLoadNS = units.Ptr(int64(5e6)), units.Ptr(int64(10e6)), units.Ptr(int64(1e6))
	two.ServerPrefillNS, two.ServerDecodeNS, two.ServerLoadNS = units.Ptr(int64(4e6)), units.Ptr(int64(20e6)), units.Ptr(int64(3e6))
	two.Concurrency, two.BatchSize, two.RequestNS, two.CachedPromptTokens = 2, 2, []int64{25e6, 35e6}, units.Ptr(int64(2))
	a := analysed(t, Options{Resamples: 10}, one, two, okRun("b", "one", 0, 9))
	if len(a.Servers) != 1 {
		t.Fatalf("%+v", a.Servers)
	}
	s := a.Servers[0]
	if s.Runs != 2 || s.ClientMS != 25 || s.PrefillMS != 4.5 || s.DecodeMS != 15 || s.LoadMS != 2 || s.OverheadMS != 5.5 || s.UnaccountedMS != 3.5 || s.OverheadPct != 22 || s.CachedRuns != 1 {
		t.Errorf("%+v", s)
	}
	if len(a.InFlight) != 1 {
		t.Fatalf("%+v", a.InFlight)
	}
	if f := a.InFlight[0]; f.Scenario != "two" || f.Concurrency != 2 || f.MakespanMS != 40 || f.RequestMS != 30 || f.InFlight != 1.5 || f.Least != 1.5 {
		t.Errorf("%+v", f)
	}
	near(t, "requests per s", a.Backends[1].Metric(RequestsPerS).Max, 50) // 2 in 40 ms, 1 in 20 ms
}

// TestSplitVariance: three groups, against SciPy 1.17.1 f_oneway and NumPy 2.4.6.
func TestSplitVariance(t *testing.T) {
	var groups []stats.Moments
	for _, x := range [][]float64{{10, 12, 11}, {14, 15, 16, 17}, {9, 10, 11}} {
		m, err := stats.Of(x)
		if err != nil {
			t.Fatal(err)
		}
		groups = append(groups, m)
	}
	c, err := splitVariance(groups)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "F", c.f, 23.916666666666664)
	near(t, "p", c.p, 0.0007433389220994736)
	near(t, "between", c.betweenSD, 2.988071523335984)
	near(t, "within", c.withinSD, 1.1338934190276817)
	near(t, "share", c.betweenShare, 0.8741258741258741)
	near(t, "design effect", c.designEffect, 3.097902097902098) // 1 + (34/10 - 1) times the share
	alike, err := splitVariance([]stats.Moments{groups[0], groups[0]})
	if err != nil || alike.betweenSD != 0 || alike.betweenShare != 0 || alike.designEffect != 1 {
		t.Errorf("equal groups: %+v, %v", alike, err)
	}
}

func TestSessions(t *testing.T) {
	var runs []record.Run
	for session, ms := range [][]float64{{10, 12, 11}, {14, 15, 16, 17}, {9, 10, 11}} {
		for i, v := range ms {
			r := okRun("a", "s", int64(i), v)
			r.Session, r.RunID = int64(session), r.RunID+string(rune('a'+session))
			runs = append(runs, r)
		}
	}
	s := analysed(t, Options{Resamples: 10}, runs...).Sessions
	if len(s) != 1 || s[0].Sessions != 3 || s[0].N != 10 || s[0].Scenario != "s" {
		t.Fatalf("%+v", s)
	}
	near(t, "mean", s[0].MeanMS, 12.5)
	if math.Abs(*s[0].BetweenShare-0.8741258741258741) > 1e-9 {
		t.Errorf("share %v", *s[0].BetweenShare)
	}
	near(t, "effective n", *s[0].EffectiveN, 10/3.097902097902098)
	second := okRun("b", "s", 0, 20)
	twice := append(slices.Clone(runs), second, second, second)
	for i, ms := range []int64{20e6, 21e6, 23e6} {
		r := &twice[len(runs)+i]
		r.Session, r.Repetition, r.RunID, r.LatencyNS = int64(i/2), int64(i), second.RunID+string(rune('a'+i)), &ms
	}
	both := analysed(t, Options{Resamples: 10}, twice...).Sessions
	near(t, "Holm", *both[0].PHolm, 2**both[0].P)
	near(t, "Holm", *both[1].PHolm, *both[1].P)
	single := analysed(t, Options{Resamples: 10}, runs[0], runs[3])
	if x := single.Sessions[0]; x.BetweenShare != nil || x.Absent == "" {
		t.Errorf("one run per session: %+v", x)
	}
}

func TestModelsAreListed(t *testing.T) {
	b := okRun("b", "s", 0, 9)
	b.Model = "other"
	m := analysed(t, Options{Resamples: 10}, okRun("a", "s", 0, 10), b).Models
	if len(m) != 2 || m[0].Model != "m" || m[1].Backends[0] != "b" {
		t.Errorf("%+v", m)
	}
}

func TestMetrics(t *testing.T) {
	good := withIDs(okRun("onnxruntime-cpu", "s", 0, 10), 1, 2, 3, 4)
	other := withIDs(okRun("transformers-cpu", "s", 0, 20), 1, 2, 3, 5)
	lost := record.Run{Schema: record.SchemaRun, RunID: "x", Backend: "ollama", Device: record.CPU, Scenario: "s", Mode: record.GenerateCached,
		BatchSize: 1, PromptTokens: 3, Status: record.Degraded, Reason: "server_not_found"}
	rows := MetricsOf([]*record.Run{&lost, &other, &good})
	if r := rows[0]; r.Status != record.Degraded || r.Reason != "server_not_found" || r.LatencyMS != nil || r.Accuracy != nil || r.RequestsPerS != nil {
		t.Errorf("%+v", r)
	}
	if r := rows[1]; *r.LatencyMS != 20 || *r.TTFTMS != 5 || *r.TokensGenerated != 4 || *r.RequestsPerS != 50 || *r.Accuracy != 0.75 || *r.FirstDifference != 4 || r.Reference != "onnxruntime-cpu" {
		t.Errorf("%+v", r)
	}
	if r := rows[2]; *r.Accuracy != 1 || r.FirstDifference != nil {
		t.Errorf("%+v", r)
	}
	var csv, text bytes.Buffer
	if err := WriteMetricsCSV(&csv, rows); err != nil {
		t.Fatal(err)
	}
	if err := WriteMetricsText(&text, rows); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(csv.String(), "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], "schema,experiment,host,run_id,backend,") || !strings.Contains(lines[2], ",ok,,20,5,4,200,50,,,,0.75,4,onnxruntime-cpu,") {
		t.Errorf("%s", csv.String())
	}
	if !strings.Contains(text.String(), "server_not_found") || !strings.Contains(text.String(), "n/a") {
		t.Errorf("%s", text.String())
	}
}
