package atomicfile

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// reopen opens a journal and closes it again, and returns what it dropped and what it holds.
func reopen(t rapid.TB, path string) (dropped int64, content string) {
	j, dropped, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return dropped, string(b)
}

func TestJournalAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	for _, lines := range []string{"one\n", "two\nthree\n", ""} {
		j, dropped, err := OpenJournal(path)
		if err != nil || dropped != 0 {
			t.Fatalf("%v, dropped %d", err, dropped)
		}
		if err := j.AppendLines([]byte(lines)); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := content(t, path); got != "one\ntwo\nthree\n" {
		t.Errorf("got %q", got)
	}
}

func TestJournalTakesWholeLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	j, _, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.AppendLines([]byte("one\ntwo")); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	if got := content(t, path); got != "" {
		t.Errorf("half a line was written: %q", got)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
}

// TestJournalTornLine: what a crash in the middle of a write leaves is cut off, whatever its length beside the buffer, and
// the next line starts clean.
func TestJournalTornLine(t *testing.T) {
	const buffer = 64 << 10
	for name, c := range map[string]struct{ whole, torn string }{
		"empty":                       {"", ""},
		"whole":                       {"one\ntwo\n", ""},
		"torn":                        {"one\ntwo\n", `{"schema":"bh.r`},
		"torn from the start":         {"", "on"},
		"a torn line over the buffer": {"one\n", strings.Repeat("x", buffer+1)},
		"a torn line of the buffer":   {"one\n", strings.Repeat("x", buffer)},
		"newline at the boundary":     {strings.Repeat("y", buffer-1) + "\n", strings.Repeat("x", 2*buffer-1)},
		"nothing but a torn line":     {"", strings.Repeat("x", 3*buffer)},
	} {
		path := filepath.Join(t.TempDir(), "runs.jsonl")
		if err := os.WriteFile(path, []byte(c.whole+c.torn), 0o600); err != nil {
			t.Fatal(err)
		}
		j, dropped, err := OpenJournal(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.AppendLines([]byte("next\n")); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != c.whole+"next\n" || dropped != int64(len(c.torn)) {
			t.Errorf("%s: dropped %d of %d bytes; the journal has %d bytes, want %d", name, dropped, len(c.torn), len(got), len(c.whole)+5)
		}
	}
}

// TestJournalKeepsWholeLines: of any content exactly what follows the last newline goes.
func TestJournalKeepsWholeLines(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.SliceOf(rapid.SampledFrom([]byte("a{\n\r\x00"))).Draw(t, "content")
		path := filepath.Join(dir, "runs.jsonl")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		want := data[:bytes.LastIndexByte(data, '\n')+1]
		dropped, got := reopen(t, path)
		if got != string(want) || dropped != int64(len(data)-len(want)) {
			t.Errorf("%q became %q, %d dropped", data, got, dropped)
		}
	})
}

// TestJournalLock: two writers would tear each other's lines; the second is told who is in its way.
func TestJournalLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	j, _, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenJournal(path); err == nil || !strings.Contains(err.Error(), path+" is being written by another process") {
		t.Errorf("a second writer: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, got := reopen(t, path); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestJournalErrors(t *testing.T) {
	if _, _, err := OpenJournal(filepath.Join(t.TempDir(), "no", "runs.jsonl")); err == nil || !strings.Contains(err.Error(), "runs.jsonl") {
		t.Errorf("folder missing: %v", err)
	}
	j, _, err := OpenJournal(filepath.Join(t.TempDir(), "runs.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.AppendLines([]byte("late\n")); err == nil || !strings.Contains(err.Error(), "runs.jsonl") {
		t.Errorf("after Close: %v", err)
	}
}

// TestJournalRestart: a restarted journal holds what comes after, and is still locked.
func TestJournalRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "runs.jsonl")
	j, _, err := OpenJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.AppendLines([]byte("one\ntwo\n")), j.Restart(), j.AppendLines([]byte("three\n"))); err != nil {
		t.Fatal(err)
	}
	if got := content(t, path); got != "three\n" {
		t.Errorf("got %q", got)
	}
	if _, _, err := OpenJournal(path); err == nil {
		t.Error("a second writer got the journal")
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Restart(); err == nil {
		t.Error("a closed journal was restarted")
	}
}
