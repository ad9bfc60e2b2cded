// Package compare decides which differences between backends are real. It groups cells and cost rows by mode and backend,
// takes each backend's scenario values as its sample, and applies package stats in two designs: `tr119`, the one that
// Technical Report 119 used, and the default one, which compares backends within scenarios and corrects for the number
// of comparisons. What it finds is a Document, the content of stats.json. It reads no records and draws no tables:
// that is the work of packages store and report.
package compare

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// Schema is the schema of Document and its version.
const Schema = "bh.stats/1"

// Document is what stats.json holds. Every number that could not be computed is null, and an `absent` beside it says
// why. Lists are sorted (modes in the order of record.Modes, metrics in the order of Options.Metrics, methods and
// backends by name), so that equal inputs give equal bytes whatever their order.
type Document struct {
	Schema     string         `json:"schema"`
	Inputs     []string       `json:"inputs"`     // the files it was made from, as they were named
	Alpha      float64        `json:"alpha"`      // level of the tests; intervals have confidence 1-alpha
	Seed       int64          `json:"seed"`       // of the resampling behind best_share
	Resamples  int            `json:"resamples"`  // how often scenarios were resampled
	Modes      []ModeAnalysis `json:"modes"`      // one per mode, metric and, for cost metrics, method
	Throughput Throughput     `json:"throughput"` // doubts about the cells themselves
	Runs       *RunAnalysis   `json:"runs"`       // what single runs say; null for cells whose runs are gone
}

// ModeAnalysis compares the backends of one mode by one metric.
type ModeAnalysis struct {
	Mode          record.Mode    `json:"mode"`
	Metric        string         `json:"metric"`          // total_usd_per_1m, latency_ms: see Metrics
	LowerIsBetter bool           `json:"lower_is_better"` // what Ranking orders by
	Method        string         `json:"method"`          // assumption set of the cost rows (default, tr119); "" for metrics of cells
	Tier          record.Tier    `json:"tier"`            // pricing tier of the cost rows; "" for metrics of cells
	Backends      []Sample       `json:"backends"`        // those with at least one value
	TR119         *TR119Result   `json:"tr119"`           // null where it was not asked for or did not test the metric, or see Absent
	Default       *DefaultResult `json:"default"`         // null: see Absent
	Disagreements []Disagreement `json:"disagreements"`   // between the two designs
	Warnings      []string       `json:"warnings"`
	Absent        string         `json:"absent"` // why nothing could be tested; "" when something was
}

// Sample is one backend's values of the metric in one mode, one per scenario.
type Sample struct {
	Backend string          `json:"backend"` // with the settings that tell it apart, where one backend stands there twice
	N       int             `json:"n"`       // scenarios with a value
	Mean    *float64        `json:"mean"`    // arithmetic mean over scenarios
	SD      *float64        `json:"sd"`      // sample standard deviation over scenarios, n-1; null for n < 2
	GeoMean *float64        `json:"geo_mean"`
	Values  []ScenarioValue `json:"values"` // sorted by scenario
}

// ScenarioValue is the metric of one backend in one scenario, with the interval that repeating the runs gives it.
type ScenarioValue struct {
	Scenario string   `json:"scenario"`
	Value    float64  `json:"value"`
	CILower  *float64 `json:"ci_lower"` // null where the spread of the runs is not known
	CIUpper  *float64 `json:"ci_upper"`
	Runs     int64    `json:"runs"`
}

// TR119Result is the design of Technical Report 119: scenarios as independent samples, nothing corrected.
type TR119Result struct {
	ANOVA       *ANOVA      `json:"anova"`        // null: see ANOVAAbsent
	ANOVAAbsent string      `json:"anova_absent"` // why there is no ANOVA
	Pairs       []PairTR119 `json:"pairs"`
	Significant int         `json:"significant"` // pairs with p < alpha
}

// ANOVA is the one-way analysis of variance over backends.
type ANOVA struct {
	F         float64 `json:"f"`
	DFBetween float64 `json:"df_between"`
	DFWithin  float64 `json:"df_within"`
	P         float64 `json:"p"`
}

// PairTR119 is the pooled two-sample t test of backend A against backend B.
type PairTR119 struct {
	A           string   `json:"a"`
	B           string   `json:"b"`
	DiffUSD     float64  `json:"diff_usd"` // mean of A minus mean of B
	DiffPct     *float64 `json:"diff_pct"` // per cent of the mean of B; null when that is 0
	T           *float64 `json:"t"`
	DF          *float64 `json:"df"`
	P           *float64 `json:"p"`
	CohensD     *float64 `json:"cohens_d"` // s = sqrt((s1^2+s2^2)/2)
	Significant bool     `json:"significant"`
	Absent      string   `json:"absent"` // why the test could not be made
}

// DefaultResult is the default design: backends compared within scenarios, on ratios, Holm-adjusted within the mode.
type DefaultResult struct {
	Tests   int         `json:"tests"` // pairs that were tested, the family of the Holm adjustment
	Pairs   []PairRatio `json:"pairs"`
	Ranking Ranking     `json:"ranking"`
}

// PairRatio is the paired t test of the log ratios A/B over the scenarios that both have.
type PairRatio struct {
	A           string          `json:"a"`
	B           string          `json:"b"`
	Scenarios   int             `json:"scenarios"` // that both have
	Ratio       float64         `json:"ratio"`     // geometric mean of A/B over them
	CILower     *float64        `json:"ci_lower"`  // of this pair alone, not adjusted for the number of pairs
	CIUpper     *float64        `json:"ci_upper"`
	T           *float64        `json:"t"`
	DF          *float64        `json:"df"`
	P           *float64        `json:"p"`
	PHolm       *float64        `json:"p_holm"`
	Significant bool            `json:"significant"` // p_holm < alpha
	Absent      string          `json:"absent"`      // why the test could not be made
	PerScenario []ScenarioRatio `json:"per_scenario"`
}

// ScenarioRatio is A/B in one scenario, with the interval that repeating the runs gives it.
type ScenarioRatio struct {
	Scenario string   `json:"scenario"`
	Ratio    float64  `json:"ratio"`
	CILower  *float64 `json:"ci_lower"` // Welch on the log scale; null: see Absent
	CIUpper  *float64 `json:"ci_upper"`
	Absent   string   `json:"absent"`
}

// Ranking orders the backends of a mode, best first, and says how sure that order is.
type Ranking struct {
	Scenarios []string `json:"scenarios"` // the scenarios that all ranked backends have, over which they are ranked
	Ranks     []Rank   `json:"ranks"`
	Sure      bool     `json:"sure"`     // the first is significantly better than every other
	Sentence  string   `json:"sentence"` // the same in words
	Absent    string   `json:"absent"`   // why there is no ranking
}

// Rank is the place of one backend.
type Rank struct {
	Rank      int      `json:"rank"` // from 1
	Backend   string   `json:"backend"`
	GeoMean   float64  `json:"geo_mean"`   // of the metric over Ranking.Scenarios
	ToBest    float64  `json:"to_best"`    // its geometric mean over the best one's
	RankLower int      `json:"rank_lower"` // best and worst rank that the tests leave open
	RankUpper int      `json:"rank_upper"`
	TiedWith  []string `json:"tied_with"`  // backends that no test separates it from
	BestShare *float64 `json:"best_share"` // share of scenario resamples in which it ranks first; descriptive, not a probability
}

// DisagreementKind is how the two designs disagree about a pair.
type DisagreementKind string

// The kinds.
const (
	OnlyTR119   DisagreementKind = "only_tr119"   // significant under tr119, not under the default design
	OnlyDefault DisagreementKind = "only_default" // the other way round
	Direction   DisagreementKind = "direction"    // the difference of means and the ratio point in opposite directions
)

// Disagreement is a pair that the two designs judge differently.
type Disagreement struct {
	A        string           `json:"a"`
	B        string           `json:"b"`
	Kind     DisagreementKind `json:"kind"`
	DiffUSD  float64          `json:"diff_usd"`
	Ratio    float64          `json:"ratio"`
	PTR119   *float64         `json:"p_tr119"`
	PHolm    *float64         `json:"p_holm"`
	Sentence string           `json:"sentence"`
}

// Throughput lists what a reader must know about the cells before believing any table made of them.
type Throughput struct {
	EstimatorsDiffer []EstimatorGap     `json:"estimators_differ"` // ratio and mean differ by more than EstimatorGapPct
	BelowZero        []NegativeInterval `json:"below_zero"`        // the interval of the mean latency reaches below zero
	FewRuns          []FewRuns          `json:"few_runs"`          // fewer than MinRuns good runs
	AbsentBackends   []AbsentBackend    `json:"absent_backends"`   // no good run in a mode
}

// CellID names a cell.
type CellID struct {
	Backend  string      `json:"backend"`
	Mode     record.Mode `json:"mode"`
	Scenario string      `json:"scenario"`
}

// EstimatorGap is a cell whose throughput depends on the estimator.
type EstimatorGap struct {
	CellID
	RatioTokS float64 `json:"ratio_tok_s"` // total tokens / total time
	MeanTokS  float64 `json:"mean_tok_s"`  // mean of the runs' throughputs
	GapPct    float64 `json:"gap_pct"`     // by how much the mean exceeds the ratio, per cent of the ratio
}

// NegativeInterval is a cell whose symmetric interval of the mean latency says something impossible.
type NegativeInterval struct {
	CellID
	MeanMS     float64  `json:"lat_mean_ms"`
	LowerMS    float64  `json:"lat_ci_lower_ms"`
	UpperMS    float64  `json:"lat_ci_upper_ms"`
	LogLowerMS *float64 `json:"log_ci_lower_ms"` // the interval on the log scale, which stays above zero
	LogUpperMS *float64 `json:"log_ci_upper_ms"`
}

// FewRuns is a cell with too few good runs for its spread to mean much.
type FewRuns struct {
	CellID
	N int64 `json:"n"`
}

// AbsentBackend is a backend without a single good run in a mode.
type AbsentBackend struct {
	Backend  string      `json:"backend"`
	Mode     record.Mode `json:"mode"`
	Degraded int64       `json:"n_degraded"`
	Errors   int64       `json:"n_error"`
	Reasons  []string    `json:"reasons"`
}

// Find returns the analysis of mode by metric under method ("" for metrics of cells), or nil when there is none.
func (d *Document) Find(mode record.Mode, metric, method string) *ModeAnalysis {
	for i := range d.Modes {
		if m := &d.Modes[i]; m.Mode == mode && m.Metric == metric && m.Method == method {
			return m
		}
	}
	return nil
}

// ReadDocument reads a stats.json. A file that is missing, empty, cut off or not of this schema is bad input.
func ReadDocument(path string) (*Document, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cli.BadInputf("statistics: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	var d Document
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, cli.BadInputf("%s: not a statistics document: %w", path, err)
	}
	if d.Schema != Schema {
		return nil, cli.BadInputf("%s: field schema: saw %q, want %q", path, d.Schema, Schema)
	}
	return &d, nil
}

// JSON is the document as indented JSON with a final newline.
func (d *Document) JSON() ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false) // "<" in a sentence stays readable
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return nil, fmt.Errorf("statistics: %w", err)
	}
	return buf.Bytes(), nil
}

// Write writes the document to path, whole or not at all.
func (d *Document) Write(path string) error {
	data, err := d.JSON()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, data)
}
