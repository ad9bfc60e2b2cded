package energy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// sensor is one device as one source sees it.
type sensor struct{ source, device string }

// kind is the device's class: "gpu:0" is a GPU, "cpu", "cpu:0" are the processor.
func (s sensor) kind() string {
	kind, _, _ := strings.Cut(s.device, ":")
	return kind
}

// device is what one source says of one device.
type device struct {
	source, name string

	counter, power, average         series
	temp, mem, util                 series
	own, foreign, processes         series
	cpuTime, throttle               series
	counterPeriod, powerPeriod, box int64 // ns between updates of counter and power; span of the averages; 0 not known
	seen                            bool  // a reading of the device lies before the end of what matters to the window
}

// documented is the time between two updates of a source's counter where its samples do not say: that of Intel's and AMD's
// RAPL (Intel, Software Developer's Manual, volume 3, "RAPL Interfaces": the counters are updated about every millisecond).
var documented = map[string]time.Duration{"rapl": time.Millisecond, "perf": time.Millisecond}

func newDevice(k sensor) *device {
	d := &device{source: k.source, name: k.device, counterPeriod: int64(documented[k.source])}
	switch k.source {
	case record.SourceCPUEstimate:
		d.counterPeriod = 1 // computed when it is read
	case meterSource:
		d.powerPeriod = 1 // each reading is a new one
	}
	return d
}

// meterSource is the source of external meters, whose readings repeat where the power does.
const meterSource = "meter"

// slack is how many times as long as told the time between two changes of a counter may be, in the middle, for what is told to be
// believed.
const slack = 3

// renewed is the time between two updates of the counter: what is told or documented, unless the readings show that it is many times
// longer, as of a counter that a hypervisor passes on once a second or of coarse steps.
func (d *device) renewed() int64 {
	if seen := periodOf(d.counter); d.counterPeriod > 1 && seen > slack*d.counterPeriod && seen > 2*d.counter.usual() {
		return seen // not between two readings, which lie further apart than updates
	}
	return d.counterPeriod
}

// all is every series of the device.
func (d *device) all() []*series {
	return []*series{&d.counter, &d.power, &d.average, &d.temp, &d.mem, &d.util, &d.own, &d.foreign, &d.processes,
		&d.cpuTime, &d.throttle}
}

// add takes one sample in. It reports whether all that the sample tells was there already.
func (d *device) add(s *record.Sample) (again bool) {
	var n tally
	take(&n, &d.counter, s.TSUnixNS, s.EnergyCounterJoules)
	take(&n, &d.power, s.TSUnixNS, s.PowerW)
	take(&n, &d.average, s.TSUnixNS, s.PowerAvgW)
	take(&n, &d.temp, s.TSUnixNS, s.TempC)
	take(&n, &d.mem, s.TSUnixNS, s.MemUsedBytes)
	take(&n, &d.util, s.TSUnixNS, s.UtilPct)
	take(&n, &d.own, s.TSUnixNS, s.MemOwnBytes)
	take(&n, &d.foreign, s.TSUnixNS, s.ForeignProcesses)
	take(&n, &d.processes, s.TSUnixNS, s.Processes)
	take(&n, &d.cpuTime, s.TSUnixNS, s.CPUTimeNS)
	if s.Throttle != "" || d.throttle != nil || s.Source == nvmlSource {
		slow := 0.0
		if s.Throttle != "" {
			slow = 1
		}
		take(&n, &d.throttle, s.TSUnixNS, &slow)
	}
	carry(&d.counterPeriod, s.CounterUpdateNS)
	carry(&d.powerPeriod, s.PowerUpdateNS)
	carry(&d.box, s.PowerAvgNS)
	return n.told > 0 && n.fresh == 0
}

// tally counts the readings of one sample, and those of them that were not there before.
type tally struct{ told, fresh int }

// carry keeps what is told once in a while.
func carry(to, v *int64) {
	if v != nil {
		*to = *v
	}
}

// nvmlSource tells of throttling with every reading, so that an empty text of it means that there is none.
const nvmlSource = "nvml"

func take[T ~float64 | ~int64](n *tally, to *series, ts int64, v *T) {
	if v == nil {
		return
	}
	n.told++
	if to.insert(point{ts, float64(*v)}) {
		n.fresh++
	}
}

// hasPower reports whether the source measures power of the device at all, near the window or not.
func (d *device) hasPower() bool { return len(d.counter)+len(d.power)+len(d.average) > 0 }

func (d *device) kind() string { return sensor{d.source, d.name}.kind() }

func (d *device) is(class record.Device) bool { return d.kind() == string(class) }

// history is what the sensors of one host said.
type history map[sensor]*device

// add takes one sample in. It reports whether all that the sample tells was there already.
func (h history) add(s *record.Sample) (again bool) {
	k := sensor{s.Source, s.Device}
	d := h[k]
	if d == nil {
		d = newDevice(k)
		h[k] = d
	}
	return d.add(s)
}

// reach is how far around a window readings matter: far for the times of updates and the powers at its edges, as far
// again as the box of a moving average, and the length of the window itself, which slow sensors may be apart by.
func (w Window) reach() int64 {
	return int64(min(max(w.Length(), far), maxReach))
}

// maxReach keeps a window of hours from holding hours of samples before and after it.
const maxReach = 2 * time.Minute

// view is the sensors with the readings that matter to w, sorted by source and device. A sensor that was read long before
// is not left out: a processor package that fell silent must not vanish from a sum.
func (h history) view(w Window) []*device {
	from, to := w.Start-w.reach(), w.End+w.reach()
	out := make([]*device, 0, len(h))
	for _, d := range h {
		v := *d
		known := false
		for _, s := range v.all() {
			known = known || s.after(to) > 0
			v.seen = v.seen || len(s.within(from, to)) > 0
			*s = s.around(from, to)
		}
		if known {
			v.silence(to)
			out = append(out, &v)
		}
	}
	slices.SortFunc(out, func(a, b *device) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.name, b.name)) })
	return out
}

// reads reports whether anything was read in w, or that near to both of its ends that it may tell of w.
func (h history) reads(w Window) bool {
	margin := max(int64(near), w.End-w.Start)
	for _, d := range h {
		for _, s := range d.all() {
			before, after := s.within(w.Start-margin, w.Start), s.within(w.End, w.End+margin)
			if len(s.within(w.Start, w.End)) > 0 || len(before) > 0 && len(after) > 0 {
				return true
			}
		}
	}
	return false
}

// silence drops quantities that are read only after to.
func (d *device) silence(to int64) {
	for _, s := range d.all() {
		if len(*s) > 0 && (*s)[0].ts > to {
			*s = nil
		}
	}
}

// forget drops the readings before t but the last of each quantity, which may hold on.
func (h history) forget(t int64) {
	for _, d := range h {
		for _, s := range d.all() {
			if n := s.after(t) - 1; n > 0 {
				*s = slices.Delete(*s, 0, n)
			}
		}
	}
}
