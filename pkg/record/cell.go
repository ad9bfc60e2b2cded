package record

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/units"
)

// Cell is one group of runs summarised: the runs that share backend, settings, scenario and mode. It is what archived
// tables hold, so every analysis stage takes cells where the runs are no longer available; the column names are those of
// the archived tables of TR119. Columns that an archive does not have are null.
type Cell struct {
	Schema        Schema        `json:"schema"`
	Experiment    string        `json:"experiment"`
	Host          string        `json:"host"`
	Backend       string        `json:"backend"`
	Model         string        `json:"model"`
	Precision     string        `json:"precision"`
	Device        Device        `json:"device"`
	Settings      string        `json:"settings"`
	Threads       *int64        `json:"threads"`
	Mode          Mode          `json:"mode"`
	Scenario      string        `json:"scenario"`
	BatchSize     *int64        `json:"batch_size"`
	PromptTokens  *units.Tokens `json:"prompt_tokens"`  // per sequence
	MaxNewTokens  *units.Tokens `json:"max_new_tokens"` // per sequence
	N             int64         `json:"n"`              // runs with status ok
	Sessions      *int64        `json:"sessions"`       // worker processes of those runs; two or more are what standard errors are over
	NDegraded     int64         `json:"n_degraded"`
	NError        int64         `json:"n_error"`
	Reasons       string        `json:"reasons"`        // distinct reasons of the runs that are not ok, comma-separated
	TokensPerRun  *float64      `json:"tokens_per_run"` // mean tokens that throughput counts, per iteration
	OutputsDiffer *bool         `json:"outputs_differ"` // runs of the cell gave different tokens

	LatMeanMS    *units.Milliseconds `json:"lat_mean_ms"`
	LatSDMS      *units.Milliseconds `json:"lat_sd_ms"`       // sample standard deviation, n-1
	LatSEMS      *units.Milliseconds `json:"lat_se_ms"`       // standard error of the mean, over runs or over sessions
	LatCILowerMS *units.Milliseconds `json:"lat_ci_lower_ms"` // 95% Student t interval of the mean, by lat_se_ms
	LatCIUpperMS *units.Milliseconds `json:"lat_ci_upper_ms"`
	LatMedianMS  *units.Milliseconds `json:"lat_median_ms"`
	LatP95MS     *units.Milliseconds `json:"lat_p95_ms"` // type 7
	TTFTMeanMS   *units.Milliseconds `json:"ttft_mean_ms"`
	TTFTSDMS     *units.Milliseconds `json:"ttft_sd_ms"`
	TTFTSEMS     *units.Milliseconds `json:"ttft_se_ms"` // as lat_se_ms
	ITLMeanMS    *units.Milliseconds `json:"itl_mean_ms"`

	ThroughputMeanTokS   *units.TokensPerSecond `json:"throughput_mean_tok_s"`    // mean of the runs' throughputs
	ThroughputMeanSDTokS *units.TokensPerSecond `json:"throughput_mean_sd_tok_s"` // sample standard deviation, n-1
	ThroughputMeanSETokS *units.TokensPerSecond `json:"throughput_mean_se_tok_s"` // as lat_se_ms
	ThroughputRatioTokS  *units.TokensPerSecond `json:"throughput_ratio_tok_s"`   // total tokens / total time

	PowerMeanW      *units.Watts   `json:"power_mean_w"`
	PowerSDW        *units.Watts   `json:"power_sd_w"`
	PowerSEW        *units.Watts   `json:"power_se_w"` // as lat_se_ms
	PowerN          *int64         `json:"power_n"`    // runs with a power figure; 0: those that have one have 0 W
	PowerSource     string         `json:"power_source"`
	EnergyGrade     Grade          `json:"energy_grade"` // the worst of the runs' grades
	GPUPowerMeanW   *units.Watts   `json:"gpu_power_mean_w"`
	CPUPowerMeanW   *units.Watts   `json:"cpu_power_mean_w"`
	GPUTempMeanC    *units.Celsius `json:"gpu_temp_mean_c"`
	GPUMemMeanBytes *units.Bytes   `json:"gpu_mem_mean_bytes"`
	GPUUtilMeanPct  *units.Percent `json:"gpu_util_mean_pct"`
	RSSPeakBytes    *units.Bytes   `json:"rss_peak_bytes"`
}

var _ Record = (*Cell)(nil)

// Kind is SchemaCell.
func (*Cell) Kind() Schema { return SchemaCell }

// Planned is the number of runs that were planned for the cell, whatever became of them.
func (c *Cell) Planned() int64 { return c.N + c.NDegraded + c.NError }

// OverSessions reports whether the standard errors and intervals of a record with that many sessions are made over them,
// with one degree of freedom less, and not over its runs: runs of one process may be more alike than those of two.
func OverSessions(sessions *int64) bool { return sessions != nil && *sessions > 1 }

// Validate implements Record. An interval's lower end may be negative: that is what a symmetric interval of a noisy
// latency looks like, and the report says so instead of hiding it.
func (c *Cell) Validate() error {
	k := new(checker)
	k.schema(c.Schema, SchemaCell)
	required(k, "backend", c.Backend)
	required(k, "scenario", c.Scenario)
	oneOf(k, "mode", c.Mode, Modes()...)
	if c.Device != "" {
		oneOf(k, "device", c.Device, CPU, GPU)
	}
	grade(k, c.EnergyGrade)
	atLeast(k, "n", c.N, 0)
	atLeast(k, "n_degraded", c.NDegraded, 0)
	atLeast(k, "n_error", c.NError, 0)
	positive(k, "batch_size", c.BatchSize)
	positive(k, "prompt_tokens", c.PromptTokens)
	positive(k, "tokens_per_run", c.TokensPerRun)
	positive(k, "lat_mean_ms", c.LatMeanMS)
	positive(k, "sessions", c.Sessions)
	nonNegative(k, "lat_sd_ms", c.LatSDMS)
	nonNegative(k, "lat_se_ms", c.LatSEMS)
	nonNegative(k, "ttft_se_ms", c.TTFTSEMS)
	nonNegative(k, "throughput_mean_se_tok_s", c.ThroughputMeanSETokS)
	nonNegative(k, "power_se_w", c.PowerSEW)
	finite(k, "lat_ci_lower_ms", c.LatCILowerMS)
	finite(k, "lat_ci_upper_ms", c.LatCIUpperMS)
	if c.LatMeanMS != nil && c.LatCILowerMS != nil && *c.LatCILowerMS > *c.LatMeanMS {
		k.fail("lat_ci_lower_ms", c.LatCILowerMS, fmt.Sprintf("at most lat_mean_ms %v", *c.LatMeanMS))
	}
	if c.LatMeanMS != nil && c.LatCIUpperMS != nil && *c.LatCIUpperMS < *c.LatMeanMS {
		k.fail("lat_ci_upper_ms", c.LatCIUpperMS, fmt.Sprintf("at least lat_mean_ms %v", *c.LatMeanMS))
	}
	positive(k, "throughput_mean_tok_s", c.ThroughputMeanTokS)
	positive(k, "throughput_ratio_tok_s", c.ThroughputRatioTokS)
	nonNegative(k, "power_mean_w", c.PowerMeanW)
	nonNegative(k, "gpu_power_mean_w", c.GPUPowerMeanW)
	finite(k, "gpu_temp_mean_c", c.GPUTempMeanC)
	if c.N == 0 && c.LatMeanMS != nil {
		k.fail("lat_mean_ms", c.LatMeanMS, "nothing: a cell without good runs has no measurements")
	}
	if c.N > 0 && c.LatMeanMS == nil {
		k.fail("lat_mean_ms", c.LatMeanMS, "a value in a cell with good runs")
	}
	return k.err()
}
