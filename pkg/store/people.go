package store

import (
	"io"
	"reflect"
	"strings"

	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	register(codec{rank: 6, format: Markdown, ext: ".md", write: tableWriterOf(table.Table.WriteMarkdown)})
	register(codec{rank: 7, format: Text, write: tableWriterOf(table.Table.WriteText)})
}

// tableWriter gathers rows for a table for people.
type tableWriter struct {
	w      io.Writer
	cols   []*column
	table  table.Table
	render func(table.Table, io.Writer) error
}

func tableWriterOf(render func(table.Table, io.Writer) error) func(io.Writer, *kind, []*column) (rowWriter, error) {
	return func(w io.Writer, _ *kind, cols []*column) (rowWriter, error) {
		t := &tableWriter{w: w, cols: cols, render: render}
		for _, c := range cols {
			t.table.Columns = append(t.table.Columns, c.name)
			t.table.RightAlign = append(t.table.RightAlign, c.typ == integer || c.typ == number)
		}
		return t, nil
	}
}

func (t *tableWriter) write(row reflect.Value) error {
	line := make([]string, len(t.cols))
	for i, c := range t.cols {
		line[i] = c.show(row)
	}
	t.table.Rows = append(t.table.Rows, line)
	return nil
}

func (t *tableWriter) close() error { return t.render(t.table, t.w) }

// show is the value of the column as people read it: four significant digits, null as units.Absent, a text in one line.
func (c *column) show(row reflect.Value) string {
	v, ok := c.value(row)
	switch {
	case !ok:
		return units.Absent
	case c.typ == number:
		return units.G4(v.Float())
	case c.typ == text:
		return strings.Join(strings.Fields(v.String()), " ")
	}
	return c.text(row)
}
