package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
)

// throughputOf lists the doubts about the cells, in the order of backend, mode, scenario.
func throughputOf(cells []record.Cell, names map[identity]string, confidence float64) Throughput {
	t := Throughput{
		EstimatorsDiffer: []EstimatorGap{}, BelowZero: []NegativeInterval{}, FewRuns: []FewRuns{}, AbsentBackends: []AbsentBackend{},
	}
	sorted := make([]*record.Cell, len(cells))
	for i := range cells {
		sorted[i] = &cells[i]
	}
	slices.SortFunc(sorted, func(x, y *record.Cell) int {
		return cmp.Or(strings.Compare(names[cellIdentity(x)], names[cellIdentity(y)]), cmp.Compare(modeOrder(x.Mode), modeOrder(y.Mode)),
			strings.Compare(x.Scenario, y.Scenario))
	})
	for len(sorted) > 0 {
		name, mode := names[cellIdentity(sorted[0])], sorted[0].Mode
		n := slices.IndexFunc(sorted, func(c *record.Cell) bool { return names[cellIdentity(c)] != name || c.Mode != mode })
		if n < 0 {
			n = len(sorted)
		}
		t.review(name, sorted[:n], confidence)
		sorted = sorted[n:]
	}
	return t
}

func modeOrder(m record.Mode) int { return slices.Index(record.Modes(), m) }

// review looks at the cells of one backend in one mode.
func (t *Throughput) review(name string, cells []*record.Cell, confidence float64) {
	absent := AbsentBackend{Backend: name, Mode: cells[0].Mode, Reasons: []string{}}
	good := int64(0)
	for _, c := range cells {
		good += c.N
		absent.Degraded += c.NDegraded
		absent.Errors += c.NError
		for reason := range strings.SplitSeq(c.Reasons, ",") {
			if reason != "" && !slices.Contains(absent.Reasons, reason) {
				absent.Reasons = append(absent.Reasons, reason)
			}
		}
	}
	if good == 0 {
		slices.Sort(absent.Reasons)
		t.AbsentBackends = append(t.AbsentBackends, absent)
		return
	}
	for _, c := range cells {
		t.reviewCell(CellID{Backend: name, Mode: c.Mode, Scenario: c.Scenario}, c, confidence)
	}
}

// reviewCell looks at one cell.
func (t *Throughput) reviewCell(id CellID, c *record.Cell, confidence float64) {
	if c.N < MinRuns {
		t.FewRuns = append(t.FewRuns, FewRuns{CellID: id, N: c.N})
	}
	if c.ThroughputRatioTokS != nil && c.ThroughputMeanTokS != nil && *c.ThroughputRatioTokS > 0 {
		ratio, mean := float64(*c.ThroughputRatioTokS), float64(*c.ThroughputMeanTokS)
		if gap := 100 * (mean - ratio) / ratio; math.Abs(gap) > EstimatorGapPct {
			t.EstimatorsDiffer = append(t.EstimatorsDiffer, EstimatorGap{CellID: id, RatioTokS: ratio, MeanTokS: mean, GapPct: gap})
		}
	}
	if c.LatMeanMS == nil || c.LatCILowerMS == nil || c.LatCIUpperMS == nil || *c.LatCILowerMS >= 0 {
		return
	}
	n := NegativeInterval{
		CellID: id, MeanMS: float64(*c.LatMeanMS), LowerMS: float64(*c.LatCILowerMS), UpperMS: float64(*c.LatCIUpperMS),
	}
	if e, ok := cell.Latency(c); ok {
		if ci, err := e.LogInterval(confidence); err == nil { // an interval that cannot be made is null
			n.LogLowerMS, n.LogUpperMS = &ci.Lower, &ci.Upper
		}
	}
	t.BelowZero = append(t.BelowZero, n)
}
