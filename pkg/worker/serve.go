package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/workload"
)

// server is the state of a worker process.
type server struct {
	ctx     context.Context
	engine  backend.Engine
	jobs    map[string]*preparedJob
	lastEnd time.Time // of the last window, zero when something else came after it
	// heapAfterGC is what lived on the heap after the last collection, in bytes.
	heapAfterGC uint64
	// unanswered counts requests that were read and not answered yet.
	unanswered atomic.Int64
}

// preparedJob is a job and what its window has to know.
type preparedJob struct {
	backend.Job
	processed int64 // prompt tokens of one iteration, see processedBy
}

// Serve answers requests from in until it ends. When in is closed in the middle of a request, which means that the parent
// is gone, abandon is called: nobody is left to measure for.
func Serve(ctx context.Context, in io.Reader, out io.Writer, abandon func()) error {
	// The collector is run by hand between windows and never inside one.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer runtime.GOMAXPROCS(setProcs(nil))
	s := &server{ctx: ctx, jobs: map[string]*preparedJob{}}
	defer s.close()
	requests := make(chan request)
	readErr := make(chan error, 1)
	go func() {
		defer close(requests)
		readErr <- s.readRequests(in, requests)
		if s.unanswered.Load() > 0 {
			abandon()
		}
	}()
	enc := json.NewEncoder(out)
	for req := range requests {
		rep := s.answer(req)
		s.unanswered.Add(-1) // before the answer, as the parent may hang up as soon as it has it
		if err := enc.Encode(rep); err != nil {
			return fmt.Errorf("worker: answer request %d: %w", req.ID, err)
		}
	}
	return <-readErr
}

// readRequests decodes lines into requests until in ends.
func (s *server) readRequests(in io.Reader, requests chan<- request) error {
	dec := json.NewDecoder(bufio.NewReader(in))
	for {
		var req request
		if err := dec.Decode(&req); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return fmt.Errorf("worker: read a request: %w", err)
		}
		s.unanswered.Add(1)
		requests <- req
	}
}

func (s *server) close() {
	for _, j := range s.jobs {
		_ = j.Close() // the process is ending and the system takes everything back
	}
	if s.engine != nil {
		_ = s.engine.Close() // as above
	}
}

// answer carries out one request; a panic in a backend becomes its error.
func (s *server) answer(req request) (rep reply) {
	rep.ID = req.ID
	defer func() {
		if p := recover(); p != nil {
			rep = reply{ID: req.ID, Error: &failure{Reason: string(backend.RunFailed), Detail: fmt.Sprintf("panic: %v", p)}}
		}
	}()
	if req.V != Version {
		rep.Error = toFailure(fmt.Errorf("protocol version: saw %d, want %d", req.V, Version))
		return rep
	}
	var err error
	switch req.Op {
	case opOpen:
		rep.Opened, err = s.open(req)
	case opPrepare:
		err = s.prepare(req)
	case opWarmup:
		rep.Compile, err = s.warmup(req)
	case opMeasure:
		rep.Window, err = s.measure(req)
	default:
		err = fmt.Errorf("request: saw op %q, want open, prepare, warmup or measure", req.Op)
	}
	if err != nil {
		return reply{ID: req.ID, Error: toFailure(err)}
	}
	return rep
}

func (s *server) open(req request) (*Opened, error) {
	b, ok := backend.Lookup(req.Backend)
	if !ok || req.Spec == nil {
		return nil, fmt.Errorf("open: saw backend %q with spec %v, want a known one with a spec", req.Backend, req.Spec)
	}
	start := time.Now()
	engine, err := b.Open(s.ctx, *req.Spec)
	if err != nil {
		return nil, err
	}
	s.engine = engine
	opened := &Opened{Info: engine.Info(), LoadNS: int64(time.Since(start))}
	if r, ok := engine.(backend.Remote); ok {
		opened.PIDs = append([]int{}, r.Processes()...)
	}
	return opened, nil
}

func (s *server) prepare(req request) error {
	if s.engine == nil || req.Task == nil {
		return errors.New("prepare: saw no open model or no task")
	}
	s.lastEnd = time.Time{}
	if old := s.jobs[req.Cell]; old != nil {
		delete(s.jobs, req.Cell)
		if err := old.Close(); err != nil {
			return err
		}
	}
	job, err := prepareRequests(s.engine, *req.Task)
	if err != nil {
		return err
	}
	s.jobs[req.Cell] = &preparedJob{Job: job, processed: processedBy(s.engine, req.Task.Prompt)}
	return nil
}

// processedBy counts the prompt tokens that an engine works on. A batch of different lengths is computed at the longest one,
// padding included; a server is sent each text by itself, where there is no padding.
func processedBy(engine backend.Engine, p workload.Prompt) int64 {
	if _, ok := engine.(backend.Remote); !ok {
		return int64(p.Batch() * p.Tokens())
	}
	var n int64
	for i := range p.Batch() {
		n += p.Length(i)
	}
	return n
}

func (s *server) job(cell string) (*preparedJob, error) {
	j, ok := s.jobs[cell]
	if !ok {
		return nil, fmt.Errorf("cell %q: saw a run before it was prepared", cell)
	}
	return j, nil
}

func (s *server) warmup(req request) (*Compile, error) {
	job, err := s.job(req.Cell)
	if err != nil {
		return nil, err
	}
	setProcs(job.Job)
	s.lastEnd = time.Time{}
	for range req.Times {
		if _, err := job.Run(); err != nil {
			return nil, err
		}
	}
	return compiled(job.Job), nil
}

// setProcs gives Go as many Ps as the job has requests in flight, one where there is no job yet, and returns how many it had.
//
// With an idle P, Go's monitor thread looks at a goroutine that is in C every 20 us for its first millisecond and takes its P
// away only after ten (runtime.retake); without one it does so at once and goes to sleep. A library whose threads fill all
// CPUs feels that: decoding GPT-2 was 3% slower than the same loop in Python, and is not any more. What else runs here waits
// for a server or a pipe and needs no P for it.
func setProcs(job backend.Job) (before int) {
	n := 1
	if g, ok := job.(*group); ok {
		n = min(len(g.jobs), runtime.NumCPU())
	}
	if before = runtime.GOMAXPROCS(0); before != n { // setting it stops the world
		runtime.GOMAXPROCS(n)
	}
	return before
}

// compiled is what a job compiled; nil where it is none that does.
func compiled(job backend.Job) *Compile {
	switch j := job.(type) {
	case backend.Compiler:
		return &Compile{NS: int64(j.Compiled())}
	case *group:
		var sum *Compile
		for _, part := range j.jobs {
			if c := compiled(part); c != nil {
				if sum == nil {
					sum = &Compile{}
				}
				sum.NS += c.NS
			}
		}
		return sum
	}
	return nil
}

// maxGarbage is how many bytes the heap may grow before it is collected, between two windows. Collecting before every
// window was tried: it took 6 to 20 ms on two cores, as the threads that ONNX Runtime leaves spinning compete with the
// collector, and a window allocates only kilobytes.
const maxGarbage = 32 << 20

// collect runs the collector when there is something to collect.
func (s *server) collect() {
	if heapBytes() > s.heapAfterGC+maxGarbage {
		runtime.GC()
		s.heapAfterGC = heapBytes()
	}
}

// measure repeats the job until the window is long enough. The window's memory is allocated, garbage is collected and the
// peak of the resident memory is reset before it begins.
func (s *server) measure(req request) (*Window, error) {
	job, err := s.job(req.Cell)
	if err != nil {
		return nil, err
	}
	asked, err := ready(job.Job)
	if err != nil {
		return nil, err
	}
	if asked {
		s.lastEnd = time.Time{} // what was done since is not the tool's own time
	}
	m := newMeter(s.lastEnd)
	setProcs(job.Job)
	workers := s.processes()
	resetPeakRSS(workers)
	s.collect()
	gcs := gcCycles()
	m.begin()
	for {
		res, err := job.Run()
		if err != nil {
			return nil, err
		}
		m.add(res)
		if m.elapsed() >= time.Duration(req.MinWindowNS) {
			break
		}
		if _, err := ready(job.Job); err != nil {
			return nil, err
		}
	}
	s.lastEnd = m.end()
	w := m.window()
	w.GCs = int64(gcCycles() - gcs)
	w.Processed = job.processed
	w.RSSPeakBytes = peakRSS(workers)
	return w, nil
}

// processes are those that do the work: this one, or the servers of a remote engine, none of which may be known.
func (s *server) processes() []int {
	r, ok := s.engine.(backend.Remote)
	if !ok {
		return []int{os.Getpid()}
	}
	var out []int
	for _, pid := range r.Processes() {
		out = append(out, machine.Tree(pid)...)
	}
	return out
}

// ready lets a job do what has to be done before a run and is no part of its latency, and says whether it asked for that.
// Between the iterations of a window it is in the window, so the window is longer than its iterations.
func ready(job backend.Job) (asked bool, err error) {
	switch j := job.(type) {
	case backend.Readier:
		return true, j.Ready()
	case *group:
		for _, part := range j.jobs {
			one, err := ready(part)
			if err != nil {
				return true, err
			}
			asked = asked || one
		}
	}
	return asked, nil
}
