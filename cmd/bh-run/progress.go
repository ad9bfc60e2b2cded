package main

import (
	"fmt"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/runner"
)

// progress announces the work and starts the display.
func progress(o *Options, s cli.Streams, opt runner.Options) cli.Progress {
	steps := runner.Remaining(opt.Matrix, opt.Done)
	estimates := make([]time.Duration, len(steps))
	for i := range steps {
		estimates[i] = runner.Estimate(opt.Matrix, opt.Model.Config, &steps[i], opt.Threads)
	}
	p := &planned{estimates: inTurn(steps, estimates, opt.Matrix.Repetitions)}
	var total time.Duration
	for _, d := range p.estimates {
		total += d
	}
	if !o.Quiet {
		fmt.Fprintf(s.Err, "bh-run: %s on %s: %d runs to measure, %d finished before; roughly %s\n", opt.Matrix.Experiment, opt.Model.Name,
			len(steps), len(opt.Done), total.Round(time.Second))
	}
	p.Progress = cli.NewProgress(s.Err, "measure", len(steps), total, o.Quiet)
	return p
}

// planned is a display whose steps have estimates of its own, by the ids of their runs.
type planned struct {
	cli.Progress
	estimates map[string]time.Duration
}

// Step implements cli.Progress.
func (p *planned) Step(done string, _ time.Duration) { p.Progress.Step(done, p.estimates[done]) }

// inTurn gives what preparing a cell takes, such as compiling, to the first of its runs in each session, where it is spent:
// the estimates of the runs have an equal share of it each, and so say too little before it and too much after it.
func inTurn(steps []matrix.Step, estimates []time.Duration, repetitions int) map[string]time.Duration {
	type cell struct {
		id      string
		session int64
	}
	out := make(map[string]time.Duration, len(steps))
	prepared := map[cell]bool{}
	for i := range steps {
		s, d := &steps[i], estimates[i]
		b, ok := backend.Lookup(s.Backend.Name)
		if ok && d > 0 { // none where there is an obstacle
			d -= b.CellSetup / time.Duration(repetitions)
			if c := (cell{s.CellID(), s.Session}); !prepared[c] {
				prepared[c] = true
				d += b.CellSetup
			}
		}
		out[s.RunID] = d
	}
	return out
}
