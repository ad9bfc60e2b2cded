package monitor

import (
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
)

// part is what a part of a recording is worth.
type part struct {
	energy.Result
	length time.Duration
}

// of is the energy of the part until end.
func (d *graded) of(end int64) part {
	last := d.samples[len(d.samples)-1]
	kind, _, _ := strings.Cut(last.Device, ":")
	w := energy.Window{Start: d.start, End: end, Iterations: 1, Device: record.Device(kind), Source: last.Source}
	p := part{energy.Of(d.samples, w), w.Length()}
	if d.method == Counter && slices.ContainsFunc(p.Reasons, otherwise) {
		p.Joules, p.Error, p.Grade = nil, nil, "" // those of power are not of the counter
	}
	return p
}

// otherwise reports whether a reason says that energy is from something else than the counter.
func otherwise(reason string) bool {
	return slices.Contains([]string{energy.PowerOnly, energy.Stuck, energy.Implausible, energy.CounterReset}, reason)
}

// judge takes over what a part is worth. Whether its bound is narrow enough is a question to the whole. Of one whose energy the
// readings do not tell, nothing is known.
func (d *graded) judge(r part) {
	d.found = true
	dull := r.Joules != nil && r.Error == nil && d.method != Counter && slices.ContainsFunc(r.Reasons, unmoved) &&
		!slices.Contains(r.Reasons, energy.Gap)
	for _, reason := range r.Reasons {
		switch {
		case reason == energy.ErrorBound, reason == energy.PowerOnly && d.method == Counter:
		case dull && unmoved(reason):
			d.dull = append(d.dull, reason)
		case r.Joules == nil && (reason == energy.PartlyCovered || reason == energy.NoSamples): // a gap at the edges
		default:
			d.reasons = append(d.reasons, reason)
		}
	}
	if r.Joules == nil {
		d.reasons = append(d.reasons, energy.Gap)
	}
	if dull {
		d.calm += r.length
		return
	}
	d.parts++
	if d.method == Counter {
		d.count(r.Error)
		return
	}
	d.power(r.Error, r.length, d.method == Integrated)
}

// unmoved reports whether a reason says that readings do not change.
func unmoved(reason string) bool { return reason == energy.Unchanged || reason == energy.UnderSampled }

// ended grades what was read last.
func (d *graded) ended(outer bool) {
	if len(d.samples) == 0 {
		return
	}
	last := d.samples[len(d.samples)-1].TSUnixNS
	if d.readings(last) < 2 {
		return
	}
	// What was renewed before the end shows behind it only, which is no fault of the readings.
	r := d.of(last)
	for _, end := range d.inner(last) {
		if r.Grade == record.GradeA || end <= d.start || slices.Contains(r.Reasons, energy.Gap) {
			break // readings that are missing, or stand still, are no update that is not complete
		}
		if known := d.of(end); r.Joules == nil || known.Joules != nil && known.Grade < r.Grade {
			if r.Error != nil {
				known.Error = r.Error
			}
			r = known
		}
	}
	d.over(r, last, outer)
}

// inner is the reading before the last, and the one behind which so much was read that it is known what the device renewed there;
// where it renewed next to nothing the one before the edge. Of a counter it lies no further back than what an update that is not
// complete explains.
func (d *graded) inner(last int64) (ends []int64) {
	var behind []float64
	at, furthest := int64(0), int64(0)
	if d.method == Counter { // power may be constant
		furthest = last - max(int64(edge), unfinished*d.pace())
	}
	for _, s := range slices.Backward(d.samples) {
		v, ok := d.method.value(&s)
		if !ok {
			continue
		}
		if len(ends) == 0 && s.TSUnixNS < last {
			ends = append(ends, s.TSUnixNS)
		}
		if s.TSUnixNS <= last-int64(edge) {
			if at == 0 || s.TSUnixNS >= furthest && len(behind) > 1 {
				at = s.TSUnixNS
			}
			if s.TSUnixNS < furthest || len(behind) > 1 {
				break
			}
		}
		if len(behind) == 0 || behind[len(behind)-1] != v {
			behind = append(behind, v)
		}
	}
	return append(ends, at)
}

// unfinished is how many of the device's updates before the end may not tell yet what was drawn until then.
const unfinished = 3

// pace is how far apart the readings changed.
func (d *graded) pace() int64 {
	var first, last, changes int64
	before, begun := 0.0, false
	for i := range d.samples {
		v, ok := d.method.value(&d.samples[i])
		if !ok {
			continue
		}
		if begun && v != before {
			if changes++; changes == 1 {
				first = d.samples[i].TSUnixNS
			}
			last = d.samples[i].TSUnixNS
		}
		before, begun = v, true
	}
	return (last - first) / max(changes-1, 1)
}
