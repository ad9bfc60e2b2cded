package telemetry

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// A kept file of the system gives what it holds now, however long it has grown.
func TestKeptReadsAnew(t *testing.T) {
	folder := t.TempDir()
	name := filepath.Join(folder, "stat")
	k := keep(os.DirFS(folder), "stat")
	for _, want := range []string{"1\n", strings.Repeat("x", 9000), "", strings.Repeat("y", 4096)} {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := k.read()
		if err != nil || string(got) != want {
			t.Errorf("saw %d bytes and %v, want %d", len(got), err, len(want))
		}
	}
	if err := closeKept(k, nil, k); err != nil {
		t.Fatal(err)
	}
}

func TestKeptNumber(t *testing.T) {
	tree := fstest.MapFS{}
	a := keep(tree, "a")
	if _, err := a.number(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saw %v", err)
	}
	for _, c := range []struct {
		text string
		want int64
		err  string
	}{
		{"-42", -42, ""}, {"42", 42, ""}, {"9223372036854775807", 9223372036854775807, ""},
		{"9223372036854775808", 0, `a: saw "9223372036854775808", want a number`},
		{"many", 0, `a: saw "many", want a number`}, {"", 0, `a: saw "", want a number`}, {"--1", 0, `a: saw "--1", want a number`},
	} {
		set(tree, "a", c.text)
		got, err := a.number()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%q: saw %d, %v", c.text, got, err)
		}
	}
	set(tree, "b", "1")
	if got := keepReadable(tree, "a", "b", "c"); len(got) != 1 || got[0].name != "b" {
		t.Errorf("readable: saw %v, want b", got)
	}
}

func TestKeyed(t *testing.T) {
	text := []byte("MemTotal:   16 kB\nMemFree: many kB\nusage_usec 7")
	for _, c := range []struct {
		key  string
		want uint64
		ok   bool
	}{{"MemTotal:", 16, true}, {"usage_usec", 7, true}, {"MemFree:", 0, false}, {"Mem", 0, false}, {"kB", 0, false}} {
		if got, ok := keyed(text, c.key); got != c.want || ok != c.ok {
			t.Errorf("%s: saw %d, %t", c.key, got, ok)
		}
	}
}

// A row of a reading in the background stands where its reading was on the timeline, which need not be the wall clock.
func TestSampleAt(t *testing.T) {
	taken := time.Now()
	now := taken.Add(300 * time.Millisecond)
	s := Environment{Host: "testhost"}.sampleAt(now, taken, "a", "b")
	if s.TSUnixNS != now.UnixNano()-3e8 {
		t.Errorf("saw %d, want 300 ms before %d", s.TSUnixNS, now.UnixNano())
	}
}
