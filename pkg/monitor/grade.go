package monitor

import (
	"slices"
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

// Grader grades the energy of each device that has power, by each quantity that it may be taken from: energy, bound and grade are of
// one. It takes samples in order of time and holds two parts of them: a recording is graded in parts, and has the grade of its worst
// part. Time that is marked idle is none of it.
type Grader struct {
	devices map[gradedKey]*graded
	idle    map[string]bool // hosts that are left alone now
}

// gradedKey names a quantity of a device.
type gradedKey struct {
	deviceKey
	method Method
}

// A part ends at a reading, and is so long and has so many readings that its grade is that of the sensor and not of the part's
// length: so many that differ, as those of a sensor that is read more often than it is renewed do, or so many more. What is left
// behind the last one is a part of that one. A part of moving averages is as many of their spans.
const (
	partLength   = 10 * time.Second
	partReadings = 20
	partMost     = 1000
)

// What is kept from before a part: readings that its first moments are integrated from.
const (
	keptLength   = 3 * energy.MaxGap
	keptReadings = 12
)

// edge is how far before a recording's end what the device renewed there is known.
const edge = energy.MaxGap

// graded is one quantity of a device being graded.
type graded struct {
	method  Method
	samples []record.Sample // of the parts so far, and before them what their first moments are integrated from
	start   int64           // of the part
	cut     int64           // where it ends once the one behind it is complete; 0 for not yet
	from    int64           // since when readings are counted
	read    int             // readings since, and those of them that differ from the one before
	changed int
	last    float64
	box     int64 // span of moving averages
	idle    bool  // what comes is marked idle
	until   int64 // where the part ends that is complete when what follows it has been read; 0 for none
	reasons []string
	dull    []string // reasons of parts in which power never changed, which is a fault where it never does
	parts   int      // of others
	found   bool
	marked  bool   // idle time began before
	brief   []part // of the moments before the first mark and behind the last one
	bounds
}

// NewGrader is a Grader without samples.
func NewGrader() *Grader { return &Grader{devices: map[gradedKey]*graded{}, idle: map[string]bool{}} }

// Add takes a sample in.
func (g *Grader) Add(s *record.Sample) {
	if s.Source == record.SourceRecorder {
		g.mark(s)
		return
	}
	if s.PowerW == nil && s.EnergyCounterJoules == nil && s.PowerAvgW == nil {
		return
	}
	for _, method := range methods {
		key := gradedKey{deviceKey{s.Host, s.Source, s.Device}, method}
		d := g.devices[key]
		if d == nil {
			if _, ok := method.value(s); !ok {
				continue
			}
			d = &graded{method: method, start: s.TSUnixNS, from: s.TSUnixNS, idle: g.idle[s.Host]}
			g.devices[key] = d
		}
		d.add(method.only(*s))
	}
}

// only is what a sample tells of the quantity, with power beside a counter to compare it with.
func (m Method) only(s record.Sample) *record.Sample {
	if m != Counter {
		s.EnergyCounterJoules = nil
	}
	if m == Averaged {
		s.PowerW = nil
	} else {
		s.PowerAvgW = nil
	}
	return &s
}

// value is a sample's reading of the quantity.
func (m Method) value(s *record.Sample) (float64, bool) {
	switch {
	case m == Counter && s.EnergyCounterJoules != nil:
		return float64(*s.EnergyCounterJoules), true
	case m == Integrated && s.PowerW != nil:
		return float64(*s.PowerW), true
	case m == Averaged && s.PowerAvgW != nil:
		return float64(*s.PowerAvgW), true
	}
	return 0, false
}

// add takes a sample in.
func (d *graded) add(s *record.Sample) {
	v, ok := d.method.value(s)
	if ok && d.method == Counter && v < d.last {
		d.again(s.TSUnixNS)
	}
	if s.PowerAvgNS != nil {
		d.box = *s.PowerAvgNS
	}
	if len(d.samples) == 0 {
		d.start, d.from = s.TSUnixNS, s.TSUnixNS
	}
	d.samples = append(d.samples, *s)
	changed := v != d.last
	if ok {
		d.last = v
	}
	if d.idle {
		d.rest(s.TSUnixNS)
		return
	}
	if !ok {
		return
	}
	if d.method == Integrated {
		d.told(v)
	}
	d.read++
	if changed {
		d.changed++
	}
	if time.Duration(s.TSUnixNS-d.from) < max(partLength, partReadings*time.Duration(d.box)) || d.read <= partReadings ||
		d.changed < partReadings && d.read < partMost {
		return
	}
	if d.cut != 0 {
		d.part(d.cut)
	}
	d.cut, d.from, d.read, d.changed = s.TSUnixNS, s.TSUnixNS, 0, 0
}

// again begins anew where the counter fell.
func (d *graded) again(now int64) {
	d.finish()
	d.samples, d.until = nil, 0
	d.begin(now)
}

// begin begins a part.
func (d *graded) begin(start int64) {
	d.start, d.cut, d.from, d.read, d.changed = start, 0, start, 0, 0
}

// mark begins or ends an idle window of all devices of a host.
func (g *Grader) mark(s *record.Sample) {
	if s.Event != record.EventIdleBegin && s.Event != record.EventIdleEnd {
		return
	}
	idle := s.Event == record.EventIdleBegin
	g.idle[s.Host] = idle
	for key, d := range g.devices {
		switch {
		case key.host != s.Host || d.idle == idle:
		case idle && d.apart():
			d.ended(!d.marked)
			d.samples, d.idle, d.marked = nil, true, true
		case idle:
			d.idle, d.until = true, s.TSUnixNS
		default:
			d.complete()
			if d.apart() {
				d.samples = nil
			}
			d.idle = false
			d.begin(s.TSUnixNS)
		}
	}
}

// apart reports whether readings beyond a mark tell nothing of the power before it: those of a counter do, and moving averages.
func (d *graded) apart() bool { return d.method == Integrated }

// rest keeps of idle time what tells of the parts on both sides of it.
func (d *graded) rest(now int64) {
	if d.until > 0 && now < d.until+int64(edge) {
		return
	}
	d.complete()
	d.forget(now)
}

// complete grades the part before an idle window. One without readings is the moment between a recording's begin and its mark.
func (d *graded) complete() {
	if d.until > 0 && d.readings(d.until) > 1 {
		d.over(d.of(d.until), d.until, !d.marked)
	}
	d.marked, d.until = d.marked || d.until > 0, 0
}

// over grades the last of a row of parts. The moment before a recording's first mark or behind its last is graded where there is
// nothing else.
func (d *graded) over(r part, end int64, outer bool) {
	if outer && time.Duration(end-d.start) <= edge {
		d.brief = append(d.brief, r)
		return
	}
	d.judge(r)
	d.close()
}

// readings counts those of the part until end.
func (d *graded) readings(end int64) (n int) {
	for i := range d.samples {
		if _, ok := d.method.value(&d.samples[i]); ok && d.samples[i].TSUnixNS >= d.start && d.samples[i].TSUnixNS <= end {
			n++
		}
	}
	return n
}

// forget drops the samples that a part that begins now is not integrated from.
func (d *graded) forget(now int64) {
	before := now - max(int64(keptLength), 2*d.box)
	keep := slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= before })
	behind := slices.IndexFunc(d.samples, func(s record.Sample) bool { return s.TSUnixNS >= now })
	if behind < 0 {
		behind = len(d.samples)
	}
	if keep < 0 {
		keep = behind
	}
	d.samples = slices.Delete(d.samples, 0, max(min(keep, behind-keptReadings), 0))
}

// part grades what there is since the part before.
func (d *graded) part(end int64) {
	d.judge(d.of(end))
	d.start = end
	d.forget(end)
}

// finish grades what is left, together with the part before it that it has made complete.
func (d *graded) finish() {
	if d.complete(); !d.idle {
		d.ended(d.marked)
	}
}

// grade is what all parts are worth.
func (d *graded) grade(source string) Grade {
	if !d.found {
		for _, r := range d.brief {
			d.judge(r)
			d.close()
		}
	}
	if !d.found {
		return Grade{open: !d.idle}
	}
	if d.parts == 0 {
		d.reasons, d.none = append(d.reasons, d.dull...), true
	}
	slices.Sort(d.reasons)
	g := Grade{Reasons: slices.Compact(d.reasons), open: !d.idle}
	if source == record.SourceCPUEstimate {
		g.estimate()
		return g
	}
	g.Grade, g.ErrorJ = energy.GradeOf(g.Reasons), d.joules()
	return g
}

// estimate makes it that of a model, whatever its readings lack besides. The error of a model is not that of sampling.
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
func (g *Grade) loose(j units.Joules, method Method) bool {
	limit := energy.MaxBound * j
	if g.open || method != Counter {
		limit /= 2
	}
	return g.ErrorJ != nil && *g.ErrorJ > limit // without one, a reason says so
}

// Finish grades what is left and returns the grade of a device by the quantity that its energy is from.
func (g *Grader) Finish() func(d *Device) Grade {
	out := map[gradedKey]Grade{}
	for key, d := range g.devices {
		d.finish()
		out[key] = d.grade(key.source)
	}
	return func(d *Device) Grade { return out[gradedKey{deviceKey{d.Host, d.Source, d.Name}, d.Method}] }
}
