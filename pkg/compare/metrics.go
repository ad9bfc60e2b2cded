package compare

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

// MetricSchema is the schema of MetricRow and its version.
const MetricSchema = "bh.metric/1"

// MetricRow is one run as Technical Report 117 lists it: what became of it, how long it took, and how many of its tokens
// are those of the reference backend. A run that is not ok has a reason and no measurements.
type MetricRow struct {
	Schema          string        `json:"schema"`
	Experiment      string        `json:"experiment"`
	Host            string        `json:"host"`
	RunID           string        `json:"run_id"`
	Backend         string        `json:"backend"`
	Model           string        `json:"model"`
	Precision       string        `json:"precision"`
	Device          record.Device `json:"device"`
	Settings        string        `json:"settings"`
	Threads         int64         `json:"threads"`
	Scenario        string        `json:"scenario"`
	Mode            record.Mode   `json:"mode"`
	Concurrency     int64         `json:"concurrency"`
	PromptTokens    int64         `json:"prompt_tokens"`
	MaxNewTokens    int64         `json:"max_new_tokens"`
	Temperature     float64       `json:"temperature"`
	Seed            int64         `json:"seed"`
	Session         int64         `json:"session"`
	Repetition      int64         `json:"repetition"`
	Status          record.Status `json:"status"`
	Reason          string        `json:"reason"`
	LatencyMS       *float64      `json:"latency_ms"`
	TTFTMS          *float64      `json:"ttft_ms"`
	TokensGenerated *int64        `json:"tokens_generated"`
	ThroughputTokS  *float64      `json:"throughput_tok_s"`
	RequestsPerS    *float64      `json:"requests_per_s"`
	PowerMeanW      *float64      `json:"power_mean_w"`
	EnergyJoules    *float64      `json:"energy_joules"`
	EnergyGrade     record.Grade  `json:"energy_grade"`
	// Accuracy is the share of the run's tokens that are those of the reference's run of the same task; null where the ids of
	// one of the two are not known.
	Accuracy        *float64 `json:"accuracy"`
	FirstDifference *int64   `json:"first_difference"` // position from 1 of the first token that differs; null where none does
	Reference       string   `json:"accuracy_reference"`
	Flags           string   `json:"flags"`
}

// MetricsOf are the rows of runs, in their order.
func MetricsOf(runs []*record.Run) []MetricRow {
	c := NewRuns()
	for _, r := range runs {
		c.Add(r)
	}
	ids := map[identity]bool{}
	for i := range c.good {
		ids[c.good[i].id] = true
	}
	groups := c.grouped(labelsOf(ids))
	refs := references(groups)
	outputs := c.outputsOf(groups, refs)
	rows := make([]MetricRow, len(runs))
	good := 0 // of those seen so far, which c keeps in the same order
	for i, r := range runs {
		rows[i] = metricRow(r)
		if r.Status != record.OK {
			continue
		}
		rows[i].measured(r)
		rows[i].compared(c.agree(&c.good[good], refs, outputs))
		good++
	}
	return rows
}

// metricRow is what is known of every run.
func metricRow(r *record.Run) MetricRow {
	return MetricRow{
		Schema: MetricSchema, Experiment: r.Experiment, Host: r.Host, RunID: r.RunID, Backend: r.Backend, Model: r.Model,
		Precision: r.Precision, Device: r.Device, Settings: r.Settings, Threads: r.Threads, Scenario: r.Scenario, Mode: r.Mode,
		Concurrency: max(r.Concurrency, 1), PromptTokens: int64(r.PromptTokens), MaxNewTokens: int64(r.MaxNewTokens),
		Temperature: r.Temperature, Seed: r.Seed, Session: r.Session, Repetition: r.Repetition, Status: r.Status, Reason: r.Reason,
		Flags: r.Flags,
	}
}

// measured fills in what a good run has.
func (m *MetricRow) measured(r *record.Run) {
	m.LatencyMS, m.TTFTMS = milli(r.LatencyNS), milli(r.TTFTNS)
	if r.TokensGenerated != nil {
		n := int64(*r.TokensGenerated)
		m.TokensGenerated = &n
	}
	m.ThroughputTokS = pointer(r.ThroughputTokS)
	rate := float64(m.Concurrency) * 1e3 / *m.LatencyMS
	m.RequestsPerS = &rate
	m.PowerMeanW, m.EnergyJoules, m.EnergyGrade = pointer(r.PowerMeanW), pointer(r.EnergyJoules), r.EnergyGrade
}

// compared fills in how far the tokens are the reference's.
func (m *MetricRow) compared(a agreed) {
	m.Reference = a.reference
	if !a.known {
		return
	}
	m.Accuracy = &a.share
	if a.first > 0 {
		first := int64(a.first)
		m.FirstDifference = &first
	}
}

// metricColumns are the names of all columns, in order.
func metricColumns() []string {
	t := reflect.TypeFor[MetricRow]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("json")
	}
	return names
}

// text is the i-th column of the row: a number as number writes it, absent for null.
func (m *MetricRow) text(i int, absent string, number func(float64) string) string {
	v := reflect.ValueOf(m).Elem().Field(i)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return absent
		}
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return fmt.Sprint(v.Int())
	case v.CanFloat():
		return number(v.Float())
	}
	return v.String()
}

// WriteMetricsCSV writes rows as CSV with a header: full precision, empty for null.
func WriteMetricsCSV(w io.Writer, rows []MetricRow) error {
	c := csv.NewWriter(w)
	names := metricColumns()
	err := c.Write(names)
	line := make([]string, len(names))
	for i := range rows {
		for j := range line {
			line[j] = rows[i].text(j, "", exact)
		}
		if err == nil {
			err = c.Write(line)
		}
	}
	c.Flush()
	if err == nil {
		err = c.Error()
	}
	return err
}

// WriteMetricsJSONL writes rows as one JSON object a line.
func WriteMetricsJSONL(w io.Writer, rows []MetricRow) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range rows {
		if err := e.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// metricsForPeople are the columns that people see.
var metricsForPeople = []string{"backend", "scenario", "mode", "repetition", "status", "reason", "latency_ms", "ttft_ms",
	"tokens_generated", "throughput_tok_s", "accuracy", "first_difference", "flags"}

// metricTable lays rows out for people.
func metricTable(rows []MetricRow) table.Table {
	at := map[string]int{}
	for i, name := range metricColumns() {
		at[name] = i
	}
	var t table.Table
	for _, name := range metricsForPeople {
		t.Columns = append(t.Columns, name)
		t.RightAlign = append(t.RightAlign, reflect.TypeFor[MetricRow]().Field(at[name]).Type.Kind() != reflect.String)
	}
	for i := range rows {
		line := make([]string, len(metricsForPeople))
		for j, name := range metricsForPeople {
			line[j] = rows[i].text(at[name], units.Absent, units.G4)
		}
		t.Rows = append(t.Rows, line)
	}
	return t
}

// WriteMetricsText writes rows as a table for a terminal.
func WriteMetricsText(w io.Writer, rows []MetricRow) error { return metricTable(rows).WriteText(w) }

// WriteMetricsMarkdown writes rows as a Markdown table.
func WriteMetricsMarkdown(w io.Writer, rows []MetricRow) error {
	return metricTable(rows).WriteMarkdown(w)
}
