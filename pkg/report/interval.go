package report

import (
	"math"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// bounded is a value with its 95% interval. shared says that the interval is over sessions: worker processes that the other
// values of the backend come from as well, so that they go up and down together.
type bounded struct {
	value, low, high float64
	shared           bool
}

// meanInterval is the 95% interval of the arithmetic mean of values from the intervals of each, by the method of variance
// estimates recovery: mean - √Σ(v-l)²/k to mean + √Σ(u-v)²/k. Zou and Donner (2008), "Construction of confidence limits
// about effect measures: a general approach", Statistics in Medicine 27(10), 1693-1702. Values are taken as independent
// unless they are shared: how far those are correlated is not on record, and their half widths are added as they are,
// which no correlation can exceed. It covers what repeating would change and not the choice of scenarios, which is fixed.
// One value without an interval leaves the mean without one: ok is false.
func meanInterval(values []bounded, want int) (low, high float64, ok bool) {
	if len(values) == 0 || len(values) < want {
		return 0, 0, false
	}
	var sum, below, above, sharedBelow, sharedAbove float64
	for _, v := range values {
		sum += v.value
		if v.shared {
			sharedBelow += v.value - v.low
			sharedAbove += v.high - v.value
			continue
		}
		below += (v.value - v.low) * (v.value - v.low)
		above += (v.high - v.value) * (v.high - v.value)
	}
	k := float64(len(values))
	return (sum - math.Hypot(math.Sqrt(below), sharedBelow)) / k, (sum + math.Hypot(math.Sqrt(above), sharedAbove)) / k, true
}

// latencyBounds is the mean latency of a cell with its t interval, in ms.
func latencyBounds(c cellRow) (bounded, bool) {
	if c.LatMeanMS == nil || c.LatCILowerMS == nil || c.LatCIUpperMS == nil {
		return bounded{}, false
	}
	return bounded{float64(*c.LatMeanMS), float64(*c.LatCILowerMS), float64(*c.LatCIUpperMS), record.OverSessions(c.Sessions)}, true
}

// throughputBounds is the throughput of a cell by the estimator shown, with the 95% interval on the log scale of what it
// is made of: the mean latency for the ratio estimator, the runs' throughputs for the mean estimator.
func (d *data) throughputBounds(c cellRow) (bounded, bool) {
	v := d.throughput().get(c.Cell)
	mean := cell.Latency
	if d.estimator == cost.EstimatorMean {
		mean = cell.Throughput
	}
	e, ok := mean(c.Cell)
	if v == nil || !ok {
		return bounded{}, false
	}
	ci, err := e.LogInterval(stats.DefaultConfidence)
	if err != nil {
		return bounded{}, false // too few runs, or runs without spread: no interval
	}
	// The interval of a mean and that of its inverse are the same factors around either, as both are symmetric in logs.
	factor := ci.Upper / e.Mean
	return bounded{*v, *v / factor, *v * factor, record.OverSessions(c.Sessions)}, true
}

// costBounds is the total cost of a row with the interval it carries.
func costBounds(r costRow) (bounded, bool) {
	if r.TotalUSDPer1M == nil || r.TotalCILowerUSD == nil || r.TotalCIUpperUSD == nil {
		return bounded{}, false
	}
	return bounded{float64(*r.TotalUSDPer1M), float64(*r.TotalCILowerUSD), float64(*r.TotalCIUpperUSD), record.OverSessions(r.Sessions)}, true
}

// collect is the bounded values of those rows that have them.
func collect[T any](rows []T, get func(T) (bounded, bool)) []bounded {
	var list []bounded
	for _, r := range rows {
		if b, ok := get(r); ok {
			list = append(list, b)
		}
	}
	return list
}
