// Package backend is the one interface behind which inference backends stand: open a model, prepare a task, run it,
// close; what it can do; and a check that says what is missing on this machine and how to get it. One file per backend,
// each of which registers itself. A backend times its own calls, because only it stands next to them; repeating, warming
// up and recording are the worker's.
package backend

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// Backend is one way to run a model.
type Backend struct {
	Name         string
	Device       record.Device // what does the work, and so whose power counts
	Summary      string        // one line for the doctor
	Capabilities Capabilities
	// Check says whether the backend can work here, without loading a model. It returns nil or *Unavailable.
	Check func() error
	// Setup gets what the backend needs and can be had without asking, such as a pinned library into the user's cache; nil
	// where there is nothing to get. say is told what takes long. What it could not get, Check reports.
	Setup func(ctx context.Context, say func(string)) error
	// Open loads the model. A machine that cannot run it gives *Unavailable.
	Open func(ctx context.Context, spec Spec) (Engine, error)
}

// Capabilities is what a backend declares it can do. What it does not declare is never tried and never faked.
type Capabilities struct {
	Modes      []record.Mode       `json:"modes"`
	Precisions []string            `json:"precisions"`
	Settings   map[string][]string `json:"settings"` // allowed values, the first being the default
}

// Spec is which model to open and how.
type Spec struct {
	ModelDir  string            `json:"model_dir"`
	Precision string            `json:"precision"`
	Threads   int               `json:"threads"` // intra-op
	Settings  map[string]string `json:"settings"`
}

// Task is one piece of work: a scenario in a mode.
type Task struct {
	Mode         record.Mode     `json:"mode"`
	Prompt       workload.Prompt `json:"prompt"`
	MaxNewTokens int             `json:"max_new_tokens"` // per sequence; prefill ignores it
}

// Engine is a loaded model.
type Engine interface {
	// Prepare allocates everything that running the task needs, so that a measured run allocates next to nothing.
	Prepare(task Task) (Job, error)
	// Info names what did the work: library and version, device, providers.
	Info() map[string]string
	Close() error
}

// Job is a prepared task.
type Job interface {
	// Run does the task once. The result's slices are the job's own and hold until its next Run.
	Run() (Result, error)
	Close() error
}

// Result is what one run of a job gave.
type Result struct {
	Latency time.Duration
	TTFT    time.Duration   // to the first new token; 0 for prefill
	ITL     []time.Duration // each later gap; empty for prefill
	// Generated counts new tokens over the batch, the EOS of a sequence included; 0 for prefill.
	Generated int64
	// Output is the new token ids of each sequence, and for prefill the one id that greedy decoding would choose next.
	Output [][]int64
}

var registry = map[string]*Backend{}

// Register adds a backend. The files of this package call it from init; package backendtest adds backends that misbehave on
// purpose. A name that is taken is a programmer's mistake.
func Register(b *Backend) {
	if registry[b.Name] != nil {
		panic("backend registered twice: " + b.Name)
	}
	registry[b.Name] = b
}

// Names lists the registered backends in alphabetical order.
func Names() []string {
	names := make([]string, 0, len(registry))
	for n := range registry {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Lookup returns a backend by name.
func Lookup(name string) (*Backend, bool) {
	b, ok := registry[name]
	return b, ok
}

// Supports says whether the backend can do this at all, as *Unavailable where it cannot.
func (b *Backend) Supports(spec Spec, mode record.Mode) error {
	if !slices.Contains(b.Capabilities.Modes, mode) {
		return &Unavailable{Reason: ModeUnsupported, Detail: fmt.Sprintf("%s does not do %s", b.Name, mode)}
	}
	if !slices.Contains(b.Capabilities.Precisions, spec.Precision) {
		return &Unavailable{Reason: PrecisionUnsupported,
			Detail: fmt.Sprintf("%s: precision: saw %q, want one of %v", b.Name, spec.Precision, b.Capabilities.Precisions)}
	}
	for k, v := range spec.Settings {
		allowed, ok := b.Capabilities.Settings[k]
		if !ok {
			return &Unavailable{Reason: SettingUnsupported, Detail: fmt.Sprintf("%s has no setting %q", b.Name, k)}
		}
		if !slices.Contains(allowed, v) {
			return &Unavailable{Reason: SettingUnsupported, Detail: fmt.Sprintf("%s: setting %s: saw %q, want one of %v", b.Name, k, v, allowed)}
		}
	}
	return nil
}
