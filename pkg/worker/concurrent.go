package worker

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
)

// prepareRequests prepares a task: one job, or one for each of the requests that are to be in flight at once.
func prepareRequests(engine backend.Engine, task backend.Task) (backend.Job, error) {
	if task.Concurrency <= 1 {
		return engine.Prepare(task)
	}
	batch := task.Prompt.Batch()
	if batch%task.Concurrency != 0 {
		return nil, fmt.Errorf("prepare: saw %d sequences for %d requests, want as many for each", batch, task.Concurrency)
	}
	g := &group{}
	each := batch / task.Concurrency
	for i := range task.Concurrency {
		part := task
		part.Concurrency, part.Offset = 1, task.Offset+i*each
		part.Prompt = task.Prompt.Slice(i*each, (i+1)*each)
		job, err := engine.Prepare(part)
		if err != nil {
			return nil, errors.Join(err, g.Close())
		}
		g.jobs = append(g.jobs, job)
	}
	return g, nil
}

// group is several requests that are in flight at once.
type group struct{ jobs []backend.Job }

var _ backend.Job = (*group)(nil)

// Run implements Job. The latency is that of the last request to end; TTFT and gaps are means over the requests.
func (g *group) Run() (backend.Result, error) {
	results, errs := make([]backend.Result, len(g.jobs)), make([]error, len(g.jobs))
	gate := make(chan struct{})
	var ended sync.WaitGroup
	for i, job := range g.jobs {
		ended.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			<-gate
			results[i], errs[i] = job.Run()
		})
	}
	start := time.Now()
	close(gate)
	ended.Wait()
	latency := time.Since(start)
	if err := errors.Join(errs...); err != nil {
		return backend.Result{}, err
	}
	return merge(results, latency), nil
}

// merge makes one result of those of requests that were in flight together.
func merge(results []backend.Result, latency time.Duration) backend.Result {
	n := time.Duration(len(results))
	out := backend.Result{Latency: latency}
	gaps := len(results[0].ITL)
	for _, r := range results {
		gaps = min(gaps, len(r.ITL))
	}
	out.ITL = make([]time.Duration, gaps)
	for _, r := range results {
		out.TTFT += r.TTFT / n
		for i := range out.ITL {
			out.ITL[i] += r.ITL[i] / n
		}
		out.Generated += r.Generated
		out.Output = append(out.Output, r.Output...)
		out.Requests = append(out.Requests, r.Latency)
		out.Cached += r.Cached
		out.Flags = append(out.Flags, r.Flags...)
		if r.Server != nil {
			if out.Server == nil {
				out.Server = &backend.ServerTimes{}
			}
			out.Server.Load += r.Server.Load / n
			out.Server.Prefill += r.Server.Prefill / n
			out.Server.Decode += r.Server.Decode / n
		}
	}
	return out
}

// Close implements Job.
func (g *group) Close() error {
	var errs []error
	for _, job := range g.jobs {
		errs = append(errs, job.Close())
	}
	return errors.Join(errs...)
}
