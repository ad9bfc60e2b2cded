package store

import (
	"fmt"
	"reflect"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// growingColumn is the values of one column that wait for their row group. Only what is not null takes room for a value,
// and the room is used again for the next row group: Arrow's builders keep one for each row, of which samples fill few.
type growingColumn struct {
	*column
	levels  []int16 // 1 for a value, 0 for null; of a nullable column
	ints    []int64
	numbers []float64
	texts   []int32          // indices into known
	ids     map[string]int32 // of what is in known
	known   []parquet.ByteArray
}

// maxKnown bounds how many different texts of a column are remembered from one row group to the next.
const maxKnown = 1 << 12

// append takes the value of a row in.
func (c *growingColumn) append(row reflect.Value) {
	v, ok := c.value(row)
	if c.nullable {
		level := int16(0)
		if ok {
			level = 1
		}
		c.levels = append(c.levels, level)
	}
	switch {
	case !ok:
	case c.typ == text:
		c.texts = append(c.texts, c.id(validText(v.String())))
	case c.typ == integer:
		c.ints = append(c.ints, v.Int())
	default:
		c.numbers = append(c.numbers, v.Float())
	}
}

func (c *growingColumn) id(s string) int32 {
	id, ok := c.ids[s]
	if !ok {
		id = int32(len(c.known)) //nolint:gosec // at most maxKnown and the rows of a group
		c.known = append(c.known, parquet.ByteArray(s))
		c.ids[s] = id
	}
	return id
}

// write encodes the values that wait as the next column chunk.
func (c *growingColumn) write(w file.ColumnChunkWriter) error {
	var err error
	switch w := w.(type) {
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(c.ints, c.levels, nil)
	case *file.Float64ColumnChunkWriter:
		_, err = w.WriteBatch(c.numbers, c.levels, nil)
	case *file.ByteArrayColumnChunkWriter:
		err = c.writeTexts(w)
	default:
		err = fmt.Errorf("saw a writer of type %T", w)
	}
	c.levels, c.ints, c.numbers, c.texts = c.levels[:0], c.ints[:0], c.numbers[:0], c.texts[:0]
	if len(c.known) > maxKnown {
		clear(c.ids)
		c.known = c.known[:0]
	}
	return err
}

// writeTexts writes texts some at a time, as their slices take more room than their numbers.
func (c *growingColumn) writeTexts(w *file.ByteArrayColumnChunkWriter) error {
	values := make([]parquet.ByteArray, 0, rowsAtOnce)
	for i, id := range c.texts {
		values = append(values, c.known[id])
		if len(values) < rowsAtOnce && i < len(c.texts)-1 {
			continue
		}
		if _, err := w.WriteBatch(values, nil, nil); err != nil {
			return err
		}
		values = values[:0]
	}
	return nil
}
