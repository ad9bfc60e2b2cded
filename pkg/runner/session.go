package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/worker"
)

// session is the life of one backend's workers.
type session struct {
	*run
	backend  *backend.Backend
	spec     backend.Spec
	client   *worker.Client             // nil when none runs
	opened   *worker.Opened             // what the present worker said of itself
	affinity string                     // CPUs that the present worker is bound to
	hot      bool                       // the machine had not cooled down when the present worker started
	warm     map[string]*worker.Compile // cells that the present worker has prepared and warmed up, and what that compiled
	missing  error                      // why the backend cannot work here, once that is known
	crashes  int                        // in a row
	load     shares                     // what others did on the CPUs during the last window
	loads    machine.Loads
	latest   reading         // of the CPUs' counters, at the end of the last window
	swept    time.Time       // when the sensors were last read on purpose
	before   []record.Sample // taken between the last window and the present one, not handed over yet
	after    []record.Sample // taken at the end of the present one
}

// step runs one step and hands the record over, whatever came of it.
func (s *session) step(ctx context.Context, step *matrix.Step) error {
	rec := s.blank(step)
	w, err := s.measure(ctx, step)
	if ctx.Err() != nil {
		return ctx.Err() // dropped: an interrupted run is not a result
	}
	if err != nil {
		s.fail(rec, err)
		return errors.Join(s.hand(step, rec), s.Sink.Samples(s.taken()))
	}
	complete(rec, w)
	samples := append(s.taken(), s.after...)
	s.circumstances(rec, step) // before the energy, which depends on the flags
	energy.Apply(rec, slices.Concat(s.idleBefore, s.recent))
	s.forget(w.EndUnixNS)
	// The run goes first: when the power fails between the two, its record already carries its energy.
	if err := s.hand(step, rec); err != nil {
		return err
	}
	return s.Sink.Samples(samples)
}

// taken gives the samples from before the window, once.
func (s *session) taken() []record.Sample {
	out := s.before
	s.before = nil
	return out
}

// measure gives the window of one step.
func (s *session) measure(ctx context.Context, step *matrix.Step) (*worker.Window, error) {
	if err := s.backend.Supports(s.spec, step.Mode); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, err
	}
	cell := step.CellID()
	if _, done := s.warm[cell]; !done {
		compiled, err := s.warmUp(ctx, step, cell)
		if err != nil {
			return nil, err
		}
		s.warm[cell] = compiled
	}
	if time.Since(s.swept) > fresh {
		s.before = s.sweep()
	}
	load := s.watch()
	w, err := s.client.Measure(ctx, cell, s.window(), s.Matrix.Timeout)
	if err == nil {
		s.crashes = 0
		s.after = s.both(load)
	}
	return w, err
}

// both reads the sensors and the CPUs' counters at the end of a window, at one time: one after the other they are a quarter of
// the time between two runs, and the second would stand that much behind the window.
func (s *session) both(load func() shares) []record.Sample {
	swept := make(chan []record.Sample, 1)
	go func() { swept <- s.sweep() }()
	s.load = load()
	return <-swept
}

// window is how long the window lasts at least, for the sensors of the device that works.
func (s *session) window() time.Duration {
	if s.Recorder == nil {
		return s.Matrix.MinWindow
	}
	return s.Matrix.Window(s.Recorder.Window(s.backend.Device))
}

// ready makes sure that a worker has the model open.
func (s *session) ready(ctx context.Context) error {
	if s.client != nil || s.missing != nil {
		return s.missing
	}
	if s.crashes >= MaxCrashes {
		return &backend.RunError{Reason: backend.WorkerGaveUp, Detail: fmt.Sprintf("the worker crashed or hung %d times in a row", s.crashes)}
	}
	if s.missing = s.backend.Check(); s.missing != nil {
		return s.missing
	}
	if err := s.coolDown(ctx); err != nil {
		return err
	}
	if err := s.idle(ctx); err != nil {
		return err
	}
	s.launched = true
	client, err := s.launch()
	if err != nil {
		return err
	}
	s.client, s.warm = client, map[string]*worker.Compile{}
	if err := s.open(ctx); err != nil {
		s.abandon(err)
		return err
	}
	return nil
}

// open makes the new worker load the model.
func (s *session) open(ctx context.Context) error {
	opened, err := s.client.Open(ctx, s.backend.Name, s.spec, OpenLimit)
	if err != nil {
		return err
	}
	s.opened = opened
	s.out.Engines[s.backend.Name] = opened.Info
	s.affinity = s.boundTo()
	s.track(s.workers()...)
	return nil
}

// track tells the sensors which processes do the work.
func (s *session) track(pids ...int) {
	if s.Recorder != nil {
		s.Recorder.Track(pids...)
	}
}

// abandon ends a worker that lives but could not open the model. What is missing stays so for the session; what broke may
// be tried again, as often as a crash.
func (s *session) abandon(err error) {
	var missing *backend.Unavailable
	var crash *worker.CrashError
	switch {
	case errors.As(err, &missing):
		s.missing = missing
	case errors.As(err, &crash):
		return // it has ended by itself, and fail counts it
	default:
		s.crashes++
	}
	s.stop()
}

// warmUp prepares a cell and runs it unmeasured.
func (s *session) warmUp(ctx context.Context, step *matrix.Step, cell string) (*worker.Compile, error) {
	task := backend.Task{Mode: step.Mode, Prompt: s.prompts[step.Scenario.Name], MaxNewTokens: int(step.Scenario.MaxNewTokens),
		Concurrency: int(step.Scenario.Concurrency), Temperature: s.Matrix.Temperature, Seed: s.Matrix.Seed}
	if err := s.client.Prepare(ctx, cell, task, s.prepareLimit(task.Concurrency)); err != nil {
		return nil, err
	}
	limit := s.Matrix.Timeout * time.Duration(max(s.Matrix.Warmups, 1))
	return s.client.Warmup(ctx, cell, s.Matrix.Warmups, limit)
}

// rehearsals is how often at most a server works on a prompt while a request is prepared.
const rehearsals = 3

// prepareLimit is how long a cell may take to prepare. A worker of its own may compile in it. A server rehearses the
// requests, one after the other, and none of them may take longer than a window.
func (s *session) prepareLimit(requests int) time.Duration {
	if s.opened.PIDs == nil {
		return OpenLimit
	}
	return min(OpenLimit, rehearsals*time.Duration(max(requests, 1))*s.Matrix.Timeout)
}

// fail writes into the record why there is no measurement, and forgets a worker that has ended.
func (s *session) fail(rec *record.Run, err error) {
	var missing *backend.Unavailable
	var broken *backend.RunError
	var crash *worker.CrashError
	switch {
	case errors.As(err, &missing) && missing.Reason == backend.ServerNotFound && s.opened != nil: // it was there before
		setReason(rec, record.Failed, backend.ServerLost, missing.Advised())
	case errors.As(err, &missing):
		setReason(rec, record.Degraded, missing.Reason, missing.Advised())
	case errors.As(err, &crash):
		setReason(rec, record.Failed, crash.Reason, crash.Detail)
		s.client = nil
		s.crashes++
	case errors.As(err, &broken):
		setReason(rec, record.Failed, broken.Reason, broken.Detail)
		if broken.Reason == backend.ServerLost { // a new worker starts a server of its own anew
			s.stop()
			s.crashes++
		}
	default:
		setReason(rec, record.Failed, backend.RunFailed, err.Error())
	}
}

// sweep reads all sensors now and returns the samples since the last sweep.
func (s *session) sweep() []record.Sample {
	if s.Recorder == nil {
		return nil
	}
	s.Recorder.Now()
	s.swept = time.Now()
	samples := s.Recorder.Drain()
	s.recent = append(s.recent, samples...)
	return samples
}

// keepBefore is how far before the end of the last window samples are kept: the next window begins after it, and needs
// the samples around its start, of sensors that update as slowly as once a second.
const keepBefore = 2 * time.Second

// forget drops samples that no later window can need.
func (s *session) forget(end int64) { s.recent = after(s.recent, end-int64(keepBefore)) }

// after keeps the samples from t on, in place.
func after(samples []record.Sample, t int64) []record.Sample {
	return slices.DeleteFunc(samples, func(s record.Sample) bool { return s.TSUnixNS < t })
}

// stop ends the worker.
func (s *session) stop() {
	if s.client != nil {
		s.track()
		_ = s.client.Close() // everything it measured has been handed over; how it ends changes nothing
		s.client = nil
	}
}
