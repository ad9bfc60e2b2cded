package energy

import (
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// shared reports whether other processes computed on the device in w. A source that tells the measured processes from
// others has the word; of one that cannot, more than one process is one too many.
func (d *device) shared(w Window) bool {
	if len(d.foreign) > 0 {
		return d.foreign.highest(w) > 0
	}
	return d.processes.highest(w) > 1
}

// throttled is the share of w in which the group was slowed down for heat or power, that of the device that was for
// longest, as any source tells; told is false where none tells of it. The kernel tells of the processor's throttling on the
// host as a whole.
func throttled(all, group []*device, w Window, class record.Device) (share float64, told bool) {
	for _, d := range all {
		mine := slices.ContainsFunc(group, func(g *device) bool { return g.name == d.name })
		if mine || class == record.CPU && d.is("host") {
			told = told || len(d.throttle) > 0
			share = max(share, d.throttle.share(w))
		}
	}
	return share, told
}

// steps is the shortest time that a mean power between two updates of a counter is taken over for a peak, in units of how
// far the time of an update is uncertain: it is off by a twentieth at most.
const steps = 40

// peak is the highest power in w, of several devices their sum at one time: of the readings of power, else of the moving
// averages, else of the mean power between updates of the counter. Readings miss what lies between them, which a counter has, and
// no peak is below the mean.
func peak(group []*device, w Window, mean *units.Watts) *units.Watts {
	readings := make([]series, len(group))
	for i, d := range group {
		readings[i] = d.readings()
		if !readings[i].nearly(w, d.powerPeriod) {
			return nil
		}
	}
	highest := 0.0
	for _, p := range readings[0].within(w.Start, w.End) {
		sum := p.v
		for _, other := range readings[1:] {
			sum += other.at(min(p.ts, other[len(other)-1].ts))
		}
		highest = max(highest, sum)
	}
	if mean != nil {
		highest = max(highest, float64(*mean))
	}
	return units.Ptr(units.Watts(highest))
}

// nearly reports whether readings cover w with one inside, its end but for the time between two of them, told or usual, or half as
// much more, as one of a counter stands in the middle of its time: right after a run the next one is not there yet.
func (s series) nearly(w Window, period int64) bool {
	if len(s) == 0 {
		return false
	}
	if last := s[len(s)-1].ts; last > w.Start && last < w.End && w.End-last <= max(period, s.usual()*3/2) {
		w.End = last
	}
	c, ok := s.cover(w, 0)
	return ok && c.inside > 0
}

// readings is the power of the device over time.
func (d *device) readings() series {
	switch {
	case len(d.power) > 0:
		return d.power
	case len(d.average) > 0:
		return d.average
	}
	var out series
	rises := Steps{period: d.counterPeriod}
	for _, p := range d.counter {
		if at, power, ok := rises.Add(p.ts, units.Joules(p.v), nil); ok {
			out = append(out, point{at, float64(power)})
		}
	}
	return out
}

// resources fills in what was used beside energy.
func (r *Result) resources(all []*device, w Window) {
	r.gpuState(all, w)
	i := slices.IndexFunc(all, func(d *device) bool { return d.name == record.DeviceProcesses })
	if i < 0 {
		return
	}
	d := all[i]
	r.MemMean, r.MemPeak = bytes(d.mem.mean(w)), bytes(d.mem.peak(w))
	if t := d.cpuTime.rise(w); t != nil {
		r.CPUTime = units.Ptr(int64(math.Round(*t)))
	}
}

func bytes(v *float64) *units.Bytes {
	if v == nil {
		return nil
	}
	return units.Ptr(units.Bytes(math.Round(*v)))
}

// gpuState is the mean temperature, memory and utilisation over w of the GPUs that the run used, as the source tells
// that is believed first of their power, else the first that knows GPUs.
func (r *Result) gpuState(all []*device, w Window) {
	gpus := slices.DeleteFunc(slices.Clone(all), func(d *device) bool { return !d.is(record.GPU) })
	if len(gpus) == 0 {
		return
	}
	source := gpus[0].source
	if groups := ranked(all, w, record.GPU); len(groups) > 0 {
		source = groups[0][0].source
	}
	gpus = used(slices.DeleteFunc(gpus, func(d *device) bool { return d.source != source }), w)
	n := float64(len(gpus))
	if t := sumOf(gpus, func(d *device) *float64 { return d.temp.mean(w) }); t != nil {
		r.GPUTemp = units.Ptr(units.Celsius(*t / n))
	}
	if u := sumOf(gpus, func(d *device) *float64 { return d.util.mean(w) }); u != nil {
		r.GPUUtil = units.Ptr(units.Percent(*u / n))
	}
	r.GPUMem = bytes(sumOf(gpus, func(d *device) *float64 { return d.mem.mean(w) }))
	r.GPUMemPeak = bytes(sumOf(gpus, func(d *device) *float64 { return d.mem.peak(w) }))
}

// sumOf adds up a quantity of devices; nil unless every device has one.
func sumOf(group []*device, of func(*device) *float64) *float64 {
	sum := 0.0
	for _, d := range group {
		v := of(d)
		if v == nil {
			return nil
		}
		sum += *v
	}
	return &sum
}
