package store

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	register(codec{rank: 4, format: CSV, ext: ".csv", read: readCSV, write: newCSVWriter, magic: looksLikeCSV})
}

// looksLikeCSV reports whether head is a line of words with commas between them.
func looksLikeCSV(head []byte) bool {
	line, _, _ := strings.Cut(strings.TrimPrefix(string(head), string(bom)), "\n")
	names := strings.Split(strings.TrimSpace(line), ",")
	for _, name := range names {
		name = strings.Trim(name, `" `)
		if name == "" || strings.ContainsAny(name, "{}[]:\x00") {
			return false
		}
	}
	return len(names) > 1
}

// readCSV reads a table whose header names its columns, in any order.
func readCSV(in *input, s *sink) error {
	skipBOM(in.Reader)
	limit := &recordLimit{r: in.Reader, left: maxLine}
	r := csv.NewReader(limit)
	r.ReuseRecord, r.FieldsPerRecord = true, -1
	header, err := r.Read()
	if err != nil {
		return s.corrupt(fmt.Errorf("header: %w", err))
	}
	t := &csvTable{names: append([]string(nil), header...)}
	for {
		limit.left = maxLine
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err := t.row(fields, err, r, s); err != nil {
			return err
		}
	}
}

// recordLimit ends a stream in which one CSV record, for want of a closing quote, takes more than left bytes.
type recordLimit struct {
	r    io.Reader
	left int
}

func (l *recordLimit) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLineTooLong
	}
	n, err := l.r.Read(p)
	l.left -= n
	return n, err
}

// csvTable is a table being read.
type csvTable struct {
	names   []string
	kind    *kind     // nil before the first row
	columns []*column // by place; nil for a column that the record does not have
	schema  bool      // there is a schema column
}

// row hands one record to s. err is what reading it came to.
func (t *csvTable) row(fields []string, err error, r *csv.Reader, s *sink) error {
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		return s.accept(reflect.Value{}, int64(syntax.StartLine), syntax.Err)
	}
	if err != nil {
		return s.corrupt(err)
	}
	if t.kind == nil {
		if err := t.start(fields, s); err != nil {
			return err
		}
	}
	line, _ := r.FieldPos(0)
	row := reflect.New(t.kind.row).Elem()
	return s.accept(row, int64(line), t.fill(row, fields))
}

// start finds out what the table holds, from its header and first row.
func (t *csvTable) start(first []string, s *sink) error {
	k, err := kindOfColumns(t.names)
	for i, name := range t.names {
		if name == "schema" && i < len(first) {
			t.schema = true
			k, err = kindOfSchema(record.Schema(first[i]))
		}
	}
	if err == nil {
		if err := s.expect(k, 0); err != nil {
			return err
		}
		err = k.missing(t.names)
	}
	if err != nil {
		return cli.BadInputf("%s: %w", s.file, err)
	}
	t.kind = k
	for _, name := range t.names {
		t.columns = append(t.columns, k.byName[name])
	}
	return nil
}

// fill fills row from the fields of one record.
func (t *csvTable) fill(row reflect.Value, fields []string) error {
	if len(fields) != len(t.names) {
		return fmt.Errorf("saw %d fields, want %d as in the header", len(fields), len(t.names))
	}
	var errs []error
	for i, c := range t.columns {
		if c != nil {
			errs = append(errs, c.setText(row, fields[i]))
		}
	}
	if !t.schema {
		t.kind.setSchema(row)
	}
	return errors.Join(errs...)
}

// setSchema fills in the schema of a row from a table that has no column for it.
func (k *kind) setSchema(row reflect.Value) {
	row.Field(k.byName["schema"].index).SetString(string(k.schema))
}

// setText sets the column from text; an empty one is null.
func (c *column) setText(row reflect.Value, s string) error {
	if c.typ == text {
		row.Field(c.index).SetString(s)
		return nil
	}
	if s = strings.TrimSpace(s); s == "" {
		return c.setNull()
	}
	return c.parse(row, s)
}

// parse sets the column from a text that is not empty.
func (c *column) parse(row reflect.Value, s string) error {
	var err error
	switch c.typ {
	case integer:
		var v int64
		if v, err = strconv.ParseInt(s, 10, 64); err == nil {
			c.slot(row).SetInt(v)
		}
	case number:
		var v float64
		if v, err = strconv.ParseFloat(s, 64); err == nil {
			return c.putNumber(c.slot(row), v)
		}
	case truth:
		var v bool
		if v, err = strconv.ParseBool(strings.ToLower(s)); err == nil {
			c.slot(row).SetBool(v)
		}
	case integers:
		var list []int64
		if list, err = parseList(s); err == nil {
			c.setList(row, list)
		}
	}
	if err != nil {
		return c.wrong(strconv.Quote(s))
	}
	return nil
}

// parseList reads integers with spaces, semicolons or commas between them, in brackets or not: DuckDB writes [1, 2].
func parseList(s string) ([]int64, error) {
	s = strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ';' || r == ',' })
	list := make([]int64, len(words))
	for i, w := range words {
		v, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil, err
		}
		list[i] = v
	}
	return list, nil
}

// csvWriter writes a header and one line a row; lists have spaces between their numbers.
type csvWriter struct {
	w       *csv.Writer
	columns []*column
	fields  []string
}

func newCSVWriter(w io.Writer, k *kind, _ []*column) (rowWriter, error) {
	cw := &csvWriter{w: csv.NewWriter(w), columns: k.columns, fields: make([]string, len(k.columns))}
	for i, c := range k.columns {
		cw.fields[i] = c.name
	}
	return cw, cw.flush()
}

func (w *csvWriter) flush() error {
	if err := w.w.Write(w.fields); err != nil {
		return err
	}
	w.w.Flush()
	return w.w.Error()
}

func (w *csvWriter) write(row reflect.Value) error {
	for i, c := range w.columns {
		w.fields[i] = c.text(row)
	}
	return w.flush()
}

func (w *csvWriter) close() error { return nil }

// text is the exact value of the column in row; null is empty.
func (c *column) text(row reflect.Value) string {
	v, ok := c.value(row)
	if !ok {
		return ""
	}
	switch c.typ {
	case integer:
		return strconv.FormatInt(v.Int(), 10)
	case number:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case truth:
		return strconv.FormatBool(v.Bool())
	case integers:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = strconv.FormatInt(v.Index(i).Int(), 10)
		}
		return strings.Join(words, " ")
	}
	return v.String()
}
