// Package store reads and writes records: Parquet, Arrow IPC streams, JSON-lines and CSV, both ways, and tables for
// people one way. It streams: memory is bounded by one batch of rows, whatever the size of a file. It is the only user
// of Arrow, and knows nothing of what the records mean beyond their own validation.
//
// The columns of a format are the json tags of the record's fields, found by reflection, so a new field is a new column
// everywhere. A pointer field is null where it is nil; an empty list is null too; an empty text is an empty text.
// Columns and fields that a record does not have are passed over.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// MaxErrors is how many errors of rejected rows a Summary keeps; further ones are only counted.
const MaxErrors = 20

// errNotRecords says that a well-formed row or table is of none of the record types.
var errNotRecords = errors.New("not a record")

// Input says what to read.
type Input struct {
	Paths []string // files, globs, folders (see Scan) and "-" for Stdin; none is Stdin alone
	From  Format   // the format of every path; empty: by extension, and by content for Stdin and pipes
	Stdin io.Reader
}

// Handlers take the records of each kind. A nil handler means that the kind is not wanted: records of that kind are then
// bad input. A handler may keep the record. An error that it returns ends the scan and is returned as it is.
type Handlers struct {
	Run    func(*record.Run) error
	Sample func(*record.Sample) error
	Cell   func(*record.Cell) error
	Cost   func(*record.Cost) error
}

func (h *Handlers) wants(k *kind) bool {
	switch k.schema {
	case record.SchemaRun:
		return h.Run != nil
	case record.SchemaSample:
		return h.Sample != nil
	case record.SchemaCell:
		return h.Cell != nil
	case record.SchemaCost:
		return h.Cost != nil
	}
	return false
}

// wanted lists the kinds that have a handler, for messages.
func (h *Handlers) wanted() string {
	var names []string
	for _, k := range kinds {
		if h.wants(k) {
			names = append(names, k.plural)
		}
	}
	return strings.Join(names, " or ")
}

func (h *Handlers) handle(r record.Record) error {
	switch r := r.(type) {
	case *record.Run:
		return h.Run(r)
	case *record.Sample:
		return h.Sample(r)
	case *record.Cell:
		return h.Cell(r)
	case *record.Cost:
		return h.Cost(r)
	}
	panic(fmt.Sprintf("store: no handler for %T", r))
}

// Summary says what a scan saw.
type Summary struct {
	Read     int      // rows, good and rejected
	Rejected int      // rows that could not be taken
	Errors   []error  // of the first MaxErrors rejected rows, each a *RowError
	Files    []string // what was read, in order; "-" for standard input
	CutOff   []string // of files whose writing was cut off: what is missing, each a sentence with the file's name
}

// Err is nil when every row was taken, else an error for exit code cli.ExitPartial in one line. A tool returns it at its
// end, after its output is written.
func (s Summary) Err() error {
	missing := slices.Clone(s.CutOff)
	if s.Rejected > 0 {
		missing = append(missing, s.rejections())
	}
	if len(missing) == 0 {
		return nil
	}
	return cli.Partialf("%s", strings.Join(missing, "; "))
}

func (s Summary) rejections() string {
	return fmt.Sprintf("%d of %d rows rejected; first: %v", s.Rejected, s.Read, s.Errors[0])
}

// RowError is what is wrong with one row of one file.
type RowError struct {
	File string
	Line int64 // of the row's first line, from 1; the row's number where ByRow
	// ByRow says that the file has rows and not lines: Parquet and Arrow.
	ByRow bool
	Err   error
}

func (e *RowError) Error() string {
	what := strings.ReplaceAll(e.Err.Error(), "\n", "; ")
	if e.ByRow {
		return fmt.Sprintf("%s: row %d: %s", e.File, e.Line, what)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, what)
}

// Unwrap gives errors.As the record.FieldError.
func (e *RowError) Unwrap() error { return e.Err }

// Scan reads the records of in and hands each to the handler of its kind, in the order of the files and of their rows.
//
// A file's kind is what its schema metadata (Parquet, Arrow), its schema column (CSV) or each line's schema field
// (JSON-lines) says, or else the record type that knows most of its columns. A row that is malformed, does not pass
// Validate, or repeats the key of an earlier run is rejected: it is counted in the Summary and the scan goes on.
//
// A folder stands for the record files in it and below it that hold a wanted kind, without counting anything twice: see
// folderFiles for the rules.
//
// Errors: a missing, empty or corrupt file, a file of an unwanted kind or without a required column, and an input without
// a single good row are bad input (cli.ExitBadInput); the context's error when it ends first; a handler's error as it is.
// The Summary is valid up to the point of the error.
func Scan(ctx context.Context, in Input, h Handlers) (Summary, error) {
	s := newSink(ctx, h)
	files, err := s.resolve(in)
	if err != nil {
		return s.sum, err
	}
	for _, f := range files {
		if err := s.scanFile(f, in.Stdin); err != nil {
			return s.sum, err
		}
	}
	if s.sum.Rejected == s.sum.Read {
		return s.sum, cli.BadInputf("no good row in %s: %s", strings.Join(s.sum.Files, ", "), s.sum.rejections())
	}
	return s.sum, nil
}
