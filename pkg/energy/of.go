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
	r, found := h.of(w)
	r.settle(found, h, w)
	return r
}

// of integrates over w: what is found of the energy, and a result that has all else.
func (h history) of(w Window) (Result, findings) {
	if w.Length() <= 0 {
		none := []energy{{reasons: []string{NoSamples}}}
		return Result{}, findings{none, none, none}
	}
	all := h.view(w)
	f := findings{gpu: measure(all, w, record.GPU), cpu: measure(all, w, record.CPU)}
	switch {
	case w.Source != "":
		f.own = chosen(all, w)
	case w.Device == record.GPU:
		f.own = f.gpu
	default:
		f.own = f.cpu
	}
	var r Result
	r.resources(all, w)
	return r, f
}

// energy is the energy of a group of devices over a window.
type energy struct {
	joules, bound *units.Joules
	peak          *units.Watts
	throttled     *units.Percent
	samples       int64
	source        string
	group         []sensor // whose energy it is
	whole         bool     // these are to be all of their kind
	grade         record.Grade
	reasons       []string
}

func (e energy) power(w Window) *units.Watts {
	if e.joules == nil {
		return nil
	}
	return units.Ptr(e.joules.Over(w.Length()))
}

// measure takes the energy of a class of device from the sources that cover w, in order of preference.
func measure(all []*device, w Window, class record.Device) []energy {
	return attempts(all, ranked(all, w, class), w, class)
}

// attempts is the energies of the groups that have one, or why none has.
func attempts(all []*device, groups [][]*device, w Window, class record.Device) (found []energy) {
	none := energy{reasons: []string{NoSamples}}
	for _, group := range groups {
		e := attempt(all, group, w, class)
		if e.joules != nil {
			found = append(found, e)
		} else if len(e.reasons) > 0 {
			none = e
		}
	}
	if len(groups) == 0 && anySeen(all) {
		none.reasons = []string{NoPowerSource}
	}
	if len(found) == 0 {
		return []energy{none}
	}
	return found
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

// attempt takes the energy of a group of one source.
func attempt(all, group []*device, w Window, class record.Device) energy {
	group = draining(group, w)
	e := sum(group, w)
	if e.joules == nil {
		read := func(d *device) bool { return sum([]*device{d}, w).joules != nil }
		if len(e.reasons) == 0 && slices.ContainsFunc(group, read) {
			e.reasons = []string{DeviceMissing}
		}
		return energy{reasons: e.reasons}
	}
	e.source, e.whole = group[0].source, occupied(group, w) == 0 && !group[0].inTurn()
	for _, d := range group {
		e.group = append(e.group, sensor{d.source, d.name})
	}
	e.judge(all, group, w, class)
	return e
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

// chosen takes the energy from the source that was asked for, whatever it measures, or from the one device.
func chosen(all []*device, w Window) []energy {
	if one := named(all, w.Source); len(one) > 0 {
		others := func(d *device) bool { return d.is(record.GPU) && d.name != w.Source } // which are not asked for
		found := attempts(slices.DeleteFunc(slices.Clone(all), others), one, w, w.Device)
		for i := range found {
			found[i].whole = false
		}
		return found
	}
	for _, kind := range append([]string{string(w.Device)}, wider...) {
		group := members(all, w.Source, kind)
		if len(group) > 1 && slices.Contains(entire, kind) {
			return []energy{{reasons: []string{SeveralMeters}}}
		}
		if len(group) > 0 {
			return attempts(all, [][]*device{used(group, w)}, w, w.Device)
		}
	}
	return attempts(all, nil, w, w.Device)
}

// named is the devices of a name, each for itself, measured ones before modelled ones.
func named(all []*device, name string) (out [][]*device) {
	for _, d := range all {
		if d.name == name && d.hasPower() {
			out = append(out, []*device{d})
		}
	}
	slices.SortStableFunc(out, func(a, b []*device) int { return cmp.Compare(estimate(a[0].source), estimate(b[0].source)) })
	return out
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
	if group[0].is(record.GPU) && severalGPUs(all) && guessed(group, w) {
		e.reasons = append(e.reasons, SeveralGPUs)
	}
	if w.Device == class && !slices.ContainsFunc(group, func(d *device) bool { return !d.vacant(w) }) {
		e.reasons = append(e.reasons, NotOnGPU)
	}
	e.peak = peak(group, w, e.power(w))
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
