package main

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/table"
)

// planWriter is how a plan is written in a format; it is no table of records, so it has not all of theirs.
func planWriter(f store.Format) (func(*plan, io.Writer) error, error) {
	switch f {
	case "", store.Text:
		return func(p *plan, w io.Writer) error { return p.write(w, table.Table.WriteText, "") }, nil
	case store.Markdown:
		return func(p *plan, w io.Writer) error { return p.write(w, table.Table.WriteMarkdown, "\n") }, nil
	case store.JSON:
		return (*plan).writeJSON, nil
	}
	return nil, cli.BadInputf("--format: saw %q, want %s, %s or %s: a plan is written in no other", f, store.Text, store.Markdown, store.JSON)
}

// writeJSON writes one object.
func (p *plan) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(p)
}

// write writes a table, and after between what it comes to.
func (p *plan) write(w io.Writer, asTable func(table.Table, io.Writer) error, between string) error {
	text := fmt.Sprintf("%s%d runs on %s; roughly %s for those that can run here (a rule of thumb, nothing was measured)\n",
		between, p.Runs, p.Model, seconds(p.EstimateS).Round(time.Second))
	if p.Note != "" {
		text += between + p.Note + "\n"
	}
	if err := asTable(p.table(), w); err != nil {
		return err
	}
	_, err := io.WriteString(w, text)
	return err
}

func (p *plan) table() table.Table {
	if len(p.Steps) > 0 {
		t := table.Table{Columns: []string{"order", "run_id", "roughly"}, RightAlign: []bool{true, false, true}}
		for _, s := range p.Steps {
			t.Rows = append(t.Rows, []string{fmt.Sprint(s.Order), s.RunID, seconds(s.EstimateS).Round(time.Millisecond).String()})
		}
		return t
	}
	t := table.Table{Columns: []string{"backend", "mode", "runs", "roughly", "here"}, RightAlign: []bool{false, false, true, true, false}}
	for _, g := range p.Groups {
		here := "yes"
		if g.Obstacle != "" {
			here = "no: " + g.Obstacle
		}
		t.Rows = append(t.Rows, []string{g.Backend, string(g.Mode), fmt.Sprint(g.Runs), seconds(g.EstimateS).Round(time.Second).String(), here})
	}
	return t
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
