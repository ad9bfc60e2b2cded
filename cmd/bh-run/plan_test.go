package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
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

// TestPlanAsJSON: one object with groups or steps, whose runs and times add up.
func TestPlanAsJSON(t *testing.T) {
	for _, all := range []bool{false, true} {
		args := []string{"bh-run", "plan", "--format", "json"}
		if all {
			args = append(args, "--all")
		}
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != cli.ExitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, errs.String())
		}
		var p plan
		if err := json.Unmarshal(out.Bytes(), &p); err != nil {
			t.Fatalf("%v: %v: %s", args, err, out.String())
		}
		runs, took := len(p.Steps), 0.0
		for _, s := range p.Steps {
			took += s.EstimateS
		}
		for _, g := range p.Groups {
			runs, took = runs+g.Runs, took+g.EstimateS
		}
		if p.Runs == 0 || p.Runs != runs || math.Abs(p.EstimateS-took) > 1e-6 || (len(p.Steps) > 0) != all || (len(p.Groups) > 0) == all {
			t.Errorf("%v: saw %s", args, out.String())
		}
	}
}

// TestPlanInOtherFormats: a table where one is asked for, and no silent table where something else is.
func TestPlanInOtherFormats(t *testing.T) {
	for format, want := range map[string]string{"": "backend ", "table": "backend ", "md": "| backend"} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"bh-run", "plan", "--format", format}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if code != cli.ExitOK || !strings.Contains(out.String(), want) || !strings.Contains(out.String(), "a rule of thumb") {
			t.Errorf("%q: exit code %d, saw %s%s", format, code, out.String(), errs.String())
		}
	}
	for _, format := range []string{"csv", "jsonl", "arrow", "parquet"} {
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"bh-run", "plan", "--format", format}, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs})
		if code != cli.ExitBadInput || out.Len() > 0 || !strings.Contains(errs.String(), format) {
			t.Errorf("%q: exit code %d, saw %s%s", format, code, out.String(), errs.String())
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
