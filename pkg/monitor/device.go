package monitor

import (
	"cmp"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Device is the figures of one device as one source tells them. A nil pointer is a figure that the source does not give.
type Device struct {
	Host      string  `json:"host"`
	Source    string  `json:"source"`
	Name      string  `json:"device"`
	Estimated bool    `json:"estimated"` // modelled, not measured: grade D whatever comes of it
	Samples   int64   `json:"samples"`
	SpanS     float64 `json:"span_s"` // time covered by readings, gaps and idle windows left out
	IdleS     float64 `json:"idle_s"` // the same of idle windows
	Gaps      int64   `json:"gaps"`   // times that readings stayed out, and for how long together
	GapS      float64 `json:"gap_s"`
	StoppedS  float64 `json:"stopped_s"` // of that, how long before the recorder's last row the readings ended for good

	// Of the span; of a recording in which nothing but idle windows is, there is none.
	EnergyJ    *units.Joules `json:"energy_joules"`            // the counter's rise, else integrated power, else the device's own means integrated
	Method     Method        `json:"energy_method"`            // which of them
	Integrated *units.Joules `json:"energy_integrated_joules"` // power integrated, beside a counter
	MarginalJ  *units.Joules `json:"energy_marginal_joules"`   // energy less what idle power comes to in the same time
	IdleJ      *units.Joules `json:"energy_idle_joules"`       // of the idle windows
	IdleW      *units.Watts  `json:"power_idle_w"`             // their mean
	AllJ       *units.Joules `json:"energy_all_joules"`        // of the span and of the idle windows
	EnergyS    float64       `json:"energy_s"`                 // the time that energy and mean are of: a counter counts on in gaps
	MeanW      *units.Watts  `json:"power_mean_w"`
	PeakW      *units.Watts  `json:"power_peak_w"` // of power readings, else of the device's own means, else between a counter's updates
	ThrottledS *float64      `json:"throttled_s"`  // nil where the source cannot tell

	MeanTempC   *units.Celsius `json:"temp_mean_c"`
	PeakTempC   *units.Celsius `json:"temp_peak_c"`
	MeanUtilPct *units.Percent `json:"util_mean_pct"`
	PeakMem     *units.Bytes   `json:"mem_peak_bytes"`

	PowerW   *units.Watts       `json:"power_w"` // the last reading, and that of every other column
	Last     record.Sample      `json:"-"`
	Reasons  map[string]float64 `json:"throttled_by_reason_s,omitempty"`
	ReadUnix int64              `json:"last_unix_ns"`

	absent  string       // why the energy is not of the counter, or not of power
	restful string       // why there is no idle power
	fell    bool         // the counter was set back
	late    units.Joules // what power may be off by at marks, beyond its bound
	stands  string       // why what was drawn is not known all the time
}

// Method is how energy was found.
type Method string

// The methods, the better first.
const (
	Counter    Method = "counter"
	Integrated Method = "integrated"
	Averaged   Method = "averaged" // the device's own means integrated, whose edges are smeared over their span
)

// methods are all of them.
var methods = []Method{Counter, Integrated, Averaged}

// tellsThrottling is the source of which an empty throttle means that the device is not slowed down. Others have nothing to say
// where the machine does not count it, and the same empty text.
const tellsThrottling = "nvml"

// counterSpan is the least time over which power is taken from an energy counter: over less, the counter's steps show, as
// those of a counter that is renewed every 100 ms do. A span begins and ends where the counter was just seen to rise, unless it
// stands still for a span more.
const counterSpan = time.Second

// device gathers the figures of one device.
type device struct {
	host, source, name string
	samples            int64
	last               record.Sample // of each column the last value
	before             moment        // of the sample before
	idle               bool          // whether the time after it is marked idle

	time, gap      time.Duration // covered by readings, and not
	apart          time.Duration // how far the sample before was from the one before it
	idly           time.Duration // of time, what is marked idle
	gaps           int64
	restarts       int // of the recorder, until the sample before
	counter, power meter
	average        meter
	renewed        renewed // its power
	steps          steps
	fromCounter    *units.Watts
	rises          energy.Steps
	peak, peakAvg  *units.Watts
	peakRise       *units.Watts // of the counter
	box            int64        // span of its own means
	temp, util     mean
	peakTemp       *units.Celsius
	peakMem        *units.Bytes
	throttle       map[string]float64 // seconds by reason
	throttled      time.Duration
}

// steps takes power from a counter.
type steps struct {
	from  moment
	begun bool
	idle  bool // part of the span is marked idle
}

// mean is a mean of readings.
type mean struct {
	sum float64
	n   int64
}

func newDevice(s *record.Sample, idle bool) *device {
	limit := energy.MostPower(s.Device)
	return &device{host: s.Host, source: s.Source, name: s.Device, idle: idle, throttle: map[string]float64{},
		rises:   energy.StepsOf(s.Source),
		counter: meter{method: Counter, limit: limit, rises: rises{limit: limit}},
		power:   meter{method: Integrated, limit: limit},
		average: meter{method: Averaged, limit: limit}}
}

// add takes a sample in. idle says whether the time after it is marked idle: the sweep of a mark comes after the mark.
// restarts counts the recordings before its own: each has counters of its own. rests are the stretches that were marked idle
// until then, this one included.
func (d *device) add(s *record.Sample, idle bool, restarts int, rests rests) {
	if d.samples > 0 {
		d.cover(s)
	}
	d.samples++
	again := restarts != d.restarts
	d.before, d.idle, d.restarts = moment{ts: s.TSUnixNS}, idle, restarts
	if s.EnergyCounterJoules != nil {
		now := moment{s.TSUnixNS, float64(*s.EnergyCounterJoules)}
		d.counterPower(now, idle, again)
		d.rise(s, again)
		d.counter.add(now, idle, again, rests, d.rises.Period())
	}
	if s.PowerAvgNS != nil {
		d.box = *s.PowerAvgNS
	}
	if s.PowerUpdateNS != nil {
		d.renewed.told = *s.PowerUpdateNS
	}
	if s.PowerW != nil {
		now := moment{s.TSUnixNS, float64(*s.PowerW)}
		d.renewed.add(now)
		d.counter.rises.power(now, d.renewed.period())
		d.power.add(now, idle, again, rests, d.renewed.period())
	}
	if s.PowerAvgW != nil {
		d.average.add(moment{s.TSUnixNS, float64(*s.PowerAvgW)}, idle, again, rests, d.smeared())
	}
	d.keep(s, idle)
}

// cover accounts for the time since the sample before.
func (d *device) cover(s *record.Sample) {
	dt := time.Duration(s.TSUnixNS - d.before.ts)
	apart := d.apart
	d.apart = dt
	if d.samples > 1 && dt > gapAfter(max(apart, d.time/time.Duration(d.samples-1))) {
		d.gaps++
		d.gap += dt
		return
	}
	d.time += max(dt, 0)
	if d.idle {
		d.idly += max(dt, 0)
		return
	}
	if d.last.Throttle == "" {
		return
	}
	d.throttled += dt
	for reason := range strings.SplitSeq(d.last.Throttle, ",") {
		d.throttle[reason] += dt.Seconds()
	}
}

// counterPower takes power from the counter where enough time has passed, before the counter takes the reading in. again says
// that another recording begins.
func (d *device) counterPower(now moment, idle, again bool) {
	before, dt := d.counter.before, time.Duration(now.ts-d.steps.from.ts)
	d.steps.idle = d.steps.idle || d.counter.idle
	switch {
	case d.counter.n == 0:
		return
	case again || now.value < before.value || d.counter.idle && !idle: // what ends here is not of what begins
		d.steps = steps{}
		return
	case now.value == before.value && (!d.steps.begun || dt < 2*counterSpan):
		return // between two of its updates, nobody knows where
	case !d.steps.begun:
		d.steps = steps{from: now, begun: true, idle: idle}
		return
	case dt < counterSpan:
		return
	}
	d.fromCounter = units.Ptr(units.Joules(now.value - d.steps.from.value).Over(dt))
	d.steps = steps{from: now, begun: true, idle: idle}
}

// rise takes a peak from the counter, before the counter takes the reading in. What is marked idle, and what lies between two
// recordings, has none.
func (d *device) rise(s *record.Sample, again bool) {
	if d.counter.idle || again {
		d.rises.Restart()
	}
	if _, power, ok := d.rises.Add(s.TSUnixNS, *s.EnergyCounterJoules, s.CounterUpdateNS); ok {
		raise(&d.peakRise, &power)
	}
}

// keep takes the readings that stand for themselves.
func (d *device) keep(s *record.Sample, idle bool) {
	if !idle {
		raise(&d.peak, s.PowerW)
		raise(&d.peakAvg, s.PowerAvgW)
	}
	raise(&d.peakTemp, s.TempC)
	raise(&d.peakMem, s.MemUsedBytes)
	if s.TempC != nil {
		d.temp.add(float64(*s.TempC))
	}
	if s.UtilPct != nil && !idle {
		d.util.add(float64(*s.UtilPct))
	}
	carry(&d.last, s)
}

func (m *mean) add(v float64) { m.sum, m.n = m.sum+v, m.n+1 }

// raise makes the peak at least v.
func raise[T cmp.Ordered](peak **T, v *T) {
	if v != nil && (*peak == nil || *v > **peak) {
		*peak = v
	}
}

// meanOf is a mean in its unit, nil without readings.
func meanOf[T ~float64](m mean) *T {
	if m.n == 0 {
		return nil
	}
	return units.Ptr(T(m.sum / float64(m.n)))
}

// figures are what the readings so far come to; end is the last row of the recorder.
func (d *device) figures(rests rests, end int64) Device {
	f := Device{Host: d.host, Source: d.source, Name: d.name, Estimated: d.source == record.SourceCPUEstimate,
		Samples: d.samples, SpanS: (d.time - d.idly).Seconds(), IdleS: d.idly.Seconds(), Gaps: d.gaps, GapS: d.gap.Seconds(),
		Reasons:   maps.Clone(d.throttle),
		MeanTempC: meanOf[units.Celsius](d.temp), PeakTempC: d.peakTemp, MeanUtilPct: meanOf[units.Percent](d.util),
		PeakMem: d.peakMem, PowerW: d.powerNow(), Last: d.last, ReadUnix: d.before.ts}
	if stopped := d.stopped(end); stopped > 0 {
		f.Gaps, f.GapS, f.StoppedS = f.Gaps+1, f.GapS+stopped.Seconds(), stopped.Seconds()
	}
	if d.source == tellsThrottling || len(d.throttle) > 0 {
		f.ThrottledS = units.Ptr(d.throttled.Seconds())
	}
	m := d.meter(&f)
	if m == nil {
		return f
	}
	f.PeakW = cmp.Or(positive(d.peak), positive(d.peakAvg))
	if m.method == Counter {
		f.PeakW, f.fell = cmp.Or(f.PeakW, positive(d.peakRise)), m.fell
		if part := d.power.unmarked(); part.joules > 0 {
			f.Integrated = units.Ptr(units.Joules(part.joules))
		}
	}
	f.energy(m, rests)
	return f
}

// meter is what the energy is taken from: the first that works. What only ever told 0 is none. A counter that stood still for a while
// is better than nothing.
func (d *device) meter(f *Device) *meter {
	for _, m := range []*meter{&d.counter, &d.power, &d.average} {
		why := m.unbelieved()
		if m.all.time > 0 && why == "" {
			f.Method = m.method
			if m.calm.still {
				f.stands = energy.Unchanged
			}
			return m
		}
		f.absent = cmp.Or(f.absent, why)
	}
	if d.counter.halted() && f.absent == energy.Stuck {
		f.Method, f.stands, f.absent = Counter, energy.Gap, ""
		return &d.counter
	}
	return nil
}

// positive is nil for 0, which nothing that is on draws.
func positive(w *units.Watts) *units.Watts {
	if w == nil || *w == 0 {
		return nil
	}
	return w
}

// stopped is how long before the end the readings stopped, 0 where they did not. Those of processes end with the processes.
func (d *device) stopped(end int64) time.Duration {
	since := time.Duration(end - d.before.ts)
	if d.samples < 2 || d.name == record.DeviceProcesses || since <= stopAfter(d.time/time.Duration(d.samples-1)) {
		return 0
	}
	return since
}

// energy is what a meter says.
func (f *Device) energy(m *meter, rests rests) {
	f.AllJ = units.Ptr(units.Joules(m.all.joules))
	if idly := m.idly(); idly.time > 0 {
		f.IdleJ = units.Ptr(units.Joules(idly.joules))
	}
	f.IdleW, f.restful = rests.idle(f.Host, f.Name, m)
	if len(rests) > 0 && !m.worked { // the recording ended before there was anything but idleness
		f.Integrated, f.PeakW = nil, nil
		return
	}
	if m.mixed() {
		f.stands = cmp.Or(f.stands, energy.Gap)
	}
	part := m.unmarked()
	if part.time <= 0 {
		return
	}
	shift, late := m.late()
	part.joules, f.late = max(part.joules+shift, 0), units.Joules(late)
	f.EnergyS = part.time.Seconds()
	f.EnergyJ, f.MeanW = units.Ptr(units.Joules(part.joules)), units.Ptr(part.watts())
	if f.PeakW != nil { // readings miss peaks that a counter's rise has in it, and no peak is below the mean
		raise(&f.PeakW, f.MeanW)
	}
	if f.IdleW != nil {
		f.MarginalJ = units.Ptr(*f.EnergyJ - f.IdleW.For(part.time))
	}
}

// powerNow is the last power reading: instantaneous, else from the counter, else the device's own mean. What never told
// anything but 0 does not work.
func (d *device) powerNow() *units.Watts {
	switch {
	case d.last.PowerW != nil && d.power.seen:
		return d.last.PowerW
	case d.fromCounter != nil && d.counter.all.joules > 0:
		return d.fromCounter
	case d.average.seen:
		return d.last.PowerAvgW
	}
	return nil
}

// rank puts what measures power of processors and graphics first, then the machine, then the rest.
func rank(d Device) int {
	kind, _, _ := strings.Cut(d.Name, ":")
	order := map[string]int{"gpu": 1, "cpu": 2, "system": 3, "psys": 3, "meter": 3, "battery": 3, "dram": 4, "core": 4, "uncore": 4,
		"host": 5, record.DeviceProcesses: 6}
	return cmp.Or(order[kind], 9)
}

// compareNames compares gpu:2 and gpu:10 by their numbers.
func compareNames(a, b string) int {
	ak, an, _ := strings.Cut(a, ":")
	bk, bn, _ := strings.Cut(b, ":")
	ai, aerr := strconv.Atoi(an)
	bi, berr := strconv.Atoi(bn)
	if ak == bk && aerr == nil && berr == nil {
		return cmp.Compare(ai, bi)
	}
	return cmp.Compare(a, b)
}
