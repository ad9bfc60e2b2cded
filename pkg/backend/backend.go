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

	"github.com/banterhearts/bh/pkg/model"
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
	// Install is how to get what Setup does not, because it is large; nil where there is nothing.
	Install *Install
	// Probe names what is found here without loading a model: versions, devices, servers; nil where Summary says it all.
	Probe func() map[string]string
	// Open loads the model. A machine that cannot run it gives *Unavailable. nil where Command is set.
	Open func(ctx context.Context, spec Spec) (Engine, error)
	// CellSetup is roughly what preparing a cell takes beside running it, such as compiling; for estimates alone.
	CellSetup time.Duration
	// Command is the command line and the environment of a worker in another language, which speaks package worker's
	// protocol; nil where bh-run itself is the worker. A machine that lacks what it needs gives *Unavailable.
	Command func() (argv, env []string, err error)
}

// Install gets what a group of backends needs, on demand: `bh-run setup NAME`.
type Install struct {
	Name    string // of the group: transformers, ollama, onnxruntime-gpu
	Summary string // what it gets, from where, how large
	Run     func(ctx context.Context, say func(string)) error
}

// Installs lists what can be installed, by name, each once.
func Installs() map[string]*Install {
	out := map[string]*Install{}
	for _, b := range registry {
		if b.Install != nil {
			out[b.Install.Name] = b.Install
		}
	}
	return out
}

// Capabilities is what a backend declares it can do. What it does not declare is never tried and never faked.
type Capabilities struct {
	Modes      []record.Mode       `json:"modes"`
	Precisions []string            `json:"precisions"`
	Settings   map[string][]string `json:"settings"` // allowed values, the first being the default; no values: any text
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
	// Concurrency is how many requests are in flight at once: the prompt's sequences are dealt out to so many jobs of equal
	// size. A Go engine sees only the single job's task, as package worker deals them out; 0 and 1 are one request.
	Concurrency int     `json:"concurrency"`
	Temperature float64 `json:"temperature"` // 0 is greedy decoding
	Seed        int64   `json:"seed"`        // of sampling
	// Offset is the number of the first sequence within the run, which the choice of a sampled token depends on.
	Offset int `json:"offset"`
}

// Engine is a loaded model.
type Engine interface {
	// Prepare allocates everything that running the task needs, so that a measured run allocates next to nothing. Jobs of one
	// engine may run at the same time.
	Prepare(task Task) (Job, error)
	// Info names what did the work: library and version, device, providers.
	Info() map[string]string
	Close() error
}

// Remote is an engine whose work is done by other processes of this machine, such as a server: their memory and their time
// on the CPUs are the run's.
type Remote interface {
	// Processes lists their ids; their children count with them.
	Processes() []int
}

// Job is a prepared task.
type Job interface {
	// Run does the task once. The result's slices are the job's own and hold until its next Run.
	Run() (Result, error)
	Close() error
}

// Compiler is a job that compiles for its shapes while it is prepared and warmed up, such as one that builds an engine.
type Compiler interface {
	// Compiled is how long that took in all.
	Compiled() time.Duration
}

// Result is what one run of a job gave.
type Result struct {
	Latency time.Duration
	TTFT    time.Duration   // to the first new token; 0 for prefill
	ITL     []time.Duration // each later gap; empty for prefill
	// Generated counts new tokens over the batch, the EOS of a sequence included; 0 for prefill.
	Generated int64
	// Output is the new token ids of each sequence, and for prefill the one id that greedy decoding would choose next.
	// It is nil where a server does not tell.
	Output [][]int64
	// Requests is the latency of each request where several were in flight, else nil.
	Requests []time.Duration
	Server   *ServerTimes // a server's own counters; nil where the backend is no server or does not tell
	Cached   int64        // prompt tokens that came from a cache instead of being computed
	Flags    []Flag       // doubts about this run
	// CacheTold says that Cached is known, so that its 0 is a 0.
	CacheTold bool
}

// ServerTimes is what a server says it spent, beside the client's clock.
type ServerTimes struct{ Load, Prefill, Decode time.Duration }

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

// openFolder opens the model folder that a spec names.
func openFolder(dir string) (*model.Folder, error) {
	folder, err := model.Open(dir)
	if err != nil {
		return nil, &Unavailable{Reason: ModelNotFound, Detail: err.Error(), Remedy: "run `bh-run model build` or `bh-run model import`"}
	}
	return folder, nil
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
		if len(allowed) > 0 && !slices.Contains(allowed, v) {
			return &Unavailable{Reason: SettingUnsupported, Detail: fmt.Sprintf("%s: setting %s: saw %q, want one of %v", b.Name, k, v, allowed)}
		}
	}
	return nil
}
