package record

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/units"
)

// Run is one measured run, or one planned run that did not happen and says why.
//
// All measurements are per iteration: a short run is repeated Iterations times back to back inside one window so that
// the power sensor resolves it, and LatencyNS is the mean over those iterations. The window itself is StartUnixNS to
// EndUnixNS.
type Run struct {
	Schema       Schema       `json:"schema"`
	Experiment   string       `json:"experiment"`
	RunID        string       `json:"run_id"`
	Host         string       `json:"host"`
	Backend      string       `json:"backend"`
	Model        string       `json:"model"`
	Precision    string       `json:"precision"`
	Device       Device       `json:"device"`
	Settings     string       `json:"settings"` // backend settings beyond precision and threads, as k=v,k=v in key order
	Scenario     string       `json:"scenario"`
	Mode         Mode         `json:"mode"`
	BatchSize    int64        `json:"batch_size"`
	PromptTokens units.Tokens `json:"prompt_tokens"`  // per sequence, padded length
	MaxNewTokens units.Tokens `json:"max_new_tokens"` // per sequence; 0 for prefill
	Session      int64        `json:"session"`        // which worker process, from 0
	Repetition   int64        `json:"repetition"`     // from 0
	OrderIndex   int64        `json:"order_index"`    // place in the executed order, from 0
	Seed         int64        `json:"seed"`
	Threads      int64        `json:"threads"`      // intra-op threads asked of the backend; 0 where it chose itself
	Concurrency  int64        `json:"concurrency"`  // requests in flight at once, each of batch_size/concurrency sequences; 0 reads as 1
	Temperature  float64      `json:"temperature"`  // of sampling; 0 is greedy decoding
	CPUAffinity  string       `json:"cpu_affinity"` // logical CPUs that the worker may use, as 0-3,8; empty where it is not bound
	Status       Status       `json:"status"`
	Reason       string       `json:"reason"` // machine-readable, empty when ok
	Detail       string       `json:"detail"` // for people, empty when ok

	StartUnixNS     *int64                 `json:"start_unix_ns"`
	EndUnixNS       *int64                 `json:"end_unix_ns"`
	LatencyNS       *int64                 `json:"latency_ns"`
	TTFTNS          *int64                 `json:"ttft_ns"`              // time to first token; null for prefill
	ITLNS           []int64                `json:"itl_ns"`               // gaps between tokens, mean over iterations
	IterationNS     []int64                `json:"iteration_latency_ns"` // latency of each iteration
	TokensProcessed *units.Tokens          `json:"tokens_processed"`
	TokensGenerated *units.Tokens          `json:"tokens_generated"`
	Iterations      *int64                 `json:"iterations"`
	ThroughputTokS  *units.TokensPerSecond `json:"throughput_tok_s"`
	RSSPeakBytes    *units.Bytes           `json:"rss_peak_bytes"`
	VRAMPeakBytes   *units.Bytes           `json:"vram_peak_bytes"`
	GCDuringWindow  *int64                 `json:"gc_during_window"` // garbage collections inside the window; 0 is the promise
	ToolGapNS       *int64                 `json:"tool_gap_ns"`      // time the tool itself took since the worker's previous run ended
	OutputHash      string                 `json:"output_hash"`      // SHA-256 of the token ids that came out
	OutputIDs       []int64                `json:"output_ids"`       // those ids, sequence after sequence; null where a server does not tell them

	RequestNS          []int64        `json:"request_latency_ns"`    // with concurrency: latency of each request, mean over iterations
	ModelLoadNS        *int64         `json:"model_load_ns"`         // loading the model in this session; not part of any latency
	CompileNS          *int64         `json:"compile_ns"`            // compiling for this cell in this session; not part of any latency
	GraphBreaks        *int64         `json:"graph_breaks"`          // places where the compiler fell back to the interpreter
	Recompiles         *int64         `json:"recompiles"`            // compilations inside the window; 0 is the promise
	ServerLoadNS       *int64         `json:"server_load_ns"`        // the server's own counters, per iteration
	ServerPrefillNS    *int64         `json:"server_prefill_ns"`     //
	ServerDecodeNS     *int64         `json:"server_decode_ns"`      //
	CachedPromptTokens *int64         `json:"cached_prompt_tokens"`  // prompt tokens that came from a cache instead of being computed
	CPUStealPct        *units.Percent `json:"cpu_steal_pct"`         // of the CPUs' time in the window, taken by other virtual machines
	ForeignCPUPct      *units.Percent `json:"foreign_cpu_pct"`       // of the CPUs' time in the window, used by processes that are not the run's
	ForeignGPUProcs    *int64         `json:"foreign_gpu_processes"` // that computed on the GPU beside the run's, at most
	Flags              string         `json:"flags"`                 // doubts about the run, comma-separated codes (docs/reasons.md)

	EnergyJoules    *units.Joules  `json:"energy_joules"` // per iteration
	PowerMeanW      *units.Watts   `json:"power_mean_w"`  // of the device that did the work
	PowerSamples    *int64         `json:"power_samples"` // power readings inside the window
	PowerSource     string         `json:"power_source"`
	EnergyGrade     Grade          `json:"energy_grade"`
	EnergyReasons   string         `json:"energy_reasons"` // why not a better grade, comma-separated codes
	GPUPowerMeanW   *units.Watts   `json:"gpu_power_mean_w"`
	CPUPowerMeanW   *units.Watts   `json:"cpu_power_mean_w"`
	GPUTempMeanC    *units.Celsius `json:"gpu_temp_mean_c"`
	GPUMemMeanBytes *units.Bytes   `json:"gpu_mem_mean_bytes"`
	GPUUtilMeanPct  *units.Percent `json:"gpu_util_mean_pct"`

	EnergyErrorJoules    *units.Joules         `json:"energy_error_joules"`    // half-width of the 95% bound on what sampling adds to energy_joules
	EnergyMarginalJoules *units.Joules         `json:"energy_marginal_joules"` // energy_joules less what the device draws idle
	IdleBeforeW          *units.Watts          `json:"idle_before_w"`          // of the device that did the work, before the run's session
	IdleAfterW           *units.Watts          `json:"idle_after_w"`           // and after it
	JoulesPerToken       *units.JoulesPerToken `json:"joules_per_token"`       // of the tokens that throughput counts
	TokensPerKWh         *units.TokensPerKWh   `json:"tokens_per_kwh"`         //
	PowerPeakW           *units.Watts          `json:"power_peak_w"`           // the highest reading in the window
	ThrottledPct         *units.Percent        `json:"throttled_pct"`          // share of the window in which the device slowed down for heat or power
	MemMeanBytes         *units.Bytes          `json:"mem_mean_bytes"`         // resident memory of the worker's process tree
	MemPeakBytes         *units.Bytes          `json:"mem_peak_bytes"`         // the highest of it in the window
	GPUMemPeakBytes      *units.Bytes          `json:"gpu_mem_peak_bytes"`     //
	CPUTimeNS            *int64                `json:"cpu_time_ns"`            // CPU time of the worker's process tree
}

var _ Record = (*Run)(nil)

// FlagWorkElsewhere is the flag of a run whose work was done by processes that are not known, perhaps on another machine:
// this machine's power is not the run's.
const FlagWorkElsewhere = "work_elsewhere"

// The flags of a run beside which others used the CPUs: processes of this machine, or other virtual machines of its host.
const (
	FlagForeignLoad = "foreign_load"
	FlagCPUSteal    = "cpu_steal"
)

// Flagged says whether the run has a flag.
func (r *Run) Flagged(code string) bool {
	return slices.Contains(strings.Split(r.Flags, ","), code)
}

// Kind is SchemaRun.
func (*Run) Kind() Schema { return SchemaRun }

// Key identifies a run among all runs: a run id is unique within an experiment on a host.
func (r *Run) Key() string { return r.Experiment + "\x00" + r.Host + "\x00" + r.RunID }

// Tokens is what throughput counts: prompt tokens for prefill, new tokens otherwise. It is nil when the run is not ok.
func (r *Run) Tokens() *units.Tokens {
	if r.Mode == Prefill {
		return r.TokensProcessed
	}
	return r.TokensGenerated
}

// Validate implements Record.
func (r *Run) Validate() error {
	c := new(checker)
	c.schema(r.Schema, SchemaRun)
	required(c, "run_id", r.RunID)
	required(c, "backend", r.Backend)
	required(c, "scenario", r.Scenario)
	oneOf(c, "mode", r.Mode, Modes()...)
	oneOf(c, "device", r.Device, CPU, GPU)
	oneOf(c, "status", r.Status, OK, Degraded, Failed)
	atLeast(c, "batch_size", r.BatchSize, 1)
	atLeast(c, "prompt_tokens", r.PromptTokens, 1)
	atLeast(c, "max_new_tokens", r.MaxNewTokens, 0)
	atLeast(c, "concurrency", r.Concurrency, 0)
	atLeast(c, "temperature", r.Temperature, 0)
	grade(c, r.EnergyGrade)
	if r.Status == OK {
		r.validateMeasured(c)
	} else {
		r.validateAbsent(c)
	}
	return c.err()
}

// validateMeasured checks a run with status ok.
func (r *Run) validateMeasured(c *checker) {
	present(c, "start_unix_ns", r.StartUnixNS)
	present(c, "end_unix_ns", r.EndUnixNS)
	present(c, "latency_ns", r.LatencyNS)
	positive(c, "latency_ns", r.LatencyNS)
	present(c, "tokens_processed", r.TokensProcessed)
	positive(c, "tokens_processed", r.TokensProcessed)
	if r.Mode != Prefill {
		present(c, "tokens_generated", r.TokensGenerated)
		positive(c, "tokens_generated", r.TokensGenerated)
	}
	present(c, "throughput_tok_s", r.ThroughputTokS)
	positive(c, "throughput_tok_s", r.ThroughputTokS)
	present(c, "iterations", r.Iterations)
	positive(c, "iterations", r.Iterations)
	positive(c, "ttft_ns", r.TTFTNS)
	for i, gap := range r.ITLNS {
		if gap < 0 {
			c.fail(fmt.Sprintf("itl_ns[%d]", i), gap, "a number of at least 0")
		}
	}
	if r.StartUnixNS != nil && r.EndUnixNS != nil && *r.EndUnixNS <= *r.StartUnixNS {
		c.fail("end_unix_ns", *r.EndUnixNS, fmt.Sprintf("a time after start_unix_ns %d", *r.StartUnixNS))
	}
	r.validateCircumstances(c)
	nonNegative(c, "energy_joules", r.EnergyJoules)
	nonNegative(c, "power_mean_w", r.PowerMeanW)
	nonNegative(c, "gpu_power_mean_w", r.GPUPowerMeanW)
	nonNegative(c, "cpu_power_mean_w", r.CPUPowerMeanW)
	finite(c, "gpu_temp_mean_c", r.GPUTempMeanC)
	nonNegative(c, "gpu_util_mean_pct", r.GPUUtilMeanPct)
	r.validateResources(c)
}

// validateCircumstances checks what was noted beside the times.
func (r *Run) validateCircumstances(c *checker) {
	for name, v := range map[string]*int64{
		"model_load_ns": r.ModelLoadNS, "compile_ns": r.CompileNS, "graph_breaks": r.GraphBreaks, "recompiles": r.Recompiles,
		"server_load_ns": r.ServerLoadNS, "server_prefill_ns": r.ServerPrefillNS, "server_decode_ns": r.ServerDecodeNS,
		"cached_prompt_tokens": r.CachedPromptTokens, "foreign_gpu_processes": r.ForeignGPUProcs,
	} {
		nonNegative(c, name, v)
	}
	nonNegative(c, "cpu_steal_pct", r.CPUStealPct)
	nonNegative(c, "foreign_cpu_pct", r.ForeignCPUPct)
}

// validateResources checks what the join with telemetry adds beside energy and power. Marginal energy may be negative:
// a device can draw less while it works than it drew idle, where other work ended meanwhile.
func (r *Run) validateResources(c *checker) {
	nonNegative(c, "energy_error_joules", r.EnergyErrorJoules)
	finite(c, "energy_marginal_joules", r.EnergyMarginalJoules)
	nonNegative(c, "idle_before_w", r.IdleBeforeW)
	nonNegative(c, "idle_after_w", r.IdleAfterW)
	nonNegative(c, "joules_per_token", r.JoulesPerToken)
	nonNegative(c, "tokens_per_kwh", r.TokensPerKWh)
	nonNegative(c, "power_peak_w", r.PowerPeakW)
	nonNegative(c, "throttled_pct", r.ThrottledPct)
	nonNegative(c, "mem_mean_bytes", r.MemMeanBytes)
	nonNegative(c, "mem_peak_bytes", r.MemPeakBytes)
	nonNegative(c, "gpu_mem_peak_bytes", r.GPUMemPeakBytes)
	nonNegative(c, "cpu_time_ns", r.CPUTimeNS)
}

// validateAbsent checks a run that did not end ok: a reason, and nothing that looks like a measurement.
func (r *Run) validateAbsent(c *checker) {
	if r.Reason == "" {
		c.fail("reason", "", "a reason in a run with status "+string(r.Status))
	}
	absent(c, "latency_ns", r.LatencyNS)
	absent(c, "ttft_ns", r.TTFTNS)
	absent(c, "tokens_processed", r.TokensProcessed)
	absent(c, "tokens_generated", r.TokensGenerated)
	absent(c, "throughput_tok_s", r.ThroughputTokS)
	absent(c, "energy_joules", r.EnergyJoules)
	absent(c, "power_mean_w", r.PowerMeanW)
	absent(c, "joules_per_token", r.JoulesPerToken)
}
