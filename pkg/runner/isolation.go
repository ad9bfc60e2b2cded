package runner

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/worker"
)

// From which share of the CPUs' time on a run is flagged; docs/reasons.md names these numbers.
const (
	maxForeignPct = 5
	maxStealPct   = 1
)

// launch starts the worker of the backend, bound to as many CPUs as it may use threads: every backend gets the same ones.
// Where the system cannot bind, the worker runs unbound and its record says so by an empty cpu_affinity.
func (s *session) launch() (*worker.Client, error) {
	argv, env := s.Worker, s.Env
	if s.backend.Command != nil {
		var err error
		if argv, env, err = s.backend.Command(); err != nil {
			return nil, err
		}
	}
	cpus, err := machine.Pick(s.spec.Threads)
	if err != nil {
		cpus = nil // see above
	}
	client, err := worker.Start(argv, env, cpus)
	if err != nil {
		return nil, &backend.RunError{Reason: backend.WorkerCrashed, Detail: err.Error()}
	}
	return client, nil
}

// workers are the processes that do the run's work; none are known of a server on another machine.
func (s *session) workers() []int {
	if s.opened.PIDs != nil {
		return s.opened.PIDs
	}
	return []int{s.client.PID()}
}

// boundTo names the CPUs that the working process may use; empty where that is not known.
func (s *session) boundTo() string {
	pids := s.workers()
	if len(pids) == 0 {
		return ""
	}
	cpus, err := machine.Allowed(pids[0])
	if err != nil {
		return "" // it has ended, or the system does not tell
	}
	return cpus.String()
}

// shares is what others did on the CPUs during a window.
type shares struct {
	steal, foreign *units.Percent // null where it is not known
}

// reading is what the CPUs' counters said, and when.
type reading struct {
	load machine.Load
	at   time.Time
}

// fresh is how old a reading at the end of a window may be to serve as that at the start of the next one: reading the CPUs'
// counters takes a third of a millisecond and the sensors as long, a good part of the time between two runs.
const fresh = 20 * time.Millisecond

// watch reads the CPUs' counters and returns what reads them again and tells the difference. The run's own processes are
// the worker, the servers that work for it, and this one, which samples.
func (s *session) watch() func() shares {
	workers := s.workers()
	own := append([]int{os.Getpid()}, s.opened.PIDs...)
	if s.opened.PIDs == nil {
		own = own[:1] // the worker is this process's child
	}
	before, err := s.latest.load, error(nil)
	if time.Since(s.latest.at) > fresh {
		before, err = s.loads.Read(own...)
	}
	return func() shares {
		after, errAfter := s.loads.Read(own...)
		s.latest = reading{load: after, at: time.Now()}
		if err != nil || errAfter != nil {
			s.latest = reading{}
			return shares{} // not Linux
		}
		steal, foreign, ok := after.Since(before)
		if !ok {
			return shares{}
		}
		out := shares{steal: units.Ptr(units.Percent(steal))}
		if len(workers) > 0 {
			out.foreign = units.Ptr(units.Percent(foreign))
		}
		return out
	}
}

// circumstances notes what belongs to the worker and the machine, and not to the window.
func (s *session) circumstances(r *record.Run, step *matrix.Step) {
	r.CPUAffinity = s.affinity
	if s.opened.Info[backend.InfoThreads] == backend.ThreadsOfServer {
		r.Threads = 0
	}
	r.ModelLoadNS = &s.opened.LoadNS
	if c := s.warm[step.CellID()]; c != nil {
		r.CompileNS, r.GraphBreaks = &c.NS, &c.GraphBreaks
	}
	r.CPUStealPct, r.ForeignCPUPct = s.load.steal, s.load.foreign
	r.ForeignGPUProcs = s.foreignGPU(r)
	flags := strings.FieldsFunc(r.Flags, func(c rune) bool { return c == ',' })
	for flag, doubt := range map[backend.Flag]bool{
		backend.ForeignLoad:   r.ForeignCPUPct != nil && *r.ForeignCPUPct > maxForeignPct,
		backend.CPUSteal:      r.CPUStealPct != nil && *r.CPUStealPct > maxStealPct,
		backend.ForeignGPU:    r.ForeignGPUProcs != nil && *r.ForeignGPUProcs > 0,
		backend.NotCooledDown: s.hot,
		backend.WorkElsewhere: len(s.workers()) == 0,
	} {
		if doubt {
			flags = append(flags, string(flag))
		}
	}
	slices.Sort(flags)
	r.Flags = strings.Join(flags, ",")
}

// foreignGPU is the largest number of processes beside the run's own that the sensors saw computing on a GPU during the
// window; nil where no sensor tells.
func (s *session) foreignGPU(r *record.Run) *int64 {
	var most *int64
	for i := range s.recent {
		sample := &s.recent[i]
		if sample.Processes == nil || !strings.HasPrefix(sample.Device, "gpu:") || sample.TSUnixNS < *r.StartUnixNS || sample.TSUnixNS > *r.EndUnixNS {
			continue
		}
		foreign := *sample.Processes
		switch {
		case sample.ForeignProcesses != nil:
			foreign = *sample.ForeignProcesses
		case r.Device == record.GPU:
			foreign-- // the run's own
		}
		if foreign = max(foreign, 0); most == nil || foreign > *most {
			most = &foreign
		}
	}
	return most
}
