package cell_test

import (
	"math"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

// inSessions are good runs of the given latencies in ms, a list for each session.
func inSessions(sessions ...[]float64) []*record.Run {
	var runs []*record.Run
	for s, list := range sessions {
		for i, ms := range list {
			r := okRun(int64(i), ms)
			r.Session, r.PowerMeanW, r.TTFTNS = int64(s), units.Ptr(units.Watts(ms/10)), units.Ptr(int64(ms*1e5))
			runs = append(runs, r)
		}
	}
	return runs
}

// TestSessionsAreTheUnit: the reference values of stats.TestClusterMean.
func TestSessionsAreTheUnit(t *testing.T) {
	runs := inSessions([]float64{10, 12, 11}, []float64{14, 15, 16, 17}, []float64{9, 10, 11})
	c := build(t, runs...)[0]
	if c.N != 10 || *c.Sessions != 3 {
		t.Fatalf("n %d, sessions %d", c.N, *c.Sessions)
	}
	near(t, "lat_mean_ms", float64(*c.LatMeanMS), 12.5)
	near(t, "lat_sd_ms", float64(*c.LatSDMS), math.Sqrt(70.5/9)) // of the runs, as ever
	near(t, "lat_se_ms", float64(*c.LatSEMS), 1.8186533479473213)
	near(t, "lat_ci_lower_ms", float64(*c.LatCILowerMS), 4.6749662079864605)
	near(t, "lat_ci_upper_ms", float64(*c.LatCIUpperMS), 20.32503379201354)
	near(t, "power_se_w", float64(*c.PowerSEW), 0.18186533479473213)
	near(t, "ttft_se_ms", float64(*c.TTFTSEMS), 0.18186533479473213)
	e, ok := cell.Latency(&c)
	if !ok || e.DF != 2 || e.Mean != float64(*c.LatMeanMS) || e.SE != float64(*c.LatSEMS) {
		t.Errorf("latency %+v, %v", e, ok)
	}
	for name, get := range map[string]func(*record.Cell) (stats.Estimate, bool){"ttft": cell.TTFT, "throughput": cell.Throughput, "power": cell.Power} {
		if e, ok := get(&c); !ok || e.DF != 2 || !(e.SE > 0) {
			t.Errorf("%s %+v, %v", name, e, ok)
		}
	}
}

// TestFigureOfSomeSessions: where a session lacks a figure, its degrees of freedom are not the cell's, and it has no
// standard error; its standard deviation stays.
func TestFigureOfSomeSessions(t *testing.T) {
	runs := inSessions([]float64{10, 12}, []float64{14, 15}, []float64{9, 10})
	runs[0].PowerMeanW, runs[1].PowerMeanW = nil, nil
	c := build(t, runs...)[0]
	if c.PowerSEW != nil || c.PowerSDW == nil || *c.PowerN != 4 {
		t.Errorf("standard error %v, deviation %v", c.PowerSEW, c.PowerSDW)
	}
	if e, ok := cell.Power(&c); ok {
		t.Errorf("power %+v", e)
	}
	one := inSessions([]float64{10, 12, 11})
	one[0].TTFTNS = nil
	if c := build(t, one...)[0]; c.TTFTSEMS != nil || c.TTFTSDMS == nil {
		t.Errorf("two of three runs: standard error %v", c.TTFTSEMS)
	}
	one[0].PowerMeanW = nil
	c = build(t, one...)[0]
	if e, ok := cell.Power(&c); !ok || e.DF != 1 {
		t.Errorf("power of two runs of one session: %+v, %v", e, ok)
	}
}

// TestEstimateOfAnArchive: without sessions and standard errors, runs are the unit.
func TestEstimateOfAnArchive(t *testing.T) {
	c := build(t, inSessions([]float64{10, 12, 11}, []float64{14, 15, 16})...)[0]
	c.Sessions, c.LatSEMS = nil, nil
	if e, ok := cell.Latency(&c); !ok || e.DF != 5 || e.SE != float64(*c.LatSDMS)/math.Sqrt(6) {
		t.Errorf("%+v, %v", e, ok)
	}
	c.LatSDMS = nil
	if _, ok := cell.Latency(&c); ok {
		t.Error("an estimate without a spread")
	}
	single := build(t, okRun(0, 100))[0]
	if _, ok := cell.Latency(&single); ok || single.LatSEMS != nil || *single.Sessions != 1 {
		t.Errorf("one run: %+v", single)
	}
	equal := build(t, okRun(0, 100), okRun(1, 100))[0]
	if e, ok := cell.Latency(&equal); !ok || e.SE != 0 || equal.LatCILowerMS != nil {
		t.Errorf("equal runs: %+v, %v", e, ok)
	}
}

// TestFillKeepsIntervalsOverSessions: no deviation of runs follows from an interval over sessions.
func TestFillKeepsIntervalsOverSessions(t *testing.T) {
	c := archived(record.Prefill)
	c.Sessions = units.Ptr(int64(3))
	cells := []record.Cell{c}
	cell.Fill(cells, shapes, devices)
	if cells[0].LatSDMS != nil {
		t.Errorf("lat_sd_ms %v", *cells[0].LatSDMS)
	}
}
