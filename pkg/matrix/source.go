package matrix

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
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
func syntaxError(name string, err error) error {
	var ye yaml.Error
	if !errors.As(err, &ye) {
		return fmt.Errorf("%s: %w", name, err)
	}
	e := &Error{File: name, Field: "YAML", Saw: ye.GetMessage(), Want: "a matrix as docs/matrix.md describes it"}
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		e.Want = kindName(wrong.DstType)
		if wrong.StructFieldName != nil {
			e.Saw = "a value of another kind for " + *wrong.StructFieldName
		} else {
			e.Saw = "a value of another kind"
		}
	}
	if t := ye.GetToken(); t != nil {
		e.Line, e.Column = t.Position.Line, t.Position.Column
		e.Field = fieldAt(t.Value)
	}
	return e
}

func fieldAt(value string) string {
	if value = strings.TrimSpace(value); value == "" || strings.ContainsAny(value, "\n") {
		return "YAML"
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
