package telemetry

import "time"

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

// plan is when sweeps are due: sweep k at k intervals after the start, however late the ones before it were.
type plan struct {
	interval time.Duration
	next     int64         // the sweep that is due next
	asleep   time.Duration // until the sweep before it
}

// wait is how long it is until the next sweep is due.
func (p *plan) wait(now instant) time.Duration {
	return time.Duration(p.next)*p.interval - now.since
}

// take makes now the beginning of a sweep, in place of the latest one that is due, and returns how late it is and how many
// were passed over since the sweep before: while this process did not run, and while the machine was suspended, for which
// the monotonic clock stands still.
func (p *plan) take(now instant) (late time.Duration, missed int64) {
	due := max(p.next, int64(now.since/p.interval))
	missed = due - p.next
	if slept := now.asleep - p.asleep; slept >= minSuspend {
		missed += int64(slept / p.interval)
		p.asleep = now.asleep
	}
	p.next = due + 1
	return now.since - time.Duration(due)*p.interval, missed
}
