package cost_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// measured is a CPU cell of 7 runs: 100 ms and sd 5 ms for 10 tokens, 50 W and sd 10 W.
func measured(mode record.Mode, scenario string) record.Cell {
	return record.Cell{
		Schema: record.SchemaCell, Experiment: "e", Host: "h", Backend: "onnxruntime-cpu", Model: "m", Precision: "fp32",
		Device: record.CPU, Threads: units.Ptr(int64(2)), Mode: mode, Scenario: scenario, N: 7,
		LatMeanMS: units.Ptr(units.Milliseconds(100)), LatSDMS: units.Ptr(units.Milliseconds(5)),
		ThroughputRatioTokS: units.Ptr(units.TokensPerSecond(100)), ThroughputMeanTokS: units.Ptr(units.TokensPerSecond(101)),
		ThroughputMeanSDTokS: units.Ptr(units.TokensPerSecond(4)),
		PowerMeanW:           units.Ptr(units.Watts(50)), PowerSDW: units.Ptr(units.Watts(10)), PowerN: units.Ptr(int64(7)),
		PowerSource: "rapl", EnergyGrade: record.GradeB,
	}
}

// smallBook has one CPU provider at 1 USD/h on demand, energy at 0.2 USD/kWh, carbon at 500 g/kWh.
func smallBook() *cost.Book {
	return &cost.Book{
		Providers: []cost.Provider{{
			Name: "cloud", Device: record.CPU, Region: "r", Currency: "USD", Date: "2026-01", Source: "s",
			USDPerHour: map[record.Tier]units.USDPerHour{record.OnDemand: 1},
		}},
		Energy:  cost.EnergyPrice{USDPerKWh: 0.2, Region: "home", Currency: "USD", Date: "2026-02", Source: "s"},
		Carbon:  cost.CarbonIntensity{GCO2ePerKWh: 500, Region: "home", Date: "2026-02", Source: "s"},
		Default: map[record.Device]string{record.CPU: "cloud"},
		Request: cost.RequestMix{PromptTokens: 256, GenerateTokens: 128},
		TCO:     cost.TCOPlan{TokensPerMonth: 1e9, Months: 12, UpfrontUSD: 100},
	}
}

// rowsOf prices cells and returns the on-demand and on-prem row of the first.
func rowsOf(t *testing.T, b *cost.Book, m cost.Method, cells ...record.Cell) (cloud, onPrem *record.Cost) {
	t.Helper()
	rows, err := cost.Price(cells, b, m)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := rows[i].Validate(); err != nil {
			t.Fatal(err)
		}
	}
	c := cells[0]
	return find(t, rows, c.Backend, c.Mode, c.Scenario, "cloud", record.OnDemand),
		find(t, rows, c.Backend, c.Mode, c.Scenario, cost.OnPremProvider, record.OnPrem)
}

// TestIntervalCombinesLatencyAndPower: on-prem without capital cost is all energy, so power's spread counts in full.
// SciPy 1.17.1: v1 = (5/(100√7))², v2 = (10/(50√7))², df = (v1+v2)²/(v1²/6+v2²/6) = 6.747081712062256,
// exp(t.ppf(.975, df)·√(v1+v2)) = 1.204012155867931.
func TestIntervalCombinesLatencyAndPower(t *testing.T) {
	_, r := rowsOf(t, smallBook(), cost.MethodDefault, measured(record.Prefill, "s"))
	total := float64(*r.TotalUSDPer1M)
	near(t, "total", r.TotalUSDPer1M, 50*(1e6/100)/3.6e6*0.2)
	near(t, "lower", r.TotalCILowerUSD, total/1.204012155867931)
	near(t, "upper", r.TotalCIUpperUSD, total*1.204012155867931)
	if r.CIMethod != cost.CILogLatencyPower {
		t.Errorf("ci_method %q", r.CIMethod)
	}
}

// TestIntervalWeighsPowerByItsShare: with capital at 0.04 USD/h, energy at 50 W · 0.2 USD/kWh = 0.01 USD/h is a fifth of
// the total. SciPy 1.17.1, as above with v2 · 0.2²: df = 11.448354143019294, factor 1.0544441987916457.
func TestIntervalWeighsPowerByItsShare(t *testing.T) {
	b := smallBook()
	b.OnPrem = cost.OnPrem{CapitalUSD: units.Ptr(units.USD(400)), LifetimeHours: 10000, Region: "desk", Currency: "USD", Date: "2025-01", Source: "invoice"}
	_, r := rowsOf(t, b, cost.MethodDefault, measured(record.Prefill, "s"))
	near(t, "usd_per_hour", r.USDPerHour, 0.04)
	total := float64(*r.TotalUSDPer1M)
	near(t, "total", r.TotalUSDPer1M, 1e6/100/3600*0.05)
	near(t, "lower", r.TotalCILowerUSD, total/1.0544441987916457)
	near(t, "upper", r.TotalCIUpperUSD, total*1.0544441987916457)
	if r.Reason != "" || r.Region != "desk" || r.PriceDate != "2025-01" {
		t.Errorf("reason %q, region %s, date %s", r.Reason, r.Region, r.PriceDate)
	}
}

func TestIntervalMethods(t *testing.T) {
	mean := cost.Method{Name: "default-mean", Estimator: cost.EstimatorMean, MatchDevice: true}
	for name, c := range map[string]struct {
		method cost.Method
		change func(*record.Cell)
		want   string
	}{
		"ratio":                      {cost.MethodDefault, func(*record.Cell) {}, cost.CILogLatencyPower},
		"power without spread":       {cost.MethodDefault, func(c *record.Cell) { c.PowerSDW = nil }, cost.CILogLatency},
		"one power reading":          {cost.MethodDefault, func(c *record.Cell) { c.PowerN = units.Ptr(int64(1)) }, cost.CILogLatency},
		"constant power":             {cost.MethodDefault, func(c *record.Cell) { c.PowerSDW = units.Ptr(units.Watts(0)) }, cost.CILogLatency},
		"zero power":                 {cost.MethodDefault, func(c *record.Cell) { c.PowerMeanW = units.Ptr(units.Watts(0)) }, "none:no_total"},
		"infra only":                 {cost.MethodDefault.WithoutEnergy(), func(*record.Cell) {}, cost.CILogLatency},
		"mean":                       {mean, func(*record.Cell) {}, cost.CILogThroughputPower},
		"mean, power without spread": {mean, func(c *record.Cell) { c.PowerN = nil }, cost.CILogThroughput},
		"mean, no throughput spread": {mean, func(c *record.Cell) { c.ThroughputMeanSDTokS = nil }, "none:throughput_sd_unknown"},
		"ratio, no latency spread":   {cost.MethodDefault, func(c *record.Cell) { c.LatSDMS = nil }, "none:latency_sd_unknown"},
		"equal latencies":            {cost.MethodDefault, func(c *record.Cell) { c.LatSDMS = units.Ptr(units.Milliseconds(0)) }, "none:zero_variance"},
		"one run":                    {cost.MethodDefault, func(c *record.Cell) { c.N = 1 }, "none:single_run"},
		"nothing measured": {cost.MethodDefault, func(c *record.Cell) {
			*c = record.Cell{Backend: "b", Device: "cpu", Mode: c.Mode, Scenario: "s", NError: 7}
		}, "none:no_total"},
		"power unknown, so no total":  {cost.MethodDefault, func(c *record.Cell) { c.PowerMeanW = nil }, "none:no_total"},
		"infra only, power unknown":   {cost.MethodDefault.WithoutEnergy(), func(c *record.Cell) { c.PowerMeanW = nil }, cost.CILogLatency},
		"throughput unknown, no cost": {cost.MethodDefault, func(c *record.Cell) { c.ThroughputRatioTokS = nil }, "none:no_total"},
	} {
		t.Run(name, func(t *testing.T) {
			cell := measured(record.Prefill, "s")
			c.change(&cell)
			r, _ := rowsOf(t, smallBook(), c.method, cell)
			if r.CIMethod != c.want {
				t.Errorf("ci_method %q, want %q", r.CIMethod, c.want)
			}
			if has, want := r.TotalCILowerUSD != nil && r.TotalCIUpperUSD != nil, !strings.HasPrefix(c.want, cost.CINone); has != want {
				t.Errorf("interval there: %v, want %v", has, want)
			}
		})
	}
}

// TestUnknownIsNull: what is not known makes what rests on it null, says why, and leaves the rest.
func TestUnknownIsNull(t *testing.T) {
	cell := measured(record.Prefill, "s")
	cell.PowerMeanW = nil
	r, onPrem := rowsOf(t, smallBook(), cost.MethodDefault, cell)
	if r.EnergyUSDPer1M != nil || r.EnergyKWhPer1M != nil || r.TotalUSDPer1M != nil || r.CarbonGPer1M != nil || r.TokensPerKWh != nil {
		t.Errorf("a figure rests on an unknown power: %+v", r)
	}
	near(t, "infra", r.InfraUSDPer1M, 1e6/100/3600.0)
	if r.Reason != cost.ReasonPowerUnknown || onPrem.Reason != cost.ReasonNoCapitalCost+","+cost.ReasonPowerUnknown {
		t.Errorf("reasons %q and %q", r.Reason, onPrem.Reason)
	}

	cell = measured(record.Prefill, "s")
	cell.ThroughputRatioTokS = nil
	if r, _ = rowsOf(t, smallBook(), cost.MethodDefault, cell); r.Reason != cost.ReasonThroughputUnknown || r.HoursPer1M != nil {
		t.Errorf("no throughput: reason %q, hours %v", r.Reason, r.HoursPer1M)
	}

	cell = record.Cell{Schema: record.SchemaCell, Backend: "tensorrt", Device: record.CPU, Mode: record.Prefill, Scenario: "s", NDegraded: 7}
	if r, _ = rowsOf(t, smallBook(), cost.MethodDefault, cell); r.Reason != cost.ReasonNoOKRuns || r.HoursPer1M != nil || r.N != 0 {
		t.Errorf("no runs: reason %q, hours %v", r.Reason, r.HoursPer1M)
	}

	zero, none := measured(record.Prefill, "s"), measured(record.Prefill, "s") // as an archive and as runs tell it
	zero.PowerMeanW = units.Ptr(units.Watts(0))
	none.PowerMeanW, none.PowerN, none.EnergyGrade = nil, units.Ptr(int64(0)), ""
	for _, cell := range []record.Cell{zero, none} {
		r, onPrem := rowsOf(t, smallBook(), cost.MethodDefault, cell)
		if r.Reason != cost.ReasonZeroPower || onPrem.Reason != cost.ReasonNoCapitalCost+","+cost.ReasonZeroPower || r.InfraUSDPer1M == nil {
			t.Errorf("zero power: reasons %q and %q", r.Reason, onPrem.Reason)
		}
		for name, known := range map[string]bool{"power_w": r.PowerW != nil, "energy": r.EnergyUSDPer1M != nil, "kwh": r.EnergyKWhPer1M != nil,
			"total": r.TotalUSDPer1M != nil, "on-prem total": onPrem.TotalUSDPer1M != nil, "carbon": r.CarbonGPer1M != nil,
			"tokens per kWh": r.TokensPerKWh != nil, "grade": r.EnergyGrade != ""} {
			if known {
				t.Errorf("zero power: there is a figure of %s", name)
			}
		}
	}
}

func TestWithoutEnergy(t *testing.T) {
	cell := measured(record.Prefill, "s")
	cell.PowerMeanW = nil
	r, onPrem := rowsOf(t, smallBook(), cost.MethodDefault.WithoutEnergy(), cell)
	if r.Method != "default-infra-only" || r.TotalUSDPer1M == nil || *r.TotalUSDPer1M != *r.InfraUSDPer1M || r.EnergyUSDPer1M != nil {
		t.Errorf("method %q, total %v, infra %v, energy %v", r.Method, r.TotalUSDPer1M, r.InfraUSDPer1M, r.EnergyUSDPer1M)
	}
	if r.Reason != cost.ReasonPowerUnknown+","+cost.ReasonEnergyExcluded {
		t.Errorf("reason %q", r.Reason)
	}
	if onPrem.TotalUSDPer1M != nil {
		t.Errorf("on-prem without capital and energy costs %v, want null", *onPrem.TotalUSDPer1M)
	}
}

func TestPriceRefuses(t *testing.T) {
	if _, err := cost.Price(nil, smallBook(), cost.Method{Estimator: "median"}); err == nil || !strings.Contains(err.Error(), `"median"`) {
		t.Errorf("unknown estimator: %v", err)
	}
	cell := measured(record.Prefill, "s")
	cell.Device = ""
	if _, err := cost.Price([]record.Cell{cell}, smallBook(), cost.MethodDefault); !errors.Is(err, cost.ErrDevice) {
		t.Errorf("no device: %v, want ErrDevice", err)
	}
	b := smallBook()
	b.Providers[0].Device = record.GPU
	if rows, err := cost.Price([]record.Cell{cell}, b, cost.MethodTR119); err != nil || len(rows) != 5 {
		t.Errorf("tr119 does not look at devices: %d rows, %v", len(rows), err)
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]record.Tier{
		"on_demand": record.OnDemand, "spot": record.Spot, "reserved": record.Reserved1yr, "reserved_1yr": record.Reserved1yr,
		"reserved_3yr": record.Reserved3yr, "on_prem": record.OnPrem,
	} {
		if got, err := cost.ParseTier(name); err != nil || got != want {
			t.Errorf("ParseTier(%q) = %q, %v", name, got, err)
		}
	}
	if _, err := cost.ParseTier("weekly"); err == nil || !strings.Contains(err.Error(), `"weekly", want one of on_demand, spot`) {
		t.Errorf("unknown tier: %v", err)
	}
	for _, m := range []cost.Method{cost.MethodDefault, cost.MethodTR119} {
		if got, err := cost.ParseMethod(m.Name); err != nil || got != m {
			t.Errorf("ParseMethod(%q) = %v, %v", m.Name, got, err)
		}
	}
	if _, err := cost.ParseMethod("best"); err == nil {
		t.Error("an unknown method parses")
	}
	m, err := cost.MethodTR119.WithEstimator(cost.EstimatorRatio)
	if err != nil || m.Name != "tr119-ratio" || m.Estimator != cost.EstimatorRatio {
		t.Errorf("tr119 with ratio is %+v, %v", m, err)
	}
	if m, err = cost.MethodTR119.WithEstimator(cost.EstimatorMean); err != nil || m != cost.MethodTR119 {
		t.Errorf("tr119 with its own estimator is %+v, %v", m, err)
	}
	if _, err = cost.MethodTR119.WithEstimator("median"); err == nil {
		t.Error("an unknown estimator is taken")
	}
}

// TestCodesAreDefined: every code that a row can carry is explained in the definitions.
func TestCodesAreDefined(t *testing.T) {
	text, err := os.ReadFile("../../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		cost.ReasonNoOKRuns, cost.ReasonThroughputUnknown, cost.ReasonPowerUnknown, cost.ReasonPriceUnknown,
		cost.ReasonNoCapitalCost, cost.ReasonEnergyExcluded, cost.ReasonZeroPower, cost.ReasonPrefillUnmeasured,
		cost.ReasonGenerateUnmeasured, cost.CILogLatency, cost.CILogLatencyPower, cost.CILogThroughput,
		cost.CILogThroughputPower, cost.CINone, "no_total", "single_run", "zero_variance", "latency_sd_unknown",
		"throughput_sd_unknown", cost.MethodDefault.Name, cost.MethodTR119.Name, cost.InfraOnlySuffix, cost.EstimateMark,
	} {
		if !strings.Contains(string(text), code) {
			t.Errorf("docs/definitions.md does not say what %s is", code)
		}
	}
}

// TestCostIsTime: k times the throughput at the same power is 1/k of every cost; k times the price is k times the infra.
func TestCostIsTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		k := rapid.Float64Range(0.01, 100).Draw(rt, "k")
		cell := measured(record.Prefill, "s")
		s := rapid.Float64Range(0.1, 1e5).Draw(rt, "tok/s")
		cell.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(s))
		a, _ := rowsOf(t, smallBook(), cost.MethodDefault, cell)
		cell.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(s * k))
		b, _ := rowsOf(t, smallBook(), cost.MethodDefault, cell)
		for name, pair := range map[string][2]float64{
			"total":  {float64(*a.TotalUSDPer1M), float64(*b.TotalUSDPer1M) * k},
			"carbon": {float64(*a.CarbonGPer1M), float64(*b.CarbonGPer1M) * k},
			"width": {
				float64(*a.TotalCIUpperUSD / *a.TotalCILowerUSD), float64(*b.TotalCIUpperUSD / *b.TotalCILowerUSD),
			},
		} {
			if math.Abs(pair[0]-pair[1]) > 1e-9*pair[0] {
				rt.Fatalf("%s: %v and %v", name, pair[0], pair[1])
			}
		}
	})
}

func BenchmarkPrice(b *testing.B) {
	cells, book := archive(b), builtin(b)
	for _, m := range []cost.Method{cost.MethodDefault, cost.MethodTR119} {
		b.Run("method="+m.Name, func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				priced, err := cost.Price(cells, book, m)
				if err != nil {
					b.Fatal(err)
				}
				rows += len(priced)
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func ExamplePrice() {
	rows, err := cost.Price([]record.Cell{measured(record.Prefill, "single_short")}, smallBook(), cost.MethodDefault)
	if err != nil {
		fmt.Println(err)
		return
	}
	r := rows[0]
	fmt.Printf("%s %s: %.4g USD per 1M tokens, 95%% [%.4g, %.4g]\n", r.Provider, r.Tier, *r.TotalUSDPer1M, *r.TotalCILowerUSD, *r.TotalCIUpperUSD)
	// Output: cloud on_demand: 2.806 USD per 1M tokens, 95% [2.679, 2.938]
}
