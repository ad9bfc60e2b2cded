package record

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/units"
)

func goodRun() Run {
	return Run{
		Schema: SchemaRun, Experiment: "e", RunID: "r1", Host: "h", Backend: "onnxruntime-cpu", Device: CPU, Scenario: "single_short",
		Mode: GenerateCached, BatchSize: 1, PromptTokens: 11, MaxNewTokens: 8, Status: OK,
		StartUnixNS: units.Ptr[int64](100), EndUnixNS: units.Ptr[int64](200), LatencyNS: units.Ptr[int64](50), TTFTNS: units.Ptr[int64](10),
		ITLNS: []int64{0, 5}, TokensProcessed: units.Ptr(units.Tokens(11)), TokensGenerated: units.Ptr(units.Tokens(8)),
		Iterations: units.Ptr[int64](2), ThroughputTokS: units.Ptr(units.TokensPerSecond(160)),
		EnergyJoules: units.Ptr(units.Joules(0)), PowerMeanW: units.Ptr(units.Watts(40)), EnergyGrade: GradeB,
	}
}

func degradedRun() Run {
	return Run{
		Schema: SchemaRun, RunID: "r2", Backend: "tensorrt", Device: GPU, Scenario: "single_short", Mode: Prefill, BatchSize: 1,
		PromptTokens: 11, Status: Degraded, Reason: "no_gpu",
	}
}

func goodSample() Sample {
	return Sample{Schema: SchemaSample, TSUnixNS: 1, Source: "rapl", Device: "cpu:0", PowerW: units.Ptr(units.Watts(0)), TempC: units.Ptr(units.Celsius(-3))}
}

func goodCell() Cell {
	return Cell{
		Schema: SchemaCell, Backend: "b", Scenario: "s", Mode: Prefill, N: 7, LatMeanMS: units.Ptr(units.Milliseconds(38)),
		LatCILowerMS: units.Ptr(units.Milliseconds(-2)), PowerMeanW: units.Ptr(units.Watts(119.7)),
	}
}

func goodCost() Cost {
	return Cost{
		Schema: SchemaCost, Backend: "b", Scenario: "s", Mode: Prefill, Provider: "aws_g5_xlarge", Method: "default", Estimator: "ratio",
		Tier: Spot, USDPerHour: units.Ptr(units.USDPerHour(0.302)), USDPerKWh: 0.2, GCO2ePerKWh: 500, TotalUSDPer1M: units.Ptr(units.USD(0)),
	}
}

func TestGoodRecords(t *testing.T) {
	run, degraded, failed, sample, cell, cost := goodRun(), degradedRun(), degradedRun(), goodSample(), goodCell(), goodCost()
	failed.Status, failed.Reason = Failed, "out_of_memory"
	failed.StartUnixNS = units.Ptr[int64](1) // it began
	empty := goodCell()
	empty.N, empty.NError, empty.LatMeanMS = 0, 7, nil
	prefill := goodRun()
	prefill.Mode, prefill.TokensGenerated, prefill.TTFTNS = Prefill, nil, nil
	for _, r := range []Record{&run, &prefill, &degraded, &failed, &sample, &cell, &empty, &cost} {
		if err := r.Validate(); err != nil {
			t.Errorf("%T: %v", r, err)
		}
	}
}

// fault is a change to a good record and the one field error that it must give.
type fault[T any] struct {
	change            func(*T)
	field, saw, wants string
}

func checkFaults[T any](t *testing.T, good func() T, faults []fault[T]) {
	t.Helper()
	for _, f := range faults {
		row := good()
		f.change(&row)
		r, ok := any(&row).(Record)
		if !ok {
			t.Fatalf("%T is no record", row)
		}
		want := "field " + f.field + ": saw " + f.saw + ", want " + f.wants
		err := r.Validate()
		if err == nil || err.Error() != want {
			t.Errorf("%T: got %q, want %q", row, err, want)
			continue
		}
		var field *FieldError
		if !errors.As(err, &field) || field.Field != f.field {
			t.Errorf("%T: no FieldError of %s in %v", row, f.field, err)
		}
	}
}

const (
	above0    = "a finite number above 0"
	atLeast0  = "a finite number of at least 0"
	ofOK      = "a value in a run with status ok"
	modeNames = "one of prefill, generate, generate-cached"
)

func TestRunFaults(t *testing.T) {
	checkFaults(t, goodRun, []fault[Run]{
		{func(r *Run) { r.Schema = "" }, "schema", "nothing", `"bh.run/1"`},
		{func(r *Run) { r.Schema = SchemaCell }, "schema", `"bh.cell/1"`, `"bh.run/1"`},
		{func(r *Run) { r.RunID = "" }, "run_id", "nothing", "a value"},
		{func(r *Run) { r.Backend = "" }, "backend", "nothing", "a value"},
		{func(r *Run) { r.Scenario = "" }, "scenario", "nothing", "a value"},
		{func(r *Run) { r.Mode = "decode" }, "mode", `"decode"`, modeNames},
		{func(r *Run) { r.Device = "" }, "device", "nothing", "one of cpu, gpu"},
		{func(r *Run) { r.BatchSize = 0 }, "batch_size", "0", "a finite number of at least 1"},
		{func(r *Run) { r.PromptTokens = -1 }, "prompt_tokens", "-1", "a finite number of at least 1"},
		{func(r *Run) { r.MaxNewTokens = -8 }, "max_new_tokens", "-8", atLeast0},
		{func(r *Run) { r.StartUnixNS = nil }, "start_unix_ns", "nothing", ofOK},
		{func(r *Run) { r.EndUnixNS = nil }, "end_unix_ns", "nothing", ofOK},
		{func(r *Run) { *r.EndUnixNS = 100 }, "end_unix_ns", "100", "a time after start_unix_ns 100"},
		{func(r *Run) { r.LatencyNS = nil }, "latency_ns", "nothing", ofOK},
		{func(r *Run) { *r.LatencyNS = -5 }, "latency_ns", "-5", above0},
		{func(r *Run) { *r.LatencyNS = 0 }, "latency_ns", "0", above0},
		{func(r *Run) { *r.TTFTNS = 0 }, "ttft_ns", "0", above0},
		{func(r *Run) { r.ITLNS[1] = -1 }, "itl_ns[1]", "-1", "a number of at least 0"},
		{func(r *Run) { r.TokensProcessed = nil }, "tokens_processed", "nothing", ofOK},
		{func(r *Run) { *r.TokensProcessed = 0 }, "tokens_processed", "0", above0},
		{func(r *Run) { r.TokensGenerated = nil }, "tokens_generated", "nothing", ofOK},
		{func(r *Run) { *r.TokensGenerated = 0 }, "tokens_generated", "0", above0},
		{func(r *Run) { r.Iterations = nil }, "iterations", "nothing", ofOK},
		{func(r *Run) { *r.Iterations = 0 }, "iterations", "0", above0},
		{func(r *Run) { r.ThroughputTokS = nil }, "throughput_tok_s", "nothing", ofOK},
		{func(r *Run) { *r.ThroughputTokS = units.TokensPerSecond(math.NaN()) }, "throughput_tok_s", "NaN", above0},
		{func(r *Run) { *r.ThroughputTokS = units.TokensPerSecond(math.Inf(1)) }, "throughput_tok_s", "+Inf", above0},
		{func(r *Run) { *r.EnergyJoules = -1 }, "energy_joules", "-1", atLeast0},
		{func(r *Run) { *r.PowerMeanW = units.Watts(math.NaN()) }, "power_mean_w", "NaN", atLeast0},
		{func(r *Run) { r.GPUPowerMeanW = units.Ptr(units.Watts(-1)) }, "gpu_power_mean_w", "-1", atLeast0},
		{func(r *Run) { r.CPUPowerMeanW = units.Ptr(units.Watts(-1)) }, "cpu_power_mean_w", "-1", atLeast0},
		{func(r *Run) { r.GPUTempMeanC = units.Ptr(units.Celsius(math.Inf(-1))) }, "gpu_temp_mean_c", "-Inf", "a finite number"},
		{func(r *Run) { r.GPUUtilMeanPct = units.Ptr(units.Percent(-1)) }, "gpu_util_mean_pct", "-1", atLeast0},
		{func(r *Run) { r.EnergyGrade = "E" }, "energy_grade", `"E"`, "one of A, B, C, D"},
	})
}

// TestNotOKFaults: a run that did not happen has a reason and no measurement, down to a 0.
func TestNotOKFaults(t *testing.T) {
	const nothing = "nothing: a run that is not ok has no measurements"
	checkFaults(t, degradedRun, []fault[Run]{
		{func(r *Run) { r.Reason = "" }, "reason", "nothing", "a reason in a run with status degraded"},
		{func(r *Run) { r.Status, r.Reason = Failed, "" }, "reason", "nothing", "a reason in a run with status error"},
		{func(r *Run) { r.Status = "done" }, "status", `"done"`, "one of ok, degraded, error"},
		{func(r *Run) { r.LatencyNS = units.Ptr[int64](0) }, "latency_ns", "0", nothing},
		{func(r *Run) { r.TTFTNS = units.Ptr[int64](1) }, "ttft_ns", "1", nothing},
		{func(r *Run) { r.TokensProcessed = units.Ptr(units.Tokens(0)) }, "tokens_processed", "0", nothing},
		{func(r *Run) { r.TokensGenerated = units.Ptr(units.Tokens(3)) }, "tokens_generated", "3", nothing},
		{func(r *Run) { r.ThroughputTokS = units.Ptr(units.TokensPerSecond(1)) }, "throughput_tok_s", "1", nothing},
		{func(r *Run) { r.EnergyJoules = units.Ptr(units.Joules(1)) }, "energy_joules", "1", nothing},
		{func(r *Run) { r.PowerMeanW = units.Ptr(units.Watts(1)) }, "power_mean_w", "1", nothing},
	})
}

func TestSampleFaults(t *testing.T) {
	checkFaults(t, goodSample, []fault[Sample]{
		{func(s *Sample) { s.Schema = "bh.sample/2" }, "schema", `"bh.sample/2"`, `"bh.sample/1"`},
		{func(s *Sample) { s.TSUnixNS = 0 }, "ts_unix_ns", "0", "a finite number of at least 1"},
		{func(s *Sample) { s.Source = "" }, "source", "nothing", "a value"},
		{func(s *Sample) { s.Device = "" }, "device", "nothing", "a value"},
		{func(s *Sample) { *s.PowerW = -1 }, "power_w", "-1", atLeast0},
		{func(s *Sample) { s.EnergyCounterJoules = units.Ptr(units.Joules(-1)) }, "energy_counter_joules", "-1", atLeast0},
		{func(s *Sample) { *s.TempC = units.Celsius(math.NaN()) }, "temp_c", "NaN", "a finite number"},
		{func(s *Sample) { s.UtilPct = units.Ptr(units.Percent(-1)) }, "util_pct", "-1", atLeast0},
		{func(s *Sample) { s.MemUsedBytes = units.Ptr(units.Bytes(-1)) }, "mem_used_bytes", "-1 B", atLeast0 + " B"},
		{func(s *Sample) { s.ClockMHz = units.Ptr(units.Megahertz(-1)) }, "clock_mhz", "-1", atLeast0},
		{func(s *Sample) { s.Processes = units.Ptr[int64](-1) }, "processes", "-1", atLeast0},
	})
}

func TestCellFaults(t *testing.T) {
	checkFaults(t, goodCell, []fault[Cell]{
		{func(c *Cell) { c.Backend = "" }, "backend", "nothing", "a value"},
		{func(c *Cell) { c.Scenario = "" }, "scenario", "nothing", "a value"},
		{func(c *Cell) { c.Mode = "" }, "mode", "nothing", modeNames},
		{func(c *Cell) { c.Device = "tpu" }, "device", `"tpu"`, "one of cpu, gpu"},
		{func(c *Cell) { c.EnergyGrade = "a" }, "energy_grade", `"a"`, "one of A, B, C, D"},
		{func(c *Cell) { c.NDegraded = -1 }, "n_degraded", "-1", atLeast0},
		{func(c *Cell) { c.NError = -1 }, "n_error", "-1", atLeast0},
		{func(c *Cell) { c.BatchSize = units.Ptr[int64](0) }, "batch_size", "0", above0},
		{func(c *Cell) { c.PromptTokens = units.Ptr(units.Tokens(0)) }, "prompt_tokens", "0", above0},
		{func(c *Cell) { c.TokensPerRun = units.Ptr(0.0) }, "tokens_per_run", "0", above0},
		{func(c *Cell) { *c.LatMeanMS = 0 }, "lat_mean_ms", "0", above0},
		{func(c *Cell) { c.LatMeanMS = nil }, "lat_mean_ms", "nothing", "a value in a cell with good runs"},
		{func(c *Cell) { c.N = 0 }, "lat_mean_ms", "38", "nothing: a cell without good runs has no measurements"},
		{func(c *Cell) { c.LatSDMS = units.Ptr(units.Milliseconds(-1)) }, "lat_sd_ms", "-1", atLeast0},
		{func(c *Cell) { c.LatSEMS = units.Ptr(units.Milliseconds(-1)) }, "lat_se_ms", "-1", atLeast0},
		{func(c *Cell) { c.Sessions = units.Ptr(int64(0)) }, "sessions", "0", "a finite number above 0"},
		{func(c *Cell) { *c.LatCILowerMS = units.Milliseconds(math.Inf(-1)) }, "lat_ci_lower_ms", "-Inf", "a finite number"},
		{func(c *Cell) { c.LatCIUpperMS = units.Ptr(units.Milliseconds(math.NaN())) }, "lat_ci_upper_ms", "NaN", "a finite number"},
		{func(c *Cell) { c.ThroughputMeanTokS = units.Ptr(units.TokensPerSecond(0)) }, "throughput_mean_tok_s", "0", above0},
		{func(c *Cell) { c.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(-1)) }, "throughput_ratio_tok_s", "-1", above0},
		{func(c *Cell) { *c.PowerMeanW = -1 }, "power_mean_w", "-1", atLeast0},
		{func(c *Cell) { c.GPUPowerMeanW = units.Ptr(units.Watts(-1)) }, "gpu_power_mean_w", "-1", atLeast0},
		{func(c *Cell) { c.GPUTempMeanC = units.Ptr(units.Celsius(math.NaN())) }, "gpu_temp_mean_c", "NaN", "a finite number"},
	})
}

func TestCostFaults(t *testing.T) {
	checkFaults(t, goodCost, []fault[Cost]{
		{func(c *Cost) { c.Backend = "" }, "backend", "nothing", "a value"},
		{func(c *Cost) { c.Scenario = "" }, "scenario", "nothing", "a value"},
		{func(c *Cost) { c.Provider = "" }, "provider", "nothing", "a value"},
		{func(c *Cost) { c.Method = "" }, "method", "nothing", "a value"},
		{func(c *Cost) { c.Mode = "x" }, "mode", `"x"`, modeNames},
		{func(c *Cost) { c.Tier = "reserved" }, "tier", `"reserved"`, "one of on_demand, spot, reserved_1yr, reserved_3yr, on_prem"},
		{func(c *Cost) { c.Estimator = "median" }, "estimator", `"median"`, "one of ratio, mean"},
		{func(c *Cost) { c.EnergyGrade = "E" }, "energy_grade", `"E"`, "one of A, B, C, D"},
		{func(c *Cost) { *c.USDPerHour = -1 }, "usd_per_hour", "-1", atLeast0},
		{func(c *Cost) { c.USDPerKWh = -1 }, "usd_per_kwh", "-1", atLeast0},
		{func(c *Cost) { c.GCO2ePerKWh = units.GramsCO2ePerKWh(math.Inf(1)) }, "gco2e_per_kwh", "+Inf", atLeast0},
		{func(c *Cost) { c.ThroughputTokS = units.Ptr(units.TokensPerSecond(0)) }, "throughput_tok_s", "0", above0},
		{func(c *Cost) { c.PowerW = units.Ptr(units.Watts(-1)) }, "power_w", "-1", atLeast0},
		{func(c *Cost) { c.InfraUSDPer1M = units.Ptr(units.USD(-1)) }, "infra_usd_per_1m", "-1", atLeast0},
		{func(c *Cost) { c.EnergyUSDPer1M = units.Ptr(units.USD(-1)) }, "energy_usd_per_1m", "-1", atLeast0},
		{func(c *Cost) { *c.TotalUSDPer1M = units.USD(math.NaN()) }, "total_usd_per_1m", "NaN", atLeast0},
		{func(c *Cost) { c.EnergyKWhPer1M = units.Ptr(units.KWh(-1)) }, "energy_kwh_per_1m", "-1", atLeast0},
		{func(c *Cost) { c.CarbonGPer1M = units.Ptr(units.GramsCO2e(-1)) }, "carbon_g_per_1m", "-1", atLeast0},
	})
}

// TestAllFaultsAreReported: one Validate says everything that is wrong.
func TestAllFaultsAreReported(t *testing.T) {
	r := goodRun()
	r.RunID, r.BatchSize, *r.LatencyNS = "", 0, -1
	if got := strings.Count(r.Validate().Error(), "field "); got != 3 {
		t.Errorf("got %d faults, want 3: %v", got, r.Validate())
	}
}

func TestKinds(t *testing.T) {
	for want, r := range map[Schema]Record{SchemaRun: &Run{}, SchemaSample: &Sample{}, SchemaCell: &Cell{}, SchemaCost: &Cost{}} {
		if r.Kind() != want {
			t.Errorf("%T: got %s, want %s", r, r.Kind(), want)
		}
	}
}

// TestKey: runs differ by id, experiment and host, and no pair of texts runs together into another's key.
func TestKey(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range []Run{
		{Experiment: "a", Host: "b", RunID: "c"}, {Experiment: "ab", RunID: "c"}, {Experiment: "a", Host: "bc"},
		{Host: "ab", RunID: "c"}, {Experiment: "a", Host: "b", RunID: "d"},
	} {
		if seen[r.Key()] {
			t.Errorf("%q is the key of two runs", r.Key())
		}
		seen[r.Key()] = true
	}
}

// TestTokens: prefill counts the prompt, decoding counts what came out, and a run that is not ok counts nothing.
func TestTokens(t *testing.T) {
	r := goodRun()
	for mode, want := range map[Mode]units.Tokens{Prefill: 11, Generate: 8, GenerateCached: 8} {
		r.Mode = mode
		if got := r.Tokens(); got == nil || *got != want {
			t.Errorf("%s: got %v, want %d", mode, got, want)
		}
	}
	d := degradedRun()
	if got := d.Tokens(); got != nil {
		t.Errorf("degraded: got %d, want nil", *got)
	}
}

func TestPlanned(t *testing.T) {
	c := Cell{N: 5, NDegraded: 1, NError: 2}
	if got := c.Planned(); got != 8 {
		t.Errorf("got %d, want 8", got)
	}
}

// TestNullsInJSON: an absent quantity is null, and is not 0 and not left out.
func TestNullsInJSON(t *testing.T) {
	line, err := json.Marshal(degradedRun())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"latency_ns":null`, `"itl_ns":null`, `"power_mean_w":null`, `"throughput_tok_s":null`} {
		if !strings.Contains(string(line), want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
}

// TestColumnNames: a quantity's name ends in its unit, names are unique, and no field is without one.
func TestColumnNames(t *testing.T) {
	suffixes := map[reflect.Type]string{
		reflect.TypeFor[units.Joules]():          "_joules",
		reflect.TypeFor[units.Watts]():           "_w",
		reflect.TypeFor[units.Celsius]():         "_c",
		reflect.TypeFor[units.Percent]():         "_pct",
		reflect.TypeFor[units.Megahertz]():       "_mhz",
		reflect.TypeFor[units.Bytes]():           "_bytes",
		reflect.TypeFor[units.TokensPerSecond](): "_tok_s",
		reflect.TypeFor[units.Milliseconds]():    "_ms",
	}
	for _, row := range []any{Run{}, Sample{}, Cell{}, Cost{}} {
		seen := map[string]bool{}
		typ := reflect.TypeOf(row)
		for i := range typ.NumField() {
			f := typ.Field(i)
			name := f.Tag.Get("json")
			if name == "" || strings.Contains(name, ",") || seen[name] {
				t.Errorf("%s.%s: json tag %q", typ, f.Name, name)
			}
			seen[name] = true
			elem := f.Type
			if elem.Kind() == reflect.Pointer {
				elem = elem.Elem()
			}
			if suffix := suffixes[elem]; !strings.HasSuffix(name, suffix) {
				t.Errorf("%s.%s: %s does not end in %s", typ, f.Name, name, suffix)
			}
		}
	}
}

func TestOverSessions(t *testing.T) {
	if OverSessions(nil) || OverSessions(units.Ptr(int64(1))) || !OverSessions(units.Ptr(int64(2))) {
		t.Error("intervals are over sessions where there are at least two")
	}
}
