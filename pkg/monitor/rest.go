package monitor

import (
	"cmp"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// rests are the stretches that were marked idle: of each device that tells of it, how busy it was. The use of no device has the
// stretch's own begin and end.
type rests []map[deviceKey]energy.Use

// begin is a stretch that begins now.
func (r rests) begin(now int64) map[deviceKey]energy.Use {
	next := map[deviceKey]energy.Use{}
	if len(r) > 0 {
		for key, use := range r[len(r)-1] {
			next[key] = use.Next(now)
		}
	}
	next[deviceKey{}] = energy.Use{From: now}
	return next
}

// end is the end of the last stretch. What is read next still tells of it.
func (r rests) end(now int64) {
	if len(r) == 0 {
		return
	}
	last := r[len(r)-1]
	for key, use := range last {
		if use.To == 0 {
			use.To = now
			last[key] = use
		}
	}
}

// add takes a sample in.
func (r rests) add(s *record.Sample) {
	if len(r) == 0 || s.UtilPct == nil && !energy.TellsUse(s) {
		return
	}
	last, key := r[len(r)-1], deviceKey{s.Host, s.Source, s.Device}
	use, ok := last[key]
	if !ok {
		use = last[deviceKey{}]
	}
	if s.UtilPct != nil {
		use.Add(s.TSUnixNS, *s.UtilPct)
	}
	last[key] = use
}

// span is the begin and the end of a stretch; 0 for one that goes on.
func (r rests) span(i int) (from, to int64) {
	use := r[i][deviceKey{}]
	return use.From, use.To
}

// overlap is how much of the time from from to to lies in a stretch.
func (r rests) overlap(i int, from, to int64) time.Duration {
	begin, end := r.span(i)
	if end == 0 {
		end = to
	}
	return time.Duration(min(to, end) - max(from, begin))
}

// marks are the begins and ends between two moments, the later stretch's first, and how many stretches the time between is a
// part of.
func (r rests) marks(from, to int64) (marks []int64, stretches int) {
	for i := len(r) - 1; i >= 0; i-- {
		if r.overlap(i, from, to) <= 0 {
			break
		}
		stretches++
		begin, end := r.span(i)
		for _, mark := range []int64{begin, end} {
			if mark > from && mark < to {
				marks = append(marks, mark)
			}
		}
	}
	return marks, stretches
}

// idle is the mean power of a device in those of the stretches in which it was left alone; nil where there is none, and why.
func (r rests) idle(host, device string, m *meter) (watts *units.Watts, why string) {
	var sum stretch
	for i := range m.rests {
		part := &m.rests[i]
		switch watts := m.idleW(part); {
		case part.time == 0:
		case !r.rested(i, host, device):
			why = energy.IdleBusy
		case watts == nil:
			why = cmp.Or(why, energy.IdleUnderSampled)
		default:
			sum.add(stretch{part.time, float64(watts.For(part.time))})
		}
	}
	if sum.time == 0 {
		return nil, why
	}
	return units.Ptr(sum.watts()), ""
}

func (r rests) rested(i int, host, device string) bool {
	for key, use := range r[i] {
		if key.host == host && energy.Burdens(key.device, device) && !use.Rested() {
			return false
		}
	}
	return true
}
