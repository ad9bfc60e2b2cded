package report

import (
	"fmt"
	"strconv"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	registerPriced(section{placeResults, "Results", resultsIntro})
	register(section{placeResults + 1, "Runs and their status", runStatus})
	register(section{placeResults + 2, "Latency and throughput summary", latencySummary})
	register(section{placeResults + 3, "Latency, throughput and telemetry per backend and scenario", latencyDetail})
	register(section{placeResults + 9, "Time to the first token and between tokens", tokenTiming})
}

var (
	byBackendMode     = []string{"Backend", "Mode"}
	byBackendScenario = []string{"Backend", "Mode", "Scenario"}
)

// count is a number of runs of a group of cells.
func (d *data) count(g group, column string, get func(cellRow) int64) number {
	var total int64
	for _, c := range g.cells {
		total += get(c)
	}
	key := "backend=" + g.label + ", mode=" + string(g.mode)
	n := number{value: ptr(float64(total)), source: Source{Artifact: d.CellsName, Row: key, Column: column, How: "sum over scenarios"}}
	if d.FromRuns {
		n.source.Column, n.source.How = "status", "number of runs, as "+column
	}
	return n
}

// tally is the fate of the planned runs of a group.
type tally struct{ planned, ok, degraded, failed, absent number }

func (d *data) tally(g group) tally {
	return tally{
		planned:  d.count(g, "n, n_degraded, n_error", func(c cellRow) int64 { return c.Planned() }),
		ok:       d.count(g, "n", func(c cellRow) int64 { return c.N }),
		degraded: d.count(g, "n_degraded", func(c cellRow) int64 { return c.NDegraded }),
		failed:   d.count(g, "n_error", func(c cellRow) int64 { return c.NError }),
		absent:   d.count(g, "n_degraded, n_error", func(c cellRow) int64 { return c.NDegraded + c.NError }),
	}
}

// integer shows a count.
func (n number) integer() Span { return n.shown(strconv.FormatInt(int64(*n.value), 10)) }

func resultsIntro(d *data) []Block {
	return []Block{para("This section shows the assumption set %s: the throughput of a cell is by the estimator %s, and %s. Numbers have four significant digits; %s means that nothing was measured, never zero.",
		code(d.Method), code(d.estimator), word(d.pricingWords()), code(units.Absent))}
}

func runStatus(d *data) []Block {
	t := newTable("Planned runs and what became of them", byBackendMode, []string{"planned", "ok", "degraded", "error"})
	t.table.Columns = append(t.table.Columns, Column{Name: "reasons"})
	for _, g := range d.groups() {
		n := d.tally(g)
		t.lines([]Line{phrase(g.label), phrase(string(g.mode)), {n.planned.integer()}, {n.ok.integer()},
			{n.degraded.integer()}, {n.failed.integer()}, phrase(orElse(reasonsOf(g), "none"))})
	}
	t.note("degraded: the backend is not available on this machine and nothing ran. error: it ran and broke. Neither has measurements; every number below comes from runs that are ok.")
	return []Block{t.block()}
}

// pricingWords says which providers' prices the method shown applies.
func (d *data) pricingWords() string {
	if !d.matchesDevice() {
		return "every backend is priced at every provider, as the original report did, so that CPU backends pay for a GPU"
	}
	return "a backend is priced on instances of the kind that it runs on"
}

func latencySummary(d *data) []Block {
	t := newTable("Latency and throughput summary, mean across scenarios", byBackendMode,
		[]string{"lat_mean_ms", "throughput_mean_tok_s", "power_mean_w", "degraded_rate", "degraded_runs"})
	for _, g := range d.groups() {
		n := d.tally(g)
		rate := n.absent.over(n.planned, "share of the planned runs")
		of := n.absent.shown(fmt.Sprintf("%.0f/%.0f", *n.absent.value, *n.planned.value))
		cells := []Line{phrase(g.label), phrase(string(g.mode))}
		for _, col := range []cellColumn{latMean, d.throughput(), powerMean} {
			m := d.cellMean(g.cells, col)
			cells = append(cells, m.cell())
			if m.of > 0 && m.of < m.want {
				t.partial = append(t.partial, fmt.Sprintf("%s %s %s (%d of %d)", g.label, g.mode, col.name, m.of, m.want))
			}
		}
		t.lines(append(cells, rate.cell(), Line{of}))
	}
	t.note("degraded_rate, degraded_runs: runs without a measurement, degraded or failed, of those planned. %s", d.estimatorNote())
	t.note("power_mean_w: %s", word(d.gradeWords("")))
	return []Block{t.block()}
}

// estimatorNote says what stands under throughput_mean_tok_s.
func (d *data) estimatorNote() Span {
	if d.estimator == cost.EstimatorMean {
		return word("throughput_mean_tok_s: the mean of the runs' throughputs (estimator mean).")
	}
	if !d.Profile.priced() {
		return word("throughput_mean_tok_s: total tokens over total time of each cell (estimator ratio).")
	}
	return word("throughput_mean_tok_s: total tokens over total time of each cell (estimator ratio), which is what the costs rest on.")
}

func latencyDetail(d *data) []Block {
	t := newTable("Latency, throughput and telemetry per backend and scenario", byBackendScenario,
		[]string{"lat_mean_ms", "lat_ci_lower", "lat_ci_upper", "throughput_mean_tok_s", "power_mean_w", "gpu_temp_mean_c"})
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		var numbers []number
		for _, col := range []cellColumn{latMean, latLower, latUpper, d.throughput(), powerMean, gpuTemp} {
			numbers = append(numbers, d.cellNumber(c, col))
		}
		t.row([]string{c.label, string(c.Mode), c.Scenario}, numbers...)
	}
	t.note("lat_ci_lower, lat_ci_upper: 95% t interval of the mean latency, in ms. Each number rests on the good runs of its cell. %s", d.estimatorNote())
	if words := d.sessionWords(); words != "" {
		t.note("%s", word(words))
	}
	t.note("power_mean_w: %s", word(d.gradeWords("")))
	return d.orNothing(t)
}

// tokenTiming shows the columns that only decoding has; it is nothing where no cell has them.
func tokenTiming(d *data) []Block {
	t := newTable("Time to the first token and between tokens, per backend and scenario", byBackendScenario, []string{"ttft_mean_ms", "ttft_sd_ms", "itl_mean_ms"})
	for _, c := range d.cells {
		first, spread, gap := d.cellNumber(c, ttftMean), d.cellNumber(c, ttftSD), d.cellNumber(c, itlMean)
		if first.known() || gap.known() {
			t.row([]string{c.label, string(c.Mode), c.Scenario}, first, spread, gap)
		}
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	t.note("ttft: time to the first new token. itl: mean gap before each later one. ttft_sd_ms: sample standard deviation over the runs.")
	return []Block{t.block()}
}

// orNothing is the table with a note on what is not in it, or the reason why there is no table at all.
func (d *data) orNothing(t *tableBuilder) []Block {
	if len(t.table.Rows) == 0 {
		return []Block{Note{Remark, phrase("No backend has a good run, so there is nothing to show.")}}
	}
	if missing := d.unmeasured(); missing != "" {
		t.note("Not measured, hence without rows here: %s.", word(missing))
	}
	return []Block{t.block()}
}
