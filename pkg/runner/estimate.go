package runner

import (
	"cmp"
	"fmt"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
)

// What the estimate assumes of a machine that it has not measured: a core's fp32 matrix rate and a machine's memory
// bandwidth, both on the low side of processors of the last ten years. While a matrix runs, the display corrects the
// estimate by what the finished runs took.
const (
	assumedFlopsPerCore = 40e9 // FLOP/s
	assumedBandwidth    = 10e9 // bytes/s
	bytesPerParameter   = 4    // fp32
	flopsPerParameter   = 2    // one multiplication, one addition per parameter and token
)

// Estimator says roughly how long steps take. It asks each backend once whether it works here, as that may mean to wait for
// a server or to look into a library, and a matrix has hundreds of steps.
type Estimator struct {
	matrix  *matrix.Matrix
	config  model.Config
	threads int              // of backends that the matrix gives none
	checks  map[string]error // by backend
}

// NewEstimator returns an Estimator of the matrix on a model.
func NewEstimator(m *matrix.Matrix, c model.Config, threads int) *Estimator {
	return &Estimator{matrix: m, config: c, threads: threads, checks: map[string]error{}}
}

// Obstacle says why a step cannot run on this machine, as far as that can be told without trying; nil where it can.
func (e *Estimator) Obstacle(step *matrix.Step) error {
	b, ok := backend.Lookup(step.Backend.Name)
	if !ok {
		return fmt.Errorf("unknown backend %s", step.Backend.Name)
	}
	spec := backend.Spec{Precision: step.Backend.Precision, Settings: step.Backend.Settings}
	if err := b.Supports(spec, step.Mode); err != nil {
		return err
	}
	if _, asked := e.checks[b.Name]; !asked {
		e.checks[b.Name] = b.Check()
	}
	return e.checks[b.Name]
}

// Steps estimates each step, by its run id. What preparing a cell takes, such as warming up and compiling, is in the first of
// its steps in each session, where it is spent. A step with an obstacle takes no time.
func (e *Estimator) Steps(steps []matrix.Step) map[string]time.Duration {
	type once struct {
		what    string // a cell, or a backend's worker
		session int64
	}
	out := make(map[string]time.Duration, len(steps))
	done := map[once]bool{}
	last := ""
	for i := range steps {
		s := &steps[i]
		if e.Obstacle(s) != nil {
			out[s.RunID] = 0
			continue
		}
		task := taskTime(e.config, s, cmp.Or(s.Backend.Threads, e.threads))
		out[s.RunID] = max(task, e.matrix.MinWindow)
		if w := (once{s.Backend.Name, s.Session}); !done[w] {
			done[w] = true
			out[s.RunID] += e.matrix.Idle
		}
		last = s.RunID
		if c := (once{s.CellID(), s.Session}); !done[c] {
			done[c] = true
			b, _ := backend.Lookup(s.Backend.Name) // an unknown one is an obstacle
			out[s.RunID] += b.CellSetup + task*time.Duration(e.matrix.Warmups)
		}
	}
	if last != "" {
		out[last] += e.matrix.Idle // after the last worker
	}
	return out
}

// taskTime is one prefill, or one decoding of all new tokens.
func taskTime(c model.Config, step *matrix.Step, threads int) time.Duration {
	batch, prompt, fresh := step.Scenario.BatchSize, int64(step.Scenario.PromptTokens), int64(step.Scenario.MaxNewTokens)
	switch step.Mode {
	case record.Generate:
		var d time.Duration
		for i := range fresh {
			d += passTime(c, batch*(prompt+i), threads)
		}
		return d
	case record.GenerateCached:
		return passTime(c, batch*prompt, threads) + time.Duration(fresh-1)*passTime(c, batch, threads)
	}
	return passTime(c, batch*prompt, threads)
}

// passTime is one forward pass over tokens: bound by arithmetic, or by reading the weights once.
func passTime(c model.Config, tokens int64, threads int) time.Duration {
	p := float64(c.Parameters())
	compute := p * flopsPerParameter * float64(tokens) / (assumedFlopsPerCore * float64(max(threads, 1)))
	memory := p * bytesPerParameter / assumedBandwidth
	return time.Duration(max(compute, memory) * float64(time.Second))
}
