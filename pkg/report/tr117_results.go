package report

import (
	"fmt"
	"slices"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR117, section{placeResults + 13, "Status by backend and reason", statusByReason})
	registerFor(TR117, section{placeResults + 14, "Distributions over all runs", distributions})
	registerFor(TR117, section{placeResults + 15, "Success, cost and tokens per dollar", costPerBackend})
}

func statusByReason(d *data) []Block {
	list := d.singleRuns().Statuses
	if len(list) == 0 {
		return nil
	}
	t := newTable("Planned runs by backend, status and reason", []string{"Backend", "Mode", "Status", "Reason"}, []string{"runs"})
	for _, s := range list {
		row := fmt.Sprintf("runs.statuses, backend=%s, mode=%s, status=%s, reason=%s", s.Backend, s.Mode, s.Status, s.Reason)
		t.lines([]Line{phrase(s.Backend), phrase(string(s.Mode)), phrase(string(s.Status)), phrase(orElse(s.Reason, "none")), d.countNumber(s.Runs, row, "runs")})
	}
	t.note("docs/reasons.md explains the reasons.")
	return []Block{t.block()}
}

// metricTitles are the metrics of runs in the order of their tables, with units.
var metricTitles = []struct{ metric, title string }{
	{compare.LatencyMS, "Latency (ms)"}, {compare.TTFTMS, "Time to the first token (ms)"},
	{compare.ThroughputTS, "Throughput (tokens/s)"}, {compare.RequestsPerS, "Requests per second"},
}

// distributions describes the runs of each backend, one table for each metric.
func distributions(d *data) []Block {
	var blocks []Block
	for _, m := range metricTitles {
		if t := d.distributionTable(m.metric, m.title); t != nil {
			blocks = append(blocks, t)
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	intro := para("All runs of a backend in all its scenarios are one sample here, as in the original report: the spread is that between short and long requests as much as that of repeating one. cv_within_pct leaves the scenarios out.")
	if words := d.sessionWords(); words != "" {
		blocks = append(blocks, Note{Remark, phrase(words)})
	}
	return append([]Block{intro}, blocks...)
}

func (d *data) distributionTable(metric, title string) Block {
	t := newTable(title+" over all runs", byBackendMode,
		[]string{"n", "sessions", "mean", "ci_lower", "ci_upper", "median (p50)", "p50_ci_lower", "p50_ci_upper", "sd", "min", "p95", "p99", "max", "cv_within_pct"})
	for i := range d.singleRuns().Backends {
		b := &d.singleRuns().Backends[i]
		m := b.Metric(metric)
		if m == nil {
			continue
		}
		row := distributionRow(b, m)
		n := func(v *float64, column string) Line { return d.statsNumber(v, row, column).cell() }
		t.lines([]Line{phrase(b.Backend), phrase(string(b.Mode)), d.countNumber(int64(m.N), row, "n"), d.countNumber(int64(m.Sessions), row, "sessions"), n(&m.Mean, "mean"), n(m.MeanLower, "mean_ci_lower"),
			n(m.MeanUpper, "mean_ci_upper"), n(&m.P50, "p50"), n(m.P50Lower, "p50_ci_lower"), n(m.P50Upper, "p50_ci_upper"), n(m.SD, "sd"),
			n(&m.Min, "min"), n(&m.P95, "p95"), n(&m.P99, "p99"), n(&m.Max, "max"), n(m.CVWithinPct, "cv_within_pct")})
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	if _, most := d.sessionCounts(); most > 1 {
		t.note("sessions: worker processes that the runs come from. ci: 95% t interval of the mean over sessions, and of the median the bootstrap interval of whole sessions (percentile method), which is too narrow with few of them and is left out below %s; of one session, bootstrap intervals over its runs.", word(fmt.Sprint(compare.LeastSessions)))
	} else {
		t.note("sessions: worker processes that the runs come from. ci: 95% bootstrap interval of the mean (bias-corrected and accelerated) and of the median (percentile method), over runs.")
	}
	t.note("Percentiles are of type 7. cv_within_pct: standard deviation over mean within a scenario, per cent, mean over scenarios.")
	if metric == compare.RequestsPerS {
		t.note("Requests in flight at once count each.")
	}
	return t.block()
}

// costPerBackend sets success and cost of the backends side by side.
func costPerBackend(d *data) []Block {
	list := d.singleRuns().Backends
	if len(list) == 0 {
		return nil
	}
	t := newTable("Success, cost and tokens per dollar", byBackendMode, []string{"planned", "ok", "success_rate", "usd_per_1M_tok", "ci_lower", "ci_upper", "tokens_per_usd"})
	for i := range list {
		b := &list[i]
		row := fmt.Sprintf("runs.backends, backend=%s, mode=%s", b.Backend, b.Mode)
		rows := d.costRows(b.Backend, b.Mode, "", record.OnDemand)
		usd := d.costMean(rows, costTotal)
		low, high := d.costMeanInterval(rows)
		t.lines([]Line{phrase(b.Backend), phrase(string(b.Mode)), d.countNumber(b.Planned, row, "planned"), d.countNumber(b.OK, row, "ok"),
			d.statsNumber(&b.SuccessRate, row, "success_rate").cell(), usd.cell(), low.cell(), high.cell(), usd.inverse(1e6, "tokens for one dollar").cell()})
	}
	t.note("usd_per_1M_tok: mean across scenarios, on demand at the default provider (%s), method %s. %s", word(d.defaultProviders()), code(d.Method), word(d.energyWords()))
	return []Block{t.block()}
}

// inverse is factor/n.
func (n number) inverse(factor float64, how string) number {
	n.source.How = also(n.source.How, how)
	if n.value == nil || *n.value == 0 {
		n.value = nil
		return n
	}
	n.value = ptr(factor / *n.value)
	return n
}

// distributionFigure draws the latencies of all runs by percentile.
func distributionFigure(d *data, mode record.Mode) (*Figure, string) {
	list := d.curvesOf(mode, func(s *sample) []float64 { return s.latency })
	if len(list) == 0 {
		return nil, noRuns
	}
	c := curveChart{Title: "Latency of the runs, " + string(mode), Subtitle: "All runs of all scenarios, sorted", Axis: "Latency (ms)", Curves: list}
	return d.curveFigure(c), ""
}

// curveFigure adds caption and alternative text to a chart of curves.
func (d *data) curveFigure(c curveChart) *Figure {
	parts := ""
	for i, one := range c.Curves {
		if i > 0 {
			parts += ", "
		}
		at := func(p float64) float64 {
			i := p * float64(len(one.Values)-1)
			low := min(int(i), max(len(one.Values)-2, 0))
			high := min(low+1, len(one.Values)-1)
			return one.Values[low] + (i-float64(low))*(one.Values[high]-one.Values[low])
		}
		parts += fmt.Sprintf("%s %.4g ms at percentile 5, %.4g at 50, %.4g at 95", one.Label, at(0.05), at(0.5), at(0.95))
	}
	return d.figure(c.Title, "Lower is better; the vertical axis is logarithmic", d.CellsName, false, fmt.Sprintf("Line chart by percentile. %s: %s.", c.Title, parts), c.drawing())
}

func ttftFigure(d *data, mode record.Mode) (*Figure, string) {
	f, why := d.cellFigure(mode, "Time to the first token", "Mean time to the first token (ms)", ttftMean, true, func(cellRow) (bounded, bool) { return bounded{}, false })
	if f == nil && len(d.measuredIn(mode)) > 0 {
		why = "no run has a first token"
	}
	return f, why
}

// paradoxFigure draws the two curves of a paradox with their crossings.
func (d *data) paradoxFigure(p *compare.Paradox, name string) Block {
	get := func(s *sample) []float64 { return s.latency }
	what := "Latency"
	if p.Metric == compare.TTFTMS {
		get, what = func(s *sample) []float64 { return s.ttft }, "Time to the first token"
	}
	list := d.curvesOf(p.Mode, get, p.A, p.B)
	if len(list) != 2 {
		return nil
	}
	c := curveChart{Title: fmt.Sprintf("%s and %s, %s", p.A, p.B, p.Mode), Subtitle: "Dashed: where they cross", Axis: what + " (ms)", Curves: list}
	for _, x := range p.Crossings {
		c.Marks = append(c.Marks, x.Percentile)
	}
	slices.Sort(c.Marks)
	f := d.curveFigure(c)
	f.Name = name
	return *f
}
