package main

import (
	"context"
	"fmt"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/runner"
	"github.com/banterhearts/bh/pkg/table"
)

func planCommand(s cli.Streams) *urfave.Command {
	o := new(Options)
	return &urfave.Command{
		Name: "plan", Usage: "show what would run, and roughly for how long; runs nothing",
		Flags: append([]urfave.Flag{&urfave.BoolFlag{Name: "all", Usage: "every run in its order, not one line per backend and mode"}}, o.flags()...),
		Action: func(c *urfave.Context) error {
			if err := o.Validate(); err != nil {
				return err
			}
			return plan(c, o, s)
		},
	}
}

func plan(c *urfave.Context, o *Options, s cli.Streams) error {
	m, err := loadMatrix(o)
	if err != nil {
		return err
	}
	cfg, err := modelConfig(m.Model)
	if err != nil {
		return err
	}
	if err := m.CheckFit(int64(cfg.NPositions)); err != nil {
		return err
	}
	list := groups
	if c.Bool("all") {
		list = every
	}
	t, total := list(c.Context, m, cfg)
	if err := c.Context.Err(); err != nil { // the list is not whole
		return err
	}
	if err := t.WriteText(s.Out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%d runs on %s; roughly %s for those that can run here (a rule of thumb, nothing was measured)\n",
		len(m.Plan()), m.Model, total.Round(time.Second))
	if note := sessionsNote(m.Sessions); note != "" && err == nil {
		_, err = fmt.Fprintln(s.Out, note)
	}
	return err
}

// sessionsNote says what is to be known of two sessions before they are run; "" of any other number.
func sessionsNote(sessions int) string {
	if sessions != 2 {
		return ""
	}
	return "sessions: 2 leaves intervals and tests one degree of freedom, a factor of 12.7 for 95%; 5 leave 2.8"
}

// every lists each run in its order.
func every(ctx context.Context, m *matrix.Matrix, cfg model.Config) (t table.Table, total time.Duration) {
	t = table.Table{Columns: []string{"order", "run_id", "roughly"}, RightAlign: []bool{true, false, true}}
	steps := m.Plan()
	for i := 0; i < len(steps) && ctx.Err() == nil; i++ {
		d := estimate(m, cfg, &steps[i])
		total += d
		t.Rows = append(t.Rows, []string{fmt.Sprint(steps[i].OrderIndex), steps[i].RunID, d.Round(time.Millisecond).String()})
	}
	return t, total
}

// groups lists the runs by backend and mode.
func groups(ctx context.Context, m *matrix.Matrix, cfg model.Config) (t table.Table, total time.Duration) {
	t = table.Table{Columns: []string{"backend", "mode", "runs", "roughly", "here"}, RightAlign: []bool{false, false, true, true, false}}
	for i := range m.Backends {
		for _, mode := range m.Modes {
			runs, sum := 0, time.Duration(0)
			var first *matrix.Step
			for _, step := range m.Plan() {
				if ctx.Err() != nil {
					return t, total
				}
				if step.Backend == &m.Backends[i] && step.Mode == mode {
					runs, sum, first = runs+1, sum+estimate(m, cfg, &step), &step
				}
			}
			total += sum
			t.Rows = append(t.Rows, []string{m.Backends[i].Name, string(mode), fmt.Sprint(runs), sum.Round(time.Second).String(), here(first)})
		}
	}
	return t, total
}

// estimate is how long a step takes here.
func estimate(m *matrix.Matrix, cfg model.Config, step *matrix.Step) time.Duration {
	return runner.Estimate(m, cfg, step, manifest.PhysicalCores("/"))
}

// here says whether a step's backend can do it on this machine.
func here(step *matrix.Step) string {
	if err := runner.Obstacle(step); err != nil {
		return "no: " + err.Error()
	}
	return "yes"
}
