package telemetry

import (
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// stopwatch tells the time on the timeline of a sweep.
type stopwatch func() time.Time

// startWatch is at now when it is called. Where now has a reading of Go's monotonic clock, as the recorder's has, the watch
// goes on from that: a process may be held up for milliseconds between two instructions, and nothing of that is lost.
func startWatch(now time.Time) stopwatch {
	begin := now
	if now == now.Round(0) {
		begin = time.Now()
	}
	return func() time.Time { return now.Add(time.Since(begin)) }
}

// prompt is how long the reading of a counter may take without being told of. A register of an idle processor in another
// package takes up to some 150 us, which is how long it wakes up from its deepest sleep.
const prompt = 200 * time.Microsecond

// delay is what the readings of one counter take. The value is of some moment of the reading, which is not known: on a busy
// machine this process, or the processor that has the counter, does something else in between, for milliseconds. A row
// stands at the end of its reading, so the last update of its value is at most one update period and the length of the
// reading before it; where that is much longer than the update period alone, the sum is what the row says it to be.
type delay struct {
	last  time.Duration // what the reading before took
	worst time.Duration // the longest since update was told at its turn
	told  time.Duration
}

// read calls get, and once more where that took much longer than the reading before, and returns the quicker reading's
// value and end.
func (d *delay) read(watch stopwatch, get func() (uint64, error)) (v uint64, end time.Time, err error) {
	v, end, took, err := timed(watch, get)
	if err == nil && took > prompt && took > 2*d.last {
		if again, later, quicker, failed := timed(watch, get); failed == nil && quicker < took {
			v, end, took = again, later, quicker
		}
	}
	d.last, d.worst = took, max(d.worst, took)
	return v, end, err
}

func timed(watch stopwatch, get func() (uint64, error)) (v uint64, end time.Time, took time.Duration, err error) {
	begin := watch()
	v, err = get()
	end = watch()
	return v, end, end.Sub(begin), err
}

// update is the update period that a row tells: at its turn, and at once where a reading took longer than was told.
func (d *delay) update(period time.Duration, turn bool) *int64 {
	if d.worst > prompt {
		period += d.worst
	}
	if !turn && (d.told == 0 || period <= d.told) {
		return nil
	}
	d.told = period
	if turn {
		d.worst = d.last
	}
	return units.Ptr(period.Nanoseconds())
}
