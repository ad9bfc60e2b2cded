package compare

import "github.com/banterhearts/bh/pkg/record"

// RunAnalysis is what single runs say and cells cannot. Its design is that of Technical Report 117: the runs of a backend
// in all scenarios are one sample, so its tests take the spread between scenarios for noise; ModeAnalysis compares within
// scenarios. Where a backend ran in several sessions, these and not its runs are the units of its intervals and tests. Lists are sorted by mode and backend unless they say otherwise, and empty where there is nothing to say.
type RunAnalysis struct {
	Statuses  []StatusCount `json:"statuses"`
	Models    []ModelUse    `json:"models"` // more than one: a difference between backends may be one of models
	Backends  []BackendRuns `json:"backends"`
	Tests     []RunTests    `json:"tests"`
	Paradoxes []Paradox     `json:"paradoxes"`
	Agreement []Agreement   `json:"agreement"` // over all scenarios
	// AgreementByScenario is the same in each scenario, within mode and backend.
	AgreementByScenario []Agreement     `json:"agreement_by_scenario"`
	Isolation           []Isolation     `json:"isolation"`
	Sessions            []SessionSpread `json:"sessions"`    // of cells with runs in several sessions
	Preparation         []Preparation   `json:"preparation"` // of backends that told how long they loaded or compiled
	Servers             []ServerShare   `json:"servers"`     // of backends whose server told its own times
	InFlight            []InFlight      `json:"in_flight"`   // of scenarios with several requests in flight
}

// StatusCount counts the planned runs of a backend that ended alike. It is sorted by backend first.
type StatusCount struct {
	Backend string        `json:"backend"`
	Mode    record.Mode   `json:"mode"`
	Status  record.Status `json:"status"`
	Reason  string        `json:"reason"` // "" for ok
	Runs    int64         `json:"runs"`
}

// ModelUse is a model and the backends that ran it.
type ModelUse struct {
	Model    string   `json:"model"`
	Backends []string `json:"backends"`
}

// BackendRuns describes the runs of one backend in one mode, over all scenarios.
type BackendRuns struct {
	Backend     string      `json:"backend"`
	Mode        record.Mode `json:"mode"`
	Planned     int64       `json:"planned"`
	OK          int64       `json:"ok"`
	SuccessRate float64     `json:"success_rate"` // ok over planned
	Scenarios   int         `json:"scenarios"`
	// Metrics are latency_ms, ttft_ms, throughput_tok_s and requests_per_s, in this order, without those it lacks.
	Metrics []Distribution `json:"metrics"`
}

// Metric returns the distribution of the metric called name, or nil when there is none.
func (b *BackendRuns) Metric(name string) *Distribution {
	for i := range b.Metrics {
		if b.Metrics[i].Metric == name {
			return &b.Metrics[i]
		}
	}
	return nil
}

// Distribution describes the values of one metric over runs. Percentiles are of type 7.
type Distribution struct {
	Metric    string   `json:"metric"`
	N         int      `json:"n"`
	Sessions  int      `json:"sessions"` // that the values come from
	Mean      float64  `json:"mean"`
	MeanLower *float64 `json:"mean_ci_lower"` // bootstrap, BCa; of several sessions Student's over them; null without variation
	MeanUpper *float64 `json:"mean_ci_upper"`
	SD        *float64 `json:"sd"` // sample standard deviation, n-1; null for one run
	Min       float64  `json:"min"`
	P50       float64  `json:"p50"`          // the median
	P50Lower  *float64 `json:"p50_ci_lower"` // bootstrap, percentile method, of values or of several sessions as wholes
	P50Upper  *float64 `json:"p50_ci_upper"`
	P50Absent string   `json:"p50_ci_absent"` // why sessions were not resampled; "" where they were, or where there is one
	P95       float64  `json:"p95"`
	P99       float64  `json:"p99"`
	Max       float64  `json:"max"`
	// CVWithinPct is the mean over scenarios of sd over mean within one, per cent; null without a scenario of two runs.
	CVWithinPct *float64 `json:"cv_within_pct"`
}

// What a value of RunTests is.
const (
	UnitRun     = "run"
	UnitSession = "session" // the mean over a session's scenarios of the mean of its runs in each
)

// RunTests are the tests of one metric in one mode, with runs as values, or sessions where some backend has several.
type RunTests struct {
	Mode          record.Mode `json:"mode"`
	Metric        string      `json:"metric"`
	LowerIsBetter bool        `json:"lower_is_better"`
	Unit          string      `json:"unit"`         // run or session: what the analysis of variance is over
	ANOVA         *ANOVA      `json:"anova"`        // null: see ANOVAAbsent
	ANOVAAbsent   string      `json:"anova_absent"` // why there is no ANOVA
	Tests         int         `json:"tests"`        // pairs that were tested, the family of the Bonferroni adjustment
	Pairs         []RunPair   `json:"pairs"`
	Warnings      []string    `json:"warnings"`
}

// RunPair compares backend A with backend B by a paired t test over the scenarios, sessions and repetitions that both have:
// of one session over the differences of its runs, of several over the sessions' mean differences (stats.PairedClusters).
type RunPair struct {
	A           string   `json:"a"`
	B           string   `json:"b"`
	N           int      `json:"n"`        // pairs of runs
	Sessions    int      `json:"sessions"` // that the pairs come from
	Diff        float64  `json:"diff"`     // mean of A minus B over them
	DiffPct     *float64 `json:"diff_pct"` // per cent of the mean of B; null when that is 0
	CILower     *float64 `json:"ci_lower"` // bootstrap of Diff, BCa; of several sessions that of the test; null without variation
	CIUpper     *float64 `json:"ci_upper"`
	T           *float64 `json:"t"`
	DF          *float64 `json:"df"`
	P           *float64 `json:"p"`
	PBonferroni *float64 `json:"p_bonferroni"`
	CohensD     *float64 `json:"cohens_d"`    // of the two samples, s = sqrt((s1^2+s2^2)/2)
	Significant bool     `json:"significant"` // p_bonferroni < alpha
	Absent      string   `json:"absent"`      // why the test could not be made
}

// Paradox is a pair of backends whose order by the mean is not their order by the median or a percentile.
type Paradox struct {
	Mode      record.Mode `json:"mode"`
	Metric    string      `json:"metric"`
	A         string      `json:"a"`         // the one with the lower mean
	B         string      `json:"b"`         // the one that some other statistic puts first
	Reversed  []string    `json:"reversed"`  // the statistics by which B comes first: p50, p95, p99
	Orders    []Order     `json:"orders"`    // of mean, p50, p95, p99
	Crossings []Crossing  `json:"crossings"` // where the quantile functions cross, from the left
	Stretches []Stretch   `json:"stretches"` // who comes first between the crossings
	// SlowestOfB is how many of B's slowest runs must be left out for B to have the lower mean as well; null where leaving
	// out half of them does not.
	SlowestOfB *int `json:"slowest_of_b"`
	// Scenarios is how many scenarios both have, and ScenariosB in how many of them alone the first reversed statistic puts B
	// first: few of many, and the contradiction is one of how the scenarios mix.
	Scenarios   int  `json:"scenarios"`
	ScenariosB  int  `json:"scenarios_b_first"`
	WithinNoise bool `json:"within_noise"` // no reversed statistic shows the paradox in a share 1-alpha of the resamples
	// ResamplingAbsent is why nothing was resampled, "" where it was: there are no shares, and picks are open.
	ResamplingAbsent string `json:"resampling_absent"`
	DisturbedA       int    `json:"disturbed_a"` // runs of A that are flagged for other load on the CPUs
	DisturbedB       int    `json:"disturbed_b"`
	Sentence         string `json:"sentence"` // what it means, in words
}

// Order is how one statistic ranks the two backends of a paradox.
type Order struct {
	Statistic string  `json:"statistic"`
	A         float64 `json:"a"`
	B         float64 `json:"b"`
	First     string  `json:"first"` // the backend with the lower value; "" where they are equal
	// Share of the resamples (of runs within scenarios, or of several sessions as wholes) that give the same order; of a
	// reversed statistic, ParadoxShare of those that give this order and that of the means. Null: see ResamplingAbsent.
	Share        *float64 `json:"share"`
	ParadoxShare *float64 `json:"paradox_share"`
	Pick         string   `json:"pick"` // First, or "either" where fewer than a share 1-alpha of the resamples agree
}

// Crossing is where two quantile functions meet and change places.
type Crossing struct {
	Percentile float64 `json:"percentile"`
	Value      float64 `json:"value"` // of both, in the unit of the metric
}

// Stretch is a range of percentiles in which one backend comes first throughout.
type Stretch struct {
	From    float64 `json:"from"` // percentile
	To      float64 `json:"to"`
	First   string  `json:"first"`
	MeanGap float64 `json:"mean_gap"` // by how much, on average over the range; above 0
}

// Agreement is how far the tokens of a backend are those of the reference, run by run.
type Agreement struct {
	Backend     string      `json:"backend"`
	Mode        record.Mode `json:"mode"`
	Scenario    string      `json:"scenario"`    // "" for all of them together
	Reference   string      `json:"reference"`   // onnxruntime-cpu in fp32 where it has runs, else see docs/definitions.md
	Temperature float64     `json:"temperature"` // 0 is greedy
	Runs        int         `json:"runs"`        // good ones
	Compared    int         `json:"compared"`    // whose ids are known, as are those of the reference's run
	Equal       int         `json:"equal"`       // runs with the same tokens throughout
	// FirstEqual counts the runs with the same first token in every sequence: where it is sampled, a sign of the same draws.
	FirstEqual int      `json:"first_equal"`
	Share      *float64 `json:"token_share"` // mean share of equal tokens over the compared runs; null without any
	// FirstDifference is the median position, from 1, of the first token that differs, over the runs that differ.
	FirstDifference *float64 `json:"first_difference"`
	OwnSampler      bool     `json:"own_sampler"` // sampled, by a server with random numbers of its own
	Absent          string   `json:"absent"`      // why nothing could be compared
}

// Isolation says how undisturbed the good runs of a backend were, over all modes.
type Isolation struct {
	Backend string      `json:"backend"`
	Runs    int64       `json:"runs"`
	Flagged int64       `json:"flagged"` // with at least one flag
	Flags   []FlagCount `json:"flags"`   // sorted by flag
	// NotObserved counts the runs of which the foreign load or the steal is not known: without a flag, nobody knows that
	// they were undisturbed.
	NotObserved     int64    `json:"not_observed"`
	StealKnown      int64    `json:"steal_known"`
	StealMeanPct    *float64 `json:"cpu_steal_mean_pct"`
	StealMaxPct     *float64 `json:"cpu_steal_max_pct"`
	ForeignKnown    int64    `json:"foreign_known"`
	ForeignMeanPct  *float64 `json:"foreign_cpu_mean_pct"`
	ForeignMaxPct   *float64 `json:"foreign_cpu_max_pct"`
	ForeignGPUProcs *int64   `json:"foreign_gpu_processes_max"`
}

// FlagCount counts the runs that carry a flag.
type FlagCount struct {
	Flag string `json:"flag"`
	Runs int64  `json:"runs"`
}

// SessionSpread splits the variance of the latencies of a cell into what differs between worker processes and what differs
// within one: a one-way random effects model, see splitVariance.
type SessionSpread struct {
	CellID
	Sessions     int      `json:"sessions"`
	N            int      `json:"n"`
	MeanMS       float64  `json:"mean_ms"`
	BetweenSDMS  *float64 `json:"between_sd_ms"`
	WithinSDMS   *float64 `json:"within_sd_ms"`
	BetweenShare *float64 `json:"between_share"` // of the variance of one run, from 0 to 1
	F            *float64 `json:"f"`
	P            *float64 `json:"p"`
	PHolm        *float64 `json:"p_holm"` // adjusted for the number of cells split
	// DesignEffect is by how much the variance of the mean exceeds that of as many independent runs, and EffectiveN how many
	// independent runs would say as much.
	DesignEffect *float64 `json:"design_effect"`
	EffectiveN   *float64 `json:"effective_n"`
	Absent       string   `json:"absent"` // why the split could not be made
}

// Preparation is what a backend took before it could run: no part of any latency.
type Preparation struct {
	Backend       string   `json:"backend"`
	Sessions      int      `json:"sessions"`
	LoadMeanMS    *float64 `json:"model_load_mean_ms"` // over sessions
	LoadMinMS     *float64 `json:"model_load_min_ms"`
	LoadMaxMS     *float64 `json:"model_load_max_ms"`
	CompiledCells int      `json:"compiled_cells"` // cells of a session that something was compiled for
	CompileSumMS  *float64 `json:"compile_sum_ms"` // over them
	CompileMaxMS  *float64 `json:"compile_max_ms"`
	GraphBreaks   *int64   `json:"graph_breaks_max"`
	Recompiled    int64    `json:"recompiled_runs"` // runs with a compilation inside the window
}

// ServerShare sets what the client saw of a request beside what the server says it spent.
type ServerShare struct {
	Backend    string      `json:"backend"`
	Mode       record.Mode `json:"mode"`
	Runs       int         `json:"runs"` // whose server told its times
	ClientMS   float64     `json:"client_mean_ms"`
	LoadMS     float64     `json:"server_load_mean_ms"`
	PrefillMS  float64     `json:"server_prefill_mean_ms"`
	DecodeMS   float64     `json:"server_decode_mean_ms"`
	OverheadMS float64     `json:"overhead_mean_ms"` // client less prefill and decode
	// UnaccountedMS is client less prefill, decode and load: what is in no clock of the server's, waiting for its turn among
	// concurrent requests included.
	UnaccountedMS float64 `json:"overhead_without_load_mean_ms"`
	OverheadP95   float64 `json:"overhead_p95_ms"`
	OverheadPct   float64 `json:"overhead_pct"` // of the client's mean
	CachedRuns    int64   `json:"cached_runs"`  // whose prompt came from a cache, at least in part
}

// InFlight shows whether the requests of a concurrent scenario were in flight together.
type InFlight struct {
	CellID
	Concurrency int64   `json:"concurrency"`
	Runs        int     `json:"runs"`
	MakespanMS  float64 `json:"makespan_mean_ms"` // from the release of all requests to the end of the last
	RequestMS   float64 `json:"request_mean_ms"`  // of one request
	InFlight    float64 `json:"in_flight_mean"`   // sum of the requests' latencies over the makespan
	Least       float64 `json:"in_flight_min"`
}
