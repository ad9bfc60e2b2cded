package compare

import (
	"math"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// infraUSD is the one cost metric that energy has no part in.
const infraUSD = "infra_usd_per_1m"

// metric is a quantity that backends are compared by. Exactly one of ofCost and ofCell is set.
type metric struct {
	name   string
	higher bool // higher is better
	tr119  bool // Technical Report 119 tested it
	ofCost func(*record.Cost) reading
	ofCell func(*record.Cell) reading
}

// reading is a metric of one record.
type reading struct {
	value  *float64
	reason string // machine-readable, why value is nil
	spread *stats.LogMean
	flat   string // why spread is nil
}

// metrics are all metrics, those of cost rows first.
var metrics = []metric{
	{name: TotalUSD, tr119: true, ofCost: totalUSD},
	{name: infraUSD, ofCost: func(r *record.Cost) reading { return costOnly(r, pointer(r.InfraUSDPer1M)) }},
	{name: "energy_usd_per_1m", ofCost: func(r *record.Cost) reading { return costOnly(r, pointer(r.EnergyUSDPer1M)) }},
	{name: "energy_kwh_per_1m", ofCost: func(r *record.Cost) reading { return costOnly(r, pointer(r.EnergyKWhPer1M)) }},
	{name: "carbon_g_per_1m", ofCost: func(r *record.Cost) reading { return costOnly(r, pointer(r.CarbonGPer1M)) }},
	{name: "tokens_per_kwh", higher: true, ofCost: func(r *record.Cost) reading { return costOnly(r, pointer(r.TokensPerKWh)) }},
	{name: LatencyMS, ofCell: func(c *record.Cell) reading { return ofMean(c, pointer(c.LatMeanMS), cell.Latency) }},
	{name: "ttft_ms", ofCell: func(c *record.Cell) reading { return ofMean(c, pointer(c.TTFTMeanMS), cell.TTFT) }},
	// Tokens per run over mean latency, so its relative spread is the mean latency's.
	{name: "throughput_ratio_tok_s", higher: true, ofCell: func(c *record.Cell) reading {
		return ofMean(c, pointer(c.ThroughputRatioTokS), cell.Latency)
	}},
	{name: "throughput_mean_tok_s", higher: true, ofCell: func(c *record.Cell) reading {
		return ofMean(c, pointer(c.ThroughputMeanTokS), cell.Throughput)
	}},
}

// Metrics are the names of all metrics that backends can be compared by.
func Metrics() []string {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = m.name
	}
	return names
}

// MetricOfCosts reports whether the metric called name is one of cost rows (true) or of cells (false). An unknown name
// is bad input.
func MetricOfCosts(name string) (bool, error) {
	m, err := metricOf(name)
	return m.ofCost != nil, err
}

func metricOf(name string) (metric, error) {
	for _, m := range metrics {
		if m.name == name {
			return m, nil
		}
	}
	return metric{}, cli.BadInputf("unknown metric %q, want one of %s", name, strings.Join(Metrics(), ", "))
}

// pointer is v as a plain number, null staying null.
func pointer[T ~float64](v *T) *float64 {
	if v == nil {
		return nil
	}
	f := float64(*v)
	return &f
}

// totalUSD reads the total with its spread, recovered from the row's interval, which package cost makes on the log scale
// at the default confidence, over sessions or runs. Where power adds to the spread, that interval's degrees of freedom
// are not one less than these exactly; recovering with that keeps the row's own interval as it is.
func totalUSD(r *record.Cost) reading {
	got := costOnly(r, pointer(r.TotalUSDPer1M))
	if got.value == nil {
		return got
	}
	if r.TotalCILowerUSD == nil || r.TotalCIUpperUSD == nil {
		got.flat = "the cost row has no interval"
		if r.CIMethod != "" {
			got.flat += " (" + r.CIMethod + ")"
		}
		return got
	}
	ci := stats.Interval{
		Lower: float64(*r.TotalCILowerUSD), Upper: float64(*r.TotalCIUpperUSD), Confidence: stats.DefaultConfidence,
	}
	n := r.N
	if record.OverSessions(r.Sessions) {
		n = *r.Sessions
	}
	spread, err := stats.LogMeanFromInterval(*got.value, ci, int(n))
	if err != nil {
		got.flat = "the cost row's interval: " + err.Error()
		return got
	}
	got.spread, got.flat = &spread, ""
	return got
}

// costOnly reads a figure whose spread a cost row does not have.
func costOnly(r *record.Cost, value *float64) reading {
	return usable(reading{value: value, reason: orUnknown(r.Reason), flat: "cost rows have no interval of this metric"})
}

// ofMean reads a figure whose relative spread is that of a mean of the cell.
func ofMean(c *record.Cell, value *float64, mean func(*record.Cell) (stats.Estimate, bool)) reading {
	got := usable(reading{value: value, reason: orUnknown(c.Reasons), flat: "the cell has no standard error of it"})
	e, ok := mean(c)
	if got.value == nil || !ok {
		return got
	}
	spread, err := e.LogMean()
	if err != nil {
		got.flat = "the mean of the cell: " + err.Error()
		return got
	}
	spread.Log = math.Log(*got.value)
	got.spread, got.flat = &spread, ""
	return got
}

// usable drops a value that has no logarithm: every comparison here is of ratios.
func usable(r reading) reading {
	if r.value != nil && !(*r.value > 0 && !math.IsInf(*r.value, 0)) {
		r.value, r.reason = nil, "not_above_zero"
	}
	return r
}

func orUnknown(reason string) string {
	if reason == "" {
		return "not_recorded"
	}
	return reason
}
