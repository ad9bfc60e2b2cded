package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
)

// matrix reads what was planned. Where the manifest holds the matrix of the runs it is that one, and a file that says
// something else is bad input: the report would state settings that were not run.
func (l *loader) matrix() error {
	ran, err := l.ranMatrix()
	if err != nil {
		return err
	}
	l.in.Matrix = ran
	if l.in.plan == nil {
		return nil
	}
	given, err := matrix.Parse(l.in.plan.Name, []byte(l.in.plan.Text))
	if err != nil {
		return err
	}
	if ran == nil {
		l.in.Matrix = given
		return nil
	}
	if flagGiven(l.in.Manifest, "threads") {
		given.SetThreads(ran.Threads)
	}
	if flagGiven(l.in.Manifest, "model") {
		given.Model = ran.Model
	}
	given.Model = manifest.PublicPath(given.Model) // as the manifest has it
	differing, err := differingFields(given, ran)
	if err != nil {
		return err
	}
	if len(differing) > 0 {
		return cli.BadInputf("matrix %s is not the one the runs were made with: %s; leave --matrix out, as %s holds theirs, or give the right file",
			l.in.plan.Name, names(differing), manifest.FileName)
	}
	return nil
}

// ranMatrix is the matrix in the manifest, or nil where it has none.
func (l *loader) ranMatrix() (*matrix.Matrix, error) {
	if l.in.Manifest == nil || len(l.in.Manifest.Matrix) == 0 {
		return nil, nil
	}
	m := new(matrix.Matrix)
	if err := json.Unmarshal(l.in.Manifest.Matrix, m); err != nil {
		return nil, cli.BadInputf("%s: field matrix: %w", manifest.FileName, err)
	}
	return m, nil
}

// flagGiven reports whether the runs were made with a flag of bh-run.
func flagGiven(m *manifest.Manifest, flag string) bool {
	return slices.ContainsFunc(m.Invocations, func(i manifest.Invocation) bool {
		return slices.ContainsFunc(i.Command, func(arg string) bool {
			name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			return strings.HasPrefix(arg, "-") && name == flag
		})
	})
}

// differingFields names the fields in which two matrices differ, with both values where those are short.
func differingFields(given, ran *matrix.Matrix) ([]string, error) {
	a, err := fieldsOf(given)
	if err != nil {
		return nil, err
	}
	b, err := fieldsOf(ran)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if reflect.DeepEqual(a[name], b[name]) {
			continue
		}
		switch a[name].(type) {
		case []any, map[string]any:
			list = append(list, "field "+name+" differs")
		default:
			list = append(list, fmt.Sprintf("field %s is %v, the runs had %v", name, a[name], b[name]))
		}
	}
	return list, nil
}

// fieldsOf are the fields of a matrix as the manifest has them. An empty list or mapping is none.
func fieldsOf(m *matrix.Matrix) (map[string]any, error) {
	c := *m
	c.Backends = slices.Clone(m.Backends)
	for i := range c.Backends {
		if len(c.Backends[i].Settings) == 0 {
			c.Backends[i].Settings = nil
		}
	}
	data, err := json.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("matrix: %w", err)
	}
	fields := map[string]any{}
	return fields, json.Unmarshal(data, &fields)
}
