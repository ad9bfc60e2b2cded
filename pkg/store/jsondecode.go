package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/banterhearts/bh/pkg/record"
)

// jsonDecoder decodes lines into rows.
//
// A line is tried on the fast path first, which knows that a record is a flat object of known columns: it parses each
// value straight into its field, without a map, and without allocating a text that repeats the column's previous one. It
// takes a strict subset of JSON, and gives up on anything it does not expect: an escaped key, a nested value, a repeated
// key, a wrong type, a missing required field, a syntax error. The line then goes to encoding/json, which decides what it
// means and words what is wrong with it. A fuzz test holds the two together. Fields are matched by exact name; of a
// repeated field the last one counts, as in encoding/json.
//
// Why not a library: none is clearly faster, and none tells a missing field or a null from a 0, which this must. One core
// of a 2-core Xeon guest, go1.26.8, the least of 60 repeats, nanoseconds to decode one line of
//
//	                        a sample (270 B)    a run (1250 B)
//	encoding/json                  2900            13900
//	go-json-experiment/json        1320             6200
//	bytedance/sonic 1.15.5          500             2700
//	goccy/go-json 0.12.0            410             2140
//	fast path                       490             1870
//
// With reading, validation and the search for repeated keys that is 1.36 million samples a second and core, above the
// goal of a million records, and 0.32 million runs. A million runs would be 1.25 GB a second: no decoder here does half of
// that, and the runs of even a large experiment are thousands. A run has 50 fields, and to find and store each takes 40 ns.
type jsonDecoder struct {
	last  *jsonKind // of the line before
	kinds map[*kind]*jsonKind
}

func newJSONDecoder() *jsonDecoder {
	d := &jsonDecoder{kinds: map[*kind]*jsonKind{}}
	for _, k := range kinds {
		d.kinds[k] = newJSONKind(k)
	}
	d.last = d.kinds[kinds[0]]
	return d
}

// decode hands the row of line b to s.
func (d *jsonDecoder) decode(b []byte, line int64, s *sink) error {
	k := d.guess(b)
	if s.h.wants(k.kind) {
		row := reflect.New(k.kind.row).Elem()
		if k.fast(b, row) {
			d.last = k
			return s.accept(row, line, nil)
		}
	}
	return d.slow(b, line, s)
}

// guess is the kind that the line begins with, as this package writes it, or else that of the line before.
func (d *jsonDecoder) guess(b []byte) *jsonKind {
	for _, k := range kinds {
		if j := d.kinds[k]; bytes.HasPrefix(b, j.prefix) {
			return j
		}
	}
	return d.last
}

// slow decodes with encoding/json.
func (d *jsonDecoder) slow(b []byte, line int64, s *sink) error {
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
	d.last = d.kinds[k]
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
		} else {
			errs = append(errs, c.setJSON(row, raw))
		}
	}
	return errors.Join(errs...)
}

// setJSON sets the column from a JSON value that is not null.
func (c *column) setJSON(row reflect.Value, raw json.RawMessage) error {
	if c.typ == integers {
		return c.setJSONList(row, raw)
	}
	if err := json.Unmarshal(raw, c.slot(row).Addr().Interface()); err != nil {
		return c.wrong(string(raw))
	}
	return nil
}

// setJSONList goes by pointers, as encoding/json reads a null in a list of integers as 0.
func (c *column) setJSONList(row reflect.Value, raw json.RawMessage) error {
	var items []*int64
	if err := json.Unmarshal(raw, &items); err != nil {
		return c.wrong(string(raw))
	}
	list := make([]int64, len(items))
	for i, p := range items {
		if p == nil {
			return c.wrong(string(raw))
		}
		list[i] = *p
	}
	c.setList(row, list)
	return nil
}

// jsonKind is what the fast path keeps of a kind from line to line.
type jsonKind struct {
	kind    *kind
	prefix  []byte // how this package begins a line
	columns []jsonColumn
	schema  int   // place of the schema column
	needs   []int // places of the columns that must not be missing
	line    int   // counts the lines
}

// jsonColumn is one column of the fast path.
type jsonColumn struct {
	*column
	key   string // the name as it stands in a line, with its quotes and colon
	last  string // the text last read, which stands in a line as it is
	block reflect.Value
	used  int     // of block, whose elements nullable fields point to
	list  []int64 // the list last read
	seen  int     // the line in which it was last seen
}

func newJSONKind(k *kind) *jsonKind {
	j := &jsonKind{kind: k, prefix: fmt.Appendf(nil, `{"schema":%q`, k.schema), schema: k.byName["schema"].index}
	for i, c := range k.columns {
		j.columns = append(j.columns, jsonColumn{column: c, key: strconv.Quote(c.name) + ":"})
		if c.required && !c.nullable {
			j.needs = append(j.needs, i)
		}
	}
	return j
}

// blockLen is how many values of a nullable column are allocated at once.
const blockLen = 64

// slot is column.slot with fewer allocations.
func (c *jsonColumn) slot(row reflect.Value) reflect.Value {
	f := row.Field(c.index)
	if !c.nullable {
		return f
	}
	if c.used%blockLen == 0 {
		c.block = reflect.MakeSlice(reflect.SliceOf(c.elem), blockLen, blockLen)
	}
	v := c.block.Index(c.used % blockLen)
	c.used++
	f.Set(v.Addr())
	return v
}

// fast decodes line b into row and reports whether it could; if not, row is to be dropped.
func (k *jsonKind) fast(b []byte, row reflect.Value) bool {
	k.line++
	if len(b) == 0 || b[0] != '{' {
		return false
	}
	next, p := 0, jsonCursor{b: b, at: 1}
	for {
		p.space()
		i, ok := k.key(&p, next)
		if !ok {
			return false
		}
		p.space()
		if i < 0 {
			ok = p.skip()
		} else {
			ok = k.columns[i].seen != k.line && k.columns[i].set(&p, row)
			k.columns[i].seen = k.line
			next = i + 1
		}
		if !ok {
			return false
		}
		p.space()
		switch p.take() {
		case ',':
		case '}':
			return p.at == len(b) && k.complete(row)
		default:
			return false
		}
	}
}

// key reads a key and its colon. It returns the column, which most often is the one at next, or -1 for an unknown key.
func (k *jsonKind) key(p *jsonCursor, next int) (column int, ok bool) {
	if next < len(k.columns) && p.literal(k.columns[next].key) {
		return next, true
	}
	name, ok := p.plain()
	if !ok {
		return 0, false
	}
	column = -1
	if c := k.kind.byName[string(name)]; c != nil {
		column = c.index
	}
	p.space()
	return column, p.take() == ':'
}

// complete reports whether the line had all that the row needs and was of this kind.
func (k *jsonKind) complete(row reflect.Value) bool {
	for _, i := range k.needs {
		if k.columns[i].seen != k.line {
			return false
		}
	}
	return row.Field(k.schema).String() == string(k.kind.schema)
}

// set reads a value into row.
func (c *jsonColumn) set(p *jsonCursor, row reflect.Value) bool {
	if p.peek() == 'n' {
		return (c.nullable || !c.required) && p.literal("null")
	}
	switch c.typ {
	case text:
		return c.setText(p, row)
	case integer:
		v, ok := p.integer()
		if ok {
			c.slot(row).SetInt(v)
		}
		return ok
	case number:
		v, ok := p.number()
		if ok {
			c.slot(row).SetFloat(v)
		}
		return ok
	case truth:
		v := p.literal("true")
		if !v && !p.literal("false") {
			return false
		}
		c.slot(row).SetBool(v)
		return true
	}
	list, ok := p.integers(c.list[:0])
	c.list = list
	c.setList(row, slices.Clone(list))
	return ok
}

func (c *jsonColumn) setText(p *jsonCursor, row reflect.Value) bool {
	if !p.quoted(c.last) {
		start := p.at
		s, ok := p.plain()
		if !ok {
			p.at = start
			return c.setEscaped(p, row)
		}
		c.last = string(s)
	}
	row.Field(c.index).SetString(c.last)
	return true
}

// setEscaped reads a text with escapes, or outside ASCII.
func (c *jsonColumn) setEscaped(p *jsonCursor, row reflect.Value) bool {
	token, ok := p.stringToken()
	if !ok {
		return false
	}
	var s string
	if json.Unmarshal(token, &s) != nil {
		return false
	}
	row.Field(c.index).SetString(s)
	return true
}

// plainByte reports whether c stands for itself in a JSON string, whatever its neighbours.
func plainByte(c byte) bool { return c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' }
