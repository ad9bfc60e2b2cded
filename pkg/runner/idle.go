package runner

import (
	"context"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// idle leaves the machine alone for the matrix's idle time, between two marks in the samples: what it draws then is what
// marginal energy is reckoned from. It is measured before each worker and after the last one, so that every session has one
// on either side, with no worker alive. Without a power sensor there is nothing to measure, and no time is lost.
func (r *run) idle(ctx context.Context) error {
	if r.Recorder == nil || r.Matrix.Idle == 0 || r.Recorder.Window(record.CPU)+r.Recorder.Window(record.GPU) == 0 {
		return nil
	}
	r.Recorder.Mark(record.EventIdleBegin)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.Matrix.Idle):
	}
	r.Recorder.Mark(record.EventIdleEnd)
	samples := r.Recorder.Drain()
	// With what was read before it: the first reading of the idle time itself lies behind its beginning.
	begin := slices.IndexFunc(samples, func(s record.Sample) bool { return s.Event == record.EventIdleBegin })
	r.idleBefore = nil
	if begin >= 0 {
		r.idleBefore = after(slices.Concat(r.recent, samples), samples[begin].TSUnixNS-int64(keepBefore))
	}
	r.recent = nil
	return r.Sink.Samples(samples)
}
