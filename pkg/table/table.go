// Package table draws small tables of text, for terminals and as Markdown. It knows nothing of what the cells mean: the
// caller formats numbers and says which columns are right-aligned. It uses no colour, so NO_COLOR has nothing to do.
package table

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Table is a header and rows of cells. A row may be shorter than the header; what lacks is empty.
type Table struct {
	Columns    []string
	Rows       [][]string
	RightAlign []bool // by column; nil or short means left
}

// WriteText writes the table for a terminal: columns set apart by spaces under a ruled header, no trailing spaces.
func (t Table) WriteText(w io.Writer) error {
	p := t.writer()
	style := pretty.StyleLight
	style.Options = pretty.Options{SeparateHeader: true}
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatDefault
	p.SetStyle(style)
	return write(w, p.Render())
}

// WriteMarkdown writes the table as GitHub-flavoured Markdown. A bar in a cell is escaped
// and a line break is <br/>.
func (t Table) WriteMarkdown(w io.Writer) error {
	return write(w, t.writer().RenderMarkdown())
}

func (t Table) writer() pretty.Writer {
	p := pretty.NewWriter()
	p.AppendHeader(row(t.Columns, len(t.Columns)))
	for _, r := range t.Rows {
		p.AppendRow(row(r, len(t.Columns)))
	}
	var configs []pretty.ColumnConfig
	for i := range t.Columns {
		c := pretty.ColumnConfig{Number: i + 1, Align: text.AlignLeft, AlignHeader: text.AlignLeft}
		if i < len(t.RightAlign) && t.RightAlign[i] {
			c.Align, c.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, c)
	}
	p.SetColumnConfigs(configs)
	return p
}

// row is cells, filled up to n.
func row(cells []string, n int) pretty.Row {
	r := make(pretty.Row, n)
	for i := range r {
		r[i] = ""
		if i < len(cells) {
			r[i] = strings.Map(printable, cells[i])
		}
	}
	return r
}

// printable replaces control characters: a name from a file must not move a reader's cursor.
func printable(r rune) rune {
	if unicode.IsControl(r) && r != '\n' {
		return unicode.ReplacementChar
	}
	return r
}

func write(w io.Writer, s string) error {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
