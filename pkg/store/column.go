package store

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// valueType is what a column holds.
type valueType uint8

const (
	text     valueType = iota // string
	integer                   // int64
	number                    // float64
	truth                     // bool
	integers                  // list of int64
)

// want words what a column of this type accepts, for error messages.
func (t valueType) want() string {
	return [...]string{"a text", "an integer", "a finite number", "true or false", "a list of integers"}[t]
}

// column is one field of a record: a JSON-lines field, a CSV column and a Parquet column of the same name.
type column struct {
	name     string
	index    int // of the struct field
	typ      valueType
	nullable bool         // the field is a pointer or a list
	elem     reflect.Type // of the value itself, pointer removed
	required bool         // a row without it is rejected
}

var listOfInt64 = reflect.TypeFor[[]int64]()

func newColumn(f reflect.StructField, index int) *column {
	c := &column{name: f.Tag.Get("json"), index: index, elem: f.Type}
	if f.Type.Kind() == reflect.Pointer {
		c.nullable, c.elem = true, f.Type.Elem()
	}
	switch kind := c.elem.Kind(); {
	case kind == reflect.String && !c.nullable:
		c.typ = text
	case kind == reflect.Int64:
		c.typ = integer
	case kind == reflect.Float64:
		c.typ = number
	case kind == reflect.Bool:
		c.typ = truth
	case c.elem == listOfInt64 && !c.nullable:
		c.typ, c.nullable = integers, true
	default:
		panic(fmt.Sprintf("store: no column type for field %s of type %s", f.Name, f.Type))
	}
	return c
}

// value is the field of row, pointer removed; ok is false for null.
func (c *column) value(row reflect.Value) (v reflect.Value, ok bool) {
	v = row.Field(c.index)
	if !c.nullable {
		return v, true
	}
	if v.IsNil() {
		return v, false
	}
	if c.typ == integers {
		return v, v.Len() > 0
	}
	return v.Elem(), true
}

// slot is where the value of row goes; a nullable one is allocated.
func (c *column) slot(row reflect.Value) reflect.Value {
	f := row.Field(c.index)
	if !c.nullable || c.typ == integers {
		return f
	}
	p := reflect.New(c.elem)
	f.Set(p)
	return p.Elem()
}

// slots is slot for the i-th of n rows, with one allocation for all of them.
func (c *column) slots(n int) func(row reflect.Value, i int) reflect.Value {
	if !c.nullable || c.typ == integers {
		return func(row reflect.Value, _ int) reflect.Value { return row.Field(c.index) }
	}
	block := reflect.MakeSlice(reflect.SliceOf(c.elem), n, n)
	return func(row reflect.Value, i int) reflect.Value {
		v := block.Index(i)
		row.Field(c.index).Set(v.Addr())
		return v
	}
}

// setNull takes a null. A number that the record cannot leave out stays zero, unless it is required.
func (c *column) setNull() error {
	if c.required && !c.nullable {
		return c.wrong("nothing")
	}
	return nil
}

// putNumber sets slot, which is of this column. Validate sees most quantities, but a NaN or an infinity is none anywhere.
func (c *column) putNumber(slot reflect.Value, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return c.wrong(strconv.FormatFloat(v, 'g', -1, 64))
	}
	slot.SetFloat(v)
	return nil
}

// setList takes a list; an empty one is null, so that every format gives back the same.
func (c *column) setList(row reflect.Value, list []int64) {
	if len(list) > 0 {
		row.Field(c.index).Set(reflect.ValueOf(list))
	}
}

// maxShown is how much of a faulty value an error shows, in bytes.
const maxShown = 60

// wrong is the error of a value that does not fit the column.
func (c *column) wrong(saw string) error {
	if len(saw) > maxShown {
		saw = strings.ToValidUTF8(saw[:maxShown], "") + "..."
	}
	return &record.FieldError{Field: c.name, Saw: saw, Want: c.typ.want()}
}
