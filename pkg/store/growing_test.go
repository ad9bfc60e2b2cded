package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// reading is the i-th sample of a synthetic recording: some columns null, some texts empty.
func reading(i int) record.Sample {
	s := record.Sample{Schema: record.SchemaSample, Host: "h", TSUnixNS: int64(1_700_000_000_000_000_000 + i*1000), Source: "rapl",
		Device: fmt.Sprintf("cpu:%d", i%2), EnergyCounterJoules: units.Ptr(units.Joules(float64(i) / 3))}
	if i%3 == 0 {
		s.PowerW, s.Throttle = units.Ptr(units.Watts(i)), "power"
	}
	if i%5 == 0 {
		s.Event, s.LateNS = record.EventIdleBegin, units.Ptr(int64(-i))
	}
	return s
}

// readSamples reads a file with the package's own reader.
func readSamples(t *testing.T, path string) ([]record.Sample, Summary) {
	t.Helper()
	var got []record.Sample
	sum, err := Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Sample: func(s *record.Sample) error {
		got = append(got, *s)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return got, sum
}

// plainRows counts the rows that any other Parquet reader sees.
func plainRows(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	table, err := pqarrow.ReadTable(context.Background(), f, nil, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return 0, err
	}
	defer table.Release()
	return table.NumRows(), nil
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// Wherever a growing file is cut off, all rows up to its last whole footer are read, and told to be not all; right behind
// a footer every Parquet reader takes it.
func TestGrowingCutAnywhere(t *testing.T) {
	var out bytes.Buffer
	g, err := NewGrowing(&out)
	if err != nil {
		t.Fatal(err)
	}
	rows, sizes := []int{0}, []int{0}
	for _, n := range []int{1, 7, 0, 40, 300} {
		for range n {
			s := reading(rows[len(rows)-1])
			rows[len(rows)-1]++
			if err := g.Write(&s); err != nil {
				t.Fatal(err)
			}
		}
		if n > 0 {
			if err := g.Footer(); err != nil {
				t.Fatal(err)
			}
			rows, sizes = append(rows, rows[len(rows)-1]), append(sizes, out.Len())
		}
	}
	if err := g.Finish(); err != nil {
		t.Fatal(err)
	}
	whole := out.Bytes()
	path := filepath.Join(t.TempDir(), "s.parquet")
	for k := 1; k < len(sizes); k++ {
		next := len(whole)
		if k+1 < len(sizes) {
			next = sizes[k+1]
		}
		for _, size := range []int{sizes[k], sizes[k] + 1, sizes[k] + 9, (sizes[k] + next) / 2, next - 5, next - 1} {
			put(t, path, whole[:size])
			got, sum := readSamples(t, path)
			if len(got) != rows[k-1] || len(sum.CutOff) != 1 || sum.Err() == nil {
				t.Errorf("cut at %d, %d behind footer %d: saw %d rows, cut off %q; want %d", size, size-sizes[k], k, len(got), sum.CutOff, rows[k-1])
			}
			if torn := strings.Contains(strings.Join(sum.CutOff, ""), "passed over"); torn != (size > sizes[k]) {
				t.Errorf("cut at %d: saw %q", size, sum.CutOff)
			}
			if cut, err := CutOff(t.Context(), path); err != nil || !cut {
				t.Errorf("cut at %d: saw %t, %v", size, cut, err)
			}
		}
		put(t, path, whole[:sizes[k]])
		if n, err := plainRows(path); err != nil || n != int64(rows[k-1]) {
			t.Errorf("footer %d: a plain reader saw %d rows, %v; want %d", k, n, err, rows[k-1])
		}
	}
	put(t, path, whole)
	got, sum := readSamples(t, path)
	if len(got) != rows[len(rows)-1] || sum.Err() != nil {
		t.Errorf("finished: saw %d rows, %v; want %d", len(got), sum.Err(), rows[len(rows)-1])
	}
	for i := range got {
		if !bytes.Equal(mustJSON(t, got[i]), mustJSON(t, reading(i))) {
			t.Errorf("row %d: saw %s, want %s", i, mustJSON(t, got[i]), mustJSON(t, reading(i)))
		}
	}
	if n, err := plainRows(path); err != nil || n != int64(len(got)) {
		t.Errorf("finished: a plain reader saw %d rows, %v", n, err)
	}
	if cut, err := CutOff(t.Context(), path); err != nil || cut {
		t.Errorf("finished: saw %t, %v", cut, err)
	}
	put(t, path, whole[:sizes[1]-1])
	if _, err := CutOff(t.Context(), path); err == nil {
		t.Error("no whole footer: saw no error")
	}
}

// Footers are due less and less often, so that they stay a bounded share of the file.
func TestGrowingFootersAreBounded(t *testing.T) {
	var out bytes.Buffer
	g, err := NewGrowing(&out)
	if err != nil {
		t.Fatal(err)
	}
	footers, unused := 0, 0
	const n = 20000
	for i := range n {
		s := reading(i)
		if err := g.Write(&s); err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 && g.Due() {
			if err := g.Footer(); err != nil {
				t.Fatal(err)
			}
			footers++
			unused += g.footerSize
		}
	}
	if err := g.Finish(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d rows, %d bytes, of them %d in %d footers", n, out.Len(), unused, footers)
	if footers < 4 || unused > out.Len()/3 {
		t.Errorf("saw %d footers of %d bytes together in a file of %d", footers, unused, out.Len())
	}
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if r.NumRows() != n {
		t.Errorf("saw %d rows, want %d", r.NumRows(), n)
	}
	for i := range r.NumRowGroups() {
		if rows := r.MetaData().RowGroup(i).NumRows(); rows > growingRows {
			t.Errorf("row group %d: saw %d rows", i, rows)
		}
	}
}

func TestGrowingRefusesWhatNoReaderTakes(t *testing.T) {
	g, err := NewGrowing(&bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Write(&record.Sample{}); err == nil {
		t.Error("saw no error for a sample without anything")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestGrowingOnAFullDisk(t *testing.T) {
	g, err := NewGrowing(full{})
	if err != nil {
		t.Fatal(err)
	}
	s := reading(0)
	if err := g.Write(&s); err != nil {
		t.Fatal(err)
	}
	if err := g.Footer(); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("saw %v", err)
	}
}
