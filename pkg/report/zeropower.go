package report

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

// A device that works draws something: a power or an energy of 0 comes from a broken sensor, and nothing follows from it.
// Records of bh's own have none, others may.

// withoutZeroEnergy is the run without an energy of 0 and all that rests on it.
func withoutZeroEnergy(r *record.Run) *record.Run {
	if (r.PowerMeanW == nil || *r.PowerMeanW != 0) && (r.EnergyJoules == nil || *r.EnergyJoules != 0) {
		return r
	}
	own := *r
	own.PowerMeanW, own.PowerPeakW, own.PowerSource, own.EnergyGrade = nil, nil, "", ""
	own.EnergyJoules, own.EnergyMarginalJoules, own.EnergyErrorJoules = nil, nil, nil
	own.EnergyReasons = strings.TrimPrefix(own.EnergyReasons+","+cost.ReasonZeroPower, ",")
	return &own
}

// dropZeroPower takes a power of 0 W out of a cell; power_n says that there was one.
func dropZeroPower(c *record.Cell) {
	if c.PowerMeanW != nil && *c.PowerMeanW == 0 {
		c.PowerMeanW, c.PowerSDW, c.PowerSEW, c.PowerSource, c.EnergyGrade = nil, nil, nil, "", ""
		c.PowerN = new(int64)
	}
}

// dropZeroEnergy takes what rests on a power of 0 W out of a row of costs.
func dropZeroEnergy(r *record.Cost) {
	if r.PowerW == nil || *r.PowerW != 0 {
		return
	}
	r.PowerW, r.PowerSource, r.EnergyGrade = nil, "", ""
	r.EnergyKWhPer1M, r.EnergyUSDPer1M, r.CarbonGPer1M, r.TokensPerKWh = nil, nil, nil, nil
	if !strings.HasSuffix(r.Method, cost.InfraOnlySuffix) {
		r.TotalUSDPer1M, r.TotalCILowerUSD, r.TotalCIUpperUSD = nil, nil, nil
	}
	if !slices.Contains(strings.Split(r.Reason, ","), cost.ReasonZeroPower) {
		r.Reason = strings.TrimPrefix(r.Reason+","+cost.ReasonZeroPower, ",")
	}
}

// zeroPower reports whether all that a cell has of power is 0 W.
func zeroPower(c cellRow) bool { return c.PowerMeanW == nil && c.PowerN != nil && *c.PowerN == 0 }
