package cost_test

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const archivePath = "../../pipelines/tr119/archive/tr119_measurements.csv"

// archive reads the archived cells of TR119 and fills them as the pipeline does. It reads the CSV by itself, so that these
// tests rest on the file and not on package store.
func archive(t testing.TB) []record.Cell {
	t.Helper()
	f, err := os.Open(archivePath)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	var cells []record.Cell
	for _, row := range rows[1:] {
		num := func(name string) float64 {
			v, err := strconv.ParseFloat(row[column[name]], 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		cells = append(cells, record.Cell{
			Schema: record.SchemaCell, Backend: row[column["backend"]], Mode: record.Mode(row[column["mode"]]),
			Scenario: row[column["scenario"]], N: int64(num("n")),
			LatMeanMS:          units.Ptr(units.Milliseconds(num("lat_mean_ms"))),
			LatCILowerMS:       units.Ptr(units.Milliseconds(num("lat_ci_lower_ms"))),
			LatCIUpperMS:       units.Ptr(units.Milliseconds(num("lat_ci_upper_ms"))),
			ThroughputMeanTokS: units.Ptr(units.TokensPerSecond(num("throughput_mean_tok_s"))),
			PowerMeanW:         units.Ptr(units.Watts(num("power_mean_w"))),
		})
	}
	if len(cells) != 50 {
		t.Fatalf("the archive has %d cells, want 50", len(cells))
	}
	cell.Fill(cells, []cell.Shape{
		{Scenario: "single_short", BatchSize: 1, PromptTokens: 11, MaxNewTokens: 8},
		{Scenario: "single_medium", BatchSize: 1, PromptTokens: 19, MaxNewTokens: 8},
		{Scenario: "single_long", BatchSize: 1, PromptTokens: 27, MaxNewTokens: 8},
		{Scenario: "batch_short", BatchSize: 4, PromptTokens: 11, MaxNewTokens: 8},
		{Scenario: "batch_medium", BatchSize: 4, PromptTokens: 19, MaxNewTokens: 8},
	}, map[string]record.Device{
		"onnxruntime-cpu": record.CPU, "transformers-cpu": record.CPU,
		"onnxruntime-gpu": record.GPU, "transformers-gpu": record.GPU, "transformers-gpu-compile": record.GPU,
	})
	return cells
}

// builtin is the built-in price book.
func builtin(t testing.TB) *cost.Book {
	t.Helper()
	b, err := cost.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// priced prices the archive.
func priced(t testing.TB, m cost.Method) []record.Cost {
	t.Helper()
	rows, err := cost.Price(archive(t), builtin(t), m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := rows[i].Validate(); err != nil {
			t.Fatalf("row %d: %v", i, err)
		}
	}
	return rows
}

// find returns the one row of backend, mode, scenario, provider and tier.
func find(t *testing.T, rows []record.Cost, backend string, mode record.Mode, scenario, provider string, tier record.Tier) *record.Cost {
	t.Helper()
	var found *record.Cost
	for i := range rows {
		r := &rows[i]
		if r.Backend == backend && r.Mode == mode && r.Scenario == scenario && r.Provider == provider && r.Tier == tier {
			if found != nil {
				t.Fatalf("two rows of %s %s %s %s %s", backend, mode, scenario, provider, tier)
			}
			found = r
		}
	}
	if found == nil {
		t.Fatalf("no row of %s %s %s %s %s", backend, mode, scenario, provider, tier)
	}
	return found
}

// near checks got against a hand-computed value, to 0.1%: what the rounding of the archive's inputs allows.
func near[T ~float64](t *testing.T, name string, got *T, want float64) {
	t.Helper()
	if got == nil {
		t.Errorf("%s = null, want %v", name, want)
		return
	}
	if math.Abs(float64(*got)-want) > 1e-3*math.Abs(want) {
		t.Errorf("%s = %v, want %v within 0.1%%", name, float64(*got), want)
	}
}

// TestPerScenario is a row of "cost and energy per 1M tokens, on-demand, per scenario", and of the carbon table.
// From the CSV: onnxruntime-gpu, prefill, single_short, 1832 tok/s, 12.49 W; the price is 1.006 USD/h.
//
//	hours  = 1e6 / (1832 · 3600)    = 1e6 / 6,595,200 = 0.15162542 h
//	infra  = 0.15162542 · 1.006     = 0.15253518 USD
//	kWh    = 12.49 · 0.15162542 h   = 1.8938016 Wh = 0.0018938016 kWh
//	energy = 0.0018938016 · 0.20    = 0.00037876 USD
//	total  = 0.15253518+0.00037876  = 0.15291394 USD
//	carbon = 0.0018938016 · 500     = 0.9469008 g
//	tokens per kWh = 1e6/0.0018938016 = 528,038,290
func TestPerScenario(t *testing.T) {
	r := find(t, priced(t, cost.MethodTR119), "onnxruntime-gpu", record.Prefill, "single_short", "aws_g5_xlarge", record.OnDemand)
	near(t, "throughput_tok_s", r.ThroughputTokS, 1832)
	near(t, "hours_per_1m", r.HoursPer1M, 0.15162542)
	near(t, "infra_usd_per_1m", r.InfraUSDPer1M, 0.15253518)
	near(t, "energy_kwh_per_1m", r.EnergyKWhPer1M, 0.0018938016)
	near(t, "energy_usd_per_1m", r.EnergyUSDPer1M, 0.00037876)
	near(t, "total_usd_per_1m", r.TotalUSDPer1M, 0.15291394)
	near(t, "carbon_g_per_1m", r.CarbonGPer1M, 0.9469008)
	near(t, "tokens_per_kwh", r.TokensPerKWh, 528038290)
	if !r.Default || r.Reason != "" || r.Region != "not stated" || r.PriceDate != "2025-12" || r.Currency != "USD" {
		t.Errorf("row says default %v, reason %q, %s, %s, %s", r.Default, r.Reason, r.Region, r.PriceDate, r.Currency)
	}
}

// TestTiers is a row of "multi-tier pricing per scenario": transformers-cpu, generate, batch_medium, 31.45 tok/s, 81.49 W.
//
//	hours  = 1e6 / (31.45 · 3600) = 1e6/113,220    = 8.832362 h
//	energy = 81.49 W · 8.832362 h = 0.71974918 kWh · 0.20 = 0.14394984 USD
//	on_demand    = 8.832362 · 1.006 + 0.14394984 = 8.88535617 + 0.14394984 = 9.02930601
//	spot         = 8.832362 · 0.302 + 0.14394984 = 2.66737332 + 0.14394984 = 2.81132316
//	reserved_1yr = 8.832362 · 0.704 + 0.14394984 = 6.21798285 + 0.14394984 = 6.36193269
//	reserved_3yr = 8.832362 · 0.503 + 0.14394984 = 4.44267809 + 0.14394984 = 4.58662793
//	on_prem      = 0.14394984
func TestTiers(t *testing.T) {
	rows := priced(t, cost.MethodTR119)
	for tier, want := range map[record.Tier]float64{
		record.OnDemand: 9.02930601, record.Spot: 2.81132316, record.Reserved1yr: 6.36193269, record.Reserved3yr: 4.58662793,
	} {
		r := find(t, rows, "transformers-cpu", record.Generate, "batch_medium", "aws_g5_xlarge", tier)
		near(t, string(tier), r.TotalUSDPer1M, want)
	}
	r := find(t, rows, "transformers-cpu", record.Generate, "batch_medium", cost.OnPremProvider, record.OnPrem)
	near(t, "on_prem", r.TotalUSDPer1M, 0.14394984)
	if r.InfraUSDPer1M != nil || r.USDPerHour != nil || r.Reason != cost.ReasonNoCapitalCost || !r.Default {
		t.Errorf("on-prem row: infra %v, price %v, reason %q, default %v", r.InfraUSDPer1M, r.USDPerHour, r.Reason, r.Default)
	}
}

// TestProviders is a row of "cloud providers, mean across scenarios": azure_nc_t4_v3, transformers-gpu, prefill.
// From the CSV, throughput and power: batch_medium 3102 20.19, batch_short 4798 18.46, single_long 1150 14.16,
// single_medium 810.6 14.05, single_short 496.7 14.98.
//
//	hours per 1M = 1e6/(3600 s):  0.08954796, 0.05789449, 0.24154589, 0.34268196, 0.55924658; sum 1.29091688
//	kWh = W · hours / 1000:       0.00180797, 0.00106873, 0.00342029, 0.00481468, 0.00837751; sum 0.01948918
//	mean hours 0.25818338, mean energy cost 0.01948918 · 0.2 / 5 = 0.00077957
//	on_demand = 0.25818338 · 0.90 + 0.00077957 = 0.23314461
//	spot      = 0.25818338 · 0.27 + 0.00077957 = 0.07048908
//	reserved  = 0.25818338 · 0.60 + 0.00077957 = 0.15568960
func TestProviders(t *testing.T) {
	rows := priced(t, cost.MethodTR119)
	for tier, want := range map[record.Tier]float64{
		record.OnDemand: 0.23314461, record.Spot: 0.07048908, record.Reserved1yr: 0.15568960,
	} {
		var sum float64
		for _, scenario := range []string{"batch_medium", "batch_short", "single_long", "single_medium", "single_short"} {
			r := find(t, rows, "transformers-gpu", record.Prefill, scenario, "azure_nc_t4_v3", tier)
			if r.Default {
				t.Error("azure_nc_t4_v3 is not the default provider")
			}
			sum += float64(*r.TotalUSDPer1M)
		}
		near(t, string(tier), units.Ptr(sum/5), want)
	}
	unpriced := find(t, rows, "transformers-gpu", record.Prefill, "batch_short", "azure_nc_t4_v3", record.Reserved3yr)
	if unpriced.TotalUSDPer1M != nil || unpriced.InfraUSDPer1M != nil || unpriced.Reason != cost.ReasonPriceUnknown || unpriced.CarbonGPer1M == nil {
		t.Errorf("a tier without a price: total %v, infra %v, reason %q, carbon %v",
			unpriced.TotalUSDPer1M, unpriced.InfraUSDPer1M, unpriced.Reason, unpriced.CarbonGPer1M)
	}
}

// TestRequest is a row of "request-level cost": onnxruntime-gpu, 256 prompt tokens, 128 generated. From the CSV:
//
//	prefill throughput (2850+1940+2292+2315+1832)/5    = 2245.8 tok/s, power (14.61+15.94+16.81+23.32+12.49)/5 = 16.634 W
//	generate throughput (508.7+537.5+170.6+172.7+168.4)/5 = 311.58 tok/s, power (36.3+30.45+27.64+31.95+27.69)/5 = 30.806 W
//	time_prefill  = 256/2245.8 = 0.11399056 s
//	time_generate = 128/311.58 = 0.41080942 s
//	energy = (16.634·0.11399056 + 30.806·0.41080942)/3.6e6 = (1.896119 + 12.655395)/3.6e6 = 4.042087e-6 kWh
//	total  = 0.52479998/3600 · 1.006 + 4.042087e-6 · 0.20 = 1.46652439e-4 + 8.084174e-7 = 1.47460856e-4 USD
func TestRequest(t *testing.T) {
	r := request(t, cost.Requests(priced(t, cost.MethodTR119), builtin(t)), "onnxruntime-gpu", "aws_g5_xlarge", record.OnDemand)
	near(t, "time_prefill_s", r.TimePrefillS, 0.11399056)
	near(t, "time_generate_s", r.TimeGenerateS, 0.41080942)
	near(t, "energy_kwh_per_request", r.EnergyKWh, 4.042087e-6)
	near(t, "total_cost_usd_per_request", r.TotalUSD, 1.47460856e-4)
	if r.PrefillCells != 5 || r.GenerateCells != 5 || r.Reason != "" || r.TotalCILowerUSD != nil {
		t.Errorf("cells %d and %d, reason %q, interval from %v", r.PrefillCells, r.GenerateCells, r.Reason, r.TotalCILowerUSD)
	}
}

// request returns the one request row with uncached decoding of a backend, provider and tier.
func request(t *testing.T, rows []cost.RequestCost, backend, provider string, tier record.Tier) cost.RequestCost {
	t.Helper()
	for _, r := range rows {
		if r.Backend == backend && r.Provider == provider && r.Tier == tier && r.GenerateMode == record.Generate {
			return r
		}
	}
	t.Fatalf("no request of %s at %s %s", backend, provider, tier)
	return cost.RequestCost{}
}

// TestTCO is a row of the TCO table: onnxruntime-gpu, prefill, on-demand at aws_g5_xlarge. The totals per 1M of its five
// scenarios, each (1.006 + W·0.2/1000)/(s·0.0036), from the CSV:
//
//	(1.006+0.002922)/10.26 = 0.09833548   (1.006+0.003188)/6.984 = 0.14450000   (1.006+0.003362)/8.2512 = 0.12232912
//	(1.006+0.004664)/8.334 = 0.12126998   (1.006+0.002498)/6.5952 = 0.15291394  mean 0.12786970
//	total = 12 months · 1000 (millions a month) · 0.12786970 = 1534.4364 USD; a month 127.86970; per 1M 0.12786970
func TestTCO(t *testing.T) {
	for _, r := range cost.TCO(priced(t, cost.MethodTR119), builtin(t)) {
		if r.Backend != "onnxruntime-gpu" || r.Mode != record.Prefill || r.Provider != "aws_g5_xlarge" || r.Tier != record.OnDemand {
			continue
		}
		near(t, "total_cost_usd", r.TotalCostUSD, 1534.4364)
		near(t, "cost_per_month_usd", r.CostPerMonthUSD, 127.86970)
		near(t, "cost_per_1m_tokens_usd", r.CostPer1MUSD, 0.12786970)
		if r.Cells != 5 || r.Reason != "" {
			t.Errorf("%d cells, reason %q", r.Cells, r.Reason)
		}
		return
	}
	t.Fatal("no TCO row")
}

// TestDefaultMethod prices the same cells by time, on instances of their own kind. onnxruntime-cpu, generate, single_short:
// 8 tokens over 163.4 ms = 48.95961 tok/s, 91.76 W, at gcp_n2_standard_2's 0.097118 USD/h.
//
//	hours  = 1e6/(48.95961·3600) = 5.67361111 h (163.4 ms · 125,000 / 3,600,000 ms)
//	total  = 5.67361111 · (0.097118 + 91.76·0.2/1000) = 5.67361111 · 0.11547 = 0.65513188 USD
//
// Its interval follows from the CSV's t interval alone: half width 4.6 ms of 163.4 ms, so exp(±4.6/163.4) of the total.
func TestDefaultMethod(t *testing.T) {
	rows := priced(t, cost.MethodDefault)
	r := find(t, rows, "onnxruntime-cpu", record.Generate, "single_short", "gcp_n2_standard_2", record.OnDemand)
	near(t, "throughput_tok_s", r.ThroughputTokS, 48.95961)
	near(t, "total_usd_per_1m", r.TotalUSDPer1M, 0.65513188)
	near(t, "lower", r.TotalCILowerUSD, 0.65513188*math.Exp(-4.6/163.4))
	near(t, "upper", r.TotalCIUpperUSD, 0.65513188*math.Exp(4.6/163.4))
	if r.CIMethod != cost.CILogLatency || !r.Default {
		t.Errorf("interval by %q, default %v", r.CIMethod, r.Default)
	}
	// 50 cells: 20 on CPUs at 2 providers, 30 on GPUs at 3, each at 4 tiers; and 50 on-prem.
	if want := 20*2*4 + 30*3*4 + 50; len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	book := builtin(t)
	for i := range rows {
		if rows[i].Provider == cost.OnPremProvider {
			continue
		}
		p, err := book.Provider(rows[i].Provider)
		if err != nil || p.Device != rows[i].Device {
			t.Fatalf("%s priced at %s: %v", rows[i].Backend, rows[i].Provider, err)
		}
	}
}

// TestNoIntervalReachesBelowZero: the archive has a latency interval from -2.496 ms; the cost of that cell has not.
func TestNoIntervalReachesBelowZero(t *testing.T) {
	rows := priced(t, cost.MethodDefault)
	for i := range rows {
		r := &rows[i]
		if r.TotalUSDPer1M == nil {
			continue
		}
		if !(*r.TotalCILowerUSD > 0 && *r.TotalCILowerUSD < *r.TotalUSDPer1M && *r.TotalUSDPer1M < *r.TotalCIUpperUSD) {
			t.Errorf("%s %s %s: total %v in [%v, %v]", r.Backend, r.Mode, r.Scenario, *r.TotalUSDPer1M, *r.TotalCILowerUSD, *r.TotalCIUpperUSD)
		}
	}
}

// TestTR119ChargesForGPUs: the original priced all 50 cells at its three GPU providers, at 4 tiers each, and on-prem.
func TestTR119ChargesForGPUs(t *testing.T) {
	rows, book := priced(t, cost.MethodTR119), builtin(t)
	if want := 50 * (3*4 + 1); len(rows) != want {
		t.Errorf("%d rows, want %d", len(rows), want)
	}
	for i := range rows {
		if rows[i].Provider == cost.OnPremProvider {
			continue
		}
		if p, err := book.Provider(rows[i].Provider); err != nil || !p.Original || rows[i].Default != (p.Name == "aws_g5_xlarge") {
			t.Fatalf("%s priced at %s, default %v: %v", rows[i].Backend, rows[i].Provider, rows[i].Default, err)
		}
	}
}

// TestMeanEstimatorHasNoInterval: the archive lost the spread of the throughputs, and the rows say so.
func TestMeanEstimatorHasNoInterval(t *testing.T) {
	for _, r := range priced(t, cost.MethodTR119) {
		if r.TotalCILowerUSD != nil || r.TotalCIUpperUSD != nil {
			t.Fatalf("%s %s %s has an interval out of nothing", r.Backend, r.Mode, r.Scenario)
		}
		if r.TotalUSDPer1M != nil && r.CIMethod != "none:throughput_sd_unknown" {
			t.Fatalf("ci_method %q", r.CIMethod)
		}
	}
}
