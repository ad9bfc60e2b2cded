package store

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"reflect"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// rowWriter writes rows in one format.
type rowWriter interface {
	write(row reflect.Value) error // an addressable struct value
	close() error                  // what is not written yet; does not close the io.Writer
}

// Writer writes a stream of records in bounded memory, except in the formats for people, which need all rows to set the
// widths of their columns.
type Writer[T Row] struct {
	rows rowWriter
	n    int
}

// NewWriter starts a stream of records on w. JSON-lines and CSV write each record with one call of w.Write, so that a
// reader at the other end of a pipe sees it at once; wrap w in a bufio.Writer where throughput matters more. Parquet and
// Arrow write a batch of rows at a time.
func NewWriter[T Row](w io.Writer, f Format) (*Writer[T], error) {
	k := kindOf[T]()
	return newWriter[T](w, f, k.human)
}

func newWriter[T Row](w io.Writer, f Format, cols []*column) (*Writer[T], error) {
	c, err := codecOf(f)
	if err != nil {
		return nil, err
	}
	rows, err := c.write(w, kindOf[T](), cols)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", f, err)
	}
	return &Writer[T]{rows: rows}, nil
}

// Write writes one record, and refuses one that does not pass Validate: what it would write, no reader would take.
func (w *Writer[T]) Write(row *T) error {
	w.n++
	r, ok := any(row).(record.Record)
	if !ok {
		panic(fmt.Sprintf("store: %T is not a record", row))
	}
	if err := r.Validate(); err != nil {
		return fmt.Errorf("write record %d: %w", w.n, err)
	}
	if err := w.rows.write(reflect.ValueOf(row).Elem()); err != nil {
		return fmt.Errorf("write record %d: %w", w.n, err)
	}
	return nil
}

// Close writes what is still held back and the end of the format. It does not close the io.Writer.
func (w *Writer[T]) Close() error {
	if err := w.rows.close(); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

// WriteFile writes rows to path, in the format of its extension. The file appears whole or not at all.
func WriteFile[T Row](path string, rows []T) error {
	return Put(Output{Path: path}, rows)
}

// Output says where records go.
type Output struct {
	Path    string    // a file; empty or "-" for Stdout
	Format  Format    // empty: by the extension of Path; for Stdout a table on a terminal, else JSON-lines
	Stdout  io.Writer // nil for os.Stdout
	Columns []string  // of tables for people (Markdown and Text), in order; none: a choice for the kind of record
}

// Put writes all rows to o. A file appears whole or not at all.
//
// Errors: an unknown extension, format or column is bad input; a closed pipe is recognised by cli.ExitCode.
func Put[T Row](o Output, rows []T) error {
	cols, err := kindOf[T]().choose(o.Columns)
	if err != nil {
		return err
	}
	if o.Path != "" && o.Path != stdinName {
		return putFile(o, rows, cols)
	}
	out := o.Stdout
	if out == nil {
		out = os.Stdout
	}
	f := o.Format
	switch {
	case f != "":
	case cli.IsTerminal(out):
		f = Text
	default:
		f = JSONL
	}
	return putAll(out, f, rows, cols)
}

func putFile[T Row](o Output, rows []T, cols []*column) error {
	f := o.Format
	if f == "" {
		var err error
		if f, err = FormatOf(o.Path); err != nil {
			return err
		}
	}
	if _, err := codecOf(f); err != nil {
		return err
	}
	file, err := atomicfile.Create(o.Path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	if err := putAll(file, f, rows, cols); err != nil {
		return fmt.Errorf("%s: %w", o.Path, err)
	}
	return file.Commit()
}

func putAll[T Row](out io.Writer, f Format, rows []T, cols []*column) error {
	buf := bufio.NewWriterSize(out, readBuffer)
	w, err := newWriter[T](buf, f, cols)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return buf.Flush()
}

// choose looks up columns by name.
func (k *kind) choose(names []string) ([]*column, error) {
	if len(names) == 0 {
		return k.human, nil
	}
	cols := make([]*column, len(names))
	for i, name := range names {
		if cols[i] = k.byName[name]; cols[i] == nil {
			return nil, cli.BadInputf("unknown column %q of %s", name, k.plural)
		}
	}
	return cols, nil
}
