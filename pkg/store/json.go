package store

import (
	"io"
	"reflect"
)

func init() { register(codec{rank: 5, format: JSON, ext: ".json", write: newJSONWriter}) }

// jsonWriter writes one array with an object a line.
type jsonWriter struct {
	w     io.Writer
	lines rowWriter
	n     int
}

func newJSONWriter(w io.Writer, k *kind, cols []*column) (rowWriter, error) {
	lines, err := newJSONLWriter(w, k, cols)
	return &jsonWriter{w: w, lines: lines}, err
}

func (w *jsonWriter) write(row reflect.Value) error {
	sep := ","
	if w.n == 0 {
		sep = "["
	}
	w.n++
	if _, err := io.WriteString(w.w, sep); err != nil {
		return err
	}
	return w.lines.write(row)
}

func (w *jsonWriter) close() error {
	end := "]\n"
	if w.n == 0 {
		end = "[]\n"
	}
	_, err := io.WriteString(w.w, end)
	return err
}
