package telemetry

import (
	"math"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const ms = time.Millisecond

// Sweeps are due by the plan, whatever happened before: a late one does not shift the next, and those that a stall or a
// suspended machine took are counted and not made up for.
func TestPlan(t *testing.T) {
	p := plan{interval: 50 * ms}
	for i, c := range []struct {
		since, asleep, late time.Duration
		missed              int64
		wait                time.Duration // until the next, right after this one began
	}{
		{since: 0, wait: 50 * ms},
		{since: 51 * ms, late: 1 * ms, wait: 49 * ms},
		{since: 149 * ms, late: 49 * ms, wait: 1 * ms},                                             // late, but nothing missed
		{since: 151 * ms, late: 1 * ms, wait: 49 * ms},                                             // and the next is in time again
		{since: 1020 * ms, late: 20 * ms, missed: 16, wait: 30 * ms},                               // a stall from 200 to 1000 ms
		{since: 1050 * ms, asleep: time.Hour, missed: int64(time.Hour / (50 * ms)), wait: 50 * ms}, // suspended
		{since: 1100 * ms, asleep: time.Hour, wait: 50 * ms},
		{since: 1150 * ms, asleep: time.Hour + 120*ms, wait: 50 * ms}, // held up between the readings of two clocks
		{since: 1200 * ms, asleep: time.Hour - 120*ms, wait: 50 * ms}, // and that is over
	} {
		now := instant{since: c.since, asleep: c.asleep}
		late, missed := p.take(now)
		if late != c.late || missed != c.missed || p.wait(now) != c.wait {
			t.Errorf("sweep %d: saw %v late, %d missed, next in %v; want %v, %d, %v", i, late, missed, p.wait(now), c.late, c.missed, c.wait)
		}
	}
}

// A load that repeats in step with the interval is read at phases spread evenly over the dither and not at one, also of every
// second sweep and so on; a sweep that is made when it is due is neither late nor misses one, and the next ones stay in order.
func TestPlanDithers(t *testing.T) {
	const interval, n = 47 * ms, 4000
	p := newPlan(interval)
	var last time.Duration
	var tenths [10]int // of the dither's range
	var byStep [4]float64
	for k := range int64(n) {
		at := p.wait(instant{})
		off := float64(at-time.Duration(k)*interval) / float64(interval)
		if late, missed := p.take(instant{since: at}); late != 0 || missed != 0 || k > 0 && at-last < interval*7/10 || at-last > interval*13/10 {
			t.Fatalf("sweep %d: saw it due at %v, %v after the one before, %v late, %d missed", k, at, at-last, late, missed)
		}
		if k == 0 && at != 0 || math.Abs(off) > 0.15 {
			t.Fatalf("sweep %d: saw it due at %v, %.3f intervals off", k, at, off)
		}
		tenths[min(int((off+0.15)/0.03), 9)]++
		byStep[k%4] += off
		last = at
	}
	for i, count := range tenths {
		if count < n/10*8/10 || count > n/10*12/10 {
			t.Errorf("tenth %d: saw %d of %d sweeps", i, count, n)
		}
	}
	for i, sum := range byStep {
		if mean := sum / (n / 4); math.Abs(mean) > 0.01 {
			t.Errorf("sweeps 4k+%d: saw %.4f intervals off in the mean", i, mean)
		}
	}
}

// Sweeps that a stall took are counted by when they were due.
func TestPlanDithersAndCounts(t *testing.T) {
	p := newPlan(47 * ms)
	p.take(instant{})
	for _, behind := range []time.Duration{0, 1, 3 * ms} {
		from := p.next
		for _, k := range []int64{from, from + 1, from + 6, from + 7, from + 40} {
			missed := k - p.next
			late, saw := p.take(instant{since: p.due(k) + behind})
			if late != behind || saw != missed {
				t.Errorf("sweep %d, %v behind: saw %v late, %d missed, want %d", k, behind, late, saw, missed)
			}
		}
	}
	p.take(instant{since: p.due(p.next) - ms}) // the timer was early
	if late, missed := p.take(instant{since: p.due(p.next) - ms}); late != -ms || missed != 0 {
		t.Errorf("before it is due: saw %v late, %d missed", late, missed)
	}
}

// A window of the shortest length has ten sweeps wherever it begins.
func TestPlanDithersInAWindow(t *testing.T) {
	now := instant{}
	rec := clocked(&now, 50*ms, &resolved{fake: fake{name: "a"}, rows: []record.Sample{{Source: "a", Device: "cpu:0", PowerW: units.Ptr(units.Watts(1))}}})
	rec.plan = newPlan(50 * ms)
	rec.Now()
	window := rec.Window(record.CPU)
	for begin := time.Duration(0); begin < 20*time.Second; begin += 7 * ms {
		sweeps := 0
		for k := int64(begin/(50*ms)) - 1; k < int64((begin+window)/(50*ms))+2; k++ {
			if at := rec.plan.due(k); at >= begin && at <= begin+window {
				sweeps++
			}
		}
		if sweeps < 10 {
			t.Errorf("a window of %v from %v: saw %d sweeps", window, begin, sweeps)
		}
	}
}

// clocked is a recorder whose clocks the test sets; it sweeps only on call.
func clocked(now *instant, interval time.Duration, sources ...Source) *Recorder {
	return &Recorder{set: &Set{host: "h", sources: sources}, plan: plan{interval: interval}, power: map[deviceKey]Resolution{},
		line: timeline{start: epoch, now: func() instant { return *now }}}
}

// A wall clock that is set does not move the samples, and shows in the recorder's rows.
func TestWallClockStep(t *testing.T) {
	now := instant{wall: epoch.UnixNano()}
	rec := clocked(&now, 50*ms, &fake{name: "a"})
	rec.sweep(true, "")
	now = instant{since: 100 * ms, wall: epoch.Add(100*ms - time.Hour).UnixNano()}
	rec.sweep(true, "")
	now = instant{since: 120 * ms, wall: epoch.Add(120*ms - time.Hour).UnixNano()}
	rec.Mark(record.EventIdleBegin)
	var rows []record.Sample
	for _, s := range rec.Drain() {
		if s.Source == record.SourceRecorder {
			rows = append(rows, s)
		} else if at := time.Unix(0, s.TSUnixNS); at.Before(epoch) || at.After(epoch.Add(time.Second)) {
			t.Errorf("saw a sample at %v, want it on the timeline", at)
		}
	}
	if len(rows) != 3 {
		t.Fatalf("saw %d rows of the recorder, want one for each sweep", len(rows))
	}
	for i, want := range []struct {
		at     time.Duration
		offset int64
		late   *int64
		missed *int64
		event  string
	}{
		{0, 0, units.Ptr(int64(0)), units.Ptr(int64(0)), ""},
		{100 * ms, -int64(time.Hour), units.Ptr(int64(0)), units.Ptr(int64(1)), ""},
		{120 * ms, -int64(time.Hour), nil, nil, record.EventIdleBegin},
	} {
		s := rows[i]
		if s.TSUnixNS != epoch.Add(want.at).UnixNano() || *s.WallOffsetNS != want.offset || s.Event != want.event ||
			!same(s.LateNS, want.late) || !same(s.Missed, want.missed) || (s.SweepNS == nil) != (i == 0) {
			t.Errorf("row %d: saw %+v, want %+v", i, s, want)
		}
		if s.Device != record.RecorderDevice || s.Host != "h" || s.Validate() != nil {
			t.Errorf("row %d: saw %+v", i, s)
		}
	}
}

func same(a, b *int64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
