package main

import (
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/matrix"
)

// TestEstimatesInTurn: the time of preparing a cell is in the first of its runs in each session, also of those that are left
// after an interruption, and in no other.
func TestEstimatesInTurn(t *testing.T) {
	m, err := matrix.Parse("m.yaml", []byte(`experiment: demo
repetitions: 4
sessions: 2
order: sequential
modes: [prefill]
backends: [transformers-cpu-compile]
scenarios: [{name: one, prompt_tokens: 11}]
`))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := backend.Lookup("transformers-cpu-compile")
	const run = 500 * time.Millisecond
	steps := m.Plan()[2:]
	estimates := make([]time.Duration, len(steps))
	for i := range estimates {
		estimates[i] = run + b.CellSetup/4
	}
	estimates[len(estimates)-1] = 0 // an obstacle
	got := inTurn(steps, estimates, m.Repetitions)
	first := run + b.CellSetup
	for i, want := range []time.Duration{first, run, first, run, run, 0} {
		if d := got[steps[i].RunID]; d != want {
			t.Errorf("%s: %s, want %s", steps[i].RunID, d, want)
		}
	}
}
