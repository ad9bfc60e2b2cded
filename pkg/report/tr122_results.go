package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func init() {
	registerFor(TR122, section{placeResults, "Results", results122})
	registerFor(TR122, section{placeResults + 4, "Energy and power", energySummary})
	registerFor(TR122, section{placeResults + 5, "Marginal energy and idle power", idleSummary})
	registerFor(TR122, section{placeResults + 6, "Energy per token, by scenario", energyDetail})
	registerFor(TR122, section{placeResults + 7, "Memory and processor time", memorySummary})
	registerFor(TR122, section{placeResults + 8, "Heat and throttling", heatSummary})
	registerFor(TR122, section{placeResults + 20, "Quality of the recording", recordingQuality})
}

func results122(*data) []Block {
	return []Block{para("Numbers have four significant digits; %s means that nothing was measured, never zero, and the HTML page says of each why.", code("n/a"))}
}

// resourceTable shows columns of the measured backends, mean across scenarios. A column that no backend has is left out, and
// named in a note with its reason.
func (d *data) resourceTable(caption string, names []string, columns []*resourceColumn) *tableBuilder {
	var shown []string
	var kept []*resourceColumn
	missing := map[string][]string{} // by reason
	var order []string
	for i, col := range columns {
		known, why := false, ""
		for _, g := range d.groups() {
			if g.measured() {
				n := d.resourceMean(g, col)
				known, why = known || n.known(), strings.TrimPrefix(n.source.How, "absent: ")
			}
		}
		if known {
			shown, kept = append(shown, names[i]), append(kept, col)
		} else {
			if missing[why] == nil {
				order = append(order, why)
			}
			missing[why] = append(missing[why], names[i])
		}
	}
	t := newTable(caption, byBackendMode, shown)
	for _, g := range d.groups() {
		if !g.measured() {
			continue
		}
		var numbers []number
		for _, col := range kept {
			numbers = append(numbers, d.resourceMean(g, col))
		}
		t.row([]string{g.label, string(g.mode)}, numbers...)
	}
	d.noteRuns(t, d.groups(), shown, kept)
	for i, why := range order {
		order[i] = fmt.Sprintf("%s (%s)", strings.Join(missing[why], ", "), why)
	}
	if len(order) > 0 {
		t.note("Not known of any backend: %s.", word(strings.Join(order, "; ")))
	}
	return t
}

func energySummary(d *data) []Block {
	t := newTable("Power and energy, mean across scenarios", []string{"Backend", "Mode", "grades"},
		[]string{"joules_per_token", "ci_lower", "ci_upper", "bound_pct", "tokens_per_kwh", "power_mean_w", "power_peak_w", "readings"})
	d.noteRuns(t, d.groups(), []string{"joules_per_token", "bound_pct", "tokens_per_kwh", "power_mean_w", "power_peak_w", "readings"},
		[]*resourceColumn{resPerToken, resError, resTokensPerKWh, resPower, resPeak, resSamples})
	t.table.Columns = append(t.table.Columns, Column{Name: "source"})
	for _, g := range d.groups() {
		if !g.measured() {
			continue
		}
		low, high := d.resourceInterval(g, resPerToken)
		graded := d.gradesOf(func(c cellRow) bool { return c.label == g.label && c.Mode == g.mode })
		cells := []Line{phrase(g.label), phrase(string(g.mode)), phrase(graded.short())}
		for _, n := range []number{d.resourceMean(g, resPerToken), low, high, d.resourceMean(g, resError), d.resourceMean(g, resTokensPerKWh),
			d.resourceMean(g, resPower), d.resourceMean(g, resPeak), d.resourceMean(g, resSamples)} {
			cells = append(cells, n.cell())
		}
		t.lines(append(cells, phrase(orElse(counted(graded.sources), "none"))))
	}
	t.note("joules_per_token: amortised. ci_lower, ci_upper: 95% interval of its mean from repeating the runs. bound_pct: of the energy of a run, what sampling may have added or left out; of an estimate it says nothing about how good the estimate is. power_peak_w: the highest reading of any run, and never below the mean of that run; of an estimate, which reads its full load at most, the mean can be higher by a tick of the kernel's clock in a window. readings: of power, in a window. grades, source: runs of each.")
	t.note("%s", word(d.gradeWords("")))
	return append(energyStatement(d), d.orNothing(t)...)
}

// short lists the grades with their runs: A 3, D 2.
func (g graded) short() string {
	counts := map[string]int{}
	for grade, n := range g.grades {
		counts[orElse(string(grade), "none")] += n
	}
	return counted(counts)
}

func idleSummary(d *data) []Block {
	t := d.resourceTable("Marginal energy, and what the device draws when the machine is left alone, mean across scenarios",
		[]string{"idle_before_w", "idle_after_w", "power_mean_w", "joules_per_token", "marginal_joules_per_token", "marginal_pct"},
		[]*resourceColumn{resIdleBefore, resIdleAfter, resPower, resPerToken, resMarginal, resMarginalPct})
	if len(t.table.Columns) == len(byBackendMode) {
		return []Block{Note{Remark, prose("Neither idle power nor marginal energy is known: %s", Span{Text: t.table.Notes[0].plain()})}}
	}
	t.note("marginal_pct: of the amortised energy. Marginal energy can be negative where other work ended while the backend ran.")
	if n := d.Recorder.idles; n > 0 {
		t.note("The machine was left alone %s.", d.recorderNumber(ptr(float64(n)), "event", "rows with idle_begin").shown(count(int64(n), "time")))
	}
	t.note("%s", word(d.gradeWords("")))
	return d.orNothing(t)
}

func energyDetail(d *data) []Block {
	t := newTable("Energy per token, per backend and scenario", byBackendScenario,
		[]string{"power_mean_w", "joules_per_token", "ci_lower", "ci_upper", "marginal_joules_per_token", "bound_pct"})
	t.table.Columns = append(t.table.Columns, Column{Name: "grades"}, Column{Name: "why_not_better"})
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		low, high := d.resourceInterval(group{c.label, c.Mode, []cellRow{c}}, resPerToken)
		cells := []Line{phrase(c.label), phrase(string(c.Mode)), phrase(c.Scenario)}
		for _, n := range []number{d.resourceNumber(c, resPower), d.resourceNumber(c, resPerToken), low, high, d.resourceNumber(c, resMarginal), d.resourceNumber(c, resError)} {
			cells = append(cells, n.cell())
		}
		graded := d.gradesOf(func(o cellRow) bool { return o == c })
		t.lines(append(cells, phrase(graded.short()), phrase(orElse(counted(graded.reasons), "none given"))))
	}
	var cells []group
	for _, c := range d.cells {
		cells = append(cells, group{c.label + " " + c.Scenario, c.Mode, []cellRow{c}})
	}
	d.noteRuns(t, cells, []string{"power_mean_w", "joules_per_token", "marginal_joules_per_token", "bound_pct"},
		[]*resourceColumn{resPower, resPerToken, resMarginal, resError})
	t.note("why_not_better: codes of docs/definitions.md (energy grades) with the number of runs.")
	return d.orNothing(t)
}

func memorySummary(d *data) []Block {
	t := d.resourceTable("Memory and processor time, over the scenarios of a backend",
		[]string{"mem_mean_mib", "mem_peak_mib", "worker_peak_mib", "gpu_mem_mean_mib", "gpu_mem_peak_mib", "gpu_util_pct", "cpu_time_ms", "cpu_busy_pct"},
		[]*resourceColumn{resMemMean, resMemPeak, resRSSPeak, resGPUMemMean, resGPUMemPeak, resGPUUtil, resCPUTime, resCPUBusy})
	t.note("mem: resident memory of the worker's process tree; peaks are the largest of the runs that have one. worker_peak: the worker's own high-water mark since it began, loading included. cpu_time: of the tree, per iteration. cpu_busy: of the time of as many threads as were asked for.")
	return d.orNothing(t)
}

func heatSummary(d *data) []Block {
	t := d.resourceTable("Heat and throttling, mean across scenarios", []string{"throttled_pct", "gpu_temp_mean_c"}, []*resourceColumn{resThrottled, resTemp})
	blocks := []Block{}
	if len(t.table.Columns) > len(byBackendMode) {
		t.note("throttled_pct: of the window.")
		blocks = append(blocks, d.orNothing(t)...)
	} else {
		blocks = append(blocks, Note{Remark, prose("Whether the devices that did the work slowed down is not known. %s", Span{Text: t.table.Notes[0].plain()})})
	}
	if t := d.heatTable(); t != nil {
		blocks = append(blocks, t)
	}
	return blocks
}

// heatTable sums up temperatures and clocks while each backend worked, or is nil where there are none.
func (d *data) heatTable() Block {
	if d.Timeline == nil {
		return nil
	}
	t := newTable("Temperature and clock while a backend worked", []string{"Backend", "Device", "Source", "What"}, []string{"lowest", "mean", "highest", "readings"})
	for _, q := range []struct{ name, what, column string }{{"temperature", "degrees Celsius", "temp_c"}, {"clock", "MHz", "clock_mhz"}} {
		for _, k := range d.Timeline.panels(q.name) {
			byLabel := d.whileWorking(k)
			for _, label := range d.backends {
				b, ok := byLabel[label]
				if !ok {
					continue
				}
				n := func(v float64, how string) number {
					return number{value: &v, source: Source{Artifact: SamplesFile, Row: "source=" + k.source + ", device=" + k.device + ", in runs of " + label, Column: q.column, How: how}}
				}
				t.lines([]Line{phrase(label), phrase(k.device), phrase(k.source), phrase(q.what), n(b.low, "lowest").cell(),
					n(b.sum/float64(b.n), "mean of the readings").cell(), n(b.high, "highest").cell(), {n(float64(b.n), "count").integer()}})
			}
		}
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	return t.block()
}

// whileWorking is all values of a series while each backend worked.
func (d *data) whileWorking(k seriesKey) map[string]bin {
	all := map[string]bin{}
	bins := d.Timeline.series[k].bins
	for _, key := range slices.SortedFunc(maps.Keys(bins), func(a, b binKey) int { return cmp.Or(a.at-b.at, a.subject-b.subject) }) {
		if key.subject == 0 {
			continue
		}
		label, b := d.labels[d.Runs.subjects[key.subject-1]], bins[key]
		sum, ok := all[label]
		if !ok {
			sum = bin{low: b.low, high: b.high}
		}
		all[label] = bin{min(sum.low, b.low), max(sum.high, b.high), sum.sum + b.sum, sum.n + b.n}
	}
	return all
}

// recorderNumber is a number of the recorder's rows.
func (d *data) recorderNumber(v *float64, column, how string) number {
	return number{value: v, source: Source{Artifact: SamplesFile, Row: "source=recorder, device=timeline", Column: column, How: how}}
}

// recorderMS is the same of a time, in ms.
func (d *data) recorderMS(v *float64, column, how string) number {
	return d.recorderNumber(v, column, how).times(1e-6, "in ms")
}

func recordingQuality(d *data) []Block {
	blocks := []Block{d.recorderTable()}
	if f := &d.Recorder; f.sweeps > 0 {
		share := d.recorderNumber(nil, "cpu_time_ns and ts_unix_ns", "CPU time of the recorder's process over the time it ran, per cent of one processor")
		wake := d.recorderNumber(nil, "wakeups and ts_unix_ns", "per second")
		if f.overNS > 0 {
			share.value, wake.value = ptr(100*f.cpuNS/f.overNS), ptr(f.wakeups/(f.overNS/1e9))
		}
		items := []Line{
			prose("Sweeps that were planned and did not happen: %s, beside %s that did.", d.recorderNumber(ptr(float64(f.missed)), "missed", "sum").integer(), d.recorderNumber(ptr(float64(f.sweeps)), "late_ns", "count").integer()),
			prose("The recorder's process itself took %s of one processor and was woken %s times a second. It is the process that runs the experiment: what it does for the runs is in it.", share.suffixed("%"), wake.span()),
		}
		if f.wallLow != nil {
			items = append(items, prose("The wall clock moved away from the recording's own timeline by %s to %s ms.",
				d.recorderMS(float(f.wallLow), "wall_offset_ns", "least").span(), d.recorderMS(float(f.wallHigh), "wall_offset_ns", "most").span()))
		}
		blocks = append(blocks, List{Items: items})
	}
	if t := d.sensorTable(); t != nil {
		blocks = append(blocks, t)
	}
	if absent := d.absentSensors(); len(absent) > 0 {
		blocks = append(blocks, para("Sensors that gave nothing, and why:"), List{Items: absent})
	}
	return blocks
}

// noRecorder says why nothing is known of the recorder.
func (d *data) noRecorder() string {
	switch {
	case d.Timeline == nil && d.Manifest != nil && d.switchedOff():
		return "there are no samples, as telemetry was switched off"
	case d.Timeline == nil:
		return "there are no samples"
	}
	return "the samples have no rows of the recorder"
}

// recorderTable shows how well the recorder kept its time.
func (d *data) recorderTable() Block {
	f := &d.Recorder
	if f.sweeps == 0 {
		return Note{Remark, prose("%s: with which lateness the recorder read the sensors, and what it cost, is not known.", word(sentenceStart(d.noRecorder())))}
	}
	t := newTable("How well the recorder kept its time, in ms", []string{"What"}, []string{"p50", "p99", "max"})
	for _, q := range []struct {
		what, column string
		of           *histogram
	}{{"interval between two sweeps", "ts_unix_ns", &f.interval}, {"lateness of a sweep", "late_ns", &f.late}, {"length of a sweep", "sweep_ns", &f.sweep}} {
		largest := &q.of.largest
		if q.of.n == 0 {
			largest = nil
		}
		t.row([]string{q.what}, d.recorderMS(q.of.quantile(0.5), q.column, "median, within 1%"), d.recorderMS(q.of.quantile(0.99), q.column, "99th percentile, within 1%"),
			d.recorderMS(largest, q.column, "largest"))
	}
	t.note("A sweep is one reading of every sensor that is due. The percentiles are of bins of 2%.")
	if interrupted := f.interruptedWords(); interrupted != "" {
		t.note("%s: the time between two of them is in none of the numbers.", word(interrupted))
	}
	return t.block()
}

// absentSensors are those of the manifest that could not be read.
func (d *data) absentSensors() []Line {
	if d.Manifest == nil {
		return nil
	}
	var items []Line
	for _, s := range d.Manifest.Sensors {
		if s.Status != "present" {
			items = append(items, missingWords(s))
		}
	}
	return items
}
