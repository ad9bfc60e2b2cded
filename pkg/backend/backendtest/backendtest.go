// Package backendtest registers backends that behave, and misbehave, on purpose, for the tests of the worker and the
// runner. It is imported by tests only.
package backendtest

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/record"
)

// The backends.
const (
	Steady     = "test-steady"     // every run takes RunTime
	Instant    = "test-instant"    // every run takes no time
	Crashing   = "test-crashing"   // every run kills its own process with SIGKILL
	CrashOnce  = "test-crash-once" // the first run kills its own process, when the file named by CrashMarker is not there
	Hanging    = "test-hanging"    // every run hangs
	Failing    = "test-failing"    // every run returns an error
	Panicking  = "test-panicking"  // every run panics
	Unopenable = "test-unopenable" // opening says what is missing
	Missing    = "test-missing"    // the check says what is missing
	Garbage    = "test-garbage"    // every run prints to standard output, which is the protocol's
	Meeting    = "test-meeting"    // a run takes RunTime and ends only with another one that was in flight with it
	Served     = "test-served"     // every run takes no time, and is the work of a server
)

// RunTime is how long a run of Steady takes.
const RunTime = 2 * time.Millisecond

// CrashMarker is the environment variable that names CrashOnce's file.
const CrashMarker = "BH_TEST_CRASH_MARKER"

// Register registers all of them. Both the tests and the worker processes that they start must call it.
func Register() {
	for name, run := range map[string]func() error{
		Steady:    func() error { time.Sleep(RunTime); return nil },
		Instant:   func() error { return nil },
		Meeting:   meet,
		Crashing:  die,
		CrashOnce: crashOnce,
		Hanging:   func() error { select {} },
		Failing:   func() error { return errors.New("it does not want to") },
		Panicking: func() error { panic("on purpose") },
		Garbage:   func() error { _, err := os.Stdout.WriteString("hello from a library\n"); return err },
	} {
		add(name, nil, func(context.Context, backend.Spec) (backend.Engine, error) { return engine{run}, nil })
	}
	add(Served, nil, func(context.Context, backend.Spec) (backend.Engine, error) {
		return served{engine{func() error { return nil }}}, nil
	})
	missing := &backend.Unavailable{Reason: backend.LibraryNotFound, Detail: "no such library", Remedy: "install it"}
	add(Unopenable, nil, func(context.Context, backend.Spec) (backend.Engine, error) { return nil, missing })
	add(Missing, missing, func(context.Context, backend.Spec) (backend.Engine, error) {
		return nil, errors.New("opened although the check said no")
	})
}

func add(name string, check error, open func(context.Context, backend.Spec) (backend.Engine, error)) {
	backend.Register(&backend.Backend{
		Name: name, Device: record.CPU, Summary: "for tests",
		Capabilities: backend.Capabilities{Modes: []record.Mode{record.Prefill, record.GenerateCached}, Precisions: []string{"fp32"}},
		Check:        func() error { return check },
		Open:         open,
	})
}

// die ends the process as an out-of-memory kill does.
func die() error {
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		return err
	}
	select {} // the signal is on its way
}

// meeting is where the runs of Meeting meet.
var meeting = make(chan struct{})

// meet returns with another run that has come meanwhile.
func meet() error {
	time.Sleep(RunTime)
	select {
	case meeting <- struct{}{}:
	case <-meeting:
	case <-time.After(time.Minute):
		return errors.New("no other run was in flight")
	}
	return nil
}

func crashOnce() error {
	f, err := os.OpenFile(os.Getenv(CrashMarker), os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		time.Sleep(RunTime)
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), die())
}

type engine struct{ run func() error }

func (e engine) Info() map[string]string { return map[string]string{"library": "test"} }
func (e engine) Close() error            { return nil }

func (e engine) Prepare(t backend.Task) (backend.Job, error) { return &job{engine: e, task: t}, nil }

// served says that its own process is a server.
type served struct{ engine }

func (served) Processes() []int { return []int{os.Getpid()} }

type job struct {
	engine
	task backend.Task
}

// Run gives MaxNewTokens tokens per sequence, 100, 101, …; a prefill gives one.
func (j *job) Run() (backend.Result, error) {
	start := time.Now()
	if err := j.run(); err != nil {
		return backend.Result{}, err
	}
	res := backend.Result{Latency: time.Since(start)}
	n := 1
	if j.task.Mode != record.Prefill {
		n = j.task.MaxNewTokens
		res.TTFT = res.Latency / 2
		res.ITL = make([]time.Duration, n-1)
		for i := range res.ITL {
			res.ITL[i] = res.Latency / 2 / time.Duration(n-1)
		}
		res.Generated = int64(n * j.task.Prompt.Batch())
	}
	for range j.task.Prompt.Batch() {
		var ids []int64
		for i := range n {
			ids = append(ids, int64(100+i))
		}
		res.Output = append(res.Output, ids)
	}
	return res, nil
}
