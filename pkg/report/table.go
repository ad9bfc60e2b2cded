package report

import (
	"fmt"
	"strings"
)

// tableBuilder collects the rows of a table and, from its numbers, the notes that it needs.
type tableBuilder struct {
	table   Table
	partial []string // rows whose means lack scenarios
}

// newTable starts a table. Columns are the names of text columns, then those of numeric ones.
func newTable(caption string, text, numeric []string) *tableBuilder {
	t := &tableBuilder{table: Table{Caption: caption}}
	for _, name := range text {
		t.table.Columns = append(t.table.Columns, Column{Name: name})
	}
	for _, name := range numeric {
		t.table.Columns = append(t.table.Columns, Column{Name: name, Numeric: true})
	}
	return t
}

// row adds a row: texts for the text columns, then numbers.
func (t *tableBuilder) row(texts []string, numbers ...number) {
	cells := make([]Line, 0, len(t.table.Columns))
	for _, s := range texts {
		cells = append(cells, phrase(s))
	}
	part := ""
	for _, n := range numbers {
		cells = append(cells, n.cell())
		if n.of > 0 && n.of < n.want {
			part = fmt.Sprintf("%s (%d of %d)", strings.Join(texts, " "), n.of, n.want)
		}
	}
	if part != "" {
		t.partial = append(t.partial, part)
	}
	t.lines(cells)
}

// lines adds a row of cells. A row that does not fit the columns is a programmer's mistake.
func (t *tableBuilder) lines(cells []Line) {
	if len(cells) != len(t.table.Columns) {
		panic(fmt.Sprintf("report: table %q: a row of %d cells under %d columns", t.table.Caption, len(cells), len(t.table.Columns)))
	}
	t.table.Rows = append(t.table.Rows, cells)
}

// note adds a note below the table.
func (t *tableBuilder) note(pattern string, spans ...Span) {
	t.table.Notes = append(t.table.Notes, prose(pattern, spans...))
}

// block is the finished table.
func (t *tableBuilder) block() Block {
	if len(t.partial) > 0 {
		t.note("Means over fewer rows than planned, not to be set beside the others: %s.", word(strings.Join(t.partial, "; ")))
	}
	for _, row := range t.table.Rows {
		for _, cell := range row {
			if cell.estimated() {
				t.table.Notes = append(t.table.Notes, phrase(EstimateNote))
				return t.table
			}
		}
	}
	return t.table
}
