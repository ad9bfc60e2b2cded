package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The example rows have every kind of value that a real one has.

func exampleRun(i int) record.Run {
	n := int64(i)
	return record.Run{
		Schema: record.SchemaRun, Experiment: "tr119", RunID: fmt.Sprintf("onnxruntime-cpu/generate-cached/single_short/%d", i),
		Host: "bench-host", Backend: "onnxruntime-cpu", Model: "gpt2-124m-seeded", Precision: "fp32", Device: record.CPU,
		Settings: "graph_optimisation=all", Scenario: "single_short", Mode: record.GenerateCached, BatchSize: 1, PromptTokens: 11,
		MaxNewTokens: 8, Repetition: n % 7, OrderIndex: n, Seed: 42, Threads: 2, Status: record.OK,
		StartUnixNS: units.Ptr(1_764_000_000_123_456_789 + n*1e9), EndUnixNS: units.Ptr(1_764_000_000_923_456_789 + n*1e9),
		LatencyNS: units.Ptr(43_661_234 + n), TTFTNS: units.Ptr(13_661_234 + n),
		ITLNS:           []int64{4_123_456, 4_123_457, 4_123_458, 4_123_459, 4_123_451, 4_123_452, 4_123_453 + n},
		IterationNS:     []int64{43_661_234, 43_661_235, 43_661_236, 43_661_237, 43_661_238, 43_661_239, 43_661_231 + n},
		TokensProcessed: units.Ptr(units.Tokens(11)), TokensGenerated: units.Ptr(units.Tokens(8)), Iterations: units.Ptr[int64](18),
		ThroughputTokS: units.Ptr(units.TokensPerSecond(183.22872386 + float64(i)/7)), RSSPeakBytes: units.Ptr(units.Bytes(1_234_567_890)),
		GCDuringWindow: units.Ptr[int64](0), ToolGapNS: units.Ptr[int64](812_345),
		OutputHash:   "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		EnergyJoules: units.Ptr(units.Joules(1.2345678)), PowerMeanW: units.Ptr(units.Watts(45.123)),
		PowerSamples: units.Ptr[int64](40), PowerSource: "rapl", EnergyGrade: record.GradeB, CPUPowerMeanW: units.Ptr(units.Watts(45.123)),
	}
}

// degradedRun did not happen.
func degradedRun(i int) record.Run {
	return record.Run{
		Schema: record.SchemaRun, Experiment: "tr119", RunID: fmt.Sprintf("tensorrt/%d", i), Host: "bench-host", Backend: "tensorrt",
		Model: "gpt2-124m-seeded", Device: record.GPU, Scenario: "single_short", Mode: record.Prefill, BatchSize: 1,
		PromptTokens: 11, Status: record.Degraded, Reason: "no_gpu", Detail: "no NVIDIA driver: \"libnvidia-ml.so.1\" — nicht gefunden",
	}
}

func exampleSample(i int) record.Sample {
	return record.Sample{
		Schema: record.SchemaSample, Host: "bench-host", TSUnixNS: 1_764_000_000_123_456_789 + int64(i)*5e7, Source: "rapl",
		Device: "cpu:0", PowerW: units.Ptr(units.Watts(45.123456 + float64(i%13))),
		EnergyCounterJoules: units.Ptr(units.Joules(12345.678901 + float64(i)*2.25)), UtilPct: units.Ptr(units.Percent(99.25)),
	}
}

func exampleCell(i int) record.Cell {
	return record.Cell{
		Schema: record.SchemaCell, Backend: "onnxruntime-cpu", Mode: record.Prefill, Scenario: fmt.Sprintf("scenario_%d", i), N: 7,
		NDegraded: 1, LatMeanMS: units.Ptr(units.Milliseconds(38.37)), LatCILowerMS: units.Ptr(units.Milliseconds(-1.5)),
		OutputsDiffer: units.Ptr(false), PowerMeanW: units.Ptr(units.Watts(119.7)), ThroughputMeanTokS: units.Ptr(units.TokensPerSecond(1987)),
	}
}

func exampleCost(i int) record.Cost {
	return record.Cost{
		Schema: record.SchemaCost, Backend: "onnxruntime-cpu", Mode: record.Prefill, Scenario: fmt.Sprintf("scenario_%d", i), N: 7,
		Method: "default", Estimator: "ratio", Provider: "aws_g5_xlarge", Tier: record.OnDemand, Currency: "USD", PriceDate: "2025-12",
		Default: true, USDPerHour: units.Ptr(units.USDPerHour(1.006)), USDPerKWh: 0.2, GCO2ePerKWh: 500,
		ThroughputTokS: units.Ptr(units.TokensPerSecond(1987)), HoursPer1M: units.Ptr(units.Hours(0.1398)),
		InfraUSDPer1M: units.Ptr(units.USD(0.1406)), Reason: "power_unknown",
	}
}

func mustJSON(tb testing.TB, v any) []byte {
	if tb != nil {
		tb.Helper()
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		tb.Fatal(err)
	}
	return bytes.TrimSpace(buf.Bytes())
}

func newRow(k *kind) reflect.Value { return reflect.New(k.row).Elem() }

func unmarshal(line []byte, row reflect.Value) error {
	return json.Unmarshal(line, row.Addr().Interface())
}
