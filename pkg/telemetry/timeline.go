package telemetry

import (
	"math/rand/v2"
	"time"
)

// instant is one moment on the clocks of a recording.
type instant struct {
	wall   int64         // what the wall clock says, in unix nanoseconds
	since  time.Duration // monotonic time since the recording began, without time asleep
	asleep time.Duration // how long the machine has been suspended since then
}

// timeline is the one clock of a recording: the wall clock when it began plus the monotonic time since. A wall clock that
// is set while a recording runs does not shift its samples; how far it has moved away is the offset.
type timeline struct {
	start time.Time // with Go's monotonic reading
	now   func() instant
}

func newTimeline() timeline {
	start, asleep := time.Now(), suspended()
	return timeline{start: start, now: func() instant {
		slept := suspended() - asleep
		now := time.Now() // last, as what passes behind it is missing in the time of what is read next
		return instant{wall: now.UnixNano(), since: now.Sub(start), asleep: slept}
	}}
}

// at is an instant as time on the timeline, with a monotonic reading that sources compute rates from.
func (l timeline) at(i instant) time.Time { return l.start.Add(i.since) }

// offset is the wall clock minus the timeline.
func (l timeline) offset(i instant) int64 { return i.wall - l.at(i).UnixNano() }

// minSuspend is the shortest suspension that is believed. The two clocks that tell of one are read one after the other, and a
// process that is held up in between sees them apart by as much, and at another time together again.
const minSuspend = 500 * time.Millisecond

// ditherShare is how far from its multiple of the interval a sweep may be due, either way, in per cent of the interval.
const ditherShare = 15

// plan is when sweeps are due: sweep k at k intervals after the start and a dither, however late the ones before it were.
type plan struct {
	interval time.Duration
	dither   time.Duration // the largest, either way; less than half of the interval, so that sweeps stay in order
	next     int64         // the sweep that is due next
	asleep   time.Duration // until the sweep before it
}

// newPlan is the plan of a recording.
func newPlan(interval time.Duration) plan {
	return plan{interval: interval, dither: interval * ditherShare / 100}
}

// due is when sweep k is. Its dither is drawn uniformly, from a generator that is seeded with k: the same in every recording.
// The first sweep is due at once.
func (p *plan) due(k int64) time.Duration {
	at := time.Duration(k) * p.interval
	if k == 0 || p.dither == 0 {
		return at
	}
	drawn := rand.New(rand.NewPCG(0, uint64(k))).Float64() //nolint:gosec // nothing is kept secret by it
	return at + time.Duration((2*drawn-1)*float64(p.dither))
}

// wait is how long it is until the next sweep is due.
func (p *plan) wait(now instant) time.Duration { return p.due(p.next) - now.since }

// take makes now the beginning of a sweep, in place of the latest one that is due, and returns how late it is and how many
// were passed over since the sweep before: while this process did not run, and while the machine was suspended, for which
// the monotonic clock stands still.
func (p *plan) take(now instant) (late time.Duration, missed int64) {
	latest := int64(now.since/p.interval) + 1
	for latest > p.next && p.due(latest) > now.since {
		latest--
	}
	latest = max(latest, p.next)
	missed = latest - p.next
	if slept := now.asleep - p.asleep; slept >= minSuspend {
		missed += int64(slept / p.interval)
		p.asleep = now.asleep
	}
	p.next = latest + 1
	return now.since - p.due(latest), missed
}
