package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// quantity is what a series is of.
type quantity struct {
	name  string // of its figure
	title string
	axis  string
	get   func(*record.Sample) *float64
	from  []string // telemetry sources that can have it, where few can
}

// The quantities that are drawn over time. Power comes from readings of it; where a device has a counter alone, from the
// counter's differences.
var (
	quantityPower = quantity{"power", "Power", "W", func(s *record.Sample) *float64 {
		if s.PowerW != nil {
			return float(s.PowerW)
		}
		return float(s.PowerAvgW)
	}, nil}
	quantityCounter = quantity{"power", "Power", "W", nil, nil}
	quantities      = []quantity{
		quantityPower,
		{"temperature", "Temperature", "degrees Celsius", func(s *record.Sample) *float64 { return float(s.TempC) }, []string{"thermal", "hwmon", "nvml"}},
		{"clock", "Clock", "MHz", func(s *record.Sample) *float64 { return float(s.ClockMHz) }, []string{"proc", "nvml"}},
		{"memory", "Memory in use", "GiB", func(s *record.Sample) *float64 { return ratio(float(s.MemUsedBytes), ptr(1<<30)) }, nil},
		{"utilisation", "Utilisation", "per cent", func(s *record.Sample) *float64 { return float(s.UtilPct) }, nil},
	}
)

const (
	timelineBins = 400              // of a series: as many as a figure has room for
	aroundRuns   = 30 * time.Second // before and after runs that is shown too: loading, idle power
)

// span is a window of a run, or a stretch of time that is shown.
type span struct {
	from, to int64 // ns
	subject  int   // its place in RunFacts.subjects, from 1
}

// timeline sums telemetry up as it is read: for each series, of each bin of time and of each backend that worked in it, the
// lowest and the highest value. Its size does not depend on the number of samples. Time without runs is cut out.
type timeline struct {
	host    string
	hosts   []string // all with runs; the first has the most and is shown
	windows []span   // of the runs, in order of time; subject is what ran
	shown   []span   // stretches of time
	length  int64    // of them together, ns
	series  map[seriesKey]*series
}

// seriesKey names a series.
type seriesKey struct {
	source, device string
	quantity       string
	derived        bool // from a counter
}

// series are the bins of one.
type series struct {
	bins     map[binKey]*bin
	lastTS   int64 // of the counter
	lastJ    float64
	hasLastJ bool
}

// binKey is a bin of time and what worked in it; 0 where nothing did.
type binKey struct {
	at      int
	subject int
}

// bin is the values of a series in one bin of time.
type bin struct {
	low, high, sum float64
	n              int
}

func (b *bin) add(v float64) {
	if b.n == 0 {
		b.low, b.high = v, v
	}
	b.low, b.high = min(b.low, v), max(b.high, v)
	b.sum += v
	b.n++
}

// newTimeline lays out the time of the runs.
func newTimeline(windows map[string][]span) *timeline {
	t := &timeline{series: map[seriesKey]*series{}}
	for host := range windows {
		t.hosts = append(t.hosts, host)
	}
	slices.SortFunc(t.hosts, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(windows[b]), len(windows[a])), strings.Compare(a, b))
	})
	if len(t.hosts) == 0 {
		return t
	}
	t.host = t.hosts[0]
	t.windows = windows[t.host]
	slices.SortFunc(t.windows, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	for _, w := range t.windows {
		from, to := w.from-int64(aroundRuns), w.to+int64(aroundRuns)
		if n := len(t.shown); n > 0 && from <= t.shown[n-1].to {
			t.shown[n-1].to = max(t.shown[n-1].to, to)
		} else {
			t.shown = append(t.shown, span{from: from, to: to})
		}
	}
	for _, s := range t.shown {
		t.length += s.to - s.from
	}
	return t
}

// place is how far into the shown time a moment is, ns; ok is false for one that is cut out.
func (t *timeline) place(ts int64) (int64, bool) {
	var before int64
	for _, s := range t.shown {
		if ts < s.from {
			return 0, false
		}
		if ts < s.to {
			return before + ts - s.from, true
		}
		before += s.to - s.from
	}
	return 0, false
}

// working is what the run is of that a moment falls into; 0 where none does. Windows of one host do not overlap but where
// requests of several tools meet; then the later one counts.
func (t *timeline) working(ts int64) int {
	i, _ := slices.BinarySearchFunc(t.windows, ts, func(w span, ts int64) int {
		if w.from <= ts {
			return -1
		}
		return 1
	})
	if i == 0 || t.windows[i-1].to < ts {
		return 0
	}
	return t.windows[i-1].subject
}

// add takes a sample into the bins of its series.
func (t *timeline) add(s *record.Sample) {
	if s.Source == record.SourceRecorder || s.Host != t.host {
		return
	}
	at, ok := t.place(s.TSUnixNS)
	if !ok {
		return
	}
	key := binKey{int(at * timelineBins / t.length), t.working(s.TSUnixNS)}
	for _, q := range quantities {
		if v := q.get(s); v != nil {
			t.of(seriesKey{s.Source, s.Device, q.name, false}).add(key, *v)
		}
	}
	if s.EnergyCounterJoules != nil {
		t.of(seriesKey{s.Source, s.Device, quantityCounter.name, true}).count(key, s.TSUnixNS, float64(*s.EnergyCounterJoules))
	}
}

func (t *timeline) of(key seriesKey) *series {
	s := t.series[key]
	if s == nil {
		s = &series{bins: map[binKey]*bin{}}
		t.series[key] = s
	}
	return s
}

func (s *series) add(key binKey, v float64) {
	if s.bins[key] == nil {
		s.bins[key] = &bin{}
	}
	s.bins[key].add(v)
}

// counterSpan is the shortest time over which a counter's rise is taken for a power: over less, the moments at which the
// counter is updated decide.
const counterSpan = int64(200 * time.Millisecond)

// count adds the mean power since an earlier reading of a counter. A counter that fell began anew.
func (s *series) count(key binKey, ts int64, joules float64) {
	if s.hasLastJ && ts-s.lastTS < counterSpan && ts >= s.lastTS {
		return
	}
	if s.hasLastJ && joules >= s.lastJ && ts > s.lastTS && ts-s.lastTS < int64(aroundRuns) {
		s.add(key, (joules-s.lastJ)/(float64(ts-s.lastTS)/1e9))
	}
	s.lastTS, s.lastJ, s.hasLastJ = ts, joules, true
}

// panels are the series of a quantity, by device and source; a counter's stand in where the device has no reading.
func (t *timeline) panels(name string) []seriesKey {
	var list []seriesKey
	for key, s := range t.series {
		read := key
		read.derived = false
		if key.quantity == name && len(s.bins) > 0 && (!key.derived || t.series[read] == nil) {
			list = append(list, key)
		}
	}
	slices.SortFunc(list, func(a, b seriesKey) int {
		return cmp.Or(strings.Compare(a.device, b.device), strings.Compare(a.source, b.source))
	})
	return list
}

// addWindow notes when a run was measured.
func (f *RunFacts) addWindow(r *record.Run) {
	if f.windows == nil {
		f.windows = map[string][]span{}
	}
	f.windows[r.Host] = append(f.windows[r.Host], span{*r.StartUnixNS, *r.EndUnixNS, f.number(subjectOfRun(r))})
}

// number is the place of a subject among those that ran, from 1: a window keeps it instead of the subject's names.
func (f *RunFacts) number(s subject) int {
	i := slices.Index(f.subjects, s)
	if i < 0 {
		f.subjects = append(f.subjects, s)
		i = len(f.subjects) - 1
	}
	return i + 1
}
