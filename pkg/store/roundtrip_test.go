package store

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
)

// machineFormats are those that are both read and written.
var machineFormats = []Format{Parquet, Arrow, JSONL, CSV}

// collect is Handlers that append to out.
func collect[T Row](out *[]T) Handlers {
	keep := func(r any) error {
		row, ok := r.(*T)
		if !ok {
			return fmt.Errorf("got a %T", r)
		}
		*out = append(*out, *row)
		return nil
	}
	var h Handlers
	switch any(*new(T)).(type) {
	case record.Run:
		h.Run = func(r *record.Run) error { return keep(r) }
	case record.Sample:
		h.Sample = func(r *record.Sample) error { return keep(r) }
	case record.Cell:
		h.Cell = func(r *record.Cell) error { return keep(r) }
	case record.Cost:
		h.Cost = func(r *record.Cost) error { return keep(r) }
	}
	return h
}

// writeRead writes rows as a stream of f and reads it back.
func writeRead[T Row](t rapid.TB, f Format, rows []T) []T {
	var buf bytes.Buffer
	w, err := NewWriter[T](&buf, f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var got []T
	sum, err := Scan(context.Background(), Input{From: f, Stdin: &buf}, collect(&got))
	if err != nil {
		t.Fatalf("%s: %v", f, err)
	}
	if sum.Read != len(rows) || sum.Rejected != 0 {
		t.Fatalf("%s: read %d and rejected %d of %d rows: %v", f, sum.Read, sum.Rejected, len(rows), sum.Errors)
	}
	return got
}

// drawText draws what any format keeps: valid UTF-8. CSV as Go's encoding/csv reads it makes \r\n a \n.
func drawText(t *rapid.T, name string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(rapid.String().Draw(t, name), ""), "\r", "")
}

// drawRow draws any values for all columns: quantities of every magnitude above zero, and nulls.
func drawRow[T Row](t *rapid.T) T {
	var row T
	v := reflect.ValueOf(&row).Elem()
	for _, c := range kindOf[T]().columns {
		if c.nullable && rapid.Bool().Draw(t, c.name+" is null") {
			continue
		}
		switch c.typ {
		case text:
			c.slot(v).SetString(drawText(t, c.name))
		case integer:
			c.slot(v).SetInt(rapid.Int64Range(1, math.MaxInt64).Draw(t, c.name))
		case number:
			c.slot(v).SetFloat(rapid.Float64Range(math.SmallestNonzeroFloat64, math.MaxFloat64).Draw(t, c.name))
		case truth:
			c.slot(v).SetBool(rapid.Bool().Draw(t, c.name))
		case integers:
			c.setList(v, rapid.SliceOfN(rapid.Int64Range(0, math.MaxInt64), 1, 5).Draw(t, c.name))
		}
	}
	v.Field(kindOf[T]().byName["schema"].index).SetString(string(kindOf[T]().schema))
	return row
}

// The valid functions change of a drawn row what no valid row has.

func validRun(t *rapid.T, r *record.Run, i int) {
	r.RunID = fmt.Sprintf("%s%d", r.RunID, i)
	r.Backend, r.Scenario = r.Backend+"b", r.Scenario+"s"
	r.Device = rapid.SampledFrom([]record.Device{record.CPU, record.GPU}).Draw(t, "device")
	r.Mode = rapid.SampledFrom(record.Modes()).Draw(t, "mode")
	r.EnergyGrade = drawGrade(t)
	ok := exampleRun(0)
	r.Status, r.StartUnixNS, r.EndUnixNS = record.OK, ok.StartUnixNS, ok.EndUnixNS
	r.LatencyNS, r.TokensProcessed, r.TokensGenerated = ok.LatencyNS, ok.TokensProcessed, ok.TokensGenerated
	r.ThroughputTokS, r.Iterations = ok.ThroughputTokS, ok.Iterations
	if rapid.Bool().Draw(t, "degraded") {
		r.Status, r.Reason = record.Degraded, r.Reason+"r"
		r.LatencyNS, r.TTFTNS, r.TokensProcessed, r.TokensGenerated = nil, nil, nil, nil
		r.ThroughputTokS, r.EnergyJoules, r.PowerMeanW, r.JoulesPerToken = nil, nil, nil, nil
	}
}

func validSample(_ *rapid.T, s *record.Sample, _ int) {
	s.Source, s.Device = s.Source+"s", s.Device+"d"
}

func validCell(t *rapid.T, c *record.Cell, _ int) {
	c.Backend, c.Scenario, c.Device = c.Backend+"b", c.Scenario+"s", ""
	c.Mode = rapid.SampledFrom(record.Modes()).Draw(t, "mode")
	example := exampleCell(0)
	c.LatMeanMS, c.LatCILowerMS, c.LatCIUpperMS = example.LatMeanMS, example.LatCILowerMS, example.LatCIUpperMS
	c.EnergyGrade = drawGrade(t)
}

func validCost(t *rapid.T, c *record.Cost, _ int) {
	c.Backend, c.Scenario, c.Provider, c.Method = c.Backend+"b", c.Scenario+"s", c.Provider+"p", c.Method+"m"
	c.Mode = rapid.SampledFrom(record.Modes()).Draw(t, "mode")
	c.Tier = rapid.SampledFrom(record.Tiers()).Draw(t, "tier")
	c.Estimator, c.EnergyGrade, c.Device = "ratio", drawGrade(t), record.GPU
}

func drawGrade(t *rapid.T) record.Grade {
	return rapid.SampledFrom([]record.Grade{"", record.GradeA, record.GradeD}).Draw(t, "grade")
}

func checkRoundTrip[T Row](valid func(*rapid.T, *T, int)) func(*testing.T) {
	return func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			rows := make([]T, rapid.IntRange(1, 4).Draw(t, "rows"))
			for i := range rows {
				rows[i] = drawRow[T](t)
				valid(t, &rows[i], i)
			}
			for _, f := range machineFormats {
				if got := writeRead(t, f, rows); !reflect.DeepEqual(got, rows) {
					t.Fatalf("%s: got %s\nwant %s", f, mustJSON(nil, got), mustJSON(nil, rows))
				}
			}
		})
	}
}

// TestRoundTrip: what is written in any format is read back the same, whatever the values.
func TestRoundTrip(t *testing.T) {
	t.Run("run", checkRoundTrip(validRun))
	t.Run("sample", checkRoundTrip(validSample))
	t.Run("cell", checkRoundTrip(validCell))
	t.Run("cost", checkRoundTrip(validCost))
}

// TestWriteFileByExtension: files in each format, through the file system, more rows than one batch of the reader.
func TestWriteFileByExtension(t *testing.T) {
	rows := make([]record.Run, rowsAtOnce+100)
	for i := range rows {
		rows[i] = exampleRun(i)
	}
	rows[7] = degradedRun(7)
	for _, f := range machineFormats {
		path := filepath.Join(t.TempDir(), "runs."+string(f))
		if err := WriteFile(path, rows); err != nil {
			t.Fatal(err)
		}
		var got []record.Run
		sum, err := Scan(context.Background(), Input{Paths: []string{path}}, collect(&got))
		if err != nil || sum.Err() != nil {
			t.Fatalf("%s: %v, %v", f, err, sum.Err())
		}
		if !reflect.DeepEqual(got, rows) {
			t.Errorf("%s: the rows differ", f)
		}
	}
}

// TestSameBytes: an artifact's hash depends on its rows alone.
func TestSameBytes(t *testing.T) {
	rows := []record.Run{exampleRun(0), degradedRun(1), exampleRun(2)}
	for _, c := range codecs {
		var a, b bytes.Buffer
		for _, w := range []*bytes.Buffer{&a, &b} {
			if err := Put(Output{Stdout: w, Format: c.format}, rows); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(a.Bytes(), b.Bytes()) {
			t.Errorf("%s: two writes differ", c.format)
		}
	}
}

// TestSniff: standard input needs no format.
func TestSniff(t *testing.T) {
	rows := []record.Cell{exampleCell(0), exampleCell(1)}
	for _, f := range machineFormats {
		var buf bytes.Buffer
		if err := Put(Output{Stdout: &buf, Format: f}, rows); err != nil {
			t.Fatal(err)
		}
		var got []record.Cell
		if _, err := Scan(context.Background(), Input{Stdin: &buf}, collect(&got)); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if !reflect.DeepEqual(got, rows) {
			t.Errorf("%s: got %d rows, want %d the same", f, len(got), len(rows))
		}
	}
}

// TestEmptyListIsNull: an empty list comes back as nil from every format.
func TestEmptyListIsNull(t *testing.T) {
	run := exampleRun(0)
	run.ITLNS = []int64{}
	for _, f := range machineFormats {
		if got := writeRead(t, f, []record.Run{run}); got[0].ITLNS != nil {
			t.Errorf("%s: got %#v, want nil", f, got[0].ITLNS)
		}
	}
}
