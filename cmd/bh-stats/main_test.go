package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// The repository's own inputs, as absolute paths: tests change the working folder.
var (
	archivePath = abs("../../pipelines/tr119/archive/tr119_measurements.csv")
	matrixPath  = abs("../../pipelines/tr119/matrix.yaml")
	pricesPath  = abs("../../pipelines/tr119/pricing.yaml")
	goldenDir   = abs("testdata")
)

func abs(path string) string {
	p, err := filepath.Abs(path)
	if err != nil {
		panic(err)
	}
	return p
}

// tool runs bh-stats in-process.
func tool(ctx context.Context, stdin string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = run(ctx, append([]string{toolName}, args...), cli.Streams{In: strings.NewReader(stdin), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// must runs bh-stats and wants an exit code.
func must(t *testing.T, code int, stdin string, args ...string) (out, errs string) {
	t.Helper()
	got, out, errs := tool(t.Context(), stdin, args...)
	if got != code {
		t.Fatalf("bh-stats %s: exit %d, want %d: %s", strings.Join(args, " "), got, code, errs)
	}
	return out, errs
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join(goldenDir, name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\nif the change is meant, run with -update", name, got, want)
	}
}

// testRuns are three runs each of two backends in three scenarios, prefill, with a measured power, as bh-telemetry join
// leaves them. degraded adds a backend that did not run.
func testRuns(degraded bool) []record.Run {
	latencies := map[string][]int64{"onnxruntime-cpu": {10e6, 21e6, 32e6}, "transformers-cpu": {31e6, 60e6, 99e6}}
	if degraded {
		latencies["onnxruntime-gpu"] = []int64{0}
	}
	var runs []record.Run
	for _, backend := range []string{"onnxruntime-cpu", "onnxruntime-gpu", "transformers-cpu"} {
		for i, ns := range latencies[backend] {
			for rep := range int64(3) {
				scenario := []string{"single_short", "single_medium", "single_long"}[i]
				r := record.Run{
					Schema: record.SchemaRun, Experiment: "e", RunID: backend + scenario + string(rune('0'+rep)), Host: "h",
					Backend: backend, Model: "gpt2-tiny", Precision: "fp32", Device: deviceOf(backend), Scenario: scenario,
					Mode: record.Prefill, BatchSize: 1, PromptTokens: 10, Repetition: rep, Threads: 2,
				}
				if ns == 0 {
					r.Status, r.Reason = record.Degraded, "not_in_this_version"
				} else {
					r = measured(r, ns+rep*ns/20)
				}
				runs = append(runs, r)
			}
		}
	}
	return runs
}

func measured(r record.Run, ns int64) record.Run {
	r.Status = record.OK
	r.StartUnixNS, r.EndUnixNS, r.LatencyNS = units.Ptr(int64(1e18)), units.Ptr(int64(1e18)+ns), &ns
	r.TokensProcessed, r.Iterations = units.Ptr(units.Tokens(10)), units.Ptr(int64(1))
	r.ThroughputTokS = units.Ptr(units.TokensPerSecond(10 / (float64(ns) / 1e9)))
	r.PowerMeanW, r.PowerSource, r.EnergyGrade = units.Ptr(units.Watts(40)), "rapl", record.GradeB
	return r
}

// price is what bh-cost makes of runs.
func price(t *testing.T, runs []record.Run, methods ...cost.Method) []record.Cost {
	t.Helper()
	book, err := cost.LoadBook(pricesPath)
	if err != nil {
		t.Fatal(err)
	}
	b := cell.NewBuilder()
	for i := range runs {
		b.AddRun(&runs[i])
	}
	cells, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	var costs []record.Cost
	for _, m := range methods {
		rows, err := cost.Price(cells, book, m)
		if err != nil {
			t.Fatal(err)
		}
		costs = append(costs, rows...)
	}
	return costs
}

// jsonLines is how the tools stream records to each other.
func jsonLines[T store.Row](t *testing.T, rows []T) string {
	t.Helper()
	var b bytes.Buffer
	if err := store.Put(store.Output{Format: store.JSONL, Stdout: &b}, rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// write writes records to a file of a folder that the test works in.
func write[T store.Row](t *testing.T, path string, rows []T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := store.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExamples runs the examples of the command's documentation in a folder that has the files they name; what stands
// before a pipe is replaced by what it prints.
func TestExamples(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "main.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, path := range []string{archivePath, matrixPath} {
		dir := "pipelines/tr119/"
		if path == archivePath {
			dir += "archive/"
		}
		copyFile(t, path, dir+filepath.Base(path))
	}
	runs := testRuns(false)
	costs := price(t, runs, cost.MethodDefault, cost.MethodTR119)
	write(t, "results/tr119/runs.parquet", runs)
	write(t, "results/tr119/energy.parquet", runs)
	write(t, "results/tr119/cost.parquet", costs)
	var help strings.Builder
	for _, command := range []string{"describe", "compare", "analyse", "metrics"} {
		out, _ := must(t, cli.ExitOK, "", command, "--help")
		help.WriteString(out)
	}
	n := 0
	for line := range strings.Lines(f.Doc.Text()) {
		command, ok := strings.CutPrefix(line, "\t")
		if !ok {
			continue
		}
		n++
		if !strings.Contains(help.String(), strings.TrimSpace(command)) {
			t.Errorf("--help does not show %q", command)
		}
		stdin := ""
		if before, after, piped := strings.Cut(command, " | "); piped {
			if !strings.HasPrefix(before, "bh-cost --tier spot") {
				t.Fatalf("the test cannot stand in for %q", before)
			}
			command, stdin = after, jsonLines(t, only(costs, record.Spot, cost.MethodDefault.Name))
		}
		args := strings.Fields(command)[1:]
		if out, _ := must(t, cli.ExitOK, stdin, args...); out == "" && !strings.Contains(command, " -o ") {
			t.Errorf("%s: no output", command)
		}
	}
	if n < 5 {
		t.Errorf("the documentation has %d examples", n)
	}
	for _, path := range []string{"cells.parquet", "results/tr119/stats.json", "metrics.csv"} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
}

func only(costs []record.Cost, tier record.Tier, method string) []record.Cost {
	var out []record.Cost
	for _, r := range costs {
		if r.Tier == tier && r.Method == method {
			out = append(out, r)
		}
	}
	return out
}

func TestCompareGolden(t *testing.T) {
	dir := t.TempDir()
	runs := testRuns(false)
	write(t, dir+"/cost.parquet", price(t, runs, cost.MethodDefault, cost.MethodTR119))
	write(t, dir+"/runs.jsonl", runs)
	out, errs := must(t, cli.ExitOK, "", "compare", "--tier", "spot", "--format", "table", dir+"/cost.parquet")
	golden(t, "compare_cost.golden", out+"--- stderr\n"+errs)
	out, errs = must(t, cli.ExitOK, "", "compare", "--metric", "latency_ms", "--format", "md", dir+"/runs.jsonl")
	golden(t, "compare_latency.golden", out+"--- stderr\n"+errs)
	out, errs = must(t, cli.ExitOK, "", "compare", "--metric", "latency_ms", "--format", "table", archivePath)
	golden(t, "compare_archive.golden", out+"--- stderr\n"+errs)
}

func TestCompareFormats(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/runs.parquet", testRuns(false))
	lines, notes := must(t, cli.ExitOK, "", "compare", "--metric", "latency_ms", "--quiet", dir+"/runs.parquet")
	if notes != "" {
		t.Errorf("--quiet printed %q", notes)
	}
	var line compare.PairRow
	if err := json.Unmarshal([]byte(lines), &line); err != nil || line.Schema != compare.PairSchema || line.PHolm == nil || line.Scenarios != 3 {
		t.Errorf("a pipe gets %q (%v), want one line of JSON", lines, err)
	}
	must(t, cli.ExitOK, "", "compare", "--metric", "latency_ms", dir+"/runs.parquet", "-o", dir+"/pairs.json")
	var array []compare.PairRow
	data, err := os.ReadFile(dir + "/pairs.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &array); err != nil || len(array) != 1 || array[0].Ratio != line.Ratio {
		t.Errorf("pairs.json holds %s (%v)", data, err)
	}
	csv, _ := must(t, cli.ExitOK, "", "compare", "--metric", "latency_ms", "--format", "csv", dir+"/runs.parquet")
	if want := "schema,mode,metric,method,tier,a,b,scenarios,ratio,ci_lower,ci_upper,t,df,p,p_holm,significant,absent\n" +
		"bh.pair/1,prefill,latency_ms,,,onnxruntime-cpu,transformers-cpu,3,"; !strings.HasPrefix(csv, want) {
		t.Errorf("csv is\n%s", csv)
	}
}

func TestCompareWithOneBackendSaysWhy(t *testing.T) {
	runs := testRuns(false)[:9]
	out, errs := must(t, cli.ExitOK, jsonLines(t, runs), "compare", "--metric", "latency_ms", "--format", "table")
	if out != "" || errs != "prefill latency_ms: not tested: only onnxruntime-cpu has values of latency_ms: there is nothing to compare it with\n" {
		t.Errorf("stdout %q, stderr %q", out, errs)
	}
}

func TestDescribeFillsTheArchive(t *testing.T) {
	lines, _ := must(t, cli.ExitOK, "", "describe", "--matrix", matrixPath, archivePath)
	for line := range strings.Lines(lines) {
		var c record.Cell
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		if c.Device == "" || c.LatSDMS == nil || c.TokensPerRun == nil || c.ThroughputRatioTokS == nil || c.BatchSize == nil {
			t.Errorf("not filled in: %s", line)
		}
		if c.Backend == "onnxruntime-gpu" && c.Mode == record.Prefill && c.Scenario == "single_short" {
			// By hand: 11 tokens in 11.48 ms; half the interval, 13.973 ms, times √7 over t(0.975, 6) = 2.446912.
			got := units.G4Ptr(c.ThroughputRatioTokS) + " " + units.G4Ptr(c.LatSDMS) + " " + string(c.Device)
			if want := "958.2 15.11 gpu"; got != want {
				t.Errorf("ratio, sd and device are %s, want %s", got, want)
			}
		}
	}
	renamed := strings.NewReplacer("onnxruntime-gpu", "tensorrt", "onnxruntime-cpu", "ollama")
	data, err := os.ReadFile(archivePath)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ = must(t, cli.ExitOK, renamed.Replace(string(data)), "describe", "--from", "csv", "--device", "tensorrt=gpu")
	if n := strings.Count(lines, `"device":"gpu"`); n != 30 {
		t.Errorf("%d cells on a GPU, want 30", n)
	}
	if n := strings.Count(lines, `"device":""`); n != 10 {
		t.Errorf("%d cells on an unknown device, want the 10 of ollama", n)
	}
}

// The archive through the whole line gives what SciPy gives for costs computed by hand (package compare's tests).
func TestArchiveThroughTheLine(t *testing.T) {
	dir := t.TempDir()
	must(t, cli.ExitOK, "", "describe", "--matrix", matrixPath, "-o", dir+"/cells.parquet", archivePath)
	var cells []record.Cell
	if _, err := store.Scan(t.Context(), store.Input{Paths: []string{dir + "/cells.parquet"}}, store.Handlers{
		Cell: func(c *record.Cell) error { cells = append(cells, *c); return nil },
	}); err != nil {
		t.Fatal(err)
	}
	book, err := cost.LoadBook(pricesPath)
	if err != nil {
		t.Fatal(err)
	}
	costs, err := cost.Price(cells, book, cost.MethodTR119)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/cost.parquet", costs)
	must(t, cli.ExitOK, "", "analyse", "-o", dir+"/stats.json", dir+"/cost.parquet", dir+"/cells.parquet")
	d, err := compare.ReadDocument(dir + "/stats.json")
	if err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[record.Mode]string{record.Prefill: "8.08 0.0004781", record.Generate: "12.85 2.439e-05"} {
		m := d.Find(mode, compare.TotalUSD, "tr119")
		if m == nil || m.TR119 == nil || m.TR119.ANOVA == nil {
			t.Fatalf("%s: %+v", mode, m)
		}
		if got := units.G4(m.TR119.ANOVA.F) + " " + units.G4(m.TR119.ANOVA.P); got != want {
			t.Errorf("%s: F and p %s, want %s", mode, got, want)
		}
	}
	if len(d.Throughput.BelowZero) != 1 || len(d.Throughput.EstimatorsDiffer) == 0 {
		t.Errorf("%+v", d.Throughput)
	}
}

func TestAnalyseRecordsItsLineage(t *testing.T) {
	t.Chdir(t.TempDir())
	runs := testRuns(true)
	write(t, "runs.parquet", runs)
	write(t, "cost.parquet", price(t, runs, cost.MethodDefault))
	if err := manifest.Update(".", func(*manifest.Manifest) error { return nil }); err != nil {
		t.Fatal(err)
	}
	_, errs := must(t, cli.ExitPartial, "", "analyse", "-o", "stats.json", "runs.parquet", "cost.parquet")
	if !strings.HasSuffix(errs, "bh-stats: 3 of 21 runs degraded or failed: not_in_this_version\n") {
		t.Errorf("stderr %q", errs)
	}
	m, err := manifest.Read(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Artifacts) != 1 || m.Artifacts[0].Path != "stats.json" || m.Artifacts[0].Tool != toolName || len(m.Artifacts[0].MadeFrom) != 2 {
		t.Errorf("%+v", m.Artifacts)
	}
	d, err := compare.ReadDocument("stats.json")
	if err != nil {
		t.Fatal(err)
	}
	if a := d.Throughput.AbsentBackends; len(a) != 1 || a[0].Backend != "onnxruntime-gpu" || a[0].Degraded != 3 {
		t.Errorf("absent backends %+v", a)
	}
	if len(d.Inputs) != 2 || d.Inputs[0] != "runs.parquet" {
		t.Errorf("inputs %q", d.Inputs)
	}
}

func TestAnalyseStreams(t *testing.T) {
	out, _ := must(t, cli.ExitOK, jsonLines(t, testRuns(false)), "analyse", "--quiet", "--seed", "7", "--resamples", "10", "--alpha", "0.01")
	var d compare.Document
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	if d.Seed != 7 || d.Resamples != 10 || d.Alpha != 0.01 || len(d.Inputs) != 1 || d.Inputs[0] != "-" {
		t.Errorf("seed %d, resamples %d, alpha %g, inputs %q", d.Seed, d.Resamples, d.Alpha, d.Inputs)
	}
	if m := d.Find(record.Prefill, compare.TotalUSD, ""); m == nil || m.Absent != "there are no cost rows of tier on_demand" {
		t.Errorf("without costs: %+v", m)
	}
}
