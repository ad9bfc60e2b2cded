package worker

import (
	"errors"
	"fmt"
	"slices"
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

// Run implements Job. All requests are let go at once; the times are since then.
func (g *group) Run() (backend.Result, error) {
	results, errs := make([]backend.Result, len(g.jobs)), make([]error, len(g.jobs))
	begun := make([]time.Duration, len(g.jobs)) // since the gate opened, which on a busy machine is later than at once
	gate := make(chan time.Time, len(g.jobs))
	var ended sync.WaitGroup
	for i, job := range g.jobs {
		ended.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			begun[i] = time.Since(<-gate)
			results[i], errs[i] = job.Run()
		})
	}
	start := time.Now()
	for range g.jobs {
		gate <- start
	}
	ended.Wait()
	if err := errors.Join(errs...); err != nil {
		return backend.Result{}, err
	}
	return merge(results, begun), nil
}

// merge makes one result of those of requests that were in flight together, by the rule that holds for a batch: a step is
// over when every request has its token of that number or has ended. So TTFT and gaps sum to the latency here too.
func merge(results []backend.Result, begun []time.Duration) backend.Result {
	n := time.Duration(len(results))
	out := backend.Result{CacheTold: true}
	steps := 0
	for i, r := range results {
		steps = max(steps, 1+len(r.ITL))
		out.Latency = max(out.Latency, begun[i]+r.Latency)
		out.Generated += r.Generated
		out.Output = append(out.Output, r.Output...)
		out.Requests = append(out.Requests, r.Latency)
		out.Cached += r.Cached
		out.CacheTold = out.CacheTold && r.CacheTold
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
	if slices.ContainsFunc(results, func(r backend.Result) bool { return r.Output == nil }) {
		out.Output = nil
	}
	if results[0].TTFT > 0 { // not a prefill
		out.TTFT, out.ITL = clock(results, begun, steps)
	}
	return out
}

// clock gives the time of the first step and the gaps between the later ones.
func clock(results []backend.Result, begun []time.Duration, steps int) (ttft time.Duration, itl []time.Duration) {
	at := make([]time.Duration, len(results)) // when each request had its latest token
	var last time.Duration
	for step := range steps {
		var now time.Duration
		for i, r := range results {
			switch {
			case step == 0:
				at[i] = begun[i] + r.TTFT
			case step <= len(r.ITL):
				at[i] += r.ITL[step-1]
			}
			now = max(now, at[i])
		}
		if step == 0 {
			ttft = now
		} else {
			itl = append(itl, now-last)
		}
		last = now
	}
	return ttft, itl
}

// Close implements Job.
func (g *group) Close() error {
	var errs []error
	for _, job := range g.jobs {
		errs = append(errs, job.Close())
	}
	return errors.Join(errs...)
}
