package report

import (
	"context"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TestZeroPowerIsNoEnergy: a sensor that says 0 W is broken; the report has no energy of it, and says why.
func TestZeroPowerIsNoEnergy(t *testing.T) {
	runs := cpuOnlyRuns(3)
	for i := range runs {
		if r := &runs[i]; r.Status == record.OK {
			r.PowerMeanW, r.EnergyJoules, r.EnergyGrade, r.PowerSource = units.Ptr(units.Watts(0)), units.Ptr(units.Joules(0)), record.GradeB, "hwmon"
		}
	}
	in, err := Load(context.Background(), Options{Dir: experimentOf(t, runs), Prices: pricesFile, Matrix: matrixFile, Method: DefaultMethod})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(keyFindings(in), "\n")
	for _, want := range []string{"no total cost is known (zero_power)", "Energy and carbon: not known"} {
		if !strings.Contains(text, want) {
			t.Errorf("the findings lack %q:\n%s", want, text)
		}
	}
	d := newData(in)
	if s := d.resources(d.cells[0]); s.sums[resPerToken.index].n != 0 || s.sums[resPower.index].n != 0 || s.reasons[cost.ReasonZeroPower] != 3 {
		t.Errorf("saw %+v of energy, reasons %v", s.sums[resPerToken.index], s.reasons)
	}
	if n := d.cellNumber(d.cells[0], powerMean); n.known() || n.source.How != "absent: zero_power" {
		t.Errorf("power: saw %v, %q", n.value, n.source.How)
	}
	if verdict, saw := checkCostInputs(d); verdict != pass {
		t.Errorf("costs against cells: %s, %s", verdict, saw)
	}
}

// TestZeroPowerOfOthers: cells and costs that others made have none either.
func TestZeroPowerOfOthers(t *testing.T) {
	c := record.Cell{PowerMeanW: units.Ptr(units.Watts(0)), PowerN: units.Ptr(int64(7)), EnergyGrade: record.GradeB}
	if dropZeroPower(&c); c.PowerMeanW != nil || *c.PowerN != 0 || c.EnergyGrade != "" {
		t.Errorf("saw %v W of %d runs, grade %q", c.PowerMeanW, *c.PowerN, c.EnergyGrade)
	}
	for method, total := range map[string]bool{"default": false, "default" + cost.InfraOnlySuffix: true} {
		zero := units.Ptr(units.USD(0))
		r := record.Cost{Method: method, PowerW: units.Ptr(units.Watts(0)), EnergyKWhPer1M: units.Ptr(units.KWh(0)), EnergyUSDPer1M: zero,
			CarbonGPer1M: units.Ptr(units.GramsCO2e(0)), TotalUSDPer1M: units.Ptr(units.USD(2)), Reason: cost.ReasonZeroPower}
		dropZeroEnergy(&r)
		if r.PowerW != nil || r.EnergyKWhPer1M != nil || r.EnergyUSDPer1M != nil || r.CarbonGPer1M != nil || (r.TotalUSDPer1M != nil) != total || r.Reason != cost.ReasonZeroPower {
			t.Errorf("%s: saw %+v", method, r)
		}
	}
}
