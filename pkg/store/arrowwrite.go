package store

import (
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// schemaKey is the metadata key under which Parquet and Arrow files carry the schema of their records.
const schemaKey = "bh.schema"

// arrowSchema is the schema of the kind's tables.
func (k *kind) arrowSchema() *arrow.Schema {
	fields := make([]arrow.Field, len(k.columns))
	for i, c := range k.columns {
		fields[i] = arrow.Field{Name: c.name, Type: c.arrowType(), Nullable: c.nullable}
	}
	meta := arrow.NewMetadata([]string{schemaKey}, []string{string(k.schema)})
	return arrow.NewSchema(fields, &meta)
}

func (c *column) arrowType() arrow.DataType {
	return [...]arrow.DataType{
		arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64,
		arrow.FixedWidthTypes.Boolean, arrow.ListOf(arrow.PrimitiveTypes.Int64),
	}[c.typ]
}

// batchWriter gathers rows and gives them to flush a batch at a time. A batch ends at maxRows rows or about maxBytes
// bytes, whichever comes first.
type batchWriter struct {
	maxRows, maxBytes int
	flush             func(arrow.Record) error
	end               func() error

	columns     []*column
	build       *array.RecordBuilder
	rows, bytes int // in build; bytes are an estimate
}

func (w *batchWriter) start(k *kind, schema *arrow.Schema) *batchWriter {
	w.columns, w.build = k.columns, array.NewRecordBuilder(memory.NewGoAllocator(), schema)
	return w
}

func (w *batchWriter) write(row reflect.Value) error {
	for i, c := range w.columns {
		w.bytes += appendValue(w.build.Field(i), c, row)
	}
	w.rows++
	if w.rows < w.maxRows && w.bytes < w.maxBytes {
		return nil
	}
	return w.flushBatch()
}

func (w *batchWriter) flushBatch() error {
	rec := w.build.NewRecord()
	defer rec.Release()
	w.rows, w.bytes = 0, 0
	return w.flush(rec)
}

func (w *batchWriter) close() error {
	defer w.build.Release()
	if w.rows > 0 {
		if err := w.flushBatch(); err != nil {
			return err
		}
	}
	return w.end()
}

// appendValue appends the value of c in row to b and estimates its size in bytes.
func appendValue(b array.Builder, c *column, row reflect.Value) int {
	v, ok := c.value(row)
	if !ok {
		b.AppendNull()
		return 1
	}
	switch b := b.(type) {
	case *array.StringBuilder:
		s := validText(v.String())
		b.Append(s)
		return len(s) + 4
	case *array.Int64Builder:
		b.Append(v.Int())
	case *array.Float64Builder:
		b.Append(v.Float())
	case *array.BooleanBuilder:
		b.Append(v.Bool())
	case *array.ListBuilder:
		list, _ := v.Interface().([]int64)
		b.Append(true)
		items, _ := b.ValueBuilder().(*array.Int64Builder)
		items.AppendValues(list, nil)
		return 8 * len(list)
	}
	return 8
}

// validText is s as UTF-8, as Parquet's strings are; JSON-lines does the same.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
