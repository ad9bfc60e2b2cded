package main

import (
	"fmt"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/runner"
)

// progress announces the work, starts the display and fills in the estimates that it is told of.
func progress(o *Options, s cli.Streams, opt *runner.Options) {
	steps := runner.Remaining(opt.Matrix, opt.Done)
	opt.Estimates = runner.NewEstimator(opt.Matrix, opt.Model.Config, opt.Threads).Steps(steps)
	var total time.Duration
	for _, d := range opt.Estimates {
		total += d
	}
	if !o.Quiet {
		fmt.Fprintf(s.Err, "bh-run: %s on %s: %d runs to measure, %d finished before; roughly %s\n", opt.Matrix.Experiment, opt.Model.Name,
			len(steps), len(opt.Done), total.Round(time.Second))
	}
	opt.Progress = cli.NewProgress(s.Err, "measure", len(steps), total, o.Quiet)
}
