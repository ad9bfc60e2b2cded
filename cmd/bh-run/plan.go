package main

import (
	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/runner"
	"github.com/banterhearts/bh/pkg/store"
)

func planCommand(s cli.Streams) *urfave.Command {
	o := new(Options)
	return &urfave.Command{
		Name: "plan", Usage: "show what would run, and roughly for how long; runs nothing",
		Description: "--format is table, md or json.",
		Flags:       append([]urfave.Flag{&urfave.BoolFlag{Name: "all", Usage: "every run in its order, not one line per backend and mode"}}, o.flags()...),
		Action: func(c *urfave.Context) error {
			if err := o.Validate(); err != nil {
				return err
			}
			return showPlan(c, o, s)
		},
	}
}

// plan is what would run. It has groups or steps.
type plan struct {
	Experiment string      `json:"experiment"`
	Model      string      `json:"model"`
	Runs       int         `json:"runs"`
	EstimateS  float64     `json:"estimate_s"` // of those that can run here, by a rule of thumb
	Groups     []planGroup `json:"groups,omitempty"`
	Steps      []planStep  `json:"steps,omitempty"`
	Note       string      `json:"note,omitempty"`
}

// planGroup are the runs of a backend in a mode.
type planGroup struct {
	Backend   string      `json:"backend"`
	Mode      record.Mode `json:"mode"`
	Runs      int         `json:"runs"`
	EstimateS float64     `json:"estimate_s"`
	Obstacle  string      `json:"obstacle,omitempty"` // why they cannot run here
}

// planStep is one run.
type planStep struct {
	Order     int64   `json:"order"`
	RunID     string  `json:"run_id"`
	EstimateS float64 `json:"estimate_s"`
}

func showPlan(c *urfave.Context, o *Options, s cli.Streams) error {
	write, err := planWriter(store.Format(o.Format))
	if err != nil {
		return err
	}
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
	p := &plan{Experiment: m.Experiment, Model: m.Model, Runs: len(m.Plan()), Note: sessionsNote(m.Sessions)}
	e := runner.NewEstimator(m, cfg, manifest.PhysicalCores("/"))
	if c.Bool("all") {
		p.addSteps(m, e)
	} else {
		p.addGroups(m, e)
	}
	if err := c.Context.Err(); err != nil { // the list is not whole
		return err
	}
	return write(p, s.Out)
}

// addSteps lists each run in its order.
func (p *plan) addSteps(m *matrix.Matrix, e *runner.Estimator) {
	steps := m.Plan()
	took := e.Steps(steps)
	for i := range steps {
		d := took[steps[i].RunID].Seconds()
		p.EstimateS += d
		p.Steps = append(p.Steps, planStep{Order: steps[i].OrderIndex, RunID: steps[i].RunID, EstimateS: d})
	}
}

// addGroups lists the runs by backend and mode.
func (p *plan) addGroups(m *matrix.Matrix, e *runner.Estimator) {
	steps := m.Plan()
	took := e.Steps(steps)
	for i := range m.Backends {
		for _, mode := range m.Modes {
			g := planGroup{Backend: m.Backends[i].Name, Mode: mode}
			var first *matrix.Step
			for j := range steps {
				if step := &steps[j]; step.Backend == &m.Backends[i] && step.Mode == mode {
					g.Runs, first = g.Runs+1, step
					g.EstimateS += took[step.RunID].Seconds()
				}
			}
			if err := e.Obstacle(first); err != nil {
				g.Obstacle = err.Error()
			}
			p.EstimateS += g.EstimateS
			p.Groups = append(p.Groups, g)
		}
	}
}

// sessionsNote says what is to be known of two sessions before they are run; "" of any other number.
func sessionsNote(sessions int) string {
	if sessions != 2 {
		return ""
	}
	return "sessions: 2 leaves intervals and tests one degree of freedom, a factor of 12.7 for 95%; 5 leave 2.8"
}
