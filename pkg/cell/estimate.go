package cell

import (
	"math"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// Latency is the mean latency of a cell in ms as an estimate, over sessions where its runs come from several and else
// over runs. ok is false where the cell does not have the spread for it.
func Latency(c *record.Cell) (e stats.Estimate, ok bool) {
	return estimate(c, c.N, c.LatMeanMS, c.LatSDMS, c.LatSEMS)
}

// TTFT is the mean time to the first token in ms, as Latency.
func TTFT(c *record.Cell) (e stats.Estimate, ok bool) {
	return estimate(c, c.N, c.TTFTMeanMS, c.TTFTSDMS, c.TTFTSEMS)
}

// Throughput is the mean of the runs' throughputs in tok/s, as Latency.
func Throughput(c *record.Cell) (e stats.Estimate, ok bool) {
	return estimate(c, c.N, c.ThroughputMeanTokS, c.ThroughputMeanSDTokS, c.ThroughputMeanSETokS)
}

// Power is the mean power in W over the runs that have one, as Latency.
func Power(c *record.Cell) (e stats.Estimate, ok bool) {
	if c.PowerN == nil {
		return e, false
	}
	return estimate(c, *c.PowerN, c.PowerMeanW, c.PowerSDW, c.PowerSEW)
}

// estimate makes an estimate of the columns of a mean over n runs. An archive that does not say how many sessions its
// runs come from is taken at its word that runs are what it counts: se = sd/√n with n-1 degrees of freedom.
func estimate[T ~float64](c *record.Cell, n int64, mean, sd, se *T) (e stats.Estimate, ok bool) {
	if mean == nil || n < 2 {
		return e, false
	}
	e = stats.Estimate{Mean: float64(*mean), DF: float64(replicates(c, n) - 1)}
	switch {
	case se != nil:
		e.SE = float64(*se)
	case c.Sessions == nil && sd != nil:
		e.SE = float64(*sd) / math.Sqrt(float64(n))
	default:
		return e, false
	}
	return e, true
}

// replicates is what standard errors over n runs of a cell are made over: its sessions where it has several, else the
// runs.
func replicates(c *record.Cell, n int64) int64 {
	if record.OverSessions(c.Sessions) {
		return *c.Sessions
	}
	return n
}
