package store

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// guard calls f and turns a panic of Arrow into an error. Arrow's readers index and allocate by what the file says, and
// panic on many corrupt ones; no handler's code runs inside, so a programmer's mistake elsewhere is not hidden.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("corrupt: %v", p)
		}
	}()
	return f()
}

// maxAlloc bounds one allocation for what a file says it holds, in bytes: a corrupt length must not exhaust the memory.
const maxAlloc = 1 << 30

// boundedAllocator is Go's allocator with that bound; it panics past it, and guard turns that into an error.
type boundedAllocator struct{ memory.GoAllocator }

func (a *boundedAllocator) Allocate(size int) []byte {
	checkAlloc(size)
	return a.GoAllocator.Allocate(size)
}

func (a *boundedAllocator) Reallocate(size int, b []byte) []byte {
	checkAlloc(size)
	return a.GoAllocator.Reallocate(size, b)
}

func checkAlloc(size int) {
	if size < 0 || size > maxAlloc {
		panic(fmt.Sprintf("a block of %d bytes, want at most %d", size, maxAlloc))
	}
}

// arrowTable decodes the columns of a table into rows of its kind.
type arrowTable struct {
	kind   *kind
	fields []arrowField
	schema bool // there is a schema column
}

// arrowField is a column of the file that the record has too.
type arrowField struct {
	index  int // in the file
	column *column
	last   string // the text last read: most columns of text repeat it, and it need not be allocated again
}

// newArrowTable finds out what a table with this schema holds and whether its types fit. firstSchema reads the first
// value of the schema column, for a file without metadata.
func newArrowTable(schema *arrow.Schema, firstSchema func(index int) (string, error), s *sink) (*arrowTable, error) {
	names := make([]string, schema.NumFields())
	for i, f := range schema.Fields() {
		names[i] = f.Name
	}
	k, err := arrowKind(schema, names, firstSchema)
	if err != nil {
		return nil, cli.BadInputf("%s: %w", s.file, err)
	}
	if err := s.expect(k, 0); err != nil {
		return nil, err
	}
	if err := k.missing(names); err != nil {
		return nil, cli.BadInputf("%s: %w", s.file, err)
	}
	t := &arrowTable{kind: k}
	for i, f := range schema.Fields() {
		c := k.byName[f.Name]
		if c == nil {
			continue
		}
		if !c.takes(f.Type) {
			return nil, cli.BadInputf("%s: column %s: saw type %s, want %s", s.file, c.name, f.Type, c.arrowType())
		}
		t.schema = t.schema || c.name == "schema"
		t.fields = append(t.fields, arrowField{index: i, column: c})
	}
	return t, nil
}

func arrowKind(schema *arrow.Schema, names []string, firstSchema func(int) (string, error)) (*kind, error) {
	meta := schema.Metadata()
	if v, ok := meta.GetValue(schemaKey); ok {
		return kindOfSchema(record.Schema(v))
	}
	if at := schema.FieldIndices("schema"); len(at) == 1 && isText(schema.Field(at[0]).Type) {
		var v string
		err := guard(func() (err error) {
			v, err = firstSchema(at[0])
			return err
		})
		if err != nil {
			return nil, err
		}
		return kindOfSchema(record.Schema(v))
	}
	return kindOfColumns(names)
}

// takes reports whether a column of type t can be read as c: the same type, or one that widens to it. A column of only
// nulls has the null type in some writers.
func (c *column) takes(t arrow.DataType) bool {
	switch {
	case t.ID() == arrow.NULL:
		return true
	case c.typ == text:
		return isText(t)
	case c.typ == integer:
		return isInteger(t)
	case c.typ == number:
		return isInteger(t) || t.ID() == arrow.FLOAT64 || t.ID() == arrow.FLOAT32
	case c.typ == truth:
		return t.ID() == arrow.BOOL
	}
	list, ok := t.(arrow.ListLikeType)
	return ok && isInteger(list.Elem())
}

func isText(t arrow.DataType) bool {
	if d, ok := t.(*arrow.DictionaryType); ok {
		t = d.ValueType
	}
	return t.ID() == arrow.STRING || t.ID() == arrow.LARGE_STRING || t.ID() == arrow.STRING_VIEW
}

func isInteger(t arrow.DataType) bool {
	switch t.ID() {
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32:
		return true
	}
	return false
}

// rowsAtOnce is how many rows are decoded before they are handed over: enough to spread the cost of going column by
// column, few enough to stay in the processor's cache.
const rowsAtOnce = 1024

// scan hands the rows of a file to s. next yields up to rowsAtOnce rows as one array for each of t.fields, or io.EOF.
func (t *arrowTable) scan(s *sink, next func() ([]arrow.Array, error)) error {
	s.byRow = true
	for before := int64(0); ; {
		var rows reflect.Value
		var errs []error
		err := guard(func() error {
			arrays, err := next()
			if err == nil {
				rows, errs = t.rows(arrays)
			}
			return err
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return s.corrupt(fmt.Errorf("after row %d: %w", before, err))
		}
		for i, rowErr := range errs {
			before++
			if err := s.accept(rows.Index(i), before, rowErr); err != nil {
				return err
			}
		}
	}
}

// rows decodes arrays of one length, one for each of t.fields. errs has, for each row, what is wrong with it.
func (t *arrowTable) rows(arrays []arrow.Array) (rows reflect.Value, errs []error) {
	n := arrays[0].Len()
	rows, errs = reflect.MakeSlice(reflect.SliceOf(t.kind.row), n, n), make([]error, n)
	for i := range t.fields {
		if arrays[i].Len() != n {
			panic(fmt.Sprintf("column %s has %d rows, want %d", t.fields[i].column.name, arrays[i].Len(), n))
		}
		t.fields[i].fill(arrays[i], rows, errs)
	}
	if !t.schema {
		for i := range n {
			t.kind.setSchema(rows.Index(i))
		}
	}
	return rows, errs
}

// fill sets one column of all rows.
func (f *arrowField) fill(a arrow.Array, rows reflect.Value, errs []error) {
	allNull := a.DataType().ID() == arrow.NULL || a.NullN() == a.Len()
	var set func(row reflect.Value, i int) error
	if !allNull {
		set = f.setter(a, rows.Len())
	}
	for i := range errs {
		var err error
		if allNull || a.IsNull(i) {
			err = f.column.setNull()
		} else {
			err = set(rows.Index(i), i)
		}
		if err != nil {
			errs[i] = errors.Join(errs[i], err)
		}
	}
}

// setter returns how to set the column of one of n rows from the i-th value of a.
func (f *arrowField) setter(a arrow.Array, n int) func(row reflect.Value, i int) error {
	c := f.column
	slot := c.slots(n)
	switch c.typ {
	case text:
		at := textAt(a)
		return func(row reflect.Value, i int) error {
			if s := at(i); s != f.last {
				f.last = strings.Clone(s) // the array's memory is Arrow's to use again
			}
			slot(row, i).SetString(f.last)
			return nil
		}
	case integer:
		at := integerAt(a)
		return func(row reflect.Value, i int) error {
			slot(row, i).SetInt(at(i))
			return nil
		}
	case number:
		at := numberAt(a)
		return func(row reflect.Value, i int) error { return c.putNumber(slot(row, i), at(i)) }
	case truth:
		b, _ := a.(*array.Boolean)
		return func(row reflect.Value, i int) error {
			slot(row, i).SetBool(b.Value(i))
			return nil
		}
	default:
		return c.listSetter(a)
	}
}

// textAt reads a column that isText.
func textAt(a arrow.Array) func(i int) string {
	switch a := a.(type) {
	case array.StringLike:
		return a.Value
	case *array.Dictionary:
		values := textAt(a.Dictionary())
		return func(i int) string { return values(a.GetValueIndex(i)) }
	}
	panic(unexpected(a))
}

// integerAt reads a column that isInteger.
func integerAt(a arrow.Array) func(i int) int64 {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value
	case *array.Int32:
		return widen(a.Value)
	case *array.Int16:
		return widen(a.Value)
	case *array.Int8:
		return widen(a.Value)
	case *array.Uint32:
		return widen(a.Value)
	case *array.Uint16:
		return widen(a.Value)
	case *array.Uint8:
		return widen(a.Value)
	}
	panic(unexpected(a))
}

func widen[T int8 | int16 | int32 | uint8 | uint16 | uint32](at func(int) T) func(int) int64 {
	return func(i int) int64 { return int64(at(i)) }
}

// numberAt reads a column of floats, or of integers: writers that infer types make such of round values.
func numberAt(a arrow.Array) func(i int) float64 {
	switch a := a.(type) {
	case *array.Float64:
		return a.Value
	case *array.Float32:
		return func(i int) float64 { return float64(a.Value(i)) }
	}
	at := integerAt(a)
	return func(i int) float64 { return float64(at(i)) }
}

// listSetter sets a column from lists of integers. A null inside a list is an error of its row.
func (c *column) listSetter(a arrow.Array) func(row reflect.Value, i int) error {
	lists, ok := a.(array.ListLike)
	if !ok {
		panic(unexpected(a))
	}
	items := lists.ListValues()
	at := integerAt(items)
	return func(row reflect.Value, i int) error {
		start, end := lists.ValueOffsets(i)
		if start < 0 || end < start || end > int64(items.Len()) {
			panic(fmt.Sprintf("column %s: a list from %d to %d of %d items", c.name, start, end, items.Len()))
		}
		list := make([]int64, end-start)
		for j := range list {
			if items.IsNull(int(start) + j) {
				return c.wrong("a list with a null in it")
			}
			list[j] = at(int(start) + j)
		}
		c.setList(row, list)
		return nil
	}
}

// unexpected words a mismatch between a file's schema and its data, for guard to catch.
func unexpected(a arrow.Array) string { return "column data of type " + a.DataType().String() }
