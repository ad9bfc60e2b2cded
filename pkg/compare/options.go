package compare

import (
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// Defaults of Options, and the limits of the Throughput section.
const (
	DefaultAlpha     = 0.05
	DefaultSeed      = 42
	DefaultResamples = 10_000
	DefaultTier      = record.OnDemand

	MaxAlpha = 0.5 // a test at a higher level says nothing

	EstimatorGapPct = 5 // per cent between the two throughput estimators above which a cell is listed
	MinRuns         = 3 // good runs below which a cell is listed
)

// The metrics of Analyse.
const (
	TotalUSD  = "total_usd_per_1m" // from cost rows
	LatencyMS = "latency_ms"       // from cells: mean latency
)

// Options say how Analyse tests.
type Options struct {
	Inputs    []string    // names of the input files, written to the document
	Metrics   []string    // what to compare, in the order of the document; none means TotalUSD and LatencyMS
	Tier      record.Tier // pricing tier that cost metrics are taken at; "" means DefaultTier
	NoTR119   bool        // leave out the tr119 design and what it disagrees with
	Alpha     float64     // level of the tests, in (0, MaxAlpha]; 0 means DefaultAlpha
	Seed      int64       // of the resampling of scenarios; 0 is a seed like any other
	Resamples int         // how often scenarios are resampled; 0 means DefaultResamples
}

// DefaultOptions are the options of `bh-stats analyse` without flags.
func DefaultOptions() Options {
	return Options{
		Metrics: []string{TotalUSD, LatencyMS}, Tier: DefaultTier,
		Alpha: DefaultAlpha, Seed: DefaultSeed, Resamples: DefaultResamples,
	}
}

// Validate fills the zero values with their defaults and checks the rest.
func (o *Options) Validate() error {
	d := DefaultOptions()
	if len(o.Metrics) == 0 {
		o.Metrics = d.Metrics
	}
	if o.Tier == "" {
		o.Tier = d.Tier
	}
	if o.Alpha == 0 {
		o.Alpha = d.Alpha
	}
	if o.Resamples == 0 {
		o.Resamples = d.Resamples
	}
	if !(o.Alpha > 0 && o.Alpha <= MaxAlpha) {
		return cli.BadInputf("alpha: saw %v, want a number above 0 and at most %v", o.Alpha, MaxAlpha)
	}
	if o.Resamples < 0 {
		return cli.BadInputf("resamples: saw %d, want a number of at least 1", o.Resamples)
	}
	return nil
}
