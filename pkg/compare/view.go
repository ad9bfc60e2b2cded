package compare

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

// PairSchema is the schema of PairRow and its version.
const PairSchema = "bh.pair/1"

// PairRow is one pair of backends of one analysis, compared in the default design: a line of `bh-stats compare`. Its
// fields are those of PairRatio with what they belong to.
type PairRow struct {
	Schema      string      `json:"schema"`
	Mode        record.Mode `json:"mode"`
	Metric      string      `json:"metric"`
	Method      string      `json:"method"`
	Tier        record.Tier `json:"tier"`
	A           string      `json:"a"`
	B           string      `json:"b"`
	Scenarios   int         `json:"scenarios"`
	Ratio       float64     `json:"ratio"`
	CILower     *float64    `json:"ci_lower"`
	CIUpper     *float64    `json:"ci_upper"`
	T           *float64    `json:"t"`
	DF          *float64    `json:"df"`
	P           *float64    `json:"p"`
	PHolm       *float64    `json:"p_holm"`
	Significant bool        `json:"significant"`
	Absent      string      `json:"absent"`
}

// Pairs are the pairs of all analyses, in the document's order.
func (d *Document) Pairs() []PairRow {
	rows := []PairRow{}
	for i := range d.Modes {
		m := &d.Modes[i]
		if m.Default == nil {
			continue
		}
		for j := range m.Default.Pairs {
			p := &m.Default.Pairs[j]
			rows = append(rows, PairRow{
				Schema: PairSchema, Mode: m.Mode, Metric: m.Metric, Method: m.Method, Tier: m.Tier,
				A: p.A, B: p.B, Scenarios: p.Scenarios, Ratio: p.Ratio, CILower: p.CILower, CIUpper: p.CIUpper,
				T: p.T, DF: p.DF, P: p.P, PHolm: p.PHolm, Significant: p.Significant, Absent: p.Absent,
			})
		}
	}
	return rows
}

// Notes are what a reader of the pairs must know beside them: who ranks first and how sure that is, what could not be
// compared, every warning, and every paradox that is more than noise.
func (d *Document) Notes() []string {
	var notes []string
	for i := range d.Modes {
		m := &d.Modes[i]
		name := string(m.Mode) + " " + m.Metric
		if m.Method != "" {
			name += " (method " + m.Method + ")"
		}
		if m.Absent != "" {
			notes = append(notes, name+": not tested: "+m.Absent)
		} else if s := m.Default.Ranking.Sentence; s != "" {
			notes = append(notes, name+": "+s)
		}
		for _, w := range m.Warnings {
			notes = append(notes, name+": warning: "+w)
		}
	}
	if d.Runs != nil {
		for i := range d.Runs.Paradoxes {
			if p := &d.Runs.Paradoxes[i]; !p.WithinNoise {
				notes = append(notes, "paradox: "+p.Sentence)
			}
		}
	}
	return notes
}

// pairColumn is a column of the tables. value is a string, a number, a truth value, or a pointer to a number, nil for
// one that is absent.
type pairColumn struct {
	name  string
	place place
	value func(*PairRow) any
}

// place is where people see a column; files for machines have them all.
type place int

const (
	inTable   place = iota
	inCaption       // while all rows agree on it, else in the table
	hidden          // not needed to read the ratio
)

var pairColumns = []pairColumn{
	{"mode", inTable, func(p *PairRow) any { return string(p.Mode) }},
	{"metric", inCaption, func(p *PairRow) any { return p.Metric }},
	{"method", inCaption, func(p *PairRow) any { return p.Method }},
	{"tier", inCaption, func(p *PairRow) any { return string(p.Tier) }},
	{"a", inTable, func(p *PairRow) any { return p.A }},
	{"b", inTable, func(p *PairRow) any { return p.B }},
	{"scenarios", inTable, func(p *PairRow) any { return p.Scenarios }},
	{"ratio", inTable, func(p *PairRow) any { return p.Ratio }},
	{"ci_lower", inTable, func(p *PairRow) any { return p.CILower }},
	{"ci_upper", inTable, func(p *PairRow) any { return p.CIUpper }},
	{"t", hidden, func(p *PairRow) any { return p.T }},
	{"df", hidden, func(p *PairRow) any { return p.DF }},
	{"p", hidden, func(p *PairRow) any { return p.P }},
	{"p_holm", inTable, func(p *PairRow) any { return p.PHolm }},
	{"significant", inTable, func(p *PairRow) any { return p.Significant }},
	{"absent", hidden, func(p *PairRow) any { return p.Absent }},
}

// PairTable lays pairs out for people: a caption of what all rows share, and a table with numbers of four significant
// digits, units.Absent for null.
func PairTable(rows []PairRow) (caption string, t table.Table) {
	var columns []pairColumn
	var shared []string
	for _, c := range pairColumns {
		switch {
		case c.place == hidden:
		case c.place == inCaption && agree(rows, c):
			if len(rows) > 0 && c.value(&rows[0]) != "" {
				shared = append(shared, fmt.Sprint(c.name, " ", c.value(&rows[0])))
			}
		default:
			_, isText := c.value(&PairRow{}).(string)
			columns = append(columns, c)
			t.Columns = append(t.Columns, c.name)
			t.RightAlign = append(t.RightAlign, !isText)
		}
	}
	for i := range rows {
		line := make([]string, len(columns))
		for j, c := range columns {
			line[j] = show(c.value(&rows[i]), units.Absent, units.G4)
		}
		t.Rows = append(t.Rows, line)
	}
	return strings.Join(shared, ", "), t
}

func agree(rows []PairRow, c pairColumn) bool {
	return !slices.ContainsFunc(rows, func(r PairRow) bool { return c.value(&r) != c.value(&rows[0]) })
}

// WritePairsText writes pairs as a table for a terminal; no pairs are no table.
func WritePairsText(w io.Writer, rows []PairRow) error {
	return writeTable(w, rows, table.Table.WriteText)
}

// WritePairsMarkdown writes pairs as a Markdown table.
func WritePairsMarkdown(w io.Writer, rows []PairRow) error {
	return writeTable(w, rows, table.Table.WriteMarkdown)
}

func writeTable(w io.Writer, rows []PairRow, draw func(table.Table, io.Writer) error) error {
	if len(rows) == 0 {
		return nil
	}
	caption, t := PairTable(rows)
	if _, err := fmt.Fprintf(w, "%s\n\n", caption); err != nil {
		return err
	}
	return draw(t, w)
}

// show writes a value of pairColumn.
func show(v any, absent string, number func(float64) string) string {
	switch v := v.(type) {
	case float64:
		return number(v)
	case *float64:
		if v == nil {
			return absent
		}
		return number(*v)
	}
	return fmt.Sprint(v)
}

// WritePairsCSV writes pairs as CSV with a header: full precision, empty for null.
func WritePairsCSV(w io.Writer, rows []PairRow) error {
	c := csv.NewWriter(w)
	line := []string{"schema"}
	for _, col := range pairColumns {
		line = append(line, col.name)
	}
	err := c.Write(line)
	for i := range rows {
		line = append(line[:0], PairSchema)
		for _, col := range pairColumns {
			line = append(line, show(col.value(&rows[i]), "", exact))
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

func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// WritePairsJSONL writes pairs as one JSON object a line.
func WritePairsJSONL(w io.Writer, rows []PairRow) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	for i := range rows {
		if err := e.Encode(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

// WritePairsJSON writes pairs as one JSON array.
func WritePairsJSON(w io.Writer, rows []PairRow) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(rows)
}
