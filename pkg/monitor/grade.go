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
}

// Grader grades the energy of each device that has power. It takes samples in order of time and holds some ten seconds of
// them: a recording is graded in parts, and has the grade of its worst part.
type Grader struct{ devices map[deviceKey]*graded }

// The length of a part: so long, and of so many samples.
const (
	partLength  = 10 * time.Second
	partSamples = 100
)

// graded is one device being graded.
type graded struct {
	samples []record.Sample // the part so far, and before it what its first moments are integrated from
	start   int64           // of the part
	fresh   int             // samples since
	grade   Grade
	bound   units.Joules
	unbound bool // of a part there is no bound
}

// NewGrader is a Grader without samples.
func NewGrader() *Grader { return &Grader{devices: map[deviceKey]*graded{}} }

// Add takes a sample in.
func (g *Grader) Add(s *record.Sample) {
	if s.PowerW == nil && s.EnergyCounterJoules == nil && s.PowerAvgW == nil {
		return
	}
	key := deviceKey{s.Host, s.Source, s.Device}
	d := g.devices[key]
	if d == nil {
		d = &graded{start: s.TSUnixNS}
		g.devices[key] = d
	}
	d.samples = append(d.samples, *s)
	d.fresh++
	if d.fresh > partSamples && s.TSUnixNS-d.start >= int64(partLength) {
		d.part(s.TSUnixNS)
	}
}

// part grades what there is since the part before.
func (d *graded) part(end int64) {
	last := d.samples[len(d.samples)-1]
	kind, _, _ := strings.Cut(last.Device, ":")
	r := energy.Of(d.samples, energy.Window{Start: d.start, End: end, Iterations: 1, Device: record.Device(kind), Source: last.Source})
	d.grade.Grade = worse(d.grade.Grade, r.Grade)
	for _, reason := range r.Reasons {
		if !slices.Contains(d.grade.Reasons, reason) {
			d.grade.Reasons = append(d.grade.Reasons, reason)
		}
	}
	if r.Error == nil {
		d.unbound = true
	} else {
		d.bound += *r.Error
	}
	keep := slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= end-int64(energy.MaxGap) })
	d.samples = slices.Delete(d.samples, 0, max(keep, 0))
	d.start, d.fresh = end, 0
}

// worse is the worse of two grades; a part without energy leaves no better one than C.
func worse(a, b record.Grade) record.Grade {
	if b == "" {
		b = record.GradeC
	}
	return max(a, b) // A to D
}

// Finish grades what is left and returns the grade of a device.
func (g *Grader) Finish() func(d *Device) Grade {
	out := map[deviceKey]Grade{}
	for key, d := range g.devices {
		if d.fresh > 1 {
			d.part(d.samples[len(d.samples)-1].TSUnixNS)
		}
		if !d.unbound && d.grade.Grade != "" && d.grade.Grade != record.GradeD { // the error of a model is not that of sampling
			d.grade.ErrorJ = units.Ptr(d.bound)
		}
		slices.Sort(d.grade.Reasons)
		out[key] = d.grade
	}
	return func(d *Device) Grade { return out[deviceKey{d.Host, d.Source, d.Name}] }
}
