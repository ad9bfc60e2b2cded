package matrix

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Error is one fault of a matrix file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 when the field is not in the file
	Field        string // scenarios[0].batch_size
	Saw, Want    string
}

func (e *Error) Error() string {
	place := e.File
	if e.Line > 0 {
		place = fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	}
	return fmt.Sprintf("%s: %s: saw %s, want %s", place, e.Field, e.Saw, e.Want)
}

// source is the parsed file, kept so that a fault found after parsing still names its line and column.
type source struct {
	name string
	file *ast.File
}

// fault makes the Error for a field, which is a YAML path without its leading "$.".
func (s source) fault(field, saw, want string) *Error {
	e := &Error{File: s.name, Field: field, Saw: saw, Want: want}
	for path := "$." + field; s.file != nil && path != "$"; path = parent(path) {
		p, err := yaml.PathString(path)
		if err != nil {
			break // a name with odd characters: the file is still named
		}
		node, err := p.FilterFile(s.file)
		if err != nil || node == nil || node.GetToken() == nil {
			continue // the field is missing: its parent is the nearest place
		}
		e.Line, e.Column = node.GetToken().Position.Line, node.GetToken().Position.Column
		break
	}
	return e
}

// parent cuts the last step off a YAML path.
func parent(path string) string {
	i := strings.LastIndexAny(path, ".[")
	if i <= 0 {
		return "$"
	}
	return path[:i]
}

// syntaxError turns the library's error, which spans lines and quotes the source, into ours.
func (s source) syntaxError(err error) error {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	e := &Error{File: s.name, Field: noField, Saw: ye.GetMessage(), Want: "a matrix as docs/matrix.md describes it"}
	t := ye.GetToken()
	if t != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
		e.Field = fieldAt(t.Value)
	}
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) {
		return e
	}
	e.Saw, e.Want = "a value of another kind", kindName(wrong.DstType)
	if path := s.path(t); path != "" {
		e.Field, e.Saw = path, fieldAt(t.Value)
	}
	return e
}

// path is the path of the value that stands at a token, without its leading "$."; "" where none does.
func (s source) path(t *token.Token) string {
	if s.file == nil || t == nil || fieldAt(t.Value) == noField {
		return ""
	}
	at := &valueAt{position: *t.Position}
	for _, doc := range s.file.Docs {
		if doc.Body != nil {
			ast.Walk(at, doc.Body)
		}
	}
	return strings.TrimPrefix(at.path, "$.")
}

// valueAt finds the path of the value at a position.
type valueAt struct {
	position token.Position
	path     string
}

// Visit implements ast.Visitor.
func (v *valueAt) Visit(node ast.Node) ast.Visitor {
	if scalar, ok := node.(ast.ScalarNode); ok && scalar.GetToken().Position.Offset == v.position.Offset {
		v.path = node.GetPath()
	}
	return v
}

// noField is what a fault names when it is of no field.
const noField = "YAML"

func fieldAt(value string) string {
	if value = strings.TrimSpace(value); value == "" || strings.ContainsAny(value, "\n") {
		return noField
	}
	return fmt.Sprintf("%q", value)
}

// kindName says what a Go type is called in a matrix file.
func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Int, reflect.Int64:
		if t == reflect.TypeFor[time.Duration]() {
			return "a duration, such as 500ms"
		}
		return "an integer"
	case reflect.String:
		return "a text"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	}
	return t.String()
}
