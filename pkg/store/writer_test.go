package store

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

var update = flag.Bool("update", false, "write the golden files and schemas anew")

// golden compares got with a file, or writes it with -update.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
		t.Errorf("%s differs; go test -update writes it. Got:\n%s", path, got)
	}
}

// goldenRuns are one good and one degraded run.
func goldenRuns() []record.Run { return []record.Run{exampleRun(0), degradedRun(1)} }

// TestGolden holds the bytes of the text formats: other tools read them, and files of today are read in years.
func TestGolden(t *testing.T) {
	for _, f := range []Format{JSONL, CSV, JSON, Markdown, Text} {
		var b bytes.Buffer
		if err := Put(Output{Stdout: &b, Format: f}, goldenRuns()); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "runs."+string(f)), b.Bytes())
	}
}

// TestOldFiles reads the Parquet and Arrow files that this version wrote when they were committed.
func TestOldFiles(t *testing.T) {
	for _, f := range []Format{Parquet, Arrow} {
		path := filepath.Join("testdata", "runs."+string(f))
		if *update {
			if err := WriteFile(path, goldenRuns()); err != nil {
				t.Fatal(err)
			}
		}
		rows, _, err := scanRuns(path)
		if err != nil || len(rows) != 2 || string(mustJSON(t, rows)) != string(mustJSON(t, goldenRuns())) {
			t.Errorf("%s: %v: got %s", f, err, mustJSON(t, rows))
		}
	}
}

// TestJSONAsEncodingJSON: a line is what encoding/json makes of the record, less its escapes for HTML.
func TestJSONAsEncodingJSON(t *testing.T) {
	run := exampleRun(0)
	run.Detail = "<a> & \"b\"\n\t\x01\xff é \u2028"
	run.PowerMeanW = units.Ptr(units.Watts(1e-9))
	if got, want := bytesOf(t, JSONL, run), string(mustJSON(t, run))+"\n"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestPutColumns(t *testing.T) {
	var b bytes.Buffer
	o := Output{Stdout: &b, Format: Markdown, Columns: []string{"scenario", "latency_ns", "throughput_tok_s", "itl_ns", "status"}}
	if err := Put(o, goldenRuns()); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "columns.md"), b.Bytes())
	o.Columns = []string{"latency"}
	if err := Put(o, goldenRuns()); cli.ExitCode(err) != cli.ExitBadInput || err.Error() != `unknown column "latency" of runs` {
		t.Errorf("got %v", err)
	}
}

// TestPutFormat: by extension, by override, JSON-lines where standard output is no terminal; "-" is standard output.
func TestPutFormat(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		out  Output
		want string // how the output begins
	}{
		{Output{Path: filepath.Join(dir, "a.parquet")}, "PAR1"},
		{Output{Path: filepath.Join(dir, "a.CSV")}, "schema,experiment,"},
		{Output{Path: filepath.Join(dir, "a.md")}, "| backend "},
		{Output{Path: filepath.Join(dir, "a.json")}, `[{"schema":`},
		{Output{Path: filepath.Join(dir, "a.csv"), Format: JSONL}, `{"schema":`},
		{Output{}, `{"schema":`},
		{Output{Path: "-"}, `{"schema":`},
		{Output{Format: CSV}, "schema,experiment,"},
	} {
		var b bytes.Buffer
		c.out.Stdout = &b
		if err := Put(c.out, goldenRuns()); err != nil {
			t.Fatal(err)
		}
		got := b.Bytes()
		if c.out.Path != "" && c.out.Path != "-" {
			var err error
			if got, err = os.ReadFile(c.out.Path); err != nil {
				t.Fatal(err)
			}
		}
		if !strings.HasPrefix(string(got), c.want) {
			t.Errorf("%+v: got %.40q, want %q", c.out, got, c.want)
		}
	}
}

func TestPutErrors(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		out  Output
		want string
	}{
		"extension": {Output{Path: filepath.Join(dir, "a.xlsx")}, `unknown extension ".xlsx"`},
		"format":    {Output{Format: "xml"}, `unknown format "xml", want one of parquet, arrow, jsonl, csv, json, md, table`},
		"file":      {Output{Path: filepath.Join(dir, "a.md"), Format: "xml"}, `unknown format "xml"`},
	} {
		c.out.Stdout = io.Discard
		if err := Put(c.out, goldenRuns()); cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := WriteFile(filepath.Join(dir, "no", "a.csv"), goldenRuns()); err == nil || !strings.Contains(err.Error(), "a.csv") {
		t.Errorf("folder missing: got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestInvalidRowIsNotWritten: a file that no reader would take does not appear, and what stood there stays.
func TestInvalidRowIsNotWritten(t *testing.T) {
	rows := goldenRuns()
	rows[1].Reason = ""
	for _, f := range machineFormats {
		path := writeTemp(t, "runs."+string(f), "before")
		err := WriteFile(path, rows)
		var field *record.FieldError
		if !errors.As(err, &field) || field.Field != "reason" || !strings.Contains(err.Error(), path+": write record 2: ") {
			t.Errorf("%s: got %v", f, err)
		}
		if got, _ := os.ReadFile(path); string(got) != "before" {
			t.Errorf("%s: the old file is gone", f)
		}
		if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
			t.Errorf("%s: %d files are left", f, len(left))
		}
	}
}

// brokenPipe is a pipe whose reader has gone after n bytes.
type brokenPipe struct{ n int }

func (p *brokenPipe) Write(b []byte) (int, error) {
	if p.n -= len(b); p.n < 0 {
		return 0, syscall.EPIPE
	}
	return len(b), nil
}

// TestClosedPipe: a reader that goes away is a quiet end, in every format, wherever in the stream.
func TestClosedPipe(t *testing.T) {
	for _, c := range codecs {
		for _, n := range []int{0, 100} {
			err := Put(Output{Stdout: &brokenPipe{n}, Format: c.format}, goldenRuns())
			if !errors.Is(err, syscall.EPIPE) || cli.ExitCode(err) != cli.ExitOK {
				t.Errorf("%s after %d bytes: got %v", c.format, n, err)
			}
		}
	}
}

// writes counts calls of Write.
type writes struct{ n int }

func (w *writes) Write(b []byte) (int, error) { w.n++; return len(b), nil }

// TestStreamIsNotHeldBack: each record of a line format is on its way when Write returns.
func TestStreamIsNotHeldBack(t *testing.T) {
	for f, want := range map[Format]int{JSONL: 2, CSV: 3} { // CSV has a header
		var n writes
		w, err := NewWriter[record.Run](&n, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range goldenRuns() {
			if err := w.Write(&r); err != nil {
				t.Fatal(err)
			}
		}
		if n.n != want {
			t.Errorf("%s: %d writes before Close, want %d", f, n.n, want)
		}
	}
}

// killedEnv names the file that TestKilled's child process writes for ever.
const killedEnv = "BH_TEST_KILLED_OUTPUT"

// TestKilled kills a process in the middle of writing a file: the old file stands as it was.
func TestKilled(t *testing.T) {
	if path := os.Getenv(killedEnv); path != "" {
		writeForever(t, path)
	}
	path := writeTemp(t, "samples.parquet", "before")
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), killedEnv+"="+path)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()         //nolint:errcheck // killed
	defer child.Process.Kill() //nolint:errcheck // again, where a check failed first
	for deadline := time.Now().Add(time.Minute); bytesBeside(t, path) < 1<<20; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the child process writes nothing")
		}
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "before" {
		t.Errorf("%v: the file holds %d bytes, want it as it was", err, len(got))
	}
}

// bytesBeside is the size of the temporary file beside path.
func bytesBeside(t *testing.T, path string) (n int64) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && e.Name() != filepath.Base(path) {
			n += info.Size()
		}
	}
	return n
}

func writeForever(t *testing.T, path string) {
	t.Helper()
	file, err := atomicfile.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewWriter[record.Sample](file, Parquet)
	for i := 0; err == nil; i++ {
		s := exampleSample(i)
		err = w.Write(&s)
	}
	t.Fatal(err)
}
