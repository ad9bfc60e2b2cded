package report

import (
	"math"
	"strconv"
	"strings"
	"testing"
)

// table finds the table whose caption begins with caption.
func (doc *Document) table(tb testing.TB, caption string) Table {
	tb.Helper()
	for _, b := range doc.Blocks {
		if t, ok := b.(Table); ok && strings.HasPrefix(t.Caption, caption) {
			return t
		}
	}
	tb.Fatalf("no table %q", caption)
	return Table{}
}

// row finds the row that begins with the given texts.
func (t Table) row(tb testing.TB, first ...string) []Line {
	tb.Helper()
next:
	for _, row := range t.Rows {
		for i, want := range first {
			if row[i].plain() != want {
				continue next
			}
		}
		return row
	}
	tb.Fatalf("table %q has no row %q", t.Caption, first)
	return nil
}

// at is the text under a column.
func (t Table) at(tb testing.TB, column string, first ...string) string {
	tb.Helper()
	row := t.row(tb, first...)
	for i, c := range t.Columns {
		if c.Name == column {
			return row[i].plain()
		}
	}
	tb.Fatalf("table %q has no column %q", t.Caption, column)
	return ""
}

func (t Table) number(tb testing.TB, column string, first ...string) float64 {
	tb.Helper()
	s := strings.TrimSuffix(t.at(tb, column, first...), EstimateMark)
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		tb.Fatalf("table %q, %v, %s: saw %q, want a number", t.Caption, first, column, s)
	}
	return v
}

// The values below were computed by hand from pipelines/tr119/archive/tr119_measurements.csv and the prices of the
// original report: h = 1e6/3600 = 277.7778 token-hours, on demand 1.006 USD/h, energy 0.20 USD/kWh, carbon 500 g/kWh.
//
// onnxruntime-gpu prefill, in the order batch_medium, batch_short, single_long, single_medium, single_short:
//
//	latency     26.68 23.61 11.93 9.015 11.48                        sum 82.715   mean 16.543
//	throughput  2850 1940 2292 2315 1832                             sum 11229    mean 2245.8
//	power       14.61 15.94 16.81 23.32 12.49                        sum 83.17    mean 16.634
//	hours h/s   0.0974659 0.143184 0.121195 0.119990 0.151625        sum 0.633460 mean 0.126692
//	infra USD   0.0980507 0.144043 0.121922 0.120710 0.152535        sum 0.637261 mean 0.127452
//	kWh P·h/1e3 0.00142398 0.00228236 0.00203728 0.00279817 0.00189380 sum 0.0104356 mean 0.00208712
//	energy USD  = kWh · 0.2                                                       mean 0.000417423
//	total USD   = 0.127452 + 0.000417423                                          mean 0.127870
//	carbon g    = kWh · 500                                                       mean 1.04356
//
// onnxruntime-gpu generate:
//
//	throughput  508.7 537.5 170.6 172.7 168.4                        sum 1557.9   mean 311.58
//	power       36.3 30.45 27.64 31.95 27.69                         sum 154.03   mean 30.806
//	hours       0.546054 0.516796 1.628241 1.608441 1.649512         sum 5.949044
//	kWh         0.0198218 0.0157364 0.0450046 0.0513897 0.0456750    sum 0.177628
//	total USD   = (5.949044·1.006 + 0.177628·0.2)/5 = (5.984738 + 0.0355255)/5    mean 1.204053
var handComputed = []struct {
	table  string
	row    []string
	values map[string]float64
}{
	{"Planned runs", []string{"onnxruntime-gpu", "prefill"}, // 5 scenarios of 7 runs
		map[string]float64{"planned": 35, "ok": 35, "degraded": 0, "error": 0}},
	{"Latency and throughput summary", []string{"onnxruntime-gpu", "prefill"},
		map[string]float64{"lat_mean_ms": 16.543, "throughput_mean_tok_s": 2245.8, "power_mean_w": 16.634, "degraded_rate": 0}},
	{"Latency, throughput and telemetry", []string{"onnxruntime-gpu", "prefill", "single_short"}, // as archived
		map[string]float64{"lat_mean_ms": 11.48, "lat_ci_lower": -2.496, "lat_ci_upper": 25.45, "throughput_mean_tok_s": 1832,
			"power_mean_w": 12.49, "gpu_temp_mean_c": 48.57}},
	{"Cost and energy summary", []string{"onnxruntime-gpu", "prefill"},
		map[string]float64{"total_cost_usd_per_1M_tok": 0.127870, "energy_cost_usd_per_1M_tok": 0.000417423,
			"energy_kwh_per_1M_tok": 0.00208712, "carbon_gco2e_per_1M_tok": 1.04356}},
	{"Cost and energy per 1M tokens, on-demand", []string{"transformers-gpu", "prefill", "batch_short"},
		// 277.7778/4798 = 0.0578945 h; ·1.006 = 0.0582419; kWh = 18.46·0.0578945/1e3 = 0.00106873, ·0.2 = 0.000213747
		map[string]float64{"throughput_mean_tok_s": 4798, "power_mean_w": 18.46, "gpu_hours_per_1M_tok": 0.0578945,
			"infra_cost_usd_per_1M_tok": 0.0582419, "energy_cost_usd_per_1M_tok": 0.000213747, "total_cost_usd_per_1M_tok": 0.0584556}},
	{"Total cost per 1M tokens by pricing tier", []string{"transformers-gpu", "prefill", "batch_short"},
		// 0.0578945 h at 1.006, 0.302, 0.704 and 0.503 USD/h, each plus 0.000213747
		map[string]float64{"on_demand_usd": 0.0584556, "spot_usd": 0.0176979, "reserved_usd": 0.0409715,
			"reserved_1yr_usd": 0.0409715, "reserved_3yr_usd": 0.0293347, "on_prem_usd": 0.000213747}},
	{"Total cost per 1M tokens by cloud provider", []string{"azure_nc_t4_v3", "onnxruntime-gpu", "prefill"},
		// 0.126692 h at 0.90, 0.27 and 0.60 USD/h, each plus 0.000417423
		map[string]float64{"on_demand_usd": 0.114440, "spot_usd": 0.0346243, "reserved_usd": 0.0764326}},
	{"Carbon footprint per 1M tokens", []string{"onnxruntime-cpu", "generate", "batch_medium"},
		// 82.13 W · 277.7778/73.44 h / 1e3 = 0.310647 kWh, ·500
		map[string]float64{"energy_kwh_per_1M_tok": 0.310647, "carbon_gco2e_per_1M_tok": 155.324}},
	{"Backends in prefill", []string{"1", "onnxruntime-gpu"}, // 0.000417423/0.127870 = 0.32644%
		map[string]float64{"total_usd_per_1M": 0.127870, "above_best_pct": 0, "throughput_mean_tok_s": 2245.8, "power_mean_w": 16.634, "energy_pct": 0.32644}},
	{"Backends in generate", []string{"1", "onnxruntime-gpu"}, // 0.00710510/1.204053 = 0.59010%
		map[string]float64{"total_usd_per_1M": 1.204053, "above_best_pct": 0, "energy_pct": 0.59010}},
	{"Cost breakdown", []string{"onnxruntime-gpu"},
		// infra (0.637261 + 5.984738)/10, energy (0.0104356 + 0.177628)·0.2/10
		map[string]float64{"infra_usd_per_1M": 0.662200, "energy_usd_per_1M": 0.00376126, "total_usd_per_1M": 0.665961,
			"infra_pct": 99.4352, "energy_pct": 0.564786}},
	{"Energy efficiency", []string{"1", "onnxruntime-gpu"},
		// 1e6/kWh of the ten cells: prefill 702.257 438.143 490.850 357.376 528.038, generate 50.4495 63.5469 22.2199 19.4591
		// 21.8938 million; sum 2694.23 million
		map[string]float64{"tokens_per_kwh": 2.69423e8, "cells": 10, "ratio_to_first": 1}},
	{"Carbon per 1M tokens, mean over all cells", []string{"onnxruntime-gpu"}, // (0.0104356 + 0.177628)/10 · 500
		map[string]float64{"carbon_gco2e_per_1M_tok": 9.40316, "above_lowest_pct": 0}},
	{"What spot and reserved", []string{"onnxruntime-gpu"},
		// hours (0.633460 + 5.949044)/10 = 0.658250 at 0.302 and 0.704, plus 0.00376126; savings against 0.665961
		map[string]float64{"on_demand_usd": 0.665961, "spot_usd": 0.202553, "spot_saving_pct": 69.5849, "reserved_usd": 0.467170, "reserved_saving_pct": 29.8504}},
	{"Cost of one request", []string{"onnxruntime-gpu", "generate"},
		// 256/2245.8 and 128/311.58 s; (16.634·0.113991 + 30.806·0.410810)/3.6e6 kWh; 0.524801/3600·1.006 + kWh·0.2
		map[string]float64{"time_prefill_s": 0.113991, "time_generate_s": 0.410810, "energy_kwh_per_request": 4.04209e-6, "total_cost_usd_per_request": 0.000147461}},
	{"Total cost of", []string{"onnxruntime-gpu", "prefill"}, // 12 months of 1000 million tokens at 0.127870
		map[string]float64{"total_cost_usd": 1534.44, "cost_per_month_usd": 127.870, "cost_per_1m_tokens_usd": 0.127870}},
	{"Throughput of cells where", []string{"onnxruntime-gpu", "prefill", "single_short"}, // 11 tokens/11.48 ms = 958.19
		map[string]float64{"throughput_mean_tok_s": 1832, "throughput_ratio_tok_s": 958.188, "mean_above_ratio_pct": 91.194}},
	{"Total cost per 1M tokens where the two methods differ", []string{"onnxruntime-cpu", "prefill"},
		// By tokens over time: 76/38.37 44/29.31 27/24.02 19/21.14 11/18.23 per ms, hours 0.140242 0.185038 0.247120 0.309065
		// 0.460354 (sum 1.341819) at 0.097118 USD/h, kWh 0.0167870 0.0188924 0.0232565 0.0323282 0.0392866 (sum 0.130551):
		// (0.130315 + 0.0261101)/5. By the original's: throughputs 1987 1504 1125 900 604.3, hours 0.139798 0.184693 0.246914
		// 0.308642 0.459669 (sum 1.339716) at 1.006, kWh 0.0167338 0.0188572 0.0232371 0.0322840 0.0392282 (sum 0.130340):
		// (1.347754 + 0.0260680)/5
		map[string]float64{"tr119_total_usd_per_1M": 0.274764, "default_total_usd_per_1M": 0.0312850, "tr119_above_default_pct": 778.26}},
	{"Mean latencies whose symmetric", []string{"onnxruntime-gpu", "prefill", "single_short"},
		// half width 13.973 over the mean 11.48 is 1.21716 on the log scale: 11.48·exp(±1.21716)
		map[string]float64{"lat_mean_ms": 11.48, "lat_ci_lower": -2.496, "log_ci_lower": 3.39888, "log_ci_upper": 38.7746}},
	{"Samples of total_usd_per_1m in generate", []string{"onnxruntime-gpu"}, map[string]float64{"scenarios": 5, "mean": 1.204053}},
	{"Design tr119: one-way analysis of variance, generate", nil,
		// From means 5.371 1.204 18.47 3.626 3.154 and deviations 1.936 0.6081 9.072 1.896 1.838 of 5 each:
		// between 5·Σ(m-6.365)²/4 = 239.96, within Σs²/5 = 18.678
		map[string]float64{"F": 12.847, "df_between": 4, "df_within": 20}},
	{"Design tr119: pairs, pooled two-sample t tests, generate", []string{"onnxruntime-cpu", "onnxruntime-gpu"},
		// s² = (1.936² + 0.6081²)/2 = 2.0589; t = 4.167/√(2.0589·2/5), d = 4.167/√2.0589
		map[string]float64{"diff_usd": 4.167, "t": 4.592, "df": 8, "cohens_d": 2.904}},
	{"Default design: ratios within scenarios, generate", []string{"onnxruntime-cpu", "onnxruntime-gpu"},
		// totals by the mean estimator, onnxruntime-cpu over onnxruntime-gpu: geometric means 5.062/1.053
		map[string]float64{"scenarios": 5, "ratio": 4.807}},
	{"Default design: ranking by total_usd_per_1m, generate", []string{"1", "onnxruntime-gpu"}, map[string]float64{"geo_mean": 1.053, "to_best": 1}},
	{"Default design: ranking by latency_ms, generate", []string{"1", "onnxruntime-gpu"},
		// (63.12·60.27·47.04·47.56·62.38)^(1/5): logarithms 4.145038 4.098835 3.850998 3.861992 4.133245, mean 4.018022
		map[string]float64{"geo_mean": 55.591}},
	{"Decision matrix", []string{"onnxruntime-gpu"}, // 1.204053/0.127870
		map[string]float64{"prefill_usd_per_1M": 0.127870, "generate_usd_per_1M": 1.204053, "generate/prefill": 9.41623}},
}

func TestArchiveReproducesTheOriginalByHand(t *testing.T) {
	doc := Build(archive(t, "tr119"))
	for _, c := range handComputed {
		table := doc.table(t, c.table)
		for column, want := range c.values {
			// Four significant digits round by up to 0.05%, which is part of the 0.1%.
			if got := table.number(t, column, c.row...); math.Abs(got-want) > 1e-3*math.Abs(want) {
				t.Errorf("%s, %v, %s: saw %v, want %v", table.Caption, c.row, column, got, want)
			}
		}
	}
}

func TestEveryTableOfTheArchiveIsChecked(t *testing.T) {
	textTables := []string{"Scenarios", "Instances and their prices", "Checks", "Artifacts that", "Key artifacts"} // no measured number
	doc := Build(archive(t, "tr119"))
	for _, b := range doc.Blocks {
		table, ok := b.(Table)
		if !ok {
			continue
		}
		checked := false
		for _, prefix := range textTables {
			checked = checked || strings.HasPrefix(table.Caption, prefix)
		}
		for _, c := range handComputed {
			// The modes of a table share its code: one of them is checked.
			mine := strings.NewReplacer("prefill", "MODE", "generate", "MODE").Replace(table.Caption)
			theirs := strings.NewReplacer("prefill", "MODE", "generate", "MODE").Replace(c.table)
			checked = checked || strings.HasPrefix(mine, theirs)
		}
		if !checked {
			t.Errorf("table %q has no hand-computed row", table.Caption)
		}
	}
}
