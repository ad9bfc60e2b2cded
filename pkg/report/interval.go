package report

import (
	"math"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/stats"
)

// bounded is a value with its 95% interval.
type bounded struct{ value, low, high float64 }

// meanInterval is the 95% interval of the arithmetic mean of independent values from the intervals of each, by the method
// of variance estimates recovery: mean - √Σ(v-l)²/k to mean + √Σ(u-v)²/k. Zou and Donner (2008), "Construction of
// confidence limits about effect measures: a general approach", Statistics in Medicine 27(10), 1693-1702. It covers what
// repeating the runs would change and not the choice of scenarios, which is fixed. One value without an interval leaves
// the mean without one: ok is false.
func meanInterval(values []bounded, want int) (low, high float64, ok bool) {
	if len(values) == 0 || len(values) < want {
		return 0, 0, false
	}
	var sum, below, above float64
	for _, v := range values {
		sum += v.value
		below += (v.value - v.low) * (v.value - v.low)
		above += (v.high - v.value) * (v.high - v.value)
	}
	k := float64(len(values))
	return (sum - math.Sqrt(below)) / k, (sum + math.Sqrt(above)) / k, true
}

// latencyBounds is the mean latency of a cell with its t interval, in ms.
func latencyBounds(c cellRow) (bounded, bool) {
	if c.LatMeanMS == nil || c.LatCILowerMS == nil || c.LatCIUpperMS == nil {
		return bounded{}, false
	}
	return bounded{float64(*c.LatMeanMS), float64(*c.LatCILowerMS), float64(*c.LatCIUpperMS)}, true
}

// throughputBounds is the throughput of a cell by the estimator shown, with the 95% interval on the log scale of what it
// is made of: the mean latency for the ratio estimator, the runs' throughputs for the mean estimator.
func (d *data) throughputBounds(c cellRow) (bounded, bool) {
	v := d.throughput().get(c.Cell)
	m := stats.Moments{N: int(c.N)}
	switch {
	case v == nil:
		return bounded{}, false
	case d.estimator == cost.EstimatorMean && c.ThroughputMeanSDTokS != nil:
		m.Mean, m.SD = *v, float64(*c.ThroughputMeanSDTokS)
	case d.estimator != cost.EstimatorMean && c.LatMeanMS != nil && c.LatSDMS != nil:
		m.Mean, m.SD = float64(*c.LatMeanMS), float64(*c.LatSDMS)
	default:
		return bounded{}, false
	}
	ci, err := m.LogTInterval(stats.DefaultConfidence)
	if err != nil {
		return bounded{}, false // too few runs, or runs without spread: no interval
	}
	// The interval of a mean and that of its inverse are the same factors around either, as both are symmetric in logs.
	factor := ci.Upper / m.Mean
	return bounded{*v, *v / factor, *v * factor}, true
}

// costBounds is the total cost of a row with the interval it carries.
func costBounds(r costRow) (bounded, bool) {
	if r.TotalUSDPer1M == nil || r.TotalCILowerUSD == nil || r.TotalCIUpperUSD == nil {
		return bounded{}, false
	}
	return bounded{float64(*r.TotalUSDPer1M), float64(*r.TotalCILowerUSD), float64(*r.TotalCIUpperUSD)}, true
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
