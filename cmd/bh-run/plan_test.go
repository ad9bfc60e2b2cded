package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
)

// TestInterruptionEndsLooking: a tool that was told to end does not go on to look at backends.
func TestInterruptionEndsLooking(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range [][]string{{"doctor"}, {"plan"}, {"plan", "--all"}} {
		var out, errs bytes.Buffer
		code := run(ctx, append([]string{"bh-run"}, args...), cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if code != cli.ExitInterrupted || out.Len() > 0 {
			t.Errorf("%v: exit code %d, want %d; wrote %q, %q", args, code, cli.ExitInterrupted, out.String(), errs.String())
		}
	}
}

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
