package energy

import (
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// findings is the energies of a window by all sources that cover it, those believed first first; where none does, one without
// energy that says why. Which counts shows when all samples have passed: a sensor that is first read long after a window may be a
// package of its machine.
type findings struct{ own, gpu, cpu []energy }

// settle takes of each class of device the first energy that lacks none of the devices that h knows.
func (r *Result) settle(f findings, h history, w Window) {
	own, gpu, cpu := h.settled(f.own), h.settled(f.gpu), h.settled(f.cpu)
	r.GPUPower, r.CPUPower = gpu.power(w), cpu.power(w)
	r.Joules, r.MeanPower, r.Samples, r.Source, r.Grade = own.joules, own.power(w), own.samples, own.source, own.grade
	r.Error, r.Reasons, r.group = own.bound, slices.Clone(own.reasons), own.group
	r.Peak, r.Throttled = own.peak, own.throttled
	if w.Device == record.GPU && cpu.grade == record.GradeD {
		r.Reasons = append(r.Reasons, CPUEstimated)
	}
}

// settled is the first of energies that lacks no device, or what is the matter with the first.
func (h history) settled(found []energy) energy {
	for _, e := range found {
		if e.joules == nil || !h.lacks(e) {
			return e
		}
	}
	return energy{reasons: []string{incomplete(found[0].group[0].kind())}}
}

// lacks reports whether h knows power of another device of the source and kind that all of were to count.
func (h history) lacks(e energy) bool {
	if !e.whole {
		return false
	}
	for k, d := range h {
		if k.source == e.source && k.kind() == e.group[0].kind() && d.hasPower() && !slices.Contains(e.group, k) {
			return true
		}
	}
	return false
}

// entire are the kinds of device each of which measures all of a machine or of what hangs behind it, so that two measure the same.
var entire = []string{"meter", "system"}

// MostPower is more than a device draws: a part of a machine, or what hangs behind a meter, which may be a rack or a hall of them.
func MostPower(name string) units.Watts {
	if slices.Contains(entire, sensor{device: name}.kind()) {
		return record.MaxMeterPower
	}
	return maxPower
}

// incomplete is why there is no energy of devices of a kind of which there are more.
func incomplete(kind string) string {
	if slices.Contains(entire, kind) {
		return SeveralMeters
	}
	return DeviceMissing
}

// inTurn reports whether the device is one of those that a machine uses in turn and that are read only while it does: a battery.
func (d *device) inTurn() bool { return d.kind() == "battery" }

// draining is group without the batteries that nothing is told of in w, as another one drained; all of them where that is so of all.
func draining(group []*device, w Window) []*device {
	tells := func(d *device) bool {
		e := sum([]*device{d}, w)
		return e.joules != nil || len(e.reasons) > 0
	}
	if !group[0].inTurn() || !slices.ContainsFunc(group, tells) {
		return group
	}
	return slices.DeleteFunc(slices.Clone(group), func(d *device) bool { return !tells(d) })
}
