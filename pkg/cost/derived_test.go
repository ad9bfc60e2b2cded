package cost_test

import (
	"math"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// twoModes is one backend in prefill and generate, two scenarios each, with known log half widths: latency alone varies.
func twoModes(modes ...record.Mode) []record.Cell {
	var cells []record.Cell
	for _, mode := range modes {
		for i, scenario := range []string{"a", "b"} {
			c := measured(mode, scenario)
			c.PowerSDW = nil
			c.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(100 * (i + 1)))
			cells = append(cells, c)
		}
	}
	return cells
}

func priceRows(t *testing.T, b *cost.Book, m cost.Method, cells []record.Cell) []record.Cost {
	t.Helper()
	rows, err := cost.Price(cells, b, m)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestRequestInterval follows the documented formulas by hand. Both scenarios have the log half width
// w = t(0.975, 6) · 5/(100√7) = 2.4469118511449786 · 0.01889822365046136 = 0.04624229.
//
//	mean throughput (100+200)/2 = 150; spread of a mode = √((100w)²+(200w)²)/300 = w·√5/3 = 0.03446703
//	time = 256/150 = 1.7066667 s and 128/150 = 0.8533333 s; at (1 + 50·0.2/1000) = 1.01 USD/h:
//	prefill 4.7881481e-4, generate 2.3940741e-4, total 7.1822222e-4 USD
//	lower = total - √((p-p·e^-r)² + (g-g·e^-r)²) = total - 5.3533115e-4·(1-e^-0.03446703) = 7.1822222e-4 - 1.813740e-5
//	upper = total + 5.3533115e-4·(e^0.03446703-1) = 7.1822222e-4 + 1.877345e-5
func TestRequestInterval(t *testing.T) {
	b := smallBook()
	rows := cost.Requests(priceRows(t, b, cost.MethodDefault, twoModes(record.Prefill, record.Generate)), b)
	r := request(t, rows, "onnxruntime-cpu", "cloud", record.OnDemand)
	near(t, "total", r.TotalUSD, 7.1822222e-4)
	near(t, "lower", r.TotalCILowerUSD, 7.0008482e-4)
	near(t, "upper", r.TotalCIUpperUSD, 7.3699567e-4)
	near(t, "infra", r.InfraUSD, 2.56/3600)
	near(t, "energy", r.EnergyUSD, 2.56/3600*0.01)
	near(t, "time_prefill_s", r.TimePrefillS, 1.7066667)
	near(t, "time_generate_s", r.TimeGenerateS, 0.8533333)
	if r.EnergyGrade != record.GradeB || r.Backend != "onnxruntime-cpu" || *r.Threads != 2 || !r.Default {
		t.Errorf("row is about %+v, grade %q", r.Subject, r.EnergyGrade)
	}
	if unpriced := request(t, rows, "onnxruntime-cpu", "cloud", record.Spot); unpriced.TotalUSD != nil ||
		unpriced.TimePrefillS == nil || unpriced.Reason != cost.ReasonPriceUnknown {
		t.Errorf("a tier without a price: total %v, time %v, reason %q", unpriced.TotalUSD, unpriced.TimePrefillS, unpriced.Reason)
	}
}

func TestCachedDecodingIsAnExtraRow(t *testing.T) {
	b := smallBook()
	rows := cost.Requests(priceRows(t, b, cost.MethodDefault, twoModes(record.Modes()...)), b)
	count := map[record.Mode]int{}
	for _, r := range rows {
		count[r.GenerateMode]++
	}
	// 4 tiers of one provider, and on-prem
	if len(rows) != 10 || count[record.Generate] != 5 || count[record.GenerateCached] != 5 {
		t.Errorf("%d rows: %v", len(rows), count)
	}
}

func TestRequestOfAnUnmeasuredMode(t *testing.T) {
	b := smallBook()
	r := request(t, cost.Requests(priceRows(t, b, cost.MethodDefault, twoModes(record.Prefill)), b), "onnxruntime-cpu", "cloud", record.OnDemand)
	if r.TotalUSD != nil || r.TimePrefillS != nil || r.Reason != cost.ReasonGenerateUnmeasured || r.PrefillCells != 2 {
		t.Errorf("total %v, time %v, reason %q, %d cells", r.TotalUSD, r.TimePrefillS, r.Reason, r.PrefillCells)
	}
	none := measured(record.Prefill, "s")
	none = record.Cell{Schema: none.Schema, Backend: "x", Device: record.CPU, Mode: record.Prefill, Scenario: "s", NError: 7}
	r = request(t, cost.Requests(priceRows(t, b, cost.MethodDefault, []record.Cell{none}), b), "x", "cloud", record.OnDemand)
	if want := cost.ReasonPrefillUnmeasured + "," + cost.ReasonGenerateUnmeasured; r.Reason != want {
		t.Errorf("reason %q, want %q", r.Reason, want)
	}
}

// TestRequestPowerOfTheCellsThatHaveIt: energy is null only when a mode has no power at all.
func TestRequestPowerOfTheCellsThatHaveIt(t *testing.T) {
	b := smallBook()
	cells := twoModes(record.Prefill, record.Generate)
	cells[0].PowerMeanW = nil
	r := request(t, cost.Requests(priceRows(t, b, cost.MethodDefault, cells), b), "onnxruntime-cpu", "cloud", record.OnDemand)
	near(t, "total", r.TotalUSD, 7.1822222e-4)
	if r.TotalCILowerUSD != nil {
		t.Error("a cell without a total has no interval, so the request has none")
	}
	cells[1].PowerMeanW = nil
	r = request(t, cost.Requests(priceRows(t, b, cost.MethodDefault, cells), b), "onnxruntime-cpu", "cloud", record.OnDemand)
	if r.EnergyKWh != nil || r.TotalUSD != nil || r.InfraUSD == nil || r.Reason != cost.ReasonPowerUnknown {
		t.Errorf("energy %v, total %v, infra %v, reason %q", r.EnergyKWh, r.TotalUSD, r.InfraUSD, r.Reason)
	}
	r = request(t, cost.Requests(priceRows(t, b, cost.MethodDefault.WithoutEnergy(), cells), b), "onnxruntime-cpu", "cloud", record.OnDemand)
	near(t, "total without energy", r.TotalUSD, 2.56/3600)
}

// TestTCOInterval: totals of 1e6/(s·3600)·1.01 = 2.80555556 and 1.40277778 USD per 1M, mean 2.10416667; 12,000 millions
// of tokens and 100 USD upfront. With w as in TestRequestInterval the interval of the sum of both is
// ± √(2.8056²+1.4028²)·|1-e^∓w| = 3.13670646 · 0.04518940 and · 0.04732815, halved for the mean.
func TestTCOInterval(t *testing.T) {
	b := smallBook()
	for _, r := range cost.TCO(priceRows(t, b, cost.MethodDefault, twoModes(record.Prefill)), b) {
		if r.Tier != record.OnDemand {
			continue
		}
		near(t, "total", r.TotalCostUSD, 100+12000*2.10416667)
		near(t, "a month", r.CostPerMonthUSD, (100+12000*2.10416667)/12)
		near(t, "per 1M", r.CostPer1MUSD, 100.0/12000+2.10416667)
		w := 2.4469118511449786 * 5 / (100 * math.Sqrt(7))
		half := 12000 * 3.13670646 / 2
		near(t, "lower", r.TotalCILowerUSD, 100+12000*2.10416667-half*(1-math.Exp(-w)))
		near(t, "upper", r.TotalCIUpperUSD, 100+12000*2.10416667+half*(math.Exp(w)-1))
		if r.Cells != 2 || r.Mode != record.Prefill {
			t.Errorf("%d cells of %s", r.Cells, r.Mode)
		}
		return
	}
	t.Fatal("no row")
}

func TestTCOWithoutTotals(t *testing.T) {
	b := smallBook()
	cells := twoModes(record.Prefill)
	cells[0].PowerMeanW = nil
	rows := cost.TCO(priceRows(t, b, cost.MethodDefault, cells), b)
	for _, r := range rows {
		switch r.Tier {
		case record.OnDemand:
			if r.Cells != 1 || r.TotalCostUSD == nil {
				t.Errorf("on demand: %d cells, total %v", r.Cells, r.TotalCostUSD)
			}
		case record.Spot:
			if r.Cells != 0 || r.TotalCostUSD != nil || r.Reason != cost.ReasonPriceUnknown+","+cost.ReasonPowerUnknown {
				t.Errorf("spot: %d cells, total %v, reason %q", r.Cells, r.TotalCostUSD, r.Reason)
			}
		}
	}
	if len(rows) != 5 {
		t.Errorf("%d rows, want one per tier and on-prem", len(rows))
	}
}
