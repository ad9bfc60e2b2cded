package cost

import (
	"math"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

// The values of ci_method: how a row's interval was made, or after CINone why there is none.
const (
	CILogLatency         = "log_t_latency"          // spread of the latencies; power taken as exact
	CILogLatencyPower    = "log_t_latency_power"    // spread of the latencies and of the runs' power
	CILogThroughput      = "log_t_throughput"       // spread of the runs' throughputs; power taken as exact
	CILogThroughputPower = "log_t_throughput_power" // spread of the runs' throughputs and of their power
	CISessions           = "_sessions"              // ending of the four: the spread is that of sessions, not of runs
	CINone               = "none:"                  // followed by one of the codes below

	ciNoTotal      = "no_total"              // there is no total cost
	ciSingleRun    = "single_run"            // one run has no spread
	ciNoSpread     = "zero_variance"         // the runs are equal to the last digit
	ciNoLatencySD  = "latency_sd_unknown"    // ratio estimator: the cell has no standard deviation or error of the latency
	ciNoThroughput = "throughput_sd_unknown" // mean estimator: the cell has none of the runs' throughputs
)

// interval is the 95% interval of a row's total cost, and how it was made.
//
// Total cost per token is L·(a + b·P): L the seconds per token, P the power, a the hourly price and b the price of
// energy. On the log scale, by the delta method (Oehlert, 1992, "A note on the delta method", The American Statistician
// 46(1), 27-29),
//
//	ln total ± t(0.975, df) · √(seL² + f²·seP²),  se = standard error/mean,  f = energy cost / total cost
//
// with df of Welch and Satterthwaite. The standard errors are the cell's: over its sessions where its runs come from
// several worker processes, else over its runs. The interval is always above zero. L is the mean latency for the ratio
// estimator, whose cost is proportional to it, and the inverse of the mean throughput for the mean estimator. Assumed:
// runs, or else sessions, are independent; the tokens of a run are fixed, which greedy decoding makes them; latency and
// power are uncorrelated between them. Where power has no known spread (an archive, a single reading) it is taken as
// exact, and the method's name says so. What a grade D estimate of power may be off by is not in the interval.
func interval(c *record.Cell, r *record.Cost) (lower, upper *units.USD, method string) {
	if r.TotalUSDPer1M == nil || *r.TotalUSDPer1M <= 0 {
		return nil, nil, CINone + ciNoTotal
	}
	rate, method, ok := rateSpread(c, r.Estimator)
	if !ok {
		return nil, nil, method
	}
	rate.Log = math.Log(float64(*r.TotalUSDPer1M))
	var ci stats.Interval
	var err error
	if power, ok := powerSpread(c, r); ok && rate.SE > 0 {
		// The ratio of the total to a power factor of 1 is the total, with the spread of both.
		var ratio stats.Ratio
		ratio, err = stats.RatioOfMeans(rate, power, stats.DefaultConfidence)
		ci, method = ratio.CI, method+"_power"
	} else {
		ci, err = rate.Interval(stats.DefaultConfidence)
	}
	if err != nil {
		return nil, nil, CINone + ciNoSpread
	}
	if record.OverSessions(r.Sessions) {
		method += CISessions
	}
	return units.Ptr(units.USD(ci.Lower)), units.Ptr(units.USD(ci.Upper)), method
}

// rateSpread is the spread of the seconds per token on the log scale and the ci_method it makes; where ok is false the
// method says why there is none.
func rateSpread(c *record.Cell, estimator string) (spread stats.LogMean, method string, ok bool) {
	if c.N < 2 {
		return spread, CINone + ciSingleRun, false
	}
	estimate, method, unknown := cell.Latency, CILogLatency, ciNoLatencySD
	if estimator == EstimatorMean {
		estimate, method, unknown = cell.Throughput, CILogThroughput, ciNoThroughput
	}
	e, ok := estimate(c)
	if !ok {
		return spread, CINone + unknown, false
	}
	spread, err := e.LogMean()
	if err != nil {
		return spread, CINone + ciNoSpread, false
	}
	return spread, method, true
}

// powerSpread is the spread that the runs' power gives the total, on the log scale; ok is false where it has none.
func powerSpread(c *record.Cell, r *record.Cost) (spread stats.LogMean, ok bool) {
	e, ok := cell.Power(c)
	if !ok || r.EnergyUSDPer1M == nil {
		return stats.LogMean{}, false
	}
	l, err := e.LogMean()
	if err != nil {
		return stats.LogMean{}, false
	}
	share := float64(*r.EnergyUSDPer1M) / float64(*r.TotalUSDPer1M)
	return stats.LogMean{Log: 0, SE: share * l.SE, DF: l.DF}, share*l.SE > 0
}
