// Package worker runs a backend in a process of its own, so that a crash, an out-of-memory kill or a hang of the backend
// costs one run and not the experiment. It holds both ends: Serve is the worker's main loop, Client starts a worker and
// speaks with it.
//
// The protocol is one JSON object per line: requests on the worker's standard input, one reply for each on its standard
// output, in order. Standard error is for people. Version 2 knows four requests: open a model, prepare a task, warm it
// up, and measure a window of it. All times are taken inside the worker. What a worker needs on disk only for itself goes
// into the folder that the environment variable BH_WORKER_SCRATCH names, which it makes and the parent removes after it.
package worker

import (
	"errors"

	"github.com/banterhearts/bh/pkg/backend"
)

// Version is the protocol's version, which every request carries.
const Version = 2

// The requests.
const (
	opOpen    = "open"
	opPrepare = "prepare"
	opWarmup  = "warmup"
	opMeasure = "measure"
)

// request is one line to the worker.
type request struct {
	V       int           `json:"v"`
	ID      int64         `json:"id"`
	Op      string        `json:"op"`
	Backend string        `json:"backend,omitempty"` // open
	Spec    *backend.Spec `json:"spec,omitempty"`    // open
	Cell    string        `json:"cell,omitempty"`    // prepare, warmup, measure
	Task    *backend.Task `json:"task,omitempty"`    // prepare
	Times   int           `json:"times,omitempty"`   // warmup
	// MinWindowNS asks measure to repeat the task until the window is this long.
	MinWindowNS int64 `json:"min_window_ns,omitempty"`
}

// reply is one line from the worker.
type reply struct {
	ID      int64    `json:"id"`
	Error   *failure `json:"error,omitempty"`
	Opened  *Opened  `json:"opened,omitempty"`  // open
	Compile *Compile `json:"compile,omitempty"` // warmup, of a backend that compiles
	Window  *Window  `json:"window,omitempty"`  // measure
}

// Opened is what a worker says of itself once the model is loaded.
type Opened struct {
	Info   map[string]string `json:"info"`    // library and version, device, weights
	LoadNS int64             `json:"load_ns"` // start of the library and loading of the model
	// PIDs are the processes that do the work instead of the worker, see backend.Remote: null where the worker does it
	// itself, empty where they are not known, as on another machine.
	PIDs []int `json:"pids"`
}

// Compile is what preparing and warming up a cell compiled.
type Compile struct {
	NS          int64 `json:"ns"`
	GraphBreaks int64 `json:"graph_breaks"`
}

// failure is an error on its way through the pipe.
type failure struct {
	Unavailable bool   `json:"unavailable"` // it cannot work here, as opposed to: it broke
	Reason      string `json:"reason"`
	Detail      string `json:"detail"`
}

// Window is what one measured window gave. All but the edges is per iteration.
type Window struct {
	StartUnixNS int64   `json:"start_unix_ns"`
	EndUnixNS   int64   `json:"end_unix_ns"`
	IterationNS []int64 `json:"iteration_ns"`     // latency of each iteration
	TTFTNS      int64   `json:"ttft_ns"`          // mean over iterations; 0 for prefill
	ITLNS       []int64 `json:"itl_ns"`           // mean over iterations, gap by gap
	Processed   int64   `json:"tokens_processed"` // prompt tokens, with the padding that the backend computes
	Generated   int64   `json:"tokens_generated"`
	// Output is the token ids of each sequence in the last iteration, see backend.Result; null where a server does not tell.
	Output        [][]int64 `json:"output"`
	RequestNS     []int64   `json:"request_ns"`           // latency of each request, mean over iterations; null but with concurrency
	RSSPeakBytes  *int64    `json:"rss_peak_bytes"`       // null where the system does not tell
	VRAMPeakBytes *int64    `json:"vram_peak_bytes"`      // null where there is no GPU, or it does not tell
	GCs           int64     `json:"gcs"`                  // garbage collections inside the window
	Recompiles    *int64    `json:"recompiles"`           // compilations inside the window; null where nothing compiles
	Server        *Server   `json:"server"`               // null where there is no server, or it does not tell
	Cached        *int64    `json:"cached_prompt_tokens"` // null where nobody tells
	Flags         []string  `json:"flags"`
	// GapNS is the time between the end of the worker's previous window and the start of this one; 0 for the first
	// window, and where something was prepared or warmed up in between.
	GapNS int64 `json:"gap_ns"`
}

// Server is what a server says it spent, mean over iterations.
type Server struct {
	LoadNS    int64 `json:"load_ns"`
	PrefillNS int64 `json:"prefill_ns"`
	DecodeNS  int64 `json:"decode_ns"`
}

// CrashError is the end of the worker in the middle of a request.
type CrashError struct {
	Reason backend.Reason // WorkerCrashed, OutOfMemory or WorkerTimeout
	Detail string         // how it ended, with its last words
}

func (e *CrashError) Error() string { return string(e.Reason) + ": " + e.Detail }

// toFailure prepares an error for the pipe.
func toFailure(err error) *failure {
	var un *backend.Unavailable
	if errors.As(err, &un) {
		return &failure{Unavailable: true, Reason: string(un.Reason), Detail: un.Advised()}
	}
	var broken *backend.RunError
	if errors.As(err, &broken) {
		return &failure{Reason: string(broken.Reason), Detail: broken.Detail}
	}
	return &failure{Reason: string(backend.RunFailed), Detail: err.Error()}
}

// err is the error that went into the pipe.
func (f *failure) err() error {
	if f.Unavailable {
		return &backend.Unavailable{Reason: backend.Reason(f.Reason), Detail: f.Detail}
	}
	return &backend.RunError{Reason: backend.Reason(f.Reason), Detail: f.Detail}
}
