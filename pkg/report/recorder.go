package report

import (
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
)

// recorderFacts are what the recorders' own rows say, of all hosts and invocations together.
type recorderFacts struct {
	sweeps, missed    int64
	late, sweep       histogram // ns
	interval          histogram // ns between two sweeps
	cpuNS, wakeups    float64   // of the recorder's process
	overNS            float64   // the time over which those were counted
	idles             int       // times in which the machine was left alone
	wallLow, wallHigh *int64    // of wall_offset_ns
	last              map[string]recorderRow
}

// recorderRow is what the next row of the same host is compared with.
type recorderRow struct {
	ts           int64
	cpu, wakeups *int64
}

// restart is the gap between two rows from which on a new recorder wrote the second.
const restart = 60e9

// add takes a row of a recorder.
func (f *recorderFacts) add(s *record.Sample) {
	if s.Source != record.SourceRecorder {
		return
	}
	if s.Event == record.EventIdleBegin {
		f.idles++
	}
	if s.WallOffsetNS != nil {
		if f.wallLow == nil {
			f.wallLow, f.wallHigh = s.WallOffsetNS, s.WallOffsetNS
		}
		f.wallLow, f.wallHigh = least(f.wallLow, s.WallOffsetNS), most(f.wallHigh, s.WallOffsetNS)
	}
	if s.Missed != nil {
		f.missed += *s.Missed
	}
	if s.SweepNS != nil {
		f.sweep.add(float64(*s.SweepNS))
	}
	f.since(s)
	if s.LateNS != nil { // a planned sweep, not one of an event
		f.sweeps++
		f.late.add(float64(max(*s.LateNS, 0)))
	}
}

// since adds what passed since the row before. A counter that fell, or a long gap, is another recorder's beginning.
func (f *recorderFacts) since(s *record.Sample) {
	if f.last == nil {
		f.last = map[string]recorderRow{}
	}
	last, ok := f.last[s.Host]
	if s.LateNS != nil || !ok {
		defer func() { f.last[s.Host] = recorderRow{s.TSUnixNS, s.CPUTimeNS, s.Wakeups} }()
	}
	gap := float64(s.TSUnixNS - last.ts)
	if !ok || s.LateNS == nil || gap <= 0 || gap > restart {
		return
	}
	f.interval.add(gap)
	if rose(last.cpu, s.CPUTimeNS) {
		f.overNS += gap
		f.cpuNS += float64(*s.CPUTimeNS - *last.cpu)
		if rose(last.wakeups, s.Wakeups) {
			f.wakeups += float64(*s.Wakeups - *last.wakeups)
		}
	}
}

func rose(a, b *int64) bool { return a != nil && b != nil && *b >= *a }

func least(a, b *int64) *int64 {
	if *b < *a {
		return b
	}
	return a
}

func most(a, b *int64) *int64 {
	if *b > *a {
		return b
	}
	return a
}

// histogram counts values in bins of 2% of their size, so that quantiles of any number of values take bounded memory and are
// off by at most 1%; the largest is kept as it is.
type histogram struct {
	n       int64
	bins    map[int]int64
	largest float64
}

const histogramStep = 1.02

func (h *histogram) add(v float64) {
	if h.bins == nil {
		h.bins = map[int]int64{}
	}
	h.n++
	h.largest = max(h.largest, v)
	h.bins[binOf(v)]++
}

// binOf numbers the bins; all below 1 is bin 0.
func binOf(v float64) int {
	if v < 1 {
		return 0
	}
	return 1 + int(math.Log(v)/math.Log(histogramStep))
}

// quantile is the value below which a share of them lies, nil where there are none.
func (h *histogram) quantile(share float64) *float64 {
	if h.n == 0 {
		return nil
	}
	var bins []int
	for b := range h.bins {
		bins = append(bins, b)
	}
	slices.Sort(bins)
	want := int64(math.Ceil(share * float64(h.n)))
	var seen int64
	for _, b := range bins {
		if seen += h.bins[b]; seen >= want {
			if b == 0 {
				return ptr(0)
			}
			return ptr(min(math.Pow(histogramStep, float64(b)-0.5), h.largest))
		}
	}
	return ptr(h.largest)
}
