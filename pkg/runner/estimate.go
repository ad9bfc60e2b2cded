package runner

import (
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

// Obstacle says why a step cannot run on this machine, as far as that can be told without trying; nil where it can.
func Obstacle(step *matrix.Step) error {
	b, ok := backend.Lookup(step.Backend.Name)
	if !ok {
		return fmt.Errorf("unknown backend %s", step.Backend.Name)
	}
	spec := backend.Spec{Precision: step.Backend.Precision, Settings: step.Backend.Settings}
	if err := b.Supports(spec, step.Mode); err != nil {
		return err
	}
	return b.Check()
}

// Estimate is roughly how long a step takes, its share of the warm-ups included; nothing where there is an obstacle.
func Estimate(m *matrix.Matrix, c model.Config, step *matrix.Step, threads int) time.Duration {
	if Obstacle(step) != nil {
		return 0
	}
	if step.Backend.Threads > 0 {
		threads = step.Backend.Threads
	}
	once := taskTime(c, step, threads)
	b, _ := backend.Lookup(step.Backend.Name) // an unknown one is an obstacle
	cell := b.CellSetup + once*time.Duration(m.Warmups)
	return max(once, m.MinWindow) + cell/time.Duration(m.Repetitions)
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
