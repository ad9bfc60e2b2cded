package telemetry

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

func TestJournal(t *testing.T) {
	name := JournalName(filepath.Join(t.TempDir(), "samples.parquet"))
	if filepath.Ext(name) != ".jsonl" {
		t.Errorf("saw %s, want a name that says JSON-lines", name)
	}
	j, err := OpenJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	a := Environment{Host: "h"}.sample(epoch, "a", "cpu")
	b := Environment{Host: "h"}.sample(epoch, "b", "cpu")
	for _, batch := range [][]record.Sample{{a, b}, nil, {a}} {
		if err := j.Append(batch); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]record.Sample{a}); err == nil {
		t.Error("saw no error from a closed journal")
	}
	whole := lines(t, name)
	if len(whole) != 3 || whole[0] != a || whole[1] != b || whole[2] != a {
		t.Fatalf("saw %+v", whole)
	}
	tear(t, name)
	if j, err = OpenJournal(name); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]record.Sample{b}); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, name); len(got) != 4 || got[3] != b {
		t.Errorf("after a torn line: saw %+v, want it gone and b at the end", got)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestJournalWithoutFolder(t *testing.T) {
	if _, err := OpenJournal(filepath.Join(t.TempDir(), "missing", "j")); err == nil {
		t.Error("saw no error")
	}
}

// tear leaves half a line at the end, as a crash does.
func tear(t *testing.T, name string) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"schema":"bh.sa`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// lines reads a journal of samples without measurements.
func lines(t *testing.T, name string) []record.Sample {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var out []record.Sample
	for line := range bytes.Lines(data) {
		var s record.Sample
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		out = append(out, s)
	}
	return out
}
