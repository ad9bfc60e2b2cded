package monitor

import (
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Grade is how far the energy of a device over a recording can be trusted, by package energy.
type Grade struct {
	Grade   record.Grade  `json:"energy_grade"`
	Reasons []string      `json:"energy_reasons"`      // why not a better one
	ErrorJ  *units.Joules `json:"energy_error_joules"` // bound on what sampling adds; nil where a part of the time has none

	open bool // no update of the device behind the end was seen
}

// Grader grades the energy of each device that has power. It takes samples in order of time and holds some ten seconds of
// them: a recording is graded in parts, and has the grade of its worst part. Time that is marked idle is none of it.
type Grader struct {
	devices map[deviceKey]*graded
	idle    bool
}

// The length of a part: so long, and of so many samples. A part is graded once readings lie so far behind its end that they
// show what the device renewed there. The same time at both ends of a recording is a part whose bound counts but whose grade
// does not: nothing was read on its other side, which is no fault of the readings. A recording too short for that is graded
// as it is.
const (
	partLength  = 10 * time.Second
	partSamples = 100
	edgeLength  = energy.MaxGap
	edgeSamples = 10
)

// graded is one device being graded.
type graded struct {
	samples []record.Sample // the part so far, and before it what its first moments are integrated from
	start   int64           // of the part
	fresh   int             // samples since
	begun   bool            // the first edge is behind
	idle    bool            // what comes is marked idle
	until   int64           // where the part ends that is complete when what follows it has been read; 0 for none
	grade   Grade
	bound   units.Joules
	unbound bool // of a part there is no bound
}

// NewGrader is a Grader without samples.
func NewGrader() *Grader { return &Grader{devices: map[deviceKey]*graded{}} }

// Add takes a sample in.
func (g *Grader) Add(s *record.Sample) {
	if s.Source == record.SourceRecorder {
		g.mark(s)
		return
	}
	if s.PowerW == nil && s.EnergyCounterJoules == nil && s.PowerAvgW == nil {
		return
	}
	key := deviceKey{s.Host, s.Source, s.Device}
	d := g.devices[key]
	if d == nil {
		d = &graded{start: s.TSUnixNS, idle: g.idle}
		g.devices[key] = d
	}
	d.samples = append(d.samples, *s)
	if d.idle {
		d.rest(s.TSUnixNS)
		return
	}
	d.fresh++
	switch since := s.TSUnixNS - d.start; {
	case !d.begun && since >= 2*int64(edgeLength):
		d.begun = true
		if d.fresh >= 2*edgeSamples {
			d.part(d.start+int64(edgeLength), true)
		}
	case d.fresh > partSamples && since >= int64(partLength+edgeLength):
		d.part(s.TSUnixNS-int64(edgeLength), false)
	}
}

// mark begins or ends an idle window of all devices.
func (g *Grader) mark(s *record.Sample) {
	if s.Event != record.EventIdleBegin && s.Event != record.EventIdleEnd {
		return
	}
	g.idle = s.Event == record.EventIdleBegin
	for key, d := range g.devices {
		switch {
		case key.host != s.Host || d.idle == g.idle:
		case g.idle:
			d.idle, d.until = true, s.TSUnixNS
		default:
			d.complete()
			d.idle, d.begun, d.start, d.fresh = false, true, s.TSUnixNS, 0
		}
	}
}

// rest keeps of idle time what tells of the parts on both sides of it.
func (d *graded) rest(now int64) {
	if d.until > 0 && now < d.until+int64(edgeLength) {
		return
	}
	d.complete()
	d.forget(now - int64(energy.MaxGap))
}

// complete grades the part before an idle window. One without readings is the moment between a recording's begin and its mark.
func (d *graded) complete() {
	if d.until > 0 && d.fresh > 1 {
		d.part(d.until, d.until-d.start <= int64(edgeLength) && d.grade.Grade != "")
	}
	d.until = 0
}

// forget drops the samples before a moment, but not the last two, from which what follows is integrated.
func (d *graded) forget(before int64) {
	keep := slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= before })
	if keep < 0 {
		keep = len(d.samples)
	}
	d.samples = slices.Delete(d.samples, 0, max(min(keep, len(d.samples)-2), 0))
}

// part grades what there is since the part before; of an edge only the bound counts, or why there is none.
func (d *graded) part(end int64, edge bool) {
	last := d.samples[len(d.samples)-1]
	kind, _, _ := strings.Cut(last.Device, ":")
	r := energy.Of(d.samples, energy.Window{Start: d.start, End: end, Iterations: 1, Device: record.Device(kind), Source: last.Source})
	if !edge || r.Error == nil {
		d.grade.Grade = worse(d.grade.Grade, r.Grade)
		for _, reason := range r.Reasons {
			if !slices.Contains(d.grade.Reasons, reason) {
				d.grade.Reasons = append(d.grade.Reasons, reason)
			}
		}
	}
	if r.Error == nil {
		d.unbound = true
	} else {
		d.bound += *r.Error
	}
	keep := slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= end-int64(energy.MaxGap) })
	d.samples = slices.Delete(d.samples, 0, max(keep, 0))
	d.start, d.fresh = end, len(d.samples)-slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= end })
}

// finish grades what is left.
func (d *graded) finish() {
	if d.complete(); d.idle || d.fresh < 2 {
		return
	}
	last := d.samples[len(d.samples)-1].TSUnixNS
	if inner := last - int64(edgeLength); d.begun && inner-d.start >= int64(edgeLength) && d.fresh >= 2*edgeSamples {
		d.part(inner, false)
	}
	d.part(last, d.grade.Grade != "" && d.begun && last-d.start <= int64(edgeLength))
}

// worse is the worse of two grades; a part without energy leaves no better one than C.
func worse(a, b record.Grade) record.Grade {
	if b == "" {
		b = record.GradeC
	}
	return max(a, b) // A to D
}

// estimate makes it that of a model, whatever its readings lack besides.
func (g *Grade) estimate() {
	reasons := slices.DeleteFunc(g.Reasons, func(r string) bool { return r == energy.Estimated })
	*g = Grade{Grade: record.GradeD, Reasons: append([]string{energy.Estimated}, reasons...)}
}

// doubt adds a reason that leaves no better grade than C.
func (g *Grade) doubt(reason string) {
	g.Grade = max(g.Grade, record.GradeC)
	if !slices.Contains(g.Reasons, reason) {
		g.Reasons = append(g.Reasons, reason)
	}
}

// loose reports whether the bound is too wide for a better grade than C, as package energy has it for one window: twice as wide
// where it is not one of probability, nor rests on what was before the end.
func (g *Grade) loose(j units.Joules) bool {
	limit := energy.MaxBound * j
	if g.open || slices.Contains(g.Reasons, energy.PowerOnly) {
		limit /= 2
	}
	return g.ErrorJ != nil && *g.ErrorJ > limit // without one, a reason says so
}

// Finish grades what is left and returns the grade of a device.
func (g *Grader) Finish() func(d *Device) Grade {
	out := map[deviceKey]Grade{}
	for key, d := range g.devices {
		d.grade.open = !d.idle
		d.finish()
		if !d.unbound && d.grade.Grade != "" && d.grade.Grade != record.GradeD { // the error of a model is not that of sampling
			d.grade.ErrorJ = units.Ptr(d.bound)
		}
		slices.Sort(d.grade.Reasons)
		if key.source == record.SourceCPUEstimate && d.grade.Grade != "" {
			d.grade.estimate()
		}
		out[key] = d.grade
	}
	return func(d *Device) Grade { return out[deviceKey{d.Host, d.Source, d.Name}] }
}
