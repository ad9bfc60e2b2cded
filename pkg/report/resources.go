package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// resourceColumn is a column of run records about what a run took, or what follows from several of them.
type resourceColumn struct {
	name   string // of the column, or of the columns
	how    string // how a value is made of them; empty where it is the column
	energy bool   // the value is or rests on power
	peak   bool   // over runs the largest counts, not the mean
	spread bool   // its interval is shown, so that single values are kept
	absent string // why it is null in all runs; empty: no sensor gave it
	get    func(*record.Run) *float64
	index  int
}

// resourceColumns are all of them.
var resourceColumns []*resourceColumn

func resource(c resourceColumn) *resourceColumn {
	c.index = len(resourceColumns)
	resourceColumns = append(resourceColumns, &c)
	return &c
}

// The columns of runs that the report sums up.
var (
	resPower    = resource(resourceColumn{name: "power_mean_w", energy: true, get: func(r *record.Run) *float64 { return float(r.PowerMeanW) }})
	resPeak     = resource(resourceColumn{name: "power_peak_w and power_mean_w", how: "the higher of the two, of an estimate the former", energy: true, peak: true, get: peakPower})
	resPerToken = resource(resourceColumn{name: "energy_joules and tokens", how: "energy over the tokens that throughput counts", energy: true, spread: true,
		get: perToken(func(r *record.Run) *float64 { return float(r.EnergyJoules) })})
	resError = resource(resourceColumn{name: "energy_error_joules and energy_joules", how: "bound over energy, per cent", energy: true,
		get: func(r *record.Run) *float64 { return percentOf(float(r.EnergyErrorJoules), float(r.EnergyJoules)) }})
	resTokensPerKWh = resource(resourceColumn{name: "tokens and energy_joules", how: "tokens per 3.6e6 J", energy: true, get: func(r *record.Run) *float64 {
		return ratio(ptr(3.6e6), perToken(func(r *record.Run) *float64 { return float(r.EnergyJoules) })(r))
	}})
	resMarginal = resource(resourceColumn{name: "energy_marginal_joules and tokens", how: "marginal energy over the tokens that throughput counts", energy: true, absent: noIdle,
		get: perToken(func(r *record.Run) *float64 { return float(r.EnergyMarginalJoules) })})
	resMarginalPct = resource(resourceColumn{name: "energy_marginal_joules and energy_joules", how: "share, per cent", energy: true, absent: noIdle,
		get: func(r *record.Run) *float64 { return percentOf(float(r.EnergyMarginalJoules), float(r.EnergyJoules)) }})
	resIdleBefore = resource(resourceColumn{name: "idle_before_w", energy: true, absent: noIdle, get: func(r *record.Run) *float64 { return float(r.IdleBeforeW) }})
	resIdleAfter  = resource(resourceColumn{name: "idle_after_w", energy: true, absent: noIdle, get: func(r *record.Run) *float64 { return float(r.IdleAfterW) }})
	resSamples    = resource(resourceColumn{name: "power_samples", get: func(r *record.Run) *float64 { return float(r.PowerSamples) }})
	resTemp       = resource(resourceColumn{name: "gpu_temp_mean_c", get: func(r *record.Run) *float64 { return float(r.GPUTempMeanC) }})
	resGPUUtil    = resource(resourceColumn{name: "gpu_util_mean_pct", get: func(r *record.Run) *float64 { return float(r.GPUUtilMeanPct) }})
	resThrottled  = resource(resourceColumn{name: "throttled_pct", get: func(r *record.Run) *float64 { return float(r.ThrottledPct) }})
	resMemMean    = resource(resourceColumn{name: "mem_mean_bytes", how: "in MiB", get: func(r *record.Run) *float64 { return ratio(float(r.MemMeanBytes), ptr(mebi)) }})
	resMemPeak    = resource(resourceColumn{name: "mem_peak_bytes", how: "in MiB", peak: true,
		get: func(r *record.Run) *float64 { return ratio(float(r.MemPeakBytes), ptr(mebi)) }})
	resRSSPeak = resource(resourceColumn{name: "rss_peak_bytes", how: "in MiB", peak: true,
		get: func(r *record.Run) *float64 { return ratio(float(r.RSSPeakBytes), ptr(mebi)) }})
	resGPUMemMean = resource(resourceColumn{name: "gpu_mem_mean_bytes", how: "in MiB",
		get: func(r *record.Run) *float64 { return ratio(float(r.GPUMemMeanBytes), ptr(mebi)) }})
	resGPUMemPeak = resource(resourceColumn{name: "gpu_mem_peak_bytes", how: "in MiB", peak: true,
		get: func(r *record.Run) *float64 { return ratio(float(r.GPUMemPeakBytes), ptr(mebi)) }})
	resCPUTime = resource(resourceColumn{name: "cpu_time_ns", how: "in ms", get: func(r *record.Run) *float64 { return ratio(float(r.CPUTimeNS), ptr(1e6)) }})
	resCPUBusy = resource(resourceColumn{name: "cpu_time_ns, latency_ns and threads", how: "CPU time over latency and threads, per cent", get: cpuBusy})
	resStepMS  = resource(resourceColumn{name: "latency_ns, ttft_ns and tokens", how: "time of one step, in ms", spread: true, get: stepMS})
)

const (
	mebi   = 1 << 20
	noIdle = "no idle power of the device was measured beside the runs"
)

// peakPower is the highest reading of power in a run. Readings miss what the mean of a counter has in it; no peak is below that.
// An estimate is otherwise: its readings end at the model's full load, and its counter is made of the kernel's ticks, of which a
// window can hold one more than it has time for.
func peakPower(r *record.Run) *float64 {
	if r.PowerPeakW == nil || r.PowerMeanW == nil || *r.PowerPeakW >= *r.PowerMeanW || r.EnergyGrade == record.GradeD {
		return float(r.PowerPeakW)
	}
	return float(r.PowerMeanW)
}

// perToken is a column per token that throughput counts.
func perToken(get func(*record.Run) *float64) func(*record.Run) *float64 {
	return func(r *record.Run) *float64 { return ratio(get(r), float(r.Tokens())) }
}

// ratio is a/b, nil where one is not known or b is 0.
func ratio(a, b *float64) *float64 {
	if a == nil || b == nil || *b == 0 {
		return nil
	}
	return ptr(*a / *b)
}

func percentOf(a, b *float64) *float64 { return ratio(ratio(a, b), ptr(0.01)) }

// cpuBusy is how much of its threads' time a run computed; not known of a backend that chose its threads itself.
func cpuBusy(r *record.Run) *float64 {
	return percentOf(float(r.CPUTimeNS), ptr(float64(*r.LatencyNS)*float64(r.Threads)))
}

// resourceKey is a cell: what stands in one row of a table.
type resourceKey struct {
	subject  subject
	mode     record.Mode
	scenario string
}

// resources are the good runs of one cell.
type resources struct {
	sums        []runSum    // by column
	values      [][]float64 // by column, those that are known, of columns with a spread
	sessions    [][]int64   // of the values
	runs        int
	grades      map[record.Grade]int
	powered     map[record.Grade]int // of those with energy
	reasons     map[string]int       // why not a better grade: number of runs
	sources     map[string]int       // of power
	concurrency int64
	threads     int64
	shape       runShape // of the last run
}

// runSum sums the known values of a column up.
type runSum struct {
	n            int
	sum, largest float64
}

func (s *runSum) add(v float64) {
	if s.n == 0 || v > s.largest {
		s.largest = v
	}
	s.n++
	s.sum += v
}

// addResources notes what a run took.
func (f *RunFacts) addResources(r *record.Run) {
	key := resourceKey{subjectOfRun(r), r.Mode, r.Scenario}
	if f.resources == nil {
		f.resources = map[resourceKey]*resources{}
	}
	s := f.resources[key]
	if s == nil {
		n := len(resourceColumns)
		s = &resources{sums: make([]runSum, n), values: make([][]float64, n), sessions: make([][]int64, n),
			grades: map[record.Grade]int{}, powered: map[record.Grade]int{}, reasons: map[string]int{}, sources: map[string]int{}}
		f.resources[key] = s
	}
	for i, c := range resourceColumns {
		v := c.get(r)
		if v == nil {
			continue
		}
		s.sums[i].add(*v)
		if c.spread {
			s.values[i], s.sessions[i] = append(s.values[i], *v), append(s.sessions[i], r.Session)
		}
	}
	s.runs++
	s.grades[r.EnergyGrade]++
	if r.PowerMeanW != nil {
		s.powered[r.EnergyGrade]++
	}
	for reason := range strings.SplitSeq(r.EnergyReasons, ",") {
		if reason != "" {
			s.reasons[reason]++
		}
	}
	s.sources[r.PowerSource]++
	s.concurrency, s.threads, s.shape = max(r.Concurrency, 1), r.Threads, shapeOf(r)
}

// estimate is the mean of a column over the runs of a cell; over sessions where there are several.
func (s *resources) estimate(c *resourceColumn) (stats.Estimate, bool, error) {
	bySession := map[int64][]float64{}
	for i, v := range s.values[c.index] {
		id := s.sessions[c.index][i]
		bySession[id] = append(bySession[id], v)
	}
	if len(bySession) > 1 {
		var clusters []stats.Moments
		for _, id := range slices.Sorted(maps.Keys(bySession)) {
			m, err := stats.Of(bySession[id])
			if err != nil {
				return stats.Estimate{}, true, err
			}
			clusters = append(clusters, m)
		}
		e, err := stats.ClusterMean(clusters)
		return e, true, err
	}
	m, err := stats.Of(s.values[c.index])
	if err != nil {
		return stats.Estimate{}, false, err
	}
	e, err := m.Estimate()
	return e, false, err
}

// bounds is the mean of a column over the runs of a cell with its 95% interval, on the log scale where that is possible, so
// that it reaches below zero for nothing that cannot; ok is false where there is none.
func (s *resources) bounds(c *resourceColumn) (bounded, bool) {
	e, shared, err := s.estimate(c)
	if err != nil {
		return bounded{}, false
	}
	ci, err := e.LogInterval(stats.DefaultConfidence)
	if e.Mean <= 0 {
		ci, err = e.Interval(stats.DefaultConfidence)
	}
	if err != nil {
		return bounded{}, false
	}
	return bounded{e.Mean, ci.Lower, ci.Upper, shared}, true
}

// resources are those of a cell, or nil for one without good runs and for an archive.
func (d *data) resources(c cellRow) *resources {
	return d.Runs.resources[resourceKey{subjectOfCell(c.Cell), c.Mode, c.Scenario}]
}

// resourceNumber is a column over the runs of a cell: their mean, or the largest for a peak.
func (d *data) resourceNumber(c cellRow, col *resourceColumn) number {
	n := number{source: Source{Artifact: d.CellsName, Row: cellKey(c) + ", scenario=" + c.Scenario, Column: col.name}}
	s := d.resources(c)
	switch {
	case s == nil:
		n.source.How = "absent: " + absence(c)
		return n
	case s.sums[col.index].n == 0:
		n.source.How = "absent: " + s.why(col)
		return n
	}
	sum := s.sums[col.index]
	n.estimated = col.energy && s.grades[record.GradeD] > 0
	if col.peak {
		n.value = ptr(sum.largest)
		n.source.How = also(col.how, fmt.Sprintf("largest of %d runs", sum.n))
		return n
	}
	n.value = ptr(sum.sum / float64(sum.n))
	n.source.How = also(col.how, fmt.Sprintf("mean over %d runs", sum.n))
	return n
}

// why says why a column is null in all runs of a cell.
func (s *resources) why(col *resourceColumn) string {
	if reasons := counted(s.reasons); col.energy && reasons != "" && s.sums[resPerToken.index].n == 0 {
		return reasons
	}
	return orElse(col.absent, "not on record: no sensor gave it")
}

// resourceMean is a column over the scenarios of a backend in a mode: the mean of the cells, or the largest for a peak.
func (d *data) resourceMean(g group, col *resourceColumn) number {
	var list []number
	for _, c := range g.cells {
		if c.N > 0 {
			list = append(list, d.resourceNumber(c, col))
		}
	}
	source := Source{Artifact: d.CellsName, Row: "backend=" + g.label + ", mode=" + string(g.mode), Column: col.name}
	if len(list) == 0 {
		source.How = "absent: no good run"
		return number{source: source}
	}
	n := mean(list, source)
	if !n.known() {
		n.source.How = list[0].source.How
		return n
	}
	if col.peak {
		for _, o := range list {
			if o.known() && *o.value > *n.value {
				n.value = o.value
			}
		}
		n.source.How = also(col.how, "largest over the runs of all scenarios")
	} else {
		n.source.How = also(col.how, fmt.Sprintf("mean over runs, then over %d scenarios", n.of))
	}
	return n
}

// resourceInterval is the 95% interval of resourceMean from repeating the runs.
func (d *data) resourceInterval(g group, col *resourceColumn) (low, high number) {
	var list []bounded
	want := 0
	estimated := false
	for _, c := range g.cells {
		s := d.resources(c)
		if s == nil {
			continue
		}
		want++
		estimated = estimated || col.energy && s.grades[record.GradeD] > 0
		if b, ok := s.bounds(col); ok {
			list = append(list, b)
		}
	}
	source := Source{Artifact: d.CellsName, Row: "backend=" + g.label + ", mode=" + string(g.mode), Column: col.name, How: also(col.how, "end of the 95% interval from repeating the runs")}
	low, high = number{source: source, estimated: estimated}, number{source: source, estimated: estimated}
	if l, h, ok := meanInterval(list, want); ok {
		low.value, high.value = &l, &h
	} else {
		low.source.How, high.source.How = "absent: fewer than two runs, or runs without spread", "absent: fewer than two runs, or runs without spread"
	}
	return low, high
}
