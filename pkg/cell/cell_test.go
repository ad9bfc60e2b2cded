package cell_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// okRun is a good prefill run of 11 tokens that took ms milliseconds.
func okRun(rep int64, ms float64) *record.Run {
	ns := int64(ms * 1e6)
	return &record.Run{
		Schema: record.SchemaRun, Experiment: "e", RunID: fmt.Sprint(rep), Host: "h", Backend: "onnxruntime-cpu", Model: "m",
		Precision: "fp32", Device: record.CPU, Scenario: "single_short", Mode: record.Prefill, BatchSize: 1, PromptTokens: 11,
		Repetition: rep, Threads: 2, Status: record.OK,
		StartUnixNS: units.Ptr(int64(1e18)), EndUnixNS: units.Ptr(int64(1e18) + ns), LatencyNS: &ns,
		TokensProcessed: units.Ptr(units.Tokens(11)), Iterations: units.Ptr(int64(1)),
		ThroughputTokS: units.Ptr(units.TokensPerSecond(11 / (ms / 1e3))), OutputHash: "same",
	}
}

func badRun(rep int64, status record.Status, reason string) *record.Run {
	r := okRun(rep, 1)
	r.Status, r.Reason = status, reason
	r.StartUnixNS, r.EndUnixNS, r.LatencyNS, r.TokensProcessed, r.Iterations, r.ThroughputTokS = nil, nil, nil, nil, nil, nil
	r.OutputHash = ""
	return r
}

func build(t interface{ Fatal(...any) }, runs ...*record.Run) []record.Cell {
	b := cell.NewBuilder()
	for _, r := range runs {
		b.AddRun(r)
	}
	cells, err := b.Cells()
	if err != nil {
		t.Fatal(err)
	}
	for i := range cells {
		if err := cells[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	return cells
}

func near(t *testing.T, name string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9*math.Abs(want) {
		t.Errorf("%s = %v, want %v", name, got, want)
	}
}

// latencies of the reference cell, in ms.
var latencies = []float64{100, 104, 98, 110, 97, 103, 95}

// TestSummary holds one cell against SciPy 1.17.1 and NumPy 2.4.6: with x the latencies in ms, x.mean(), x.std(ddof=1),
// stats.t.interval(.95, 6, mean, sd/sqrt(7)), np.median(x), np.percentile(x, 95), and of th = 11000/x its mean and
// std(ddof=1); the ratio is 7*11/(sum(x)/1000).
func TestSummary(t *testing.T) {
	var runs []*record.Run
	for i, ms := range latencies {
		runs = append(runs, okRun(int64(i), ms))
	}
	runs = append(runs, badRun(7, record.Degraded, "library_missing"), badRun(8, record.Failed, "timeout"),
		badRun(9, record.Failed, "crashed"), badRun(10, record.Failed, "timeout"))
	cells := build(t, runs...)
	if len(cells) != 1 {
		t.Fatalf("saw %d cells, want 1", len(cells))
	}
	c := cells[0]
	if c.N != 7 || c.NDegraded != 1 || c.NError != 3 || c.Reasons != "crashed,library_missing,timeout" {
		t.Errorf("counts %d %d %d %q", c.N, c.NDegraded, c.NError, c.Reasons)
	}
	near(t, "lat_mean_ms", float64(*c.LatMeanMS), 101)
	near(t, "lat_sd_ms", float64(*c.LatSDMS), 5.0990195135927845)
	near(t, "lat_ci_lower_ms", float64(*c.LatCILowerMS), 96.28419348226296)
	near(t, "lat_ci_upper_ms", float64(*c.LatCIUpperMS), 105.71580651773704)
	near(t, "lat_median_ms", float64(*c.LatMedianMS), 100)
	near(t, "lat_p95_ms", float64(*c.LatP95MS), 108.2)
	near(t, "throughput_mean_tok_s", float64(*c.ThroughputMeanTokS), 109.14311153902135)
	near(t, "throughput_mean_sd_tok_s", float64(*c.ThroughputMeanSDTokS), 5.372089446849344)
	near(t, "throughput_ratio_tok_s", float64(*c.ThroughputRatioTokS), 108.91089108910892)
	near(t, "tokens_per_run", *c.TokensPerRun, 11)
	if c.OutputsDiffer == nil || *c.OutputsDiffer {
		t.Errorf("outputs_differ = %v, want false", c.OutputsDiffer)
	}
	if c.PowerMeanW != nil || c.PowerN != nil || c.EnergyGrade != "" || c.TTFTMeanMS != nil || c.GPUMemMeanBytes != nil {
		t.Errorf("a figure that no run has is not null: %+v", c)
	}
}

func TestPowerOverTheRunsThatHaveIt(t *testing.T) {
	a, b, c := okRun(0, 100), okRun(1, 100), okRun(2, 100)
	a.PowerMeanW, a.PowerSource, a.EnergyGrade = units.Ptr(units.Watts(10)), "rapl", record.GradeB
	b.PowerMeanW, b.PowerSource, b.EnergyGrade = units.Ptr(units.Watts(14)), "cpu-estimate", record.GradeD
	b.GPUMemMeanBytes, c.RSSPeakBytes = units.Ptr(units.Bytes(5)), units.Ptr(units.Bytes(9))
	got := build(t, a, b, c)[0]
	near(t, "power_mean_w", float64(*got.PowerMeanW), 12)
	near(t, "power_sd_w", float64(*got.PowerSDW), math.Sqrt(8)) // (2² + 2²)/(2-1)
	if *got.PowerN != 2 || got.PowerSource != "cpu-estimate,rapl" || got.EnergyGrade != record.GradeD {
		t.Errorf("power_n %d, source %q, grade %q", *got.PowerN, got.PowerSource, got.EnergyGrade)
	}
	if *got.GPUMemMeanBytes != 5 || *got.RSSPeakBytes != 9 {
		t.Errorf("memory %v, %v", *got.GPUMemMeanBytes, *got.RSSPeakBytes)
	}
}

// A power of 0 W is a broken sensor: it is no part of a mean, and a cell that has no other has no power.
func TestZeroPower(t *testing.T) {
	a, b, c := okRun(0, 100), okRun(1, 100), okRun(2, 100)
	a.PowerMeanW, a.PowerSource, a.EnergyGrade = units.Ptr(units.Watts(10)), "rapl", record.GradeB
	b.PowerMeanW, b.PowerSource, b.EnergyGrade = units.Ptr(units.Watts(0)), "hwmon", record.GradeC
	got := build(t, a, b, c)[0]
	if *got.PowerMeanW != 10 || *got.PowerN != 1 || got.PowerSource != "rapl" || got.EnergyGrade != record.GradeB {
		t.Errorf("saw %v W of %d runs, source %q, grade %q", *got.PowerMeanW, *got.PowerN, got.PowerSource, got.EnergyGrade)
	}
	got = build(t, b, c)[0]
	if got.PowerMeanW != nil || got.PowerN == nil || *got.PowerN != 0 || got.EnergyGrade != "" {
		t.Errorf("saw %v W, n %v, grade %q, want no power of 0 runs", got.PowerMeanW, got.PowerN, got.EnergyGrade)
	}
}

func TestGenerateCountsNewTokens(t *testing.T) {
	r := okRun(0, 200)
	r.Mode, r.MaxNewTokens, r.TokensGenerated = record.GenerateCached, 8, units.Ptr(units.Tokens(8))
	r.TTFTNS, r.ITLNS = units.Ptr(int64(60e6)), []int64{10e6, 30e6}
	c := build(t, r)[0]
	near(t, "throughput_ratio_tok_s", float64(*c.ThroughputRatioTokS), 40) // 8 tokens in 0.2 s
	near(t, "ttft_mean_ms", float64(*c.TTFTMeanMS), 60)
	near(t, "itl_mean_ms", float64(*c.ITLMeanMS), 20)
}

func TestFewOrEqualRunsHaveNoInterval(t *testing.T) {
	one := build(t, okRun(0, 100))[0]
	if one.LatSDMS != nil || one.LatCILowerMS != nil || one.ThroughputMeanSDTokS != nil || one.OutputsDiffer != nil {
		t.Errorf("one run has a spread: %+v", one)
	}
	equal := build(t, okRun(0, 100), okRun(1, 100))[0]
	if *equal.LatSDMS != 0 || equal.LatCILowerMS != nil || equal.LatCIUpperMS != nil {
		t.Errorf("equal runs: sd %v, interval %v", *equal.LatSDMS, equal.LatCILowerMS)
	}
}

func TestNothingMeasured(t *testing.T) {
	c := build(t, badRun(0, record.Degraded, "no_gpu"), badRun(1, record.Degraded, "no_gpu"))[0]
	want := record.Cell{
		Schema: record.SchemaCell, Experiment: "e", Host: "h", Backend: "onnxruntime-cpu", Model: "m", Precision: "fp32",
		Device: record.CPU, Threads: units.Ptr(int64(2)), Mode: record.Prefill, Scenario: "single_short",
		BatchSize: units.Ptr(int64(1)), PromptTokens: units.Ptr(units.Tokens(11)), MaxNewTokens: units.Ptr(units.Tokens(0)),
		NDegraded: 2, Reasons: "no_gpu",
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("saw %+v\nwant %+v", c, want)
	}
}

// TestEveryKeySplits changes one column at a time: each makes a cell of its own.
func TestEveryKeySplits(t *testing.T) {
	changes := map[string]func(*record.Run){
		"experiment":     func(r *record.Run) { r.Experiment = "f" },
		"host":           func(r *record.Run) { r.Host = "i" },
		"backend":        func(r *record.Run) { r.Backend = "ollama" },
		"model":          func(r *record.Run) { r.Model = "n" },
		"precision":      func(r *record.Run) { r.Precision = "int8" },
		"device":         func(r *record.Run) { r.Device = record.GPU },
		"settings":       func(r *record.Run) { r.Settings = "opt=all" },
		"threads":        func(r *record.Run) { r.Threads = 1 },
		"scenario":       func(r *record.Run) { r.Scenario = "s" },
		"mode":           func(r *record.Run) { r.Mode = record.Generate; r.TokensGenerated = units.Ptr(units.Tokens(8)) },
		"batch_size":     func(r *record.Run) { r.BatchSize = 4 },
		"prompt_tokens":  func(r *record.Run) { r.PromptTokens = 12 },
		"max_new_tokens": func(r *record.Run) { r.MaxNewTokens = 1 },
	}
	for name, change := range changes {
		other := okRun(1, 100)
		change(other)
		if n := len(build(t, okRun(0, 100), other)); n != 2 {
			t.Errorf("%s: saw %d cells, want 2", name, n)
		}
	}
	same := okRun(1, 100)
	same.Session, same.Seed, same.OrderIndex = 1, 2, 3
	if n := len(build(t, okRun(0, 100), same)); n != 1 {
		t.Errorf("session, seed and order split a cell into %d", n)
	}
}

func TestOutputsDiffer(t *testing.T) {
	a, b := okRun(0, 100), okRun(1, 100)
	b.OutputHash = "other"
	if c := build(t, a, b)[0]; c.OutputsDiffer == nil || !*c.OutputsDiffer {
		t.Errorf("outputs_differ = %v, want true", c.OutputsDiffer)
	}
}

func TestOrderOfTables(t *testing.T) {
	var runs []*record.Run
	for _, backend := range []string{"b", "a"} {
		for _, mode := range []record.Mode{record.GenerateCached, record.Prefill, record.Generate} {
			for _, scenario := range []string{"y", "x"} {
				r := okRun(0, 100)
				r.Backend, r.Mode, r.Scenario, r.TokensGenerated = backend, mode, scenario, units.Ptr(units.Tokens(1))
				runs = append(runs, r)
			}
		}
	}
	var got []string
	for _, c := range build(t, runs...) {
		got = append(got, c.Backend+" "+string(c.Mode)+" "+c.Scenario)
	}
	want := []string{
		"a prefill x", "a prefill y", "a generate x", "a generate y", "a generate-cached x", "a generate-cached y",
		"b prefill x", "b prefill y", "b generate x", "b generate y", "b generate-cached x", "b generate-cached y",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("saw %q\nwant %q", got, want)
	}
}

func TestDuplicateCells(t *testing.T) {
	c := build(t, okRun(0, 100), okRun(1, 101))[0]
	for name, add := range map[string]func(*cell.Builder){
		"a cell twice":        func(b *cell.Builder) { b.AddCell(&c); b.AddCell(&c) },
		"a cell and its runs": func(b *cell.Builder) { b.AddCell(&c); b.AddRun(okRun(0, 100)) },
	} {
		b := cell.NewBuilder()
		add(b)
		if _, err := b.Cells(); !errors.Is(err, cell.ErrDuplicate) {
			t.Errorf("%s: saw %v, want ErrDuplicate", name, err)
		}
	}
	b := cell.NewBuilder()
	b.AddCell(&c)
	got, err := b.Cells()
	if err != nil || !reflect.DeepEqual(got, []record.Cell{c}) {
		t.Errorf("a cell did not come out as it went in: %v, %v", got, err)
	}
}

// TestOrderDoesNotMatter shuffles runs: the cells are the same to the last bit.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "runs")
		var runs []*record.Run
		for i := range n {
			r := okRun(int64(i), rapid.Float64Range(0.01, 1e5).Draw(t, "ms"))
			r.Scenario = rapid.SampledFrom([]string{"x", "y"}).Draw(t, "scenario")
			r.Session = rapid.Int64Range(0, 2).Draw(t, "session")
			r.PowerMeanW = units.Ptr(units.Watts(rapid.Float64Range(0, 300).Draw(t, "watts")))
			r.EnergyGrade = rapid.SampledFrom([]record.Grade{"", "A", "B", "C", "D"}).Draw(t, "grade")
			r.OutputHash = rapid.SampledFrom([]string{"", "p", "q"}).Draw(t, "hash")
			if rapid.Bool().Draw(t, "bad") {
				scenario := r.Scenario
				r = badRun(int64(i), record.Failed, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "reason"))
				r.Scenario = scenario
			}
			runs = append(runs, r)
		}
		want := build(t, runs...)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		rnd.Shuffle(n, func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		if got := build(t, runs...); !reflect.DeepEqual(got, want) {
			t.Fatalf("another order gives %+v, not %+v", got, want)
		}
	})
}

// TestRatioNeverExceedsMean: the mean of throughputs flatters noisy cells, by Jensen's inequality, when every run counts
// the same tokens.
func TestRatioNeverExceedsMean(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var runs []*record.Run
		for i, ms := range rapid.SliceOfN(rapid.Float64Range(1, 1000), 1, 10).Draw(t, "ms") {
			runs = append(runs, okRun(int64(i), ms))
		}
		c := build(t, runs...)[0]
		if ratio, mean := float64(*c.ThroughputRatioTokS), float64(*c.ThroughputMeanTokS); ratio > mean*(1+1e-6) {
			t.Fatalf("ratio %v above mean %v", ratio, mean)
		}
	})
}

func BenchmarkCells(b *testing.B) {
	var runs []*record.Run
	for i := range 350 {
		r := okRun(int64(i), 100+float64(i%7))
		r.Scenario = fmt.Sprint(i % 50)
		runs = append(runs, r)
	}
	b.ReportAllocs()
	for b.Loop() {
		if got := len(build(b, runs...)); got != 50 {
			b.Fatal(got)
		}
	}
}
