package main

import (
	"strings"
	"testing"
)

func TestSessionsNote(t *testing.T) {
	for _, n := range []int{1, 3, 5} {
		if note := sessionsNote(n); note != "" {
			t.Errorf("%d sessions: %q", n, note)
		}
	}
	if note := sessionsNote(2); !strings.Contains(note, "one degree of freedom") {
		t.Errorf("two sessions: %q", note)
	}
}
