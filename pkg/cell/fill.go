package cell

import (
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

// Shape is what a scenario means.
type Shape struct {
	Scenario     string
	BatchSize    int64
	PromptTokens units.Tokens // per sequence
	MaxNewTokens units.Tokens // per sequence, in the generate modes
}

// Fill sets, in place, what archived cells lack and what follows from the rest; columns that have a value keep it:
//
//   - the shape of the scenario, and from it tokens_per_run: batch size times prompt tokens for prefill, times new tokens
//     for the generate modes, which takes every sequence to have run to its limit (greedy decoding of a model that does
//     not stop by itself);
//   - the device, by backend;
//   - throughput_ratio_tok_s = tokens_per_run / lat_mean;
//   - lat_sd_ms from the 95% t interval of the mean: sd = half width · √n / t(0.975, n-1).
//
// A scenario or a backend that is not named leaves its columns null.
func Fill(cells []record.Cell, shapes []Shape, devices map[string]record.Device) {
	byName := make(map[string]Shape, len(shapes))
	for _, s := range shapes {
		byName[s.Scenario] = s
	}
	for i := range cells {
		c := &cells[i]
		if s, ok := byName[c.Scenario]; ok {
			fillShape(c, s)
		}
		if c.Device == "" {
			c.Device = devices[c.Backend]
		}
		fillRatio(c)
		fillSD(c)
	}
}

// fillShape sets the columns that the scenario decides.
func fillShape(c *record.Cell, s Shape) {
	if c.Mode == record.Prefill {
		s.MaxNewTokens = 0
	}
	if c.BatchSize == nil {
		c.BatchSize = &s.BatchSize
	}
	if c.PromptTokens == nil {
		c.PromptTokens = &s.PromptTokens
	}
	if c.MaxNewTokens == nil {
		c.MaxNewTokens = &s.MaxNewTokens
	}
	if c.TokensPerRun != nil {
		return
	}
	perSequence := *c.MaxNewTokens
	if c.Mode == record.Prefill {
		perSequence = *c.PromptTokens
	}
	if n := float64(*c.BatchSize) * float64(perSequence); n > 0 {
		c.TokensPerRun = &n
	}
}

// fillRatio sets the ratio estimator of the throughput.
func fillRatio(c *record.Cell) {
	if c.ThroughputRatioTokS != nil || c.TokensPerRun == nil || c.LatMeanMS == nil {
		return
	}
	c.ThroughputRatioTokS = units.Ptr(units.TokensPerSecond(*c.TokensPerRun / (float64(*c.LatMeanMS) / 1e3)))
}

// fillSD inverts the t interval.
func fillSD(c *record.Cell) {
	if record.OverSessions(c.Sessions) { // the interval is over sessions and says nothing of runs
		return
	}
	if c.LatSDMS != nil || c.N < 2 || c.LatCILowerMS == nil || c.LatCIUpperMS == nil || *c.LatCIUpperMS < *c.LatCILowerMS {
		return
	}
	unit, err := stats.Moments{N: int(c.N), SD: 1}.TInterval(stats.DefaultConfidence) // half width t/√n
	if err != nil {
		return
	}
	half := float64(*c.LatCIUpperMS-*c.LatCILowerMS) / 2
	c.LatSDMS = units.Ptr(units.Milliseconds(half / unit.Upper))
}
