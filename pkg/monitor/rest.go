package monitor

import (
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

// idle is the mean power of a device in those of the stretches in which it was left alone; nil where there is none.
func (r rests) idle(host, device string, parts []stretch) *units.Watts {
	var sum stretch
	for i, part := range parts {
		if r.rested(i, host, device) {
			sum.add(part)
		}
	}
	if sum.time == 0 {
		return nil
	}
	return units.Ptr(sum.watts())
}

func (r rests) rested(i int, host, device string) bool {
	for key, use := range r[i] {
		if key.host == host && energy.Burdens(key.device, device) && !use.Rested() {
			return false
		}
	}
	return true
}
