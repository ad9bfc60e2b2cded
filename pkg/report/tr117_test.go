package report

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"image/png"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	prices117 = "../../pipelines/tr117/pricing.yaml"
	matrix117 = "../../pipelines/tr117/matrix.yaml"
)

// requestRun is a good run of one request, or of two in flight, that took ms.
func requestRun(backend, scenario string, session, repetition int64, ms float64) record.Run {
	ns := int64(ms * 1e6)
	r := record.Run{
		Schema: record.SchemaRun, Experiment: "tr117", Host: "host-1", Backend: backend, Model: "gpt2-124m", Precision: "fp32", Device: record.GPU,
		Scenario: scenario, Mode: record.GenerateCached, BatchSize: 1, PromptTokens: 11, MaxNewTokens: 4, Session: session, Repetition: repetition,
		RunID: fmt.Sprintf("%s/%s/s%d/r%d", backend, scenario, session, repetition), Seed: 42, Temperature: 0.7, Concurrency: 1, Status: record.OK,
		StartUnixNS: units.Ptr(int64(1e18)), EndUnixNS: units.Ptr(int64(1e18) + ns), LatencyNS: &ns, TTFTNS: units.Ptr(ns / 4), Iterations: units.Ptr(int64(1)),
		TokensProcessed: units.Ptr(units.Tokens(11)), TokensGenerated: units.Ptr(units.Tokens(4)), ThroughputTokS: units.Ptr(units.TokensPerSecond(4e3 / ms)),
		OutputIDs: []int64{1, 2, 3, 4}, OutputHash: "aa", ModelLoadNS: units.Ptr(int64(250e6 + 50e6*session)), PowerMeanW: units.Ptr(units.Watts(20)),
		PowerSource: "cpu-estimate", EnergyGrade: record.GradeD, CPUStealPct: units.Ptr(units.Percent(0.5)), ForeignCPUPct: units.Ptr(units.Percent(1)),
	}
	if strings.HasPrefix(backend, "onnxruntime-cpu") {
		r.Device = record.CPU
	}
	if strings.HasPrefix(scenario, "dual") {
		r.Concurrency, r.BatchSize, r.RequestNS = 2, 2, []int64{ns, ns / 2}
		r.OutputIDs, r.OutputHash = []int64{1, 2, 3, 4, 5, 6, 7, 8}, "bb"
		r.TokensGenerated, r.ThroughputTokS = units.Ptr(units.Tokens(8)), units.Ptr(units.TokensPerSecond(8e3/ms))
		r.TokensProcessed = units.Ptr(units.Tokens(22))
	}
	return r
}

// requestRuns are runs with one of everything: a pair whose mean and median contradict each other beyond noise (eager is
// faster in four of five runs, and much slower in the fifth), a server, a compiler, sessions, flags, requests in flight, and
// a backend that is not there.
func requestRuns() []record.Run {
	var runs []record.Run
	add := func(backend string, latency func(k int64) float64, finish func(r *record.Run, k int64)) {
		for _, scenario := range []string{"short", "dual_short"} {
			for session := range int64(5) {
				for repetition := range int64(8) {
					k := 8*session + repetition
					ms := latency(k)
					if scenario == "dual_short" {
						ms *= 1.5
					}
					r := requestRun(backend, scenario, session, repetition, ms)
					finish(&r, k)
					runs = append(runs, r)
				}
			}
		}
	}
	eager := func(k int64) float64 {
		if k%5 == 0 {
			return 300 + float64(k)
		}
		return 80 + 0.1*float64(k)
	}
	add("onnxruntime-cpu", func(k int64) float64 { return 400 + float64(k%7) }, func(*record.Run, int64) {})
	add("transformers-gpu", eager, func(r *record.Run, k int64) {
		if k == 3 {
			r.Flags = "foreign_load"
		}
		if k > 29 {
			r.CPUStealPct, r.ForeignCPUPct = nil, nil // windows too short for the counters
		}
	})
	add("transformers-gpu-compile", func(k int64) float64 { return 100 + 0.1*float64(k%9) }, func(r *record.Run, k int64) {
		r.CompileNS, r.GraphBreaks = units.Ptr(int64(2e9)), units.Ptr(int64(1))
		if k%2 == 1 {
			r.OutputIDs, r.OutputHash = append(slices.Clone(r.OutputIDs[:len(r.OutputIDs)-1]), 9), "cc"+r.Scenario
		}
	})
	add("ollama", func(k int64) float64 { return 200 + float64(k%3) }, func(r *record.Run, _ int64) {
		r.CPUStealPct, r.ForeignCPUPct = nil, nil // the server is elsewhere
		r.ServerLoadNS, r.ServerPrefillNS, r.ServerDecodeNS = units.Ptr(int64(1e6)), units.Ptr(int64(20e6)), units.Ptr(int64(100e6))
		r.OutputIDs, r.OutputHash = slices.Repeat([]int64{8}, len(r.OutputIDs)), "dd"+r.Scenario
	})
	for _, scenario := range []string{"short", "dual_short"} {
		lost := requestRun("tensorrt", scenario, 0, 0, 1)
		runs = append(runs, record.Run{Schema: lost.Schema, Experiment: lost.Experiment, Host: lost.Host, RunID: lost.RunID, Backend: lost.Backend,
			Model: lost.Model, Precision: lost.Precision, Device: lost.Device, Scenario: scenario, Mode: lost.Mode, BatchSize: 1, PromptTokens: 11,
			MaxNewTokens: 4, Status: record.Degraded, Reason: "gpu_not_found"})
	}
	return runs
}

// requests is the inputs of a TR117 report about runs, priced and analysed as the pipeline does it.
func requests(tb testing.TB, runs []record.Run) *Inputs {
	tb.Helper()
	b, c := cell.NewBuilder(), compare.NewRuns()
	var facts RunFacts
	for i := range runs {
		if err := runs[i].Validate(); err != nil {
			tb.Fatal(err)
		}
		b.AddRun(&runs[i])
		c.Add(&runs[i])
		facts.add(&runs[i])
	}
	cells, err := b.Cells()
	if err != nil {
		tb.Fatal(err)
	}
	book, err := cost.LoadBook(prices117)
	if err != nil {
		tb.Fatal(err)
	}
	costs, err := cost.Price(cells, book, cost.MethodDefault.WithoutEnergy())
	if err != nil {
		tb.Fatal(err)
	}
	opt := compare.Options{Resamples: 400}
	stats, err := compare.Analyse(cells, costs, opt)
	if err != nil {
		tb.Fatal(err)
	}
	if stats.Runs, err = compare.AnalyseRuns(c, cells, costs, opt); err != nil {
		tb.Fatal(err)
	}
	plan, err := matrix.Load(matrix117)
	if err != nil {
		tb.Fatal(err)
	}
	return &Inputs{Title: "Test", Method: "default-infra-only", Profile: TR117, Cells: cells, CellsName: MetricsFile, FromRuns: true, Runs: facts,
		Costs: costs, CostsName: CostFile, Stats: stats, StatsName: StatisticalFile, Book: book, BookName: "pricing.yaml", Matrix: plan}
}

func TestRequestReport(t *testing.T) {
	in := requests(t, requestRuns())
	doc := Build(in)
	for _, c := range []struct {
		table, column string
		row           []string
		want          string
	}{
		// 32 of 40 runs of each scenario take 80 + 0.1k ms, the others 300 + k.
		{"Latency (ms) over all runs", "n", []string{"transformers-gpu"}, "80"},
		{"Latency (ms) over all runs", "min", []string{"transformers-gpu"}, "80.1"},
		{"Latency (ms) over all runs", "max", []string{"transformers-gpu"}, "502.5"},
		{"Requests per second over all runs", "max", []string{"ollama"}, "6.667"}, // 2 in 300 ms
		{"Success, cost", "success_rate", []string{"ollama"}, "1"},
		{"Planned runs by backend, status and reason", "runs", []string{"tensorrt", "generate-cached", "degraded", "gpu_not_found"}, "2"},
		{"Scenarios with several requests", "in_flight_mean", []string{"ollama", "generate-cached", "dual_short"}, "1.5"},
		{"Tokens that are the reference's, by backend", "token_share", []string{"transformers-gpu-compile"}, "0.9062"}, // half of the runs: 3/4 and 7/8
		{"Tokens that are the reference's, by backend", "first_difference", []string{"transformers-gpu-compile"}, "4"},
		{"Tokens that are the reference's, by backend", "token_share", []string{"transformers-gpu"}, "1"},
		{"Tokens that are the reference's, by backend", "reference", []string{"ollama"}, "onnxruntime-cpu"},
		{"Tokens that are the reference's, by backend", "remark", []string{"ollama"}, "draws with random numbers of its own: low agreement is expected and says nothing about quality"},
		{"Tokens that are the reference's, by scenario", "token_share", []string{"transformers-gpu-compile", "generate-cached", "dual_short"}, "0.9375"},
		{"What backends took", "model_load_mean_ms", []string{"ollama"}, "350"},
		{"What backends took", "compile_sum_ms", []string{"transformers-gpu-compile"}, "2e+04"}, // two scenarios in five sessions
		{"What backends took", "compile_sum_ms", []string{"ollama"}, "n/a"},
		{"What the client saw", "server_decode_ms", []string{"ollama"}, "100"},
		{"What the client saw", "server_load_ms", []string{"ollama"}, "1"},
		{"What disturbed the runs", "flags", []string{"transformers-gpu"}, "foreign_load 2"},
		{"What disturbed the runs", "not_observed", []string{"transformers-gpu"}, "20"},
		{"What disturbed the runs", "flags", []string{"ollama"}, "not observed"},
		{"What disturbed the runs", "flags", []string{"onnxruntime-cpu"}, "none"},
		{"Latency between worker processes", "sessions", []string{"ollama", "generate-cached", "short"}, "5"},
		{"Latency (ms) over all runs", "sessions", []string{"ollama"}, "5"},
		{"Pairs by latency_ms over all runs", "df", []string{"generate-cached", "ollama", "onnxruntime-cpu"}, "4"},
		{"Where the distributions cross", "Lower", []string{"generate-cached", "transformers-gpu-compile", "transformers-gpu"}, "transformers-gpu"},
		{"Decision matrix", "Backend", []string{"Lowest mean latency"}, "transformers-gpu-compile"},
		{"Decision matrix", "Backend", []string{"Best median latency"}, "transformers-gpu"},
		{"Decision matrix", "Backend", []string{"Most consistent"}, "transformers-gpu-compile"},
		{"Decision matrix", "Backend", []string{"CPU only, lowest mean latency"}, "onnxruntime-cpu"},
		{"Decision matrix", "Backend", []string{"Several models"}, "none"},
		{"Decision matrix", "how_sure", []string{"CPU only, lowest mean latency"}, "the only one with a figure"},
	} {
		if got := doc.table(t, c.table).at(t, c.column, c.row...); got != c.want {
			t.Errorf("%s, %s, %v: got %s, want %s", c.table, c.column, c.row, got, c.want)
		}
	}
	// 0.035 USD an hour at 8 tokens in 1.5·(100 + 0.1·(k%9)) ms and 4 in 100 + 0.1·(k%9) ms.
	usd := doc.table(t, "Success, cost").number(t, "usd_per_1M_tok", "transformers-gpu-compile")
	mean := 100 + 0.1*(4*36.0+6)/40
	if want := 0.035 / 3600 * 1e6 * (mean/4 + 1.5*mean/8) / 2 / 1e3; math.Abs(usd/want-1) > 1e-3 {
		t.Errorf("USD per 1M tokens %v, want %v", usd, want)
	}
	md := renderedMarkdown(t, in)
	for _, want := range []string{
		"Paradox: latency_ms in generate-cached: transformers-gpu-compile has the lower mean", "It is more than noise", "paradox_1_latency",
		"Scenario by scenario, transformers-gpu has the lower p50 in 2 of 2.",
		"2 in dual_short", "**ollama** in `generate-cached` not comparable: draws with its own random numbers", "HTTP on the machine itself", "sampled at temperature 0.7", "Synthetic prompts: 9 texts", "A backend has from 80 runs on",
		"2 of 320 good runs carry a flag", "these are the unit of intervals and tests over runs", "so that a session is a value", "t interval over the mean differences of the sessions",
		"a test for each cell, not adjusted; p_holm: adjusted for all 8 of them", "What else ran was not observed in 100 of 320 good runs", "Energy is measured and not charged", "separated from", "## 7 Reproducibility"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	for _, unwanted := range []string{"ROI by tier", "Request-level cost", "Total cost of ownership", "Research questions and what", "Design tr119", "%!", "%s"} {
		if strings.Contains(md, unwanted) {
			t.Errorf("report.md has %q", unwanted)
		}
	}
	for _, line := range strings.Split(md, "\n") {
		if strings.Contains(line, "usd_per_1M") && strings.Contains(line, EstimateMark) {
			t.Errorf("a cost without energy is marked as an estimate: %s", line)
		}
	}
}

// TestEveryNumberHasASource of the tables that stand in no report of TR119's fixtures.
func TestEveryNumberHasASource(t *testing.T) {
	in := requests(t, requestRuns())
	for _, b := range Build(in).Blocks {
		table, ok := b.(Table)
		if !ok {
			continue
		}
		for _, row := range table.Rows {
			for i, cell := range row {
				if !table.Columns[i].Numeric || table.Columns[i].Name == "bytes" || cell.plain() == units.Absent {
					continue
				}
				if len(cell) != 1 || cell[0].Source == nil || cell[0].Source.Column == "" {
					t.Errorf("%s, %s: %q has no source", table.Caption, table.Columns[i].Name, cell.plain())
				}
			}
		}
	}
}

// TestGeneralSectionsOfTR119: what single runs say stands in TR119's report as well, and TR117's questions do not.
func TestGeneralSectionsOfTR119(t *testing.T) {
	in := requests(t, requestRuns())
	in.Profile = ""
	md := renderedMarkdown(t, in)
	for _, want := range []string{"Token agreement", "Loading and compiling", "Engine against HTTP", "Isolation", "Variation between sessions", "Requests in flight at once", "Research questions"} {
		if !strings.Contains(md, " "+want+"\n") {
			t.Errorf("report.md lacks the section %s", want)
		}
	}
	for _, unwanted := range []string{"Paradoxes", "Distributions over all runs", "latency_distribution"} {
		if strings.Contains(md, unwanted) {
			t.Errorf("report.md has %q", unwanted)
		}
	}
	if len(figuresOf(t, in)) != 7 {
		t.Errorf("%d figures, want 7", len(figuresOf(t, in)))
	}
}

func TestRequestReportInBothFormats(t *testing.T) {
	doc := Build(requests(t, requestRuns()))
	var md, page bytes.Buffer
	if err := writeMarkdown(&md, doc); err != nil {
		t.Fatal(err)
	}
	if err := writeHTML(&page, doc); err != nil {
		t.Fatal(err)
	}
	if fromMD, fromPage := content(fromMarkdown(t, md.Bytes())), content(parse(t, page.Bytes())); !slices.Equal(fromMD, fromPage) {
		t.Errorf("Markdown has %d pieces, HTML %d, or they differ", len(fromMD), len(fromPage))
	}
}

func TestCurves(t *testing.T) {
	figures := figuresOf(t, requests(t, requestRuns()))
	texts := svgTexts(t, figures["generate_cached_latency_distribution"])
	for _, want := range []string{"onnxruntime-cpu", "transformers-gpu", "transformers-gpu-compile", "ollama", "Percentile of the runs", "Latency (ms)", "100", "200"} {
		if !slices.Contains(texts, want) {
			t.Errorf("latency_distribution lacks %q: %q", want, texts)
		}
	}
	paradox := figures["paradox_1_latency"]
	if texts := svgTexts(t, paradox); slices.Contains(texts, "ollama") || !slices.Contains(texts, "transformers-gpu and transformers-gpu-compile, generate-cached") &&
		!slices.Contains(texts, "transformers-gpu-compile and transformers-gpu, generate-cached") {
		t.Errorf("paradox: %q", texts)
	}
	if figures["generate_cached_ttft"] == nil {
		t.Error("no figure of the time to the first token")
	}
	for name, svg := range figures {
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s: a coordinate is not a number", name)
		}
	}
}

// TestCurvesOfFewAndMany: single values, equal values and more than are drawn.
func TestCurvesOfFewAndMany(t *testing.T) {
	many := make([]float64, 5000)
	for i := range many {
		many[i] = 1 + float64(i)
	}
	c := curveChart{Title: "t", Subtitle: "s", Axis: "ms", Marks: []float64{1, 99.9}, Curves: []curve{
		{Label: "one", Values: []float64{5}, Color: palette[0]}, {Label: "equal", Values: []float64{7, 7}, Color: palette[1]}, {Label: "many", Values: many, Color: palette[2]}}}
	svg, err := c.drawing().SVG()
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(svg, new(struct{})); err != nil || bytes.Contains(svg, []byte("NaN")) {
		t.Errorf("SVG: %v", err)
	}
	raster, err := c.drawing().PNG()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(raster)); err != nil {
		t.Error(err)
	}
	p := c.Curves[2].points()
	if len(p) != maxPoints || p[0] != (xy{0, 1}) || p[maxPoints-1] != (xy{100, 5000}) {
		t.Errorf("%d points from %v to %v", len(p), p[0], p[len(p)-1])
	}
	same := curveChart{Title: "t", Axis: "ms", Curves: []curve{{Label: "equal", Values: []float64{7, 7}, Color: palette[1]}}}
	if svg, err := same.drawing().SVG(); err != nil || bytes.Contains(svg, []byte("NaN")) {
		t.Errorf("equal values: %v", err)
	}
}

// TestRequestReportVerifies writes the artifacts under TR117's names, renders and verifies.
func TestRequestReportVerifies(t *testing.T) {
	dir := t.TempDir()
	runs := requestRuns()
	in := requests(t, runs)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(manifest.Start(dir, "tr117"))
	must(store.WriteFile(filepath.Join(dir, MetricsFile), runs))
	must(store.WriteFile(filepath.Join(dir, CostFile), in.Costs))
	must(in.Stats.Write(filepath.Join(dir, StatisticalFile)))
	o := Options{Dir: dir, Prices: prices117, Matrix: matrix117, Method: "default-infra-only", Profile: TR117}
	loaded, err := Load(context.Background(), o)
	must(err)
	must(Write(loaded, o))
	v, err := Verify(context.Background(), filepath.Join(dir, MarkdownFile))
	if err != nil || v.Files < 20 {
		t.Errorf("%+v, %v", v, err)
	}
	findings, _, err := Findings(dir)
	if err != nil || !strings.HasPrefix(findings[0], "Lowest mean latency, generate-cached: transformers-gpu-compile, ") {
		t.Errorf("%q, %v", findings, err)
	}
	if loaded.Title != "Technical Report 117: cross-backend inference benchmark" || loaded.StatsName != StatisticalFile || loaded.CellsName != MetricsFile {
		t.Errorf("title %q of %s and %s", loaded.Title, loaded.StatsName, loaded.CellsName)
	}
}

// TestLonelyRequestReport: with one backend there is nothing to compare, and the report says so.
func TestLonelyRequestReport(t *testing.T) {
	runs := slices.DeleteFunc(requestRuns(), func(r record.Run) bool { return r.Backend != "onnxruntime-cpu" && r.Backend != "tensorrt" })
	md := renderedMarkdown(t, requests(t, runs))
	for _, want := range []string{"Lowest mean latency, `generate-cached`: **onnxruntime-cpu** (the only one with a figure)", "Without results: tensorrt (gpu_not_found)", "With one measured backend there is no comparison",
		"No analysis of variance", "nothing could be tested", "no two backends have tokens", noPair} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	degraded := slices.DeleteFunc(requestRuns(), func(r record.Run) bool { return r.Status == record.OK })
	if md := renderedMarkdown(t, requests(t, degraded)); !strings.Contains(md, "No backend has a good run: this report has no results.") || strings.Contains(md, "%!") {
		t.Error("a report without results does not say so")
	}
}

func TestUnknownProfile(t *testing.T) {
	o := Options{Profile: "tr120"}
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), `profile: saw "tr120", want tr117, tr119 or tr122`) {
		t.Errorf("%v", err)
	}
}
