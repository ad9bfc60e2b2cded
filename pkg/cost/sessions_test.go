package cost_test

import (
	"math"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// overSessions gives a cell of 7 runs three sessions, whose means differ more than the runs: latency 4 and power 2 of 50.
func overSessions(c record.Cell) record.Cell {
	c.Sessions, c.LatSEMS, c.PowerSEW = units.Ptr(int64(3)), units.Ptr(units.Milliseconds(4)), units.Ptr(units.Watts(2))
	return c
}

// TestIntervalOverSessions: on-prem is all energy, so that both relative errors of 0.04 count in full, with 2+2 degrees of
// freedom: t(0.975, 4) = 2.7764451051977987 (SciPy 1.17.1).
func TestIntervalOverSessions(t *testing.T) {
	c := overSessions(measured(record.Prefill, "s"))
	_, r := rowsOf(t, smallBook(), cost.MethodDefault, c)
	total, factor := float64(*r.TotalUSDPer1M), math.Exp(2.7764451051977987*0.04*math.Sqrt2)
	near(t, "lower", r.TotalCILowerUSD, total/factor)
	near(t, "upper", r.TotalCIUpperUSD, total*factor)
	if r.CIMethod != "log_t_latency_power_sessions" || *r.Sessions != 3 {
		t.Errorf("ci_method %q, sessions %d", r.CIMethod, *r.Sessions)
	}
	c.LatSEMS = nil // the deviation of the runs is no substitute
	if _, r := rowsOf(t, smallBook(), cost.MethodDefault, c); r.CIMethod != "none:latency_sd_unknown" {
		t.Errorf("ci_method %q", r.CIMethod)
	}
}

// TestSharedSessionsAddUp: the cells of a backend come from the same processes, which may be slow in all of them, so their
// half widths add up as they are. Both scenarios and modes have the log half width w = t(0.975, 2) · 0.04, and so has all
// that is made of them; totals as in TestTCOInterval and TestRequestInterval.
func TestSharedSessionsAddUp(t *testing.T) {
	b, cells := smallBook(), twoModes(record.Prefill, record.Generate)
	for i := range cells {
		cells[i] = overSessions(cells[i])
		cells[i].PowerSEW = nil
	}
	rows := priceRows(t, b, cost.MethodDefault, cells)
	w := 4.302652729911275 * 0.04
	r := request(t, cost.Requests(rows, b), "onnxruntime-cpu", "cloud", record.OnDemand)
	near(t, "request, lower", r.TotalCILowerUSD, 7.1822222e-4*math.Exp(-w))
	near(t, "request, upper", r.TotalCIUpperUSD, 7.1822222e-4*math.Exp(w))
	for _, r := range cost.TCO(rows, b) {
		if r.Tier == record.OnDemand && r.Mode == record.Prefill {
			near(t, "TCO, lower", r.TotalCILowerUSD, 100+12000*2.10416667*math.Exp(-w))
			near(t, "TCO, upper", r.TotalCIUpperUSD, 100+12000*2.10416667*math.Exp(w))
		}
	}
}
