package monitor

import (
	"math"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
)

// Recorder is what a recording tells of itself. A nil pointer is a figure that its system does not give.
type Recorder struct {
	Host        string   `json:"host"`
	IdleS       float64  `json:"idle_s"` // in which the machine was left alone; no part of energy, mean, peak and busy
	Sweeps      int64    `json:"sweeps"` // planned and on demand
	SpanS       float64  `json:"span_s"` // from the first sweep to the last
	Missed      int64    `json:"missed"` // planned sweeps that did not happen
	LateP50S    *float64 `json:"late_p50_s"`
	LateP99S    *float64 `json:"late_p99_s"`
	LateMaxS    *float64 `json:"late_max_s"`
	LateS       *float64 `json:"late_s"`       // of the last planned sweep
	SweepS      *float64 `json:"sweep_s"`      // how long the last sweep took
	SweepMeanS  *float64 `json:"sweep_mean_s"` // and all of them
	SweepMaxS   *float64 `json:"sweep_max_s"`
	CPUS        *float64 `json:"cpu_s"`          // processor time of the recording process
	CPUPct      *float64 `json:"cpu_share_pct"`  // of one processor, over the span
	Wakeups     *int64   `json:"wakeups"`        //
	WallOffsetS *float64 `json:"wall_offset_s"`  // how far the wall clock is away from the timeline now
	WallStepsS  float64  `json:"wall_steps_s"`   // how far it moved in steps, all added up
	FirstUnixNS int64    `json:"first_unix_ns"`  // of the first sweep
	LastUnixNS  int64    `json:"last_unix_ns"`   // of the last one
	Known       bool     `json:"recorder_known"` // false where a file has no rows of its recorder
}

// recorder gathers these figures.
type recorder struct {
	sweeps, missed int64
	first, last    int64
	late           histogram
	lateNow        *int64
	took           histogram
	tookNow        *int64
	tookSum        time.Duration
	cpu            time.Duration
	cpuBefore      *int64
	wakeups        int64
	wakeupsBefore  *int64
	restarts       int // recordings that began behind the first
	offset         *int64
	steps          time.Duration
}

func (r *recorder) add(s *record.Sample) {
	r.sweeps++
	if r.first == 0 {
		r.first = s.TSUnixNS
	}
	if s.Missed != nil {
		r.missed += *s.Missed
	}
	if s.LateNS != nil {
		r.late.add(time.Duration(*s.LateNS))
		r.lateNow = s.LateNS
	}
	if r.again(s) {
		r.restarts++
	}
	if s.SweepNS != nil {
		r.took.add(time.Duration(*s.SweepNS))
		r.tookSum += time.Duration(*s.SweepNS)
		r.tookNow = s.SweepNS
	}
	r.cpu += time.Duration(rise(&r.cpuBefore, s.CPUTimeNS))
	r.wakeups += rise(&r.wakeupsBefore, s.Wakeups)
	r.clock(s)
	r.last = s.TSUnixNS
}

// again reports whether a row is the first of another recording: no sweep lies before it, and what it counts begins anew.
func (r *recorder) again(s *record.Sample) bool {
	return r.tookNow != nil && s.SweepNS == nil || fell(r.wakeupsBefore, s.Wakeups) || fell(r.cpuBefore, s.CPUTimeNS)
}

func fell(before, now *int64) bool { return before != nil && now != nil && *now < *before }

// clock takes in where the wall clock stood, before the row is the last.
func (r *recorder) clock(s *record.Sample) {
	if s.WallOffsetNS == nil {
		return
	}
	if r.offset != nil {
		moved := time.Duration(*s.WallOffsetNS - *r.offset)
		if energy.ClockSet(moved, time.Duration(s.TSUnixNS-r.last)) {
			r.steps += moved.Abs()
		}
	}
	r.offset = s.WallOffsetNS
}

// rise is how much a count that begins at 0 with each recording has risen since the sample before.
func rise(before **int64, now *int64) int64 {
	if now == nil {
		return 0
	}
	was := int64(0)
	if *before != nil && **before <= *now {
		was = **before
	}
	*before = now
	return *now - was
}

func (r *recorder) figures() Recorder {
	f := Recorder{Known: r.sweeps > 0, Sweeps: r.sweeps, Missed: r.missed, SpanS: time.Duration(r.last - r.first).Seconds(),
		LateP50S: r.late.quantile(0.5), LateP99S: r.late.quantile(0.99), LateMaxS: r.late.quantile(1), LateS: seconds(r.lateNow),
		SweepS: seconds(r.tookNow), SweepMaxS: r.took.quantile(1), WallOffsetS: seconds(r.offset), WallStepsS: r.steps.Seconds(),
		FirstUnixNS: r.first, LastUnixNS: r.last}
	if r.took.n > 0 {
		mean := r.tookSum.Seconds() / float64(r.took.n)
		f.SweepMeanS = &mean
	}
	if r.cpuBefore != nil {
		cpu := r.cpu.Seconds()
		f.CPUS = &cpu
		if f.SpanS > 0 {
			share := 100 * cpu / f.SpanS
			f.CPUPct = &share
		}
	}
	if r.wakeupsBefore != nil {
		wakeups := r.wakeups
		f.Wakeups = &wakeups
	}
	return f
}

func seconds(ns *int64) *float64 {
	if ns == nil {
		return nil
	}
	s := time.Duration(*ns).Seconds()
	return &s
}

// histogram counts durations in bins that grow by binGrowth from a microsecond on, so that a quantile is right to that.
type histogram struct {
	bins [bins]int64
	n    int64
	max  time.Duration
}

const (
	binGrowth = 1.02
	bins      = 1200 // up to 1 µs * 1.02^1200, some six hours
)

func (h *histogram) add(d time.Duration) {
	h.n++
	h.max = max(h.max, d)
	i := 0
	if d > time.Microsecond {
		i = min(bins-1, 1+int(math.Log(float64(d)/float64(time.Microsecond))/math.Log(binGrowth)))
	}
	h.bins[i]++
}

// quantile is the upper end of the bin that holds the q-th of all durations, in seconds; nil where there are none. The
// longest is exact.
func (h *histogram) quantile(q float64) *float64 {
	if h.n == 0 {
		return nil
	}
	rank, seen := int64(math.Ceil(q*float64(h.n))), int64(0)
	out := h.max
	for i, n := range h.bins {
		if seen += n; seen >= rank {
			out = min(out, time.Duration(float64(time.Microsecond)*math.Pow(binGrowth, float64(i))))
			break
		}
	}
	if q == 1 {
		out = h.max
	}
	s := out.Seconds()
	return &s
}
