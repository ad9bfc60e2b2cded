package telemetry

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
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

// A line of the journal holds what encoding/json would write, without what is null or empty.
func TestJournalLine(t *testing.T) {
	s := Environment{Host: "a \"host\"\n"}.sample(epoch, "rapl", "cpu:0")
	s.PowerW, s.EnergyCounterJoules, s.TempC = units.Ptr(units.Watts(0)), units.Ptr(units.Joules(1e21)), units.Ptr(units.Celsius(-0.5))
	s.MemUsedBytes, s.LateNS, s.Missed = units.Ptr(units.Bytes(1<<40)), units.Ptr(int64(-3)), units.Ptr(int64(0))
	line, err := appendLine(nil, &s)
	if err != nil {
		t.Fatal(err)
	}
	var got record.Sample
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if !reflect.DeepEqual(got, s) {
		t.Errorf("saw %+v from %s, want %+v", got, line, s)
	}
	if bytes.Contains(line, []byte("null")) || bytes.Contains(line, []byte("throttle")) {
		t.Errorf("saw columns without a value in %s", line)
	}
	s.PowerW = units.Ptr(units.Watts(math.NaN()))
	if _, err := appendLine(nil, &s); err == nil {
		t.Error("saw no error for a value that JSON does not have")
	}
}

func TestJournalRestart(t *testing.T) {
	name := JournalName(filepath.Join(t.TempDir(), "samples.parquet"))
	j, err := OpenJournal(name)
	if err != nil {
		t.Fatal(err)
	}
	a := Environment{Host: "h"}.sample(epoch, "a", "cpu")
	b := Environment{Host: "h"}.sample(epoch, "b", "cpu")
	for _, do := range []func() error{
		func() error { return j.Append([]record.Sample{a, a}) }, j.Restart, func() error { return j.Append([]record.Sample{b}) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if got := lines(t, name); len(got) != 1 || got[0] != b {
		t.Errorf("saw %+v, want what came after the restart", got)
	}
	if _, err := OpenJournal(name); err == nil {
		t.Error("a second writer: saw no error")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if j.Restart() == nil {
		t.Error("saw no error from a closed journal")
	}
}

func BenchmarkJournalLine(b *testing.B) {
	s := Environment{Host: "h-0123456789ab"}.sample(epoch, "rapl", "cpu:0")
	s.PowerW, s.EnergyCounterJoules, s.TempC = units.Ptr(units.Watts(81.25)), units.Ptr(units.Joules(123456.789)), units.Ptr(units.Celsius(61))
	var line []byte
	for b.Loop() {
		line, _ = appendLine(line[:0], &s)
	}
	b.SetBytes(int64(len(line)))
}
