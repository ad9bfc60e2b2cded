package energy

import (
	"cmp"
	"maps"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Of integrates samples over w, whose times are on the samples' timeline. The order of the samples does not matter.
func Of(samples []record.Sample, w Window) Result {
	h := history{}
	for i := range samples {
		if s := &samples[i]; w.Host == "" || s.Host == w.Host {
			h.add(s)
		}
	}
	return h.of(w)
}

// of integrates over w.
func (h history) of(w Window) Result {
	if w.Length() <= 0 {
		return Result{Reasons: []string{NoSamples}}
	}
	all := h.view(w)
	gpu, cpu := measure(all, w, record.GPU), measure(all, w, record.CPU)
	own := cpu
	if w.Device == record.GPU {
		own = gpu
	}
	r := Result{GPUPower: gpu.power(w), CPUPower: cpu.power(w)}
	if w.Source != "" {
		own = chosen(all, w)
	}
	r.Joules, r.MeanPower, r.Samples, r.Source, r.Grade = own.joules, own.power(w), own.samples, own.source, own.grade
	r.Error, r.Reasons, r.group = own.bound, own.reasons, own.group
	r.Peak, r.Throttled = own.peak, own.throttled
	if w.Device == record.GPU && cpu.grade == record.GradeD {
		r.Reasons = append(r.Reasons, CPUEstimated)
	}
	r.resources(all, w)
	return r
}

// energy is the energy of a group of devices over a window.
type energy struct {
	joules, bound *units.Joules
	peak          *units.Watts
	throttled     *units.Percent
	samples       int64
	source        string
	group         []sensor // whose energy it is
	grade         record.Grade
	reasons       []string
}

func (e energy) power(w Window) *units.Watts {
	if e.joules == nil {
		return nil
	}
	return units.Ptr(e.joules.Over(w.Length()))
}

// measure takes the energy of a class of device from the first source, in order of preference, that covers w.
func measure(all []*device, w Window, class record.Device) energy {
	groups := ranked(all, w, class)
	none := energy{reasons: []string{NoSamples}}
	for _, group := range groups {
		e := attempt(all, group, w, class)
		if e.joules != nil {
			return e
		}
		if len(e.reasons) > 0 {
			none = e
		}
	}
	if len(groups) == 0 && anySeen(all) {
		none.reasons = []string{NoPowerSource}
	}
	return none
}

func anySeen(all []*device) bool {
	return slices.ContainsFunc(all, func(d *device) bool { return d.seen })
}

// ranked is the devices of a class that have power, by source, in the order in which sources are believed: those that
// measure before those that model; of GPUs, those that saw the run in a GPU's memory; those of most devices, as one that
// knows a single package of two would pass for the machine; then by name.
func ranked(all []*device, w Window, class record.Device) [][]*device {
	bySource := map[string][]*device{}
	for _, d := range all {
		if d.is(class) && d.hasPower() {
			bySource[d.source] = append(bySource[d.source], d)
		}
	}
	groups := slices.Collect(maps.Values(bySource))
	slices.SortFunc(groups, func(a, b []*device) int {
		return cmp.Or(
			cmp.Compare(estimate(a[0].source), estimate(b[0].source)),
			cmp.Compare(occupied(b, w), occupied(a, w)),
			cmp.Compare(len(b), len(a)),
			cmp.Compare(a[0].source, b[0].source),
		)
	})
	for i, group := range groups {
		groups[i] = used(group, w)
	}
	return groups
}

// occupied is how many devices of a group held memory of the measured processes.
func occupied(group []*device, w Window) (n int) {
	for _, d := range group {
		if d.own.latest(w) > 0 {
			n++
		}
	}
	return n
}

// attempt takes the energy of a group of one source.
func attempt(all, group []*device, w Window, class record.Device) energy {
	e := sum(group, w)
	e.source = group[0].source
	for _, d := range group {
		e.group = append(e.group, sensor{d.source, d.name})
	}
	if e.joules != nil {
		e.judge(all, group, w, class)
		return e
	}
	return energy{reasons: e.reasons}
}

// members is the devices of a source and kind that have power.
func members(all []*device, source, kind string) []*device {
	return slices.DeleteFunc(slices.Clone(all), func(d *device) bool {
		return d.source != source || d.kind() != kind || !d.hasPower()
	})
}

// wider are the kinds of device that a source that was asked for is taken at, after the run's own: whole machines, then
// parts of one.
var wider = []string{"meter", "system", "psys", "battery", "host", "gpu", "cpu"}

// chosen takes the energy from the source that was asked for, whatever it measures.
func chosen(all []*device, w Window) energy {
	for _, kind := range append([]string{string(w.Device)}, wider...) {
		if group := members(all, w.Source, kind); len(group) > 0 {
			e := attempt(all, used(group, w), w, w.Device)
			if e.joules == nil && len(e.reasons) == 0 {
				e.reasons = []string{NoSamples}
			}
			return e
		}
	}
	if !anySeen(all) {
		return energy{reasons: []string{NoSamples}}
	}
	return energy{reasons: []string{NoPowerSource}}
}

// used narrows GPUs down to those in whose memory the measured processes were, where the source tells that. It is told about
// once a second, so that what held at the beginning of the window may be of the run before.
func used(group []*device, w Window) []*device {
	if occupied(group, w) == 0 {
		return group
	}
	return slices.DeleteFunc(slices.Clone(group), func(d *device) bool { return d.own.latest(w) == 0 })
}

// estimate is 1 for a source that models, 0 for one that measures.
func estimate(source string) int {
	if source == record.SourceCPUEstimate {
		return 1
	}
	return 0
}

// judge grades e, which has energy, and completes its reasons.
func (e *energy) judge(all, group []*device, w Window, class record.Device) {
	share, told := throttled(all, group, w, class)
	if told {
		e.throttled = units.Ptr(units.Percent(100 * share))
	}
	if share > 0 {
		e.reasons = append(e.reasons, Throttled)
	}
	if w.Shared && w.Device == class || slices.ContainsFunc(group, func(d *device) bool { return d.shared(w) }) {
		e.reasons = append(e.reasons, Shared)
	}
	if group[0].is(record.GPU) && occupied(group, w) == 0 && severalGPUs(all) {
		e.reasons = append(e.reasons, SeveralGPUs)
	}
	if w.Device == class && !slices.ContainsFunc(group, func(d *device) bool { return !d.own.allZero(w) }) {
		e.reasons = append(e.reasons, NotOnGPU)
	}
	e.peak = peak(group, w)
	if estimate(e.source) == 1 {
		// The model's own two outputs agreeing says nothing, nor does one of them missing; nor is its error that of sampling.
		e.reasons = slices.DeleteFunc(e.reasons, func(r string) bool {
			return r == CounterOnly || r == PowerOnly || r == Disagree || r == ErrorBound || r == Unchanged || r == Contradict
		})
		e.reasons = append([]string{Estimated}, e.reasons...)
	}
	e.grade = GradeOf(e.reasons)
}

// severalGPUs reports whether power of more than one GPU is read. Sources read GPUs of different makers, so that two of one
// number, as of two recorders, are two GPUs.
func severalGPUs(all []*device) bool {
	n := 0
	for _, d := range all {
		if d.is(record.GPU) && d.hasPower() {
			n++
		}
	}
	return n > 1
}

// GradeOf is the grade that reasons leave to an energy.
func GradeOf(reasons []string) record.Grade {
	grade := record.GradeA
	for _, r := range reasons {
		switch r {
		case Estimated:
			return record.GradeD
		case UnderSampled, Gap, Throttled, Shared, SeveralGPUs, NotOnGPU, ErrorBound, PowerAveraged, ClockStep, LongPauses, Unchanged, Contradict:
			grade = record.GradeC
		case CPUEstimated, IdleBusy, IdleUnderSampled:
		default:
			if grade == record.GradeA {
				grade = record.GradeB
			}
		}
	}
	return grade
}
