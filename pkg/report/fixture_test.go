package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

// archiveCSV is what the original machine of Technical Report 119 measured: 50 cells of 7 runs.
const archiveCSV = "../../pipelines/tr119/archive/tr119_measurements.csv"

// shapes119 are the scenarios of spec TR119.
var shapes119 = []cell.Shape{
	{Scenario: "single_short", BatchSize: 1, PromptTokens: 11, MaxNewTokens: 8},
	{Scenario: "single_medium", BatchSize: 1, PromptTokens: 19, MaxNewTokens: 8},
	{Scenario: "single_long", BatchSize: 1, PromptTokens: 27, MaxNewTokens: 8},
	{Scenario: "batch_short", BatchSize: 4, PromptTokens: 11, MaxNewTokens: 8},
	{Scenario: "batch_medium", BatchSize: 4, PromptTokens: 19, MaxNewTokens: 8},
}

var devices119 = map[string]record.Device{
	"onnxruntime-cpu": record.CPU, "transformers-cpu": record.CPU,
	"onnxruntime-gpu": record.GPU, "transformers-gpu": record.GPU, "transformers-gpu-compile": record.GPU,
}

// archive is the archived measurements, priced and analysed as the pipeline does it.
func archive(tb testing.TB, method string) *Inputs {
	tb.Helper()
	b := cell.NewBuilder()
	_, err := store.Scan(context.Background(), store.Input{Paths: []string{archiveCSV}}, store.Handlers{
		Cell: func(c *record.Cell) error { b.AddCell(c); return nil }})
	if err != nil {
		tb.Fatal(err)
	}
	cells, err := b.Cells()
	if err != nil {
		tb.Fatal(err)
	}
	cell.Fill(cells, shapes119, devices119)
	in := finish(tb, cells, method)
	in.Title, in.CellsName = "Technical Report 119, archive", CellsFile
	return in
}

// finish prices and analyses cells.
func finish(tb testing.TB, cells []record.Cell, method string) *Inputs {
	tb.Helper()
	book, err := cost.Builtin()
	if err != nil {
		tb.Fatal(err)
	}
	var costs []record.Cost
	for _, m := range []cost.Method{cost.MethodDefault, cost.MethodTR119} {
		rows, err := cost.Price(cells, book, m)
		if err != nil {
			tb.Fatal(err)
		}
		costs = append(costs, rows...)
	}
	stats, err := compare.Analyse(cells, costs, compare.DefaultOptions())
	if err != nil {
		tb.Fatal(err)
	}
	return &Inputs{Title: "Test", Method: method, Cells: cells, CellsName: EnergyFile, Costs: costs, CostsName: CostFile,
		Stats: stats, StatsName: StatsFile, Book: book, BookName: cost.BuiltinPath}
}

// cpuOnlyRuns are runs like those of a machine without a GPU: one backend is good, four are degraded. repetitions is the
// number of runs per cell.
func cpuOnlyRuns(repetitions int64) []record.Run {
	noise := rand.New(rand.NewPCG(42, 42))
	var runs []record.Run
	for _, backend := range []string{"onnxruntime-cpu", "onnxruntime-gpu", "transformers-cpu", "transformers-gpu", "transformers-gpu-compile"} {
		for _, mode := range record.Modes() {
			for _, s := range shapes119 {
				for rep := range repetitions {
					r := record.Run{
						Schema: record.SchemaRun, Experiment: "tr119", Host: "host-1", Backend: backend, Model: "gpt2-124m-seeded", Precision: "fp32",
						Device: devices119[backend], Scenario: s.Scenario, Mode: mode, BatchSize: s.BatchSize, PromptTokens: s.PromptTokens,
						Repetition: rep, RunID: fmt.Sprintf("%s/%s/%s/%d", backend, mode, s.Scenario, rep), Threads: 2, Seed: 42,
						Status: record.Degraded, Reason: "backend_not_built", Detail: "not part of this build",
					}
					if mode != record.Prefill {
						r.MaxNewTokens = s.MaxNewTokens
					}
					if backend == "onnxruntime-cpu" {
						measure(&r, noise)
					}
					runs = append(runs, r)
				}
			}
		}
	}
	return runs
}

// measure fills a run in as a worker would: latency grows with the tokens, the power is an estimate.
func measure(r *record.Run, noise *rand.Rand) {
	tokens := float64(r.BatchSize) * float64(r.PromptTokens)
	ms := 10 + 0.8*tokens
	if r.Mode == record.Generate {
		ms *= float64(r.MaxNewTokens)
	}
	if r.Mode == record.GenerateCached {
		ms += 12 * float64(r.MaxNewTokens-1)
	}
	latency := int64(ms * 1e6 * (1 + 0.05*noise.NormFloat64()))
	r.Status, r.Reason, r.Detail = record.OK, "", ""
	start := int64(1_760_000_000_000_000_000) + int64(len(r.RunID))*1_000_000_000
	r.StartUnixNS, r.EndUnixNS, r.LatencyNS = units.Ptr(start), units.Ptr(start+10*latency), &latency
	r.Iterations = units.Ptr(int64(10))
	r.TokensProcessed = units.Ptr(units.Tokens(tokens))
	counted := tokens
	if r.Mode != record.Prefill {
		counted = float64(r.BatchSize) * float64(r.MaxNewTokens)
		r.TokensGenerated = units.Ptr(units.Tokens(counted))
		r.TTFTNS = units.Ptr(latency / 4)
		r.ITLNS = []int64{latency / 8, latency / 8}
	}
	r.ThroughputTokS = units.Ptr(units.TokensPerSecond(counted / (float64(latency) / 1e9)))
	r.OutputHash, r.GCDuringWindow, r.ToolGapNS = "c0ffee", units.Ptr(int64(0)), units.Ptr(int64(700_000))
	r.PowerMeanW, r.PowerSamples = units.Ptr(units.Watts(24+noise.Float64())), units.Ptr(int64(12))
	r.EnergyJoules = units.Ptr(units.Joules(float64(*r.PowerMeanW) * float64(latency) / 1e9))
	r.PowerSource, r.EnergyGrade, r.RSSPeakBytes = "cpu-estimate", record.GradeD, units.Ptr(units.Bytes(1_300_000_000))
	r.CPUPowerMeanW = r.PowerMeanW
}

// cpuOnly is the inputs of a report on such a machine.
func cpuOnly(tb testing.TB) *Inputs {
	tb.Helper()
	b := cell.NewBuilder()
	var facts RunFacts
	runs := cpuOnlyRuns(7)
	for i := range runs {
		if err := runs[i].Validate(); err != nil {
			tb.Fatal(err)
		}
		facts.add(&runs[i])
		b.AddRun(&runs[i])
	}
	cells, err := b.Cells()
	if err != nil {
		tb.Fatal(err)
	}
	in := finish(tb, cells, cost.MethodDefault.Name)
	in.FromRuns, in.Runs = true, facts
	return in
}
