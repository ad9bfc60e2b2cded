package report

import (
	"fmt"
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
	recordings        int       // more than one where the run was interrupted and resumed
	wallLow, wallHigh *int64    // of wall_offset_ns
	last              map[string]recorderRow
}

// recorderRow is what the next row of the same host is compared with.
type recorderRow struct {
	ts           int64
	cpu, wakeups *int64
	event        bool // not a planned sweep
}

// interruptedWords says of how many recordings the facts are, where one was interrupted.
func (f *recorderFacts) interruptedWords() string {
	if f.recordings <= len(f.last) {
		return ""
	}
	return fmt.Sprintf("%d recordings, as the run was interrupted", f.recordings)
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
	began := f.since(s)
	if s.LateNS != nil { // a planned sweep, not one of an event
		f.sweeps++
		if began {
			return // the time until another recorder was there is nobody's lateness
		}
		f.late.add(float64(max(*s.LateNS, 0)))
	}
}

// since adds what passed since the row before, and reports whether the row begins a recording. A counter of the recorder's
// process that fell, or a long gap, is another recorder's beginning.
func (f *recorderFacts) since(s *record.Sample) (began bool) {
	if f.last == nil {
		f.last = map[string]recorderRow{}
	}
	last, ok := f.last[s.Host]
	gap := float64(s.TSUnixNS - last.ts)
	began = !ok || gap > restart || fell(last.cpu, s.CPUTimeNS) || fell(last.wakeups, s.Wakeups)
	if began {
		f.recordings++
	}
	if s.LateNS != nil || began {
		defer func() { f.last[s.Host] = recorderRow{s.TSUnixNS, s.CPUTimeNS, s.Wakeups, s.LateNS == nil} }()
	}
	if began || last.event {
		return true
	}
	if s.LateNS == nil || gap <= 0 {
		return false
	}
	f.interval.add(gap)
	if rose(last.cpu, s.CPUTimeNS) {
		f.overNS += gap
		f.cpuNS += float64(*s.CPUTimeNS - *last.cpu)
		if rose(last.wakeups, s.Wakeups) {
			f.wakeups += float64(*s.Wakeups - *last.wakeups)
		}
	}
	return false
}

func fell(a, b *int64) bool { return a != nil && b != nil && *b < *a }

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
