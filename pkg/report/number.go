package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// number is a figure of the report with where it came from. Its zero value is a number that is not known.
type number struct {
	value     *float64 // nil: not known
	estimated bool     // it rests on a grade D power figure
	source    Source   // of an unknown number: where it would be, and why it is not
	of, want  int      // a mean's values and the rows it should be over; 0 for other numbers
}

// span shows the number with four significant digits, or units.Absent.
func (n number) span() Span { return n.shown(units.G4Ptr(n.value)) }

// shown shows the number as text.
func (n number) shown(text string) Span {
	s := Span{Text: text, Estimated: n.estimated && n.value != nil}
	if n.source.Artifact != "" {
		s.Source = &n.source
	}
	return s
}

// suffixed shows the number with a unit behind it.
func (n number) suffixed(unit string) Span {
	if n.value == nil {
		return n.span()
	}
	return n.shown(units.G4(*n.value) + unit)
}

// cell is the number as the content of a table cell.
func (n number) cell() Line { return Line{n.span()} }

// known reports whether there is a value.
func (n number) known() bool { return n.value != nil }

// times scales the number; how says what the factor did, and is added to the source.
func (n number) times(factor float64, how string) number {
	if n.value != nil {
		n.value = ptr(*n.value * factor)
	}
	n.source.How = also(n.source.How, how)
	return n
}

// over is n/d. It is unknown where one of the two is, or where d is 0.
func (n number) over(d number, how string) number {
	r := number{estimated: n.estimated || d.estimated, source: n.source}
	r.source.How = also(r.source.How, how)
	if d.source.Column != n.source.Column {
		r.source.Column += " and " + d.source.Column
	}
	if n.value != nil && d.value != nil && *d.value != 0 {
		r.value = ptr(*n.value / *d.value)
	}
	return r
}

// above is by how many per cent n lies above base; isBase says that they are one.
func (n number) above(base number, isBase bool) number {
	r := n.more(base, "per cent above it")
	if isBase {
		r.estimated = false // 0 by definition
	}
	return r
}

// also appends a remark to what was done with a number.
func also(how, more string) string {
	if how == "" || more == "" {
		return how + more
	}
	return how + "; " + more
}

// mean is the arithmetic mean of the known numbers among ns, which are rows of one file.
func mean(ns []number, source Source) number {
	m := number{source: source, want: len(ns)}
	var sum float64
	for _, n := range ns {
		m.source.How = n.source.How // the rows of one column are made in one way
		if n.value != nil {
			sum += *n.value
			m.of++
			m.estimated = m.estimated || n.estimated
		}
	}
	switch {
	case m.of > 0:
		m.value = ptr(sum / float64(m.of))
		m.source.How = also(m.source.How, fmt.Sprintf("arithmetic mean of %d rows", m.of))
	case len(ns) == 0:
		m.source.How = "no such row"
	}
	return m
}

// float is the value behind a nullable column as a plain number.
func float[T ~float64 | ~int64](p *T) *float64 {
	if p == nil {
		return nil
	}
	return ptr(float64(*p))
}

// cellColumn is a column of cells as the tables show it.
type cellColumn struct {
	name   string // in cell records
	run    string // the column of run records that it is made of
	how    string // how it is made of them
	energy bool   // the value is or rests on power
	get    func(*record.Cell) *float64
}

// The columns of cells that the report shows.
var (
	latMean = cellColumn{"lat_mean_ms", "latency_ns", "mean", false,
		func(c *record.Cell) *float64 { return float(c.LatMeanMS) }}
	latLower = cellColumn{"lat_ci_lower_ms", "latency_ns", "lower end of the 95% t interval of the mean", false,
		func(c *record.Cell) *float64 { return float(c.LatCILowerMS) }}
	latUpper = cellColumn{"lat_ci_upper_ms", "latency_ns", "upper end of the 95% t interval of the mean", false,
		func(c *record.Cell) *float64 { return float(c.LatCIUpperMS) }}
	throughputMean = cellColumn{"throughput_mean_tok_s", "throughput_tok_s", "mean", false,
		func(c *record.Cell) *float64 { return float(c.ThroughputMeanTokS) }}
	throughputRatio = cellColumn{"throughput_ratio_tok_s", "tokens and latency_ns", "total tokens / total time", false,
		func(c *record.Cell) *float64 { return float(c.ThroughputRatioTokS) }}
	ttftMean = cellColumn{"ttft_mean_ms", "ttft_ns", "mean", false,
		func(c *record.Cell) *float64 { return float(c.TTFTMeanMS) }}
	ttftSD = cellColumn{"ttft_sd_ms", "ttft_ns", "sample standard deviation", false,
		func(c *record.Cell) *float64 { return float(c.TTFTSDMS) }}
	itlMean = cellColumn{"itl_mean_ms", "itl_ns", "mean", false,
		func(c *record.Cell) *float64 { return float(c.ITLMeanMS) }}
	powerMean = cellColumn{"power_mean_w", "power_mean_w", "mean", true,
		func(c *record.Cell) *float64 { return float(c.PowerMeanW) }}
	shapeBatch = cellColumn{"batch_size", "batch_size", "", false,
		func(c *record.Cell) *float64 { return float(c.BatchSize) }}
	shapePrompt = cellColumn{"prompt_tokens", "prompt_tokens", "", false,
		func(c *record.Cell) *float64 { return float(c.PromptTokens) }}
	shapeNew = cellColumn{"max_new_tokens", "max_new_tokens", "", false,
		func(c *record.Cell) *float64 { return float(c.MaxNewTokens) }}
	gpuTemp = cellColumn{"gpu_temp_mean_c", "gpu_temp_mean_c", "mean", false,
		func(c *record.Cell) *float64 { return float(c.GPUTempMeanC) }}
)

// costColumn is a column of cost records.
type costColumn struct {
	name   string
	energy bool // the value is or rests on power
	get    func(*record.Cost) *float64
}

// The columns of cost records that the report shows.
var (
	costThroughput = costColumn{"throughput_tok_s", false, func(r *record.Cost) *float64 { return float(r.ThroughputTokS) }}
	costPower      = costColumn{"power_w", true, func(r *record.Cost) *float64 { return float(r.PowerW) }}
	costHours      = costColumn{"hours_per_1m", false, func(r *record.Cost) *float64 { return float(r.HoursPer1M) }}
	costInfra      = costColumn{"infra_usd_per_1m", false, func(r *record.Cost) *float64 { return float(r.InfraUSDPer1M) }}
	costEnergy     = costColumn{"energy_usd_per_1m", true, func(r *record.Cost) *float64 { return float(r.EnergyUSDPer1M) }}
	costTotal      = costColumn{"total_usd_per_1m", true, func(r *record.Cost) *float64 { return float(r.TotalUSDPer1M) }}
	costLower      = costColumn{"total_ci_lower_usd_per_1m", true, func(r *record.Cost) *float64 { return float(r.TotalCILowerUSD) }}
	costUpper      = costColumn{"total_ci_upper_usd_per_1m", true, func(r *record.Cost) *float64 { return float(r.TotalCIUpperUSD) }}
	costKWh        = costColumn{"energy_kwh_per_1m", true, func(r *record.Cost) *float64 { return float(r.EnergyKWhPer1M) }}
	costCarbon     = costColumn{"carbon_g_per_1m", true, func(r *record.Cost) *float64 { return float(r.CarbonGPer1M) }}
	tokensPerKWh   = costColumn{"tokens_per_kwh", true, func(r *record.Cost) *float64 { return float(r.TokensPerKWh) }}
)

// cellNumber is a column of one cell.
func (d *data) cellNumber(c cellRow, col cellColumn) number {
	n := number{
		value: col.get(c.Cell), estimated: col.energy && c.EnergyGrade == record.GradeD,
		source: Source{Artifact: d.CellsName, Row: cellKey(c) + ", scenario=" + c.Scenario, Column: col.name},
	}
	if d.FromRuns {
		n.source.Column = col.run
		n.source.How = fmt.Sprintf("%s over %d runs, as %s", col.how, c.N, col.name)
	}
	switch {
	case n.value != nil:
	case col.energy && zeroPower(c):
		n.source.How = "absent: " + cost.ReasonZeroPower
	default:
		n.source.How = "absent: " + absence(c)
	}
	return n
}

// absence is why a column of a cell is null.
func absence(c cellRow) string {
	switch {
	case c.N == 0 && c.Reasons != "":
		return "no good run: " + c.Reasons
	case c.N == 0:
		return "no good run"
	}
	return "not recorded"
}

// cellMean is the mean of a column over cells that share backend and mode.
func (d *data) cellMean(cells []cellRow, col cellColumn) number {
	ns := make([]number, len(cells))
	for i, c := range cells {
		ns[i] = d.cellNumber(c, col)
		if d.FromRuns {
			ns[i].source.How = col.how + " over the runs of each scenario"
		}
	}
	source := Source{Artifact: d.CellsName, Column: col.name}
	if d.FromRuns {
		source.Column = col.run
	}
	if len(cells) > 0 {
		source.Row = cellKey(cells[0])
	}
	return mean(ns, source)
}

// cellKey names backend and mode of a cell.
func cellKey(c cellRow) string { return "backend=" + c.label + ", mode=" + string(c.Mode) }

// estimated reports whether the column rests on an estimate of power: a total that leaves energy out does not.
func (col costColumn) estimated(r *costRow) bool {
	if strings.HasSuffix(r.Method, cost.InfraOnlySuffix) && strings.HasPrefix(col.name, "total_") {
		return false
	}
	return col.energy && r.EnergyGrade == record.GradeD
}

// costNumber is a column of one cost row; a nil row is a number that is not known.
func (d *data) costNumber(r *costRow, col costColumn) number {
	if r == nil {
		return number{source: Source{Artifact: d.CostsName, Column: col.name, How: "absent: no such row"}}
	}
	n := number{
		value: col.get(r.Cost), estimated: col.estimated(r),
		source: Source{Artifact: d.CostsName, Row: costKey(*r) + ", scenario=" + r.Scenario, Column: col.name},
	}
	if n.value == nil {
		n.source.How = "absent: " + strings.ReplaceAll(orElse(r.Reason, "not recorded"), ",", ", ")
	}
	return n
}

// costMean is the mean of a column over cost rows that share backend, mode, provider and tier.
func (d *data) costMean(rows []costRow, col costColumn) number {
	ns := make([]number, len(rows))
	for i := range rows {
		ns[i] = d.costNumber(&rows[i], col)
	}
	source := Source{Artifact: d.CostsName, Column: col.name}
	if len(rows) > 0 {
		source.Row = costKey(rows[0])
	}
	return mean(ns, source)
}

// costKey names what the scenarios of a cost row share.
func costKey(r costRow) string {
	return fmt.Sprintf("method=%s, backend=%s, mode=%s, provider=%s, tier=%s",
		r.Method, r.label, r.Mode, r.Provider, r.Tier)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

func ptr(v float64) *float64 { return &v }
