package store

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// Row is a record type that the store holds.
type Row interface {
	record.Run | record.Sample | record.Cell | record.Cost
}

// kind is a record type with its columns.
type kind struct {
	schema  record.Schema
	plural  string // how messages call its rows
	row     reflect.Type
	columns []*column
	byName  map[string]*column
	human   []*column // the columns of a table for people that names none
}

// kinds are all record types. The first list of each is its required columns: those without which a row cannot be told
// from a faulty one, because Validate has nothing to check or because their zero would pass for a value.
var kinds = []*kind{
	newKind[record.Run](record.SchemaRun, "runs",
		"run_id backend scenario mode device status batch_size prompt_tokens max_new_tokens",
		"backend mode scenario repetition status reason latency_ns ttft_ns throughput_tok_s energy_joules power_mean_w energy_grade"),
	newKind[record.Sample](record.SchemaSample, "samples",
		"ts_unix_ns source device",
		"ts_unix_ns source device power_w energy_counter_joules temp_c util_pct mem_used_bytes clock_mhz throttle"),
	newKind[record.Cell](record.SchemaCell, "cells",
		"backend scenario mode n lat_mean_ms",
		"backend mode scenario n lat_mean_ms lat_ci_lower_ms lat_ci_upper_ms throughput_ratio_tok_s throughput_mean_tok_s power_mean_w energy_grade"),
	newKind[record.Cost](record.SchemaCost, "costs",
		"backend scenario provider method mode tier estimator usd_per_kwh gco2e_per_kwh",
		"backend mode scenario provider tier throughput_tok_s power_w infra_usd_per_1m energy_usd_per_1m total_usd_per_1m carbon_g_per_1m reason"),
}

// newKind derives the columns of T from its json tags. It panics on a field that no column type fits, and on a name that
// is no column: both are mistakes in this package or in record, and the first test finds them.
func newKind[T Row](schema record.Schema, plural, required, human string) *kind {
	k := &kind{schema: schema, plural: plural, row: reflect.TypeFor[T](), byName: map[string]*column{}}
	for i := range k.row.NumField() {
		c := newColumn(k.row.Field(i), i)
		k.columns = append(k.columns, c)
		k.byName[c.name] = c
	}
	for _, name := range strings.Fields(required) {
		k.mustColumn(name).required = true
	}
	for _, name := range strings.Fields(human) {
		k.human = append(k.human, k.mustColumn(name))
	}
	return k
}

func (k *kind) mustColumn(name string) *column {
	c := k.byName[name]
	if c == nil {
		panic(fmt.Sprintf("store: %s has no column %s", k.row, name))
	}
	return c
}

// kindOf is the kind of T.
func kindOf[T Row]() *kind {
	for _, k := range kinds {
		if k.row == reflect.TypeFor[T]() {
			return k
		}
	}
	panic("store: no kind for " + reflect.TypeFor[T]().String())
}

// kindOfSchema is the kind that a schema names.
func kindOfSchema(s record.Schema) (*kind, error) {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		if k.schema == s {
			return k, nil
		}
		names[i] = string(k.schema)
	}
	want := "one of " + strings.Join(names, ", ")
	if s == "" {
		return nil, fmt.Errorf("%w: %w", errNotRecords, &record.FieldError{Field: "schema", Saw: "nothing", Want: want})
	}
	return nil, &record.FieldError{Field: "schema", Saw: fmt.Sprintf("%q", s), Want: want}
}

// kindOfColumns guesses the kind of a table without a schema: the one that knows most of its columns.
func kindOfColumns(names []string) (*kind, error) {
	var best *kind
	most, tied := 0, false
	for _, k := range kinds {
		n := 0
		for _, name := range names {
			if k.byName[name] != nil {
				n++
			}
		}
		switch {
		case n > most:
			best, most, tied = k, n, false
		case n == most:
			tied = true
		}
	}
	if most < 2 || tied {
		return nil, fmt.Errorf("%w: columns %s, want a schema column or those of runs, samples, cells or costs",
			errNotRecords, strings.Join(names, ", "))
	}
	return best, nil
}

// missing names the required columns that are not among names.
func (k *kind) missing(names []string) error {
	have := map[string]bool{}
	for _, name := range names {
		have[name] = true
	}
	var lacks []string
	for _, c := range k.columns {
		if c.required && !have[c.name] {
			lacks = append(lacks, c.name)
		}
	}
	switch len(lacks) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("required column %s is missing (read as %s)", lacks[0], k.plural)
	}
	return fmt.Errorf("required columns %s are missing (read as %s)", strings.Join(lacks, ", "), k.plural)
}
