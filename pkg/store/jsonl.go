package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
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
	d := newJSONDecoder()
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

// jsonlWriter writes one object a line, each in one Write.
type jsonlWriter struct{ enc *json.Encoder }

func newJSONLWriter(w io.Writer, _ *kind, _ []*column) (rowWriter, error) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return jsonlWriter{enc}, nil
}

func (w jsonlWriter) write(row reflect.Value) error { return w.enc.Encode(row.Addr().Interface()) }

func (w jsonlWriter) close() error { return nil }
