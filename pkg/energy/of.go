package energy

import (
	"cmp"
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Of integrates samples over w. The order of the samples does not matter.
func Of(samples []record.Sample, w Window) Result {
	if w.Length() <= 0 {
		return Result{Reasons: []string{NoSamples}}
	}
	all := devices(samples, w)
	gpu, cpu := measure(all, w, record.GPU), measure(all, w, record.CPU)
	own := cpu
	if w.Device == record.GPU {
		own = gpu
	}
	r := Result{
		Joules: own.joules, MeanPower: own.power(w), Samples: own.samples, Source: own.source, Grade: own.grade,
		Reasons:  own.reasons,
		GPUPower: gpu.power(w), CPUPower: cpu.power(w),
	}
	if w.Device == record.GPU && cpu.grade == record.GradeD {
		r.Reasons = append(r.Reasons, CPUEstimated)
	}
	r.GPUTemp, r.GPUMem, r.GPUUtil = gpuState(all, w)
	return r
}

// energy is the energy of one class of device over a window.
type energy struct {
	joules  *units.Joules
	samples int64
	source  string
	grade   record.Grade
	reasons []string
}

func (e energy) power(w Window) *units.Watts {
	if e.joules == nil {
		return nil
	}
	return units.Ptr(e.joules.Over(w.Length()))
}

// measure takes the energy of a class of device from the first source that covers w: those that measure before those
// that estimate, then by name.
func measure(all []*device, w Window, class record.Device) energy {
	var sources []string
	for _, d := range all {
		if d.is(class) && d.hasPower() && !slices.Contains(sources, d.source) {
			sources = append(sources, d.source)
		}
	}
	slices.SortStableFunc(sources, func(a, b string) int { return cmp.Compare(estimate(a), estimate(b)) })
	none := energy{reasons: []string{NoSamples}}
	for _, source := range sources {
		group := slices.DeleteFunc(slices.Clone(all), func(d *device) bool {
			return d.source != source || !d.is(class) || !d.hasPower()
		})
		e := sum(group, w)
		if e.joules != nil {
			e.source = source
			e.judge(all, group, w, class)
			return e
		}
		if len(e.reasons) > 0 {
			none = e
		}
	}
	if len(sources) == 0 && slices.ContainsFunc(all, func(d *device) bool { return d.near }) {
		none.reasons = []string{NoPowerSource}
	}
	return none
}

// estimate is 1 for a source that models, 0 for one that measures.
func estimate(source string) int {
	if source == record.SourceCPUEstimate {
		return 1
	}
	return 0
}

// total is one quantity summed over the devices of a source.
type total struct {
	joules float64
	inside int64 // readings of the least sampled device
	gap    bool
	ok     bool // every device covers the window
	reset  bool // a counter fell
}

// sum adds up the devices of one source: their counters where all have one that covers w, else their integrated power.
// Where both are there, it says how well they agree.
func sum(group []*device, w Window) energy {
	counter := add(group, w, func(d *device) series { return d.counter }, series.rise)
	power := add(group, w, func(d *device) series { return d.power },
		func(s series, w Window, c coverage) (float64, bool) { return s.integral(w, c), true })
	var e energy
	best := counter
	switch {
	case counter.ok && power.ok:
		if math.Abs(counter.joules-power.joules) > MaxDisagreement*counter.joules {
			e.reasons = []string{Disagree}
		}
	case counter.ok:
		e.reasons = []string{CounterOnly}
	case power.ok:
		best, e.reasons = power, []string{PowerOnly}
	}
	if counter.reset {
		e.reasons = []string{CounterReset}
	}
	if !best.ok {
		return e
	}
	e.joules, e.samples = units.Ptr(units.Joules(best.joules)), best.inside
	if best.inside < MinSamples {
		e.reasons = append(e.reasons, UnderSampled)
	}
	if best.gap {
		e.reasons = append(e.reasons, Gap)
	}
	return e
}

// add sums a quantity over devices; it is ok only when every device covers the window.
func add(group []*device, w Window, pick func(*device) series,
	energyOf func(series, Window, coverage) (float64, bool)) total {
	t := total{inside: math.MaxInt64, ok: true}
	for _, d := range group {
		s := pick(d)
		c, ok := s.cover(w)
		if !ok {
			return total{}
		}
		j, ok := energyOf(s, w, c)
		if !ok {
			return total{reset: true}
		}
		t.joules += j
		t.inside = min(t.inside, c.inside)
		t.gap = t.gap || c.gap
	}
	return t
}

// judge grades e, which has energy, and completes its reasons.
func (e *energy) judge(all, group []*device, w Window, class record.Device) {
	if throttled(all, class) {
		e.reasons = append(e.reasons, Throttled)
	}
	if w.Shared && w.Device == class || slices.ContainsFunc(group, func(d *device) bool { return d.shared }) {
		e.reasons = append(e.reasons, Shared)
	}
	if class == record.GPU && len(group) > 1 {
		e.reasons = append(e.reasons, SeveralGPUs)
	}
	switch {
	case estimate(e.source) == 1:
		// The model's own two outputs agreeing says nothing, nor does one of them missing.
		e.reasons = slices.DeleteFunc(e.reasons, func(r string) bool {
			return r == CounterOnly || r == PowerOnly || r == Disagree
		})
		e.grade, e.reasons = record.GradeD, append([]string{Estimated}, e.reasons...)
	case slices.ContainsFunc(e.reasons, spoils):
		e.grade = record.GradeC
	case len(e.reasons) > 0:
		e.grade = record.GradeB
	default:
		e.grade = record.GradeA
	}
}

// spoils reports whether a reason allows no better grade than C.
func spoils(reason string) bool {
	switch reason {
	case UnderSampled, Gap, Throttled, Shared, SeveralGPUs:
		return true
	}
	return false
}

// throttled reports whether any source saw the class of device slow down inside the window. The kernel tells of the
// processor's throttling on the host as a whole.
func throttled(all []*device, class record.Device) bool {
	return slices.ContainsFunc(all, func(d *device) bool {
		return d.throttled && (d.is(class) || class == record.CPU && d.name == "host")
	})
}

// gpuState is the mean temperature, memory and utilisation of the GPUs over w, as the first source that knows GPUs tells.
func gpuState(all []*device, w Window) (temp *units.Celsius, mem *units.Bytes, util *units.Percent) {
	gpus := slices.DeleteFunc(slices.Clone(all), func(d *device) bool { return !d.is(record.GPU) })
	gpus = slices.DeleteFunc(gpus, func(d *device) bool { return d.source != gpus[0].source })
	n := float64(len(gpus))
	if t := sumMeans(gpus, w, func(d *device) series { return d.temp }); t != nil {
		temp = units.Ptr(units.Celsius(*t / n))
	}
	if m := sumMeans(gpus, w, func(d *device) series { return d.mem }); m != nil {
		mem = units.Ptr(units.Bytes(math.Round(*m)))
	}
	if u := sumMeans(gpus, w, func(d *device) series { return d.util }); u != nil {
		util = units.Ptr(units.Percent(*u / n))
	}
	return temp, mem, util
}

// sumMeans adds up the devices' means of a quantity; nil unless every device has one.
func sumMeans(group []*device, w Window, pick func(*device) series) *float64 {
	if len(group) == 0 {
		return nil
	}
	sum := 0.0
	for _, d := range group {
		m := pick(d).mean(w)
		if m == nil {
			return nil
		}
		sum += *m
	}
	return &sum
}
