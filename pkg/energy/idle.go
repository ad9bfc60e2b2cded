package energy

import (
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// maxIdle is the longest idle stretch that counts as one, so that what is held does not grow with it. Of a longer one parts of half of
// this count by themselves, but for the last, which is not shorter.
const maxIdle = maxReach

// MaxIdleUse is how busy a device may be, in per cent, for its power to count as idle: the recorder and the system take some
// per cent of a small machine, and another program takes a whole processor.
const MaxIdleUse = 10

// idle is a stretch of time in which the machine was left alone on purpose, and what each sensor's device drew in it.
type idle struct {
	from, to int64
	watts    map[sensor]float64
	busy     map[sensor]bool // devices that worked all the same
	few      map[sensor]bool // devices that were hardly read in it
}

// idlePower is the mean power of every sensor over a stretch of time.
func (h history) idlePower(from, to int64) idle {
	w := Window{Start: from, End: to}
	out := idle{from: from, to: to, watts: map[sensor]float64{}, busy: map[sensor]bool{}, few: map[sensor]bool{}}
	all := h.view(w)
	for _, d := range all {
		if !d.rested(all, w) {
			out.busy[sensor{d.source, d.name}] = true
			continue
		}
		k := sensor{d.source, d.name}
		switch watts := d.quiet(w); {
		case watts != nil:
			out.watts[k] = float64(*watts)
		case d.hasPower():
			out.few[k] = true
		}
	}
	return out
}

// rested says whether the device was left alone in w, as far as utilisation is told.
func (d *device) rested(all []*device, w Window) bool {
	for _, o := range all {
		if !o.tellsUse() || !Burdens(o.name, d.name) {
			continue
		}
		use := Use{From: w.Start, To: w.End}
		for _, p := range o.util {
			use.Add(p.ts, units.Percent(p.v))
		}
		if !use.Rested() {
			return false
		}
	}
	return true
}

// tellsUse reports whether readings of utilisation are to be expected.
func (d *device) tellsUse() bool { return len(d.util) > 0 || tellsUse(d.source, d.name) }

// TellsUse reports whether a sample's source and device tell how busy the processors are, though not in every sample.
func TellsUse(s *record.Sample) bool { return tellsUse(s.Source, s.Device) }

func tellsUse(source, device string) bool { return source == procSource && device == hostName }

// procSource tells how busy the processors are, at most ten times a second.
const procSource = "proc"

// power is what a group of sensors' devices drew, or nil where one of them is not known.
func (i idle) power(group []sensor) *units.Watts {
	sum := 0.0
	for _, s := range group {
		w, ok := i.watts[s]
		if !ok {
			return nil
		}
		sum += w
	}
	return units.Ptr(units.Watts(max(sum, 0)))
}

// rest finds the idle power of the devices of r in the nearest idle stretches before and after w. Stretches are in order of
// time.
func (r *Result) rest(idles []idle, w Window) {
	if len(r.group) == 0 {
		return
	}
	for _, i := range idles {
		switch p := i.power(r.group); {
		case p == nil:
		case i.to <= w.Start:
			r.IdleBefore = p
		case i.from >= w.End && r.IdleAfter == nil:
			r.IdleAfter = p
		}
	}
	if r.IdleBefore != nil || r.IdleAfter != nil {
		return
	}
	some := func(of func(idle) map[sensor]bool) bool {
		return slices.ContainsFunc(idles, func(i idle) bool {
			return slices.ContainsFunc(r.group, func(s sensor) bool { return of(i)[s] })
		})
	}
	if some(func(i idle) map[sensor]bool { return i.busy }) {
		r.Reasons = append(r.Reasons, IdleBusy)
	}
	if some(func(i idle) map[sensor]bool { return i.few }) {
		r.Reasons = append(r.Reasons, IdleUnderSampled)
	}
}

// mark notes the events of a recorder's row, and evaluates an idle stretch that is over.
func (h *host) mark(s *record.Sample) {
	switch s.Event {
	case record.EventIdleBegin:
		h.idleFrom, h.parts = s.TSUnixNS, nil
	case record.EventIdleEnd:
		if h.idleFrom > 0 && s.TSUnixNS > h.idleFrom {
			h.idles = append(h.idles, h.parts...)
			h.resting = append(h.resting, idle{from: h.idleFrom, to: s.TSUnixNS})
		}
		h.idleFrom, h.parts = 0, nil
	}
}

// part evaluates the beginning of an idle stretch that goes on for too long to hold all of it. It counts when the stretch ends:
// one without an end is that of a recorder that was killed, and others may have worked since.
func (h *host) part() {
	if h.idleFrom == 0 || h.now-h.idleFrom <= int64(maxIdle) {
		return
	}
	to := h.idleFrom + int64(maxIdle)/2
	h.parts = append(h.parts, h.history.idlePower(h.idleFrom, to))
	h.idleFrom = max(to, h.now-int64(maxIdle)) // where nothing was read for long, what follows counts
}
