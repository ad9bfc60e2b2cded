package cost_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: saw\n%s\nwant\n%s", path, got, want)
	}
}

// viewRows are rows of every kind: measured, partly so, estimated, ungraded, without power, without price, without runs.
func viewRows(t *testing.T) []record.Cost {
	good, guess, dark := measured(record.Prefill, "batch_short"), measured(record.Prefill, "single_short"), measured(record.Generate, "batch_short")
	guess.EnergyGrade, guess.PowerSource = record.GradeD, "cpu-estimate"
	dark.PowerMeanW, dark.PowerN, dark.EnergyGrade = nil, nil, ""
	partly, shared, ungraded := measured(record.Generate, "single_short"), measured(record.Generate, "single_long"), measured(record.Generate, "ungraded")
	partly.PowerN, shared.EnergyGrade, ungraded.EnergyGrade = units.Ptr(int64(2)), record.GradeC, ""
	absent := record.Cell{
		Schema: record.SchemaCell, Experiment: "e", Host: "h", Backend: "transformers-cpu", Model: "m", Precision: "fp32",
		Device: record.CPU, Threads: units.Ptr(int64(2)), Mode: record.Prefill, Scenario: "batch_short", NDegraded: 7,
	}
	rows, err := cost.Price([]record.Cell{good, guess, dark, partly, shared, ungraded, absent}, smallBook(), cost.MethodDefault)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestView(t *testing.T) {
	for name, write := range map[string]func(cost.View, *bytes.Buffer) error{
		"view.txt": func(v cost.View, b *bytes.Buffer) error { return v.WriteText(b) },
		"view.md":  func(v cost.View, b *bytes.Buffer) error { return v.WriteMarkdown(b) },
	} {
		var out bytes.Buffer
		if err := write(cost.NewView(viewRows(t)), &out); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.Bytes())
	}
}

func TestViewOfNothing(t *testing.T) {
	absent := viewRows(t)[len(viewRows(t))-1:]
	var out bytes.Buffer
	if err := cost.NewView(absent).WriteText(&out); err != nil {
		t.Fatal(err)
	}
	if want := "rows without a good run, not shown: 1 (transformers-cpu)\n"; out.String() != want {
		t.Errorf("saw %q, want %q", out.String(), want)
	}
}
