package cli

import (
	"strings"
	"testing"
	"time"
)

// TestProgressLines: elsewhere than on a terminal the first lines are held back, the last one always comes, and none has a
// control character in it.
func TestProgressLines(t *testing.T) {
	var b strings.Builder
	p := NewProgress(&b, "measure", 3, 3*time.Second, false)
	p.Step("b", time.Second)
	p.Step("c", time.Second)
	if b.String() != "" {
		t.Errorf("within %v: %q", lineEvery, b.String())
	}
	p.Step("", time.Second)
	p.Done()
	if b.String() != "measure: 3/3\n" {
		t.Errorf("got %q", b.String())
	}
}

// TestProgressETA: a line says how much time is left, corrected by what the steps took.
func TestProgressETA(t *testing.T) {
	var b strings.Builder
	now := time.Now()
	l := &lines{w: &b, label: "measure", n: 4, eta: eta{total: 40 * time.Second}, stepped: now.Add(-40 * time.Second), said: now.Add(-lineEvery)}
	l.Step("x", 20*time.Second)
	if want := "measure: 1/4, about 38s left, last x\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestProgressWithoutEstimate: no estimate, no promise.
func TestProgressWithoutEstimate(t *testing.T) {
	var b strings.Builder
	now := time.Now()
	l := &lines{w: &b, label: "measure", n: 2, stepped: now, said: now.Add(-lineEvery)}
	l.Step("x", 0)
	if want := "measure: 1/2, last x\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestProgressQuiet(t *testing.T) {
	var b strings.Builder
	for _, p := range []Progress{NewProgress(&b, "x", 1, time.Second, true), NewProgress(&b, "x", 0, 0, false)} {
		p.Step("", time.Second)
		p.Done()
	}
	if b.String() != "" {
		t.Errorf("got %q", b.String())
	}
}
