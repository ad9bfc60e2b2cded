package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

// folder makes files with one row each: a run, sample, cell or cost of number i.
func folder(t *testing.T, files map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	for name, row := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		var err error
		switch row := row.(type) {
		case record.Run:
			err = WriteFile(path, []record.Run{row})
		case record.Sample:
			err = WriteFile(path, []record.Sample{row})
		case record.Cell:
			err = WriteFile(path, []record.Cell{row})
		case record.Cost:
			err = WriteFile(path, []record.Cost{row})
		case string:
			err = os.WriteFile(path, []byte(row), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	count := 0
	runs := func(*record.Run) error { count++; return nil }
	cells := func(*record.Cell) error { count++; return nil }
	costs := func(*record.Cost) error { count++; return nil }
	whole := map[string]any{
		"manifest.json": "{}", "report.md": "# Report", "notes.txt": "x", "claims.csv": "claim,value\nx,1\n",
		"runs.jsonl": exampleRun(1), "runs.parquet": exampleRun(1), "energy.parquet": exampleRun(1),
		"samples.parquet": exampleSample(1), "cost.parquet": exampleCost(1), "cells.csv": exampleCell(1), ".runs.parquet": "half",
		".cache/runs.jsonl": "half", "events.jsonl": `{"event":"start"}` + "\n",
	}
	for _, c := range []struct {
		name  string
		files map[string]any
		h     Handlers
		want  []string
	}{
		{"runs are read once, with their energy", whole, Handlers{Run: runs}, []string{"energy.parquet"}},
		{"runs before cells", whole, Handlers{Run: runs, Cell: cells}, []string{"energy.parquet"}},
		{"cells where they alone are wanted", whole, Handlers{Cell: cells}, []string{"cells.csv"}},
		{"several kinds", whole, Handlers{Run: runs, Cost: costs}, []string{"energy.parquet", "cost.parquet"}},
		{"the journal, where the run was cut short", map[string]any{"runs.jsonl": exampleRun(1), "samples.parquet": exampleSample(1)},
			Handlers{Run: runs}, []string{"runs.jsonl"}},
		{"shards", map[string]any{"0/runs.parquet": exampleRun(0), "1/runs.parquet": exampleRun(1), "1/energy.parquet": exampleRun(1)},
			Handlers{Run: runs}, []string{"0/runs.parquet", "1/energy.parquet"}},
		{"files of any name", map[string]any{"a.csv": exampleRun(0), "b.arrow": exampleRun(1)}, Handlers{Run: runs}, []string{"a.csv", "b.arrow"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, c.files)
			count = 0
			sum, err := Scan(context.Background(), Input{Paths: []string{dir}}, c.h)
			if err != nil || sum.Rejected != 0 {
				t.Fatal(err, sum.Errors)
			}
			var got []string
			for _, f := range sum.Files {
				rel, _ := filepath.Rel(dir, f)
				got = append(got, filepath.ToSlash(rel))
			}
			if !slices.Equal(got, c.want) || count != len(c.want) {
				t.Errorf("read %v, %d rows; want %v", got, count, c.want)
			}
		})
	}
}

func TestFolderErrors(t *testing.T) {
	h := Handlers{Run: func(*record.Run) error { return nil }}
	for name, c := range map[string]struct {
		files map[string]any
		want  string
	}{
		"none wanted":      {map[string]any{"cost.parquet": exampleCost(0)}, " holds no runs"},
		"no files":         {map[string]any{}, " holds no runs"},
		"a corrupt file":   {map[string]any{"runs.jsonl": exampleRun(0), "other.parquet": "PAR1 and no more"}, "other.parquet: "},
		"an empty file":    {map[string]any{"runs.jsonl": exampleRun(0), "other.jsonl": ""}, "other.jsonl: empty"},
		"a cut line alone": {map[string]any{"runs.jsonl": `{"schema":"bh.run/1","run`}, "runs.jsonl:1: not a JSON object"},
		"a later version":  {map[string]any{"runs.jsonl": `{"schema":"bh.run/9"}`}, `runs.jsonl:1: field schema: saw "bh.run/9"`},
	} {
		_, err := Scan(context.Background(), Input{Paths: []string{folder(t, c.files)}}, h)
		if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

func TestGlobAndRepeatedPaths(t *testing.T) {
	dir := folder(t, map[string]any{"a1.jsonl": exampleRun(1), "a2.jsonl": exampleRun(2), "b[3].jsonl": exampleRun(3)})
	var got []record.Run
	paths := []string{filepath.Join(dir, "a*.jsonl"), filepath.Join(dir, "a1.jsonl"), filepath.Join(dir, "b[3].jsonl")}
	sum, err := Scan(context.Background(), Input{Paths: paths}, collect(&got))
	if err != nil || len(got) != 3 || sum.Rejected != 0 {
		t.Errorf("%v: %d rows from %v", err, len(got), sum.Files)
	}
}

// TestDuplicateAcrossFiles: a run id is taken once, whichever files it stands in.
func TestDuplicateAcrossFiles(t *testing.T) {
	dir := folder(t, map[string]any{"a.jsonl": exampleRun(1), "b.parquet": exampleRun(1), "c.parquet": exampleRun(2)})
	var got []record.Run
	sum, err := Scan(context.Background(), Input{Paths: []string{dir}}, collect(&got))
	if err != nil || len(got) != 2 || sum.Rejected != 1 || !strings.Contains(sum.Errors[0].Error(), "b.parquet: row 1: field run_id: ") {
		t.Errorf("%v: %d rows, %v", err, len(got), sum.Errors)
	}
	other := exampleRun(1)
	other.Host = "another"
	dir = folder(t, map[string]any{"a.jsonl": exampleRun(1), "b.jsonl": other})
	if sum, err := Scan(context.Background(), Input{Paths: []string{dir}}, collect(&got)); err != nil || sum.Rejected != 0 {
		t.Errorf("the same id on another host: %v, %v", err, sum.Errors)
	}
}

// TestMixedStream: lines of several kinds in one stream, each to its handler, with a byte order mark, CRLF, blank lines,
// spaces inside, fields in another order and unknown ones.
func TestMixedStream(t *testing.T) {
	var runs []record.Run
	var samples []record.Sample
	h := collect(&runs)
	h.Sample = collect(&samples).Sample
	in := "\xef\xbb\xbf" + jsonLine(t, 0) + "\r\n\r\n" + string(mustJSON(t, exampleSample(0))) + "\n \t\n" +
		`{ "device" : "cpu:0" , "new": {"a": [1, "}"]}, "source":"rapl","ts_unix_ns":7,"power_w" : 1.5e1, "schema": "bh.sample\/1" }` + "\n" +
		`{"mood":"gr\u00fcn","schema":"bh.sample/1","ts_unix_ns":8,"source":"r\u00e4pl","device":"cpu:0","throttle":"ä"}`
	sum, err := Scan(context.Background(), Input{Stdin: strings.NewReader(in)}, h)
	if err != nil || sum.Rejected != 0 || len(runs) != 1 || len(samples) != 3 {
		t.Fatalf("%v, %v: %d runs, %d samples", err, sum.Errors, len(runs), len(samples))
	}
	if !reflect.DeepEqual(samples[0], exampleSample(0)) {
		t.Errorf("got %+v", samples[0])
	}
	if s := samples[1]; s.TSUnixNS != 7 || *s.PowerW != 15 || s.Schema != record.SchemaSample {
		t.Errorf("got %+v", s)
	}
	if s := samples[2]; s.Source != "räpl" || s.Throttle != "ä" {
		t.Errorf("got %+v", s)
	}
}

// TestLongLine: a line longer than any buffer is read whole.
func TestLongLine(t *testing.T) {
	run := exampleRun(0)
	run.Detail = strings.Repeat("no room, ", 1<<17)
	var got []record.Run
	in := strings.NewReader(string(mustJSON(t, run)) + "\n" + jsonLine(t, 1))
	if _, err := Scan(context.Background(), Input{Stdin: in}, collect(&got)); err != nil || len(got) != 2 || !reflect.DeepEqual(got[0], run) {
		t.Errorf("%v: %d rows", err, len(got))
	}
}

// TestSilentPipe: a cancelled context ends a scan that waits on a pipe whose writer is silent.
func TestSilentPipe(t *testing.T) {
	for _, f := range append(machineFormats, "") {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			_, err := Scan(ctx, Input{Stdin: r, From: f}, Handlers{Run: func(*record.Run) error { return nil }})
			done <- err
		}()
		time.AfterFunc(20*time.Millisecond, cancel)
		select {
		case err := <-done:
			if cli.ExitCode(err) != cli.ExitInterrupted {
				t.Errorf("%q: got %v", f, err)
			}
		case <-time.After(time.Minute):
			t.Errorf("%q: the scan did not end", f)
		}
		_ = w.Close()
	}
}

// TestCancelDuringRows: a context cancelled by the handler of an early row ends the scan before the last.
func TestCancelDuringRows(t *testing.T) {
	rows := make([]record.Sample, 10*ctxEvery)
	for i := range rows {
		rows[i] = exampleSample(i)
	}
	for _, f := range machineFormats {
		path := writeTemp(t, "s."+string(f), bytesOf(t, f, rows...))
		ctx, cancel := context.WithCancel(context.Background())
		n := 0
		_, err := Scan(ctx, Input{Paths: []string{path}}, Handlers{Sample: func(*record.Sample) error { n++; cancel(); return nil }})
		if !errors.Is(err, context.Canceled) || n > ctxEvery {
			t.Errorf("%s: %v after %d rows", f, err, n)
		}
	}
}

// TestHandlerError: what a handler returns comes back as it is.
func TestHandlerError(t *testing.T) {
	stop := errors.New("stop")
	for _, f := range machineFormats {
		path := writeTemp(t, "r."+string(f), bytesOf(t, f, exampleRun(0), exampleRun(1)))
		n := 0
		_, err := Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Run: func(*record.Run) error { n++; return stop }})
		if !errors.Is(err, stop) || err.Error() != "stop" || n != 1 {
			t.Errorf("%s: %v after %d rows", f, err, n)
		}
	}
}

// TestHandlerPanic: the guard around Arrow hides no mistake of a handler.
func TestHandlerPanic(t *testing.T) {
	for _, f := range machineFormats {
		path := writeTemp(t, "r."+string(f), bytesOf(t, f, exampleRun(0)))
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the panic was swallowed", f)
				}
			}()
			_, _ = Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Run: func(*record.Run) error { panic("mistake") }})
		}()
	}
}

// TestRecordsMayBeKept: a record that a handler keeps does not change as the scan goes on.
func TestRecordsMayBeKept(t *testing.T) {
	rows := make([]record.Run, 3*rowsAtOnce)
	for i := range rows {
		rows[i] = exampleRun(i)
	}
	for _, f := range machineFormats {
		var kept []*record.Run
		path := writeTemp(t, "r."+string(f), bytesOf(t, f, rows...))
		_, err := Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Run: func(r *record.Run) error { kept = append(kept, r); return nil }})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			if !reflect.DeepEqual(*kept[i], rows[i]) {
				t.Fatalf("%s: row %d changed", f, i)
			}
		}
	}
}

// TestBoundedMemory: what is live on the heap does not grow with the number of rows. A sample takes some 180 bytes as a
// struct, so all of them would be several times the bound.
func TestBoundedMemory(t *testing.T) {
	for f, c := range map[Format]struct {
		rows  int
		bound uint64 // bytes
	}{
		Parquet: {700_000, 64 << 20}, // a row group, and encoders that are kept
		Arrow:   {300_000, 16 << 20},
		JSONL:   {200_000, 8 << 20},
		CSV:     {200_000, 8 << 20},
	} {
		t.Run(string(f), func(t *testing.T) {
			base := liveHeap()
			path := filepath.Join(t.TempDir(), "samples."+string(f))
			out, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			w, err := NewWriter[record.Sample](out, f)
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.rows {
				s := exampleSample(i)
				if err := w.Write(&s); err != nil {
					t.Fatal(err)
				}
				checkHeap(t, i, base+c.bound)
			}
			if err := errors.Join(w.Close(), out.Close()); err != nil {
				t.Fatal(err)
			}
			n := 0
			_, err = Scan(context.Background(), Input{Paths: []string{path}}, Handlers{Sample: func(*record.Sample) error {
				checkHeap(t, n, base+c.bound)
				n++
				return nil
			}})
			if err != nil || n != c.rows {
				t.Errorf("%v: read %d rows", err, n)
			}
		})
	}
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// checkHeap looks at the heap every so many rows, none of which is at the end of a batch.
func checkHeap(t *testing.T, row int, bound uint64) {
	if row%30_000 != 29_999 {
		return
	}
	if live := liveHeap(); live > bound {
		t.Fatalf("row %d: %d MiB of live heap, want at most %d", row, live>>20, bound>>20)
	}
}

// TestNoStdin: a missing or empty standard input is a mistake of the caller.
func TestNoStdin(t *testing.T) {
	if _, err := Scan(context.Background(), Input{}, Handlers{}); cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("got %v", err)
	}
	if _, err := Scan(context.Background(), Input{Stdin: new(bytes.Buffer)}, Handlers{}); err == nil || err.Error() != "-: empty, want records" {
		t.Errorf("got %v", err)
	}
}
