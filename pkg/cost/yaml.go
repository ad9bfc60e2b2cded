package cost

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// BookError is one fault of a price book.
type BookError struct {
	File         string
	Line, Column int    // from 1; of the field, or of what should have held it
	Field        string // providers[0].usd_per_hour.spot
	Saw, Want    string
}

func (e *BookError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: saw %s, want %s", e.File, e.Line, e.Column, e.Field, e.Saw, e.Want)
}

// document collects the faults of one file.
type document struct {
	name string
	errs []error
}

// parseYAML returns the root mapping of a YAML file with a single document.
func parseYAML(name string, data []byte) (*document, *mapping, error) {
	d := &document{name: name}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, nil, d.syntaxError(err)
	}
	docs := slices.DeleteFunc(file.Docs, func(n *ast.DocumentNode) bool { return n.Body == nil })
	if len(docs) != 1 {
		e := &BookError{File: name, Line: 1, Column: 1, Field: "price book", Want: "one YAML mapping"}
		e.Saw = fmt.Sprintf("%d YAML documents", len(docs))
		if len(docs) == 0 {
			e.Saw = "nothing"
		}
		return nil, nil, e
	}
	root := d.mapping("price book", "", docs[0].Body)
	return d, root, d.err()
}

// syntaxError turns the library's error, which quotes the source over several lines, into one line.
func (d *document) syntaxError(err error) error {
	e := &BookError{File: d.name, Line: 1, Column: 1, Field: "price book", Saw: err.Error(), Want: "valid YAML"}
	var ye yaml.Error
	if errors.As(err, &ye) {
		e.Saw = ye.GetMessage()
		if t := ye.GetToken(); t != nil && t.Position != nil {
			e.Line, e.Column = t.Position.Line, t.Position.Column
		}
	}
	return e
}

func (d *document) fail(at ast.Node, field, saw, want string) {
	e := &BookError{File: d.name, Line: 1, Column: 1, Field: field, Saw: saw, Want: want}
	if m, ok := at.(ast.MapNode); ok {
		if it := m.MapRange(); it.Next() {
			at = it.Key() // a mapping's own token is its first colon
		}
	}
	if t := at.GetToken(); t != nil && t.Position != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
	}
	d.errs = append(d.errs, e)
}

// maxFaults is how many faults of one file are told; a file that is wrong throughout says little more after that.
const maxFaults = 5

// err is the faults found, or nil.
func (d *document) err() error {
	errs := d.errs
	if more := len(errs) - maxFaults; more > 0 {
		errs = append(slices.Clone(errs[:maxFaults]), fmt.Errorf("and %d more", more))
	}
	return errors.Join(errs...)
}

// mapping is a YAML mapping whose keys are taken one by one; what is left at the end is unknown.
type mapping struct {
	doc    *document
	path   string // with a trailing dot; empty for the root
	node   ast.Node
	keys   []string
	values map[string]ast.Node
	names  map[string]ast.Node // the key nodes, for the place of an unknown key
}

// mapping reads node as a mapping called field, whose children are called path + key.
func (d *document) mapping(field, path string, node ast.Node) *mapping {
	m := &mapping{doc: d, path: path, node: node, values: map[string]ast.Node{}, names: map[string]ast.Node{}}
	mn, ok := node.(ast.MapNode)
	if !ok {
		d.fail(node, field, show(node), "a mapping")
		return m
	}
	for it := mn.MapRange(); it.Next(); {
		key := it.Key().GetToken().Value
		m.keys = append(m.keys, key)
		m.values[key], m.names[key] = it.Value(), it.Key()
	}
	return m
}

// take removes and returns the value of key, or nil when it is absent or null.
func (m *mapping) take(key string) ast.Node {
	v := m.values[key]
	delete(m.values, key)
	if v == nil || v.Type() == ast.NullType {
		return nil
	}
	return v
}

// missing reports a required key that is not there.
func (m *mapping) missing(key, want string) { m.doc.fail(m.node, m.path+key, "nothing", want) }

// child takes a required mapping.
func (m *mapping) child(key string) *mapping {
	v := m.take(key)
	if v == nil {
		m.missing(key, "a mapping")
		return nil
	}
	return m.doc.mapping(m.path+key, m.path+key+".", v)
}

// text takes a required, non-empty string.
func (m *mapping) text(key, want string) string {
	v := m.take(key)
	if v == nil {
		m.missing(key, want)
		return ""
	}
	s := strings.TrimSpace(stringOf(v))
	if s == "" {
		m.doc.fail(v, m.path+key, show(v), want)
	}
	return s
}

// stringOf is the value of a string, plain, quoted or in a block; "" for anything else.
func stringOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	}
	return ""
}

// flag takes an optional boolean.
func (m *mapping) flag(key string) bool {
	v := m.take(key)
	if v == nil {
		return false
	}
	b, ok := v.(*ast.BoolNode)
	if !ok {
		m.doc.fail(v, m.path+key, show(v), "true or false")
		return false
	}
	return b.Value
}

// optional takes a number of at least 0, or nil when it is absent.
func (m *mapping) optional(key string) *float64 {
	v := m.take(key)
	if v == nil {
		return nil
	}
	x, ok := number(v)
	if !ok || !(x >= 0) || math.IsInf(x, 0) {
		m.doc.fail(v, m.path+key, show(v), "a finite number of at least 0")
		return nil
	}
	return &x
}

// number takes a required number of at least 0.
func (m *mapping) number(key string) float64 {
	before := len(m.doc.errs)
	x := m.optional(key)
	if x == nil {
		if len(m.doc.errs) == before {
			m.missing(key, "a finite number of at least 0")
		}
		return 0
	}
	return *x
}

// count takes a required whole number of at least 1.
func (m *mapping) count(key string) int64 {
	const want = "a whole number of at least 1"
	v := m.take(key)
	if v == nil {
		m.missing(key, want)
		return 0
	}
	x, ok := number(v)
	if !ok || !(x >= 1) || x != math.Trunc(x) || x > math.MaxInt64/2 {
		m.doc.fail(v, m.path+key, show(v), want)
		return 0
	}
	return int64(x)
}

// end reports the keys that nobody took.
func (m *mapping) end(known string) {
	for _, key := range m.keys {
		if _, left := m.values[key]; left {
			m.doc.fail(m.names[key], m.path+key, "an unknown field", "one of "+known)
		}
	}
}

// number reads a scalar number; infinities and NaN come through, for the caller to reject with their place.
func number(n ast.Node) (float64, bool) {
	switch n := n.(type) {
	case *ast.IntegerNode:
		switch v := n.Value.(type) {
		case int64:
			return float64(v), true
		case uint64:
			return float64(v), true
		}
	case *ast.FloatNode:
		return n.Value, true
	case *ast.InfinityNode:
		return n.Value, true
	case *ast.NanNode:
		return math.NaN(), true
	case *ast.StringNode:
		if n.Token.Type == token.StringType { // 1e9 is a number in YAML 1.2, and unquoted text to this library
			v, err := strconv.ParseFloat(n.Value, 64)
			return v, err == nil
		}
	}
	return 0, false
}

// show writes a node as a message should: scalars as they stand in the file, the rest by kind.
func show(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("%q", n.Value)
	case *ast.LiteralNode:
		return fmt.Sprintf("%q", n.Value.Value)
	case ast.ScalarNode:
		return n.GetToken().Value
	case *ast.SequenceNode:
		return "a list"
	case ast.MapNode:
		return "a mapping"
	}
	return "a YAML " + strings.ToLower(n.Type().String())
}
