package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	register(codec{rank: 3, format: JSONL, ext: ".jsonl", read: readJSONL, write: newJSONLWriter, magic: func(head []byte) bool {
		head = bytes.TrimLeft(bytes.TrimPrefix(head, bom), " \t\r\n")
		return len(head) > 0 && head[0] == '{'
	}})
}

// maxLine bounds the memory that one line can take, in bytes; a longer line is a rejected row.
const maxLine = 64 << 20

var errLineTooLong = fmt.Errorf("line longer than %d MiB", maxLine>>20)

// lineReader yields the lines of a text, without their ends, and skips blank ones.
type lineReader struct {
	r    *bufio.Reader
	buf  []byte // a line longer than r's buffer
	line int64  // number of the line last returned, from 1
}

// next returns the next line, valid until the call after; io.EOF ends the text and errLineTooLong ends only the line.
func (l *lineReader) next() ([]byte, error) {
	for {
		b, err := l.whole()
		if err != nil && (len(b) == 0 || !errors.Is(err, io.EOF)) {
			return nil, err
		}
		if b = bytes.TrimSpace(b); len(b) > 0 {
			return b, nil
		}
	}
}

// whole reads up to and with the next newline.
func (l *lineReader) whole() ([]byte, error) {
	l.line++
	b, err := l.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return b, err
	}
	l.buf = append(l.buf[:0], b...)
	for errors.Is(err, bufio.ErrBufferFull) && len(l.buf) <= maxLine {
		b, err = l.r.ReadSlice('\n')
		l.buf = append(l.buf, b...)
	}
	if len(l.buf) <= maxLine {
		return l.buf, err
	}
	l.buf = nil
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = l.r.ReadSlice('\n')
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errLineTooLong
	}
	return nil, err
}

// readJSONL reads JSON-lines. Kinds may be mixed: each line says its own.
func readJSONL(in *input, s *sink) error {
	skipBOM(in.Reader)
	lines := &lineReader{r: in.Reader}
	var d jsonDecoder
	for {
		b, err := lines.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errLineTooLong):
			err = s.accept(reflect.Value{}, lines.line, err)
		case err != nil:
			return s.corrupt(err)
		default:
			err = d.decode(b, lines.line, s)
		}
		if err != nil {
			return err
		}
	}
}

// jsonDecoder decodes lines into rows.
type jsonDecoder struct{}

// decode hands the row of line b to s.
func (d *jsonDecoder) decode(b []byte, line int64, s *sink) error {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(b, &fields); err != nil {
		return s.accept(reflect.Value{}, line, fmt.Errorf("not a JSON object: %w", err))
	}
	var schema record.Schema
	_ = json.Unmarshal(fields["schema"], &schema) // what is no text is no schema
	k, err := kindOfSchema(schema)
	if err != nil {
		return s.accept(reflect.Value{}, line, err)
	}
	if err := s.expect(k, line); err != nil {
		return err
	}
	row := reflect.New(k.row).Elem()
	return s.accept(row, line, k.setJSON(row, fields))
}

// setJSON fills row from the fields of an object.
func (k *kind) setJSON(row reflect.Value, fields map[string]json.RawMessage) error {
	var errs []error
	for _, c := range k.columns {
		raw, there := fields[c.name]
		if !there || string(raw) == "null" {
			errs = append(errs, c.setNull())
			continue
		}
		if err := json.Unmarshal(raw, c.slot(row).Addr().Interface()); err != nil {
			errs = append(errs, c.wrong(string(raw)))
		}
	}
	return errors.Join(errs...)
}

// jsonlWriter writes one object a line, each in one Write.
type jsonlWriter struct{ enc *json.Encoder }

func newJSONLWriter(w io.Writer, _ *kind, _ []*column) (rowWriter, error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return jsonlWriter{enc}, nil
}

func (w jsonlWriter) write(row reflect.Value) error { return w.enc.Encode(row.Addr().Interface()) }

func (w jsonlWriter) close() error { return nil }
