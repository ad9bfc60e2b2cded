// Package runner executes the plan of a matrix: it starts a worker process per backend, warms cells up, measures, turns
// what goes wrong into records that say so, and hands every finished run over before the next one starts.
package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

const (
	// OpenLimit is how long a worker may take to load a model.
	OpenLimit = 5 * time.Minute
	// MaxCrashes is how many times in a row a backend's worker may crash or hang before the rest of its runs is not tried.
	MaxCrashes = 3
)

// Sink takes what was measured. When Run returns, the run is safe.
type Sink interface {
	Run(*record.Run) error
	Samples([]record.Sample) error
}

// Recorder is the telemetry that runs beside the measurements; *telemetry.Recorder is one.
type Recorder interface {
	Now()                               // reads all sensors
	Mark(event string)                  // does so and notes an event
	Drain() []record.Sample             // what was read since the last Drain
	Track(pids ...int)                  // whose processes are measured
	Window(record.Device) time.Duration // the shortest window that the power sensors of a class resolve; 0 where there are none
}

// Options is what Run needs.
type Options struct {
	Matrix   *matrix.Matrix
	Model    *model.Folder
	Host     string          // goes into every record
	Threads  int             // for backends that the matrix gives none
	Worker   []string        // command line of a worker process
	Env      []string        // of the worker, beside this process's
	Done     map[string]bool // run ids that are finished already
	Recorder Recorder        // nil: no telemetry
	Sink     Sink
	Progress cli.Progress
	// Estimates are what Progress is told that a finished run was estimated to take, by run id; see Estimator.
	Estimates map[string]time.Duration
}

// Outcome counts what a Run did.
type Outcome struct {
	OK, Degraded, Failed int
	Engines              map[string]map[string]string // what each backend that opened said of itself
}

// Finished is the number of runs that Run handed over.
func (o *Outcome) Finished() int { return o.OK + o.Degraded + o.Failed }

// run is the state of one Run.
type run struct {
	Options
	out        Outcome
	prompts    map[string]workload.Prompt // by scenario
	recent     []record.Sample            // samples that the next run's window may need
	launched   bool                       // a worker was started
	idleBefore []record.Sample            // of the latest time when the machine was left alone
	first      *state                     // how warm the machine was before anything ran; nil until it is needed
}

// Run executes what of the matrix's plan is not done. An error of the sink ends it, as does ctx; a backend's never does.
func Run(ctx context.Context, opt Options) (*Outcome, error) {
	r := &run{Options: opt, out: Outcome{Engines: map[string]map[string]string{}}}
	var err error
	if r.prompts, err = prompts(opt.Matrix, opt.Model.Config); err != nil {
		return &r.out, err
	}
	steps := Remaining(opt.Matrix, opt.Done)
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].Backend == steps[0].Backend && steps[n].Session == steps[0].Session {
			n++
		}
		if err := r.backend(ctx, steps[:n]); err != nil {
			return &r.out, err
		}
		steps = steps[n:]
	}
	return &r.out, r.conclude(ctx)
}

// conclude measures the idle power after the last worker and hands over what the sensors said since the last run, which is
// all they said where nothing ran.
func (r *run) conclude(ctx context.Context) error {
	if r.Recorder == nil {
		return nil
	}
	if r.launched {
		if err := r.idle(ctx); err != nil {
			return err
		}
	}
	r.Recorder.Now()
	return r.Sink.Samples(r.Recorder.Drain())
}

// Remaining is the plan without the runs that are done.
func Remaining(m *matrix.Matrix, done map[string]bool) []matrix.Step {
	var out []matrix.Step
	for _, s := range m.Plan() {
		if !done[s.RunID] {
			out = append(out, s)
		}
	}
	return out
}

// backend runs the steps of one backend.
func (r *run) backend(ctx context.Context, steps []matrix.Step) error {
	b, ok := backend.Lookup(steps[0].Backend.Name)
	if !ok { // CheckBackends has said so before; this keeps the promise of a record for every planned run
		return cli.BadInputf("backend: saw %q, want one of %v", steps[0].Backend.Name, backend.Names())
	}
	s := &session{run: r, backend: b, spec: r.spec(steps[0].Backend)}
	defer s.stop()
	for i := range steps {
		if err := s.step(ctx, &steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// prompts makes the input of every scenario, the same for every backend and mode.
func prompts(m *matrix.Matrix, c model.Config) (map[string]workload.Prompt, error) {
	out := make(map[string]workload.Prompt, len(m.Scenarios))
	for i := range m.Scenarios {
		s := &m.Scenarios[i]
		var p workload.Prompt
		var err error
		if len(s.Prompts) > 0 {
			p, err = workload.FromText(s.Prompts, int(s.BatchSize))
		} else {
			p, err = workload.FromCounts(int(s.BatchSize), int(s.PromptTokens), c.VocabSize, uint64(m.Seed), s.Name)
		}
		if err != nil {
			return nil, cli.BadInputf("scenario %s: %w", s.Name, err)
		}
		out[s.Name] = p
	}
	return out, nil
}

// spec is how a backend is opened.
func (r *run) spec(b *matrix.Backend) backend.Spec {
	threads := b.Threads
	if threads == 0 {
		threads = r.Threads
	}
	return backend.Spec{ModelDir: r.Model.Dir, Precision: b.Precision, Threads: threads, Settings: b.Settings}
}

// hand gives a finished run to the sink and counts it.
func (r *run) hand(step *matrix.Step, rec *record.Run) error {
	if err := rec.Validate(); err != nil {
		return fmt.Errorf("run %s: %w", rec.RunID, err)
	}
	if err := r.Sink.Run(rec); err != nil {
		return err
	}
	switch rec.Status {
	case record.OK:
		r.out.OK++
	case record.Degraded:
		r.out.Degraded++
	default:
		r.out.Failed++
	}
	r.Progress.Step(step.RunID, r.Estimates[step.RunID])
	return nil
}
