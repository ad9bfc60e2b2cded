// Package record holds the row types that the five tools exchange: run, sample, cell and cost. A row type is a plain
// struct whose json tags are the names of its JSON-lines fields, CSV columns and Parquet columns alike; every quantity's
// name ends in its unit; a pointer is a value that may be absent (null). The package holds the types, their keys and
// their validation, and nothing else: reading and writing is package store's.
package record

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
)

// Schema names a record type and its version, as the `schema` field of each record carries it.
type Schema string

// The schemas of this version.
const (
	SchemaRun    Schema = "bh.run/1"
	SchemaSample Schema = "bh.sample/1"
	SchemaCell   Schema = "bh.cell/1"
	SchemaCost   Schema = "bh.cost/1"
)

// Record is a pointer to one of the row types.
type Record interface {
	// Validate reports every field that cannot be what was measured, as *FieldError joined by errors.Join.
	Validate() error
	// Kind is the schema of the type, whatever the value's own schema field says.
	Kind() Schema
}

// Mode is what a run measured.
type Mode string

// The modes; DESIGN's definitions are in docs/definitions.md.
const (
	Prefill        Mode = "prefill"         // one forward pass over the prompt
	Generate       Mode = "generate"        // greedy decoding without a KV cache
	GenerateCached Mode = "generate-cached" // greedy decoding with a KV cache
)

// Modes lists all modes in the order of the reports.
func Modes() []Mode { return []Mode{Prefill, Generate, GenerateCached} }

// Device is what did the work.
type Device string

// The devices.
const (
	CPU Device = "cpu"
	GPU Device = "gpu"
)

// Status is how a run ended.
type Status string

// The statuses: a run that did not end OK has a reason and no measurements.
const (
	OK       Status = "ok"
	Degraded Status = "degraded" // the backend is not available here; nothing ran
	Failed   Status = "error"    // it ran and broke
)

// Grade says how far an energy figure can be trusted; see docs/definitions.md.
type Grade string

// The grades; no grade at all (null) means that nothing is known.
const (
	GradeA Grade = "A" // counter and integrated power agree within 5%
	GradeB Grade = "B" // one of them, well sampled
	GradeC Grade = "C" // under-sampled, throttled or shared
	GradeD Grade = "D" // estimated from a model of the processor
)

// FieldError says what is wrong with one field of a record.
type FieldError struct {
	Field string // column name
	Saw   string // the value, as written
	Want  string // what it should have been
}

func (e *FieldError) Error() string {
	return fmt.Sprintf("field %s: saw %s, want %s", e.Field, e.Saw, e.Want)
}

// checker collects field errors.
type checker struct{ errs []error }

func (c *checker) err() error { return errors.Join(c.errs...) }

func (c *checker) fail(field string, saw any, want string) {
	c.errs = append(c.errs, &FieldError{Field: field, Saw: show(saw), Want: want})
}

// show writes a value as an error message should: strings quoted, nil pointers as nothing.
func show(v any) string {
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Pointer {
		if rv.IsNil() {
			return "nothing"
		}
		rv = rv.Elem()
	}
	if rv.Kind() == reflect.String {
		if rv.Len() == 0 {
			return "nothing"
		}
		return fmt.Sprintf("%q", rv.String())
	}
	return fmt.Sprint(rv.Interface())
}

func (c *checker) schema(got, want Schema) {
	if got != want {
		c.fail("schema", string(got), fmt.Sprintf("%q", want))
	}
}

func required[T ~string](c *checker, field string, v T) {
	if v == "" {
		c.fail(field, "", "a value")
	}
}

func oneOf[T ~string](c *checker, field string, v T, allowed ...T) {
	names := make([]string, len(allowed))
	for i, a := range allowed {
		if v == a {
			return
		}
		names[i] = string(a)
	}
	c.fail(field, string(v), "one of "+strings.Join(names, ", "))
}

// grade checks an energy grade; no grade says that nothing is known.
func grade(c *checker, v Grade) {
	if v != "" {
		oneOf(c, "energy_grade", v, GradeA, GradeB, GradeC, GradeD)
	}
}

// atLeast checks v >= low.
func atLeast[T ~int64 | ~float64](c *checker, field string, v, low T) {
	if !(v >= low) || math.IsInf(float64(v), 0) {
		c.fail(field, v, fmt.Sprintf("a finite number of at least %v", low))
	}
}

// nonNegative checks a nullable quantity: null, or finite and not below zero.
func nonNegative[T ~int64 | ~float64](c *checker, field string, v *T) {
	if v != nil {
		atLeast(c, field, *v, 0)
	}
}

// positive checks a nullable quantity: null, or finite and above zero.
func positive[T ~int64 | ~float64](c *checker, field string, v *T) {
	if v != nil && (!(*v > 0) || math.IsInf(float64(*v), 0)) {
		c.fail(field, *v, "a finite number above 0")
	}
}

// finite checks a nullable quantity: null, or finite.
func finite[T ~float64](c *checker, field string, v *T) {
	if v != nil && (math.IsNaN(float64(*v)) || math.IsInf(float64(*v), 0)) {
		c.fail(field, *v, "a finite number")
	}
}

// present checks that a nullable quantity is there.
func present[T any](c *checker, field string, v *T) {
	if v == nil {
		c.fail(field, v, "a value in a run with status ok")
	}
}

// absent checks that a nullable quantity is not there.
func absent[T any](c *checker, field string, v *T) {
	if v != nil {
		c.fail(field, v, "nothing: a run that is not ok has no measurements")
	}
}
