package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	for i, mode := range record.Modes() {
		register(section{placeResults + 50 + i, "Figures, " + string(mode), func(d *data) []Block { return figures(d, mode) }})
	}
}

// figureKinds are the figures of a mode, in the order of the report, and the profiles that have them; none: all have.
var figureKinds = []struct {
	name string
	in   []Profile
	draw func(*data, record.Mode) (*Figure, string)
}{
	{"mean_latency", nil, latencyFigure},
	{"latency_distribution", []Profile{TR117}, distributionFigure},
	{"ttft", []Profile{TR117}, ttftFigure},
	{"throughput", nil, throughputFigure},
	{"energy_per_token", []Profile{TR122}, perTokenFigure},
	{"utilisation", []Profile{TR122}, utilisationFigure},
	{"total_cost", pricedReports, totalCostFigure},
	{"cost_by_tier", []Profile{TR119}, tierFigure},
	{"energy_efficiency", pricedReports, efficiencyFigure},
	{"carbon_footprint", pricedReports, carbonFigure},
	{"cost_vs_throughput", pricedReports, scatterFigure},
}

// figures draws every kind for a mode. A figure without anything measured is not drawn; a note says why.
func figures(d *data, mode record.Mode) []Block {
	if !slices.Contains(d.modes, mode) {
		return nil
	}
	blocks := []Block{para("Bars are means across scenarios, as in the tables, and circles the single scenarios. Lines are 95% intervals of the mean from repeating the runs, where they are known. A colour stands for the same backend throughout.")}
	if missing := d.unmeasured(); missing != "" {
		blocks = append(blocks, para("Not measured, hence not drawn: %s.", word(missing)))
	}
	for _, kind := range figureKinds {
		if len(kind.in) > 0 && !slices.Contains(kind.in, d.Profile) {
			continue
		}
		f, why := kind.draw(d, mode)
		if f == nil {
			blocks = append(blocks, Note{Remark, prose("No figure %s: %s.", code(figureName(mode, kind.name)), word(why))})
			continue
		}
		f.Name = figureName(mode, kind.name)
		blocks = append(blocks, *f)
	}
	return blocks
}

// figureName is the file name of a figure without its extension.
func figureName(mode record.Mode, kind string) string {
	return strings.ReplaceAll(string(mode), "-", "_") + "_" + kind
}

const noRuns = "no backend has a good run in this mode"

// barFigure makes a figure of bars, best first. It is nil, with the reason, when there are none.
func (d *data) barFigure(c barChart, bars []measuredBar, lessIsBetter bool, source string, why string) (*Figure, string) {
	if len(bars) == 0 {
		return nil, why
	}
	sortBars(bars, lessIsBetter)
	estimated := false
	for _, b := range bars {
		if b.estimated {
			b.Text += EstimateMark
			estimated = true
		}
		c.Bars = append(c.Bars, b.bar)
	}
	if lessIsBetter {
		c.Axis += ", lower is better"
	} else {
		c.Axis += ", higher is better"
	}
	return d.barsOf(c, source, estimated), ""
}

// barsOf is the figure of a chart of bars.
func (d *data) barsOf(c barChart, source string, estimated bool) *Figure {
	f := d.figure(c.Title, c.Axis, source, estimated, altBars(c), c.drawing())
	if cut := c.cutWords(); cut != "" {
		f.Caption = append(f.Caption, word(cut))
	}
	return f
}

// figure adds caption and alternative text to a drawing.
func (d *data) figure(title, axis, source string, estimated bool, alt string, drawing *Drawing) *Figure {
	caption := prose("%s. %s. Source: %s.", word(title), word(axis), code(source))
	if estimated {
		caption = append(caption, word(" "+EstimateNote))
	}
	return &Figure{Alt: alt, Caption: caption, Drawing: drawing}
}

// measuredBar is a bar, and whether its value rests on an estimate.
type measuredBar struct {
	bar
	estimated bool
}

func sortBars(bars []measuredBar, lessIsBetter bool) {
	slices.SortStableFunc(bars, func(a, b measuredBar) int {
		switch {
		case a.Value == b.Value:
			return strings.Compare(a.Label, b.Label)
		case (a.Value < b.Value) == lessIsBetter:
			return -1
		}
		return 1
	})
}

// altBars says in words what a bar chart shows.
func altBars(c barChart) string {
	parts := make([]string, len(c.Bars))
	for i, b := range c.Bars {
		parts[i] = strings.TrimSpace(b.Group+" "+b.Label) + " " + b.Text
	}
	return fmt.Sprintf("Bar chart. %s; %s: %s.", c.Title, c.Axis, strings.Join(parts, ", "))
}

// barOf is a backend's bar: the mean, its interval and the scenarios behind it.
func (d *data) barOf(label string, n number, points []float64, bounds []bounded) measuredBar {
	b := measuredBar{bar: bar{Label: label, Value: *n.value, Points: points, Color: d.colors[label], Text: units.G4(*n.value)}, estimated: n.estimated}
	if len(points) < 2 {
		b.Points = nil // one scenario is the mean itself
	}
	if low, high, ok := meanInterval(bounds, n.want); ok {
		b.Low, b.High = &low, &high
	}
	return b
}

// subtitle says what is shown the means of, what marks stand for the single scenarios, and what else decides the numbers.
func (d *data) subtitle(mode record.Mode, marks, more string) string {
	scenarios := map[string]bool{}
	for _, g := range d.measuredIn(mode) {
		for _, c := range g.cells {
			if c.N > 0 {
				scenarios[c.Scenario] = true
			}
		}
	}
	if len(scenarios) == 1 {
		return "One scenario" + more
	}
	if marks != "" {
		marks = " (" + marks + ")"
	}
	return fmt.Sprintf("Mean over %d scenarios%s%s", len(scenarios), marks, more)
}

func latencyFigure(d *data, mode record.Mode) (*Figure, string) {
	return d.cellFigure(mode, "Mean latency", "Mean latency (ms)", latMean, true, func(c cellRow) (bounded, bool) { return latencyBounds(c) })
}

func throughputFigure(d *data, mode record.Mode) (*Figure, string) {
	return d.cellFigure(mode, "Throughput", "Throughput (tokens/s)", d.throughput(), false, d.throughputBounds)
}

// cellFigure draws a column of cells.
func (d *data) cellFigure(mode record.Mode, title, axis string, col cellColumn, less bool, bounds func(cellRow) (bounded, bool)) (*Figure, string) {
	var bars []measuredBar
	for _, g := range d.measuredIn(mode) {
		n := d.cellMean(g.cells, col)
		if !n.known() {
			continue
		}
		var points []float64
		for _, c := range g.cells {
			if v := col.get(c.Cell); v != nil {
				points = append(points, *v)
			}
		}
		bars = append(bars, d.barOf(g.label, n, points, collect(g.cells, bounds)))
	}
	c := barChart{Title: title + ", " + string(mode), Subtitle: d.subtitle(mode, "circles", ""), Axis: axis}
	return d.barFigure(c, bars, less, d.CellsName, noRuns)
}

// costFigure draws a column of cost rows.
func (d *data) costFigure(mode record.Mode, c barChart, col costColumn, scale float64, less bool,
	rowsOf func(label string, mode record.Mode) []costRow, bounds func(costRow) (bounded, bool)) (*Figure, string) {
	var bars []measuredBar
	for _, g := range d.measuredIn(mode) {
		rows := rowsOf(g.label, mode)
		n := d.costMean(rows, col).times(scale, "")
		if !n.known() {
			continue
		}
		var points []float64
		for _, r := range rows {
			if v := col.get(r.Cost); v != nil {
				points = append(points, *v*scale)
			}
		}
		var within []bounded
		if bounds != nil {
			within = collect(rows, bounds)
		}
		bars = append(bars, d.barOf(g.label, n, points, within))
	}
	c.Title += ", " + string(mode)
	why := noRuns
	if len(d.measuredIn(mode)) > 0 {
		why = d.noTotal(mode)
	}
	return d.barFigure(c, bars, less, d.CostsName, why)
}

func (d *data) onDemandRows(label string, mode record.Mode) []costRow {
	return d.costRows(label, mode, "", record.OnDemand)
}

// priced says under which prices a figure's costs are.
func (d *data) priced() string {
	return "; on demand at " + d.defaultProviders() + "; method " + d.Method
}

// pricedTiers is priced of a figure that shows every tier.
func (d *data) pricedTiers() string {
	return "; at " + d.defaultProviders() + "; method " + d.Method
}

func totalCostFigure(d *data, mode record.Mode) (*Figure, string) {
	c := barChart{Title: "Total cost per 1M tokens", Subtitle: d.subtitle(mode, "circles", d.priced()), Axis: "Total cost (USD per 1M tokens)"}
	f, why := d.costFigure(mode, c, costTotal, 1, true, d.onDemandRows, costBounds)
	return d.withCharge(f, why, mode)
}

// million scales tokens per kWh to numbers that can be read.
const million = 1e-6

func efficiencyFigure(d *data, mode record.Mode) (*Figure, string) {
	c := barChart{Title: "Energy efficiency", Subtitle: d.subtitle(mode, "circles", ""), Axis: "Energy efficiency (million tokens per kWh)"}
	f, why := d.costFigure(mode, c, tokensPerKWh, million, false, d.energyRows, nil)
	return d.withGrades(f, why, mode)
}

func carbonFigure(d *data, mode record.Mode) (*Figure, string) {
	c := barChart{Title: "Carbon footprint", Subtitle: d.subtitle(mode, "circles", fmt.Sprintf(", at %.4g gCO2e/kWh", float64(d.Book.Carbon.GCO2ePerKWh))),
		Axis: "Carbon footprint (gCO2e per 1M tokens)"}
	f, why := d.costFigure(mode, c, costCarbon, 1, true, d.energyRows, nil)
	return d.withGrades(f, why, mode)
}

// tierFigure draws each backend's cost in every tier it has a price for, the cheapest backend first.
func tierFigure(d *data, mode record.Mode) (*Figure, string) {
	c := barChart{Title: "Cost by pricing tier, " + string(mode), Subtitle: d.subtitle(mode, "", d.pricedTiers()), Axis: "Total cost (USD per 1M tokens), lower is better"}
	estimated := false
	for _, r := range d.tierOrder(mode) {
		for _, tier := range record.Tiers() {
			n := d.costMean(d.costRows(r, mode, "", tier), costTotal)
			if !n.known() {
				continue
			}
			text := units.G4(*n.value)
			if n.estimated {
				text, estimated = text+EstimateMark, true
			}
			c.Bars = append(c.Bars, bar{Group: r, Label: string(tier), Value: *n.value, Color: d.colors[r], Text: text})
		}
	}
	if len(c.Bars) == 0 {
		if len(d.measuredIn(mode)) == 0 {
			return nil, noRuns
		}
		return nil, d.noTotal(mode)
	}
	return d.withCharge(d.figure(c.Title, c.Axis, d.CostsName, estimated, altBars(c), c.drawing()), "", mode)
}

// tierOrder lists the measured backends of a mode, those with an on-demand cost first, by that cost.
func (d *data) tierOrder(mode record.Mode) []string {
	var list []string
	for _, r := range d.rankMode(mode, costTotal, true) {
		list = append(list, r.label)
	}
	for _, g := range d.measuredIn(mode) {
		if !slices.Contains(list, g.label) {
			list = append(list, g.label)
		}
	}
	return list
}

func scatterFigure(d *data, mode record.Mode) (*Figure, string) {
	c := scatterChart{Title: "Cost against throughput, " + string(mode),
		Subtitle: d.subtitle(mode, "small marks", d.priced()),
		XAxis:    "Throughput (tokens/s)", YAxis: "Total cost (USD per 1M tokens)"}
	var parts []string
	estimated := false
	for _, g := range d.measuredIn(mode) {
		m, mark, ok := d.scatterMark(g)
		if !ok {
			continue
		}
		m.Shape = shapes[slices.Index(d.backends, g.label)%len(shapes)]
		estimated = estimated || mark
		parts = append(parts, fmt.Sprintf("%s %s tokens/s at %s USD", g.label, units.G4(m.At.X), units.G4(m.At.Y)))
		c.Marks = append(c.Marks, m)
	}
	if len(c.Marks) == 0 {
		if len(d.measuredIn(mode)) == 0 {
			return nil, noRuns
		}
		return nil, d.noTotal(mode)
	}
	alt := fmt.Sprintf("Scatter chart on logarithmic axes. %s: %s.", c.Title, strings.Join(parts, ", "))
	f := d.figure(c.Title, "Both axes are logarithmic; cheaper is lower, faster is further right", d.CostsName, estimated, alt, c.drawing())
	return d.withCharge(f, "", mode)
}

// scatterMark is the mark of one backend in one mode; it reports whether its cost rests on an estimate.
func (d *data) scatterMark(g group) (m mark, estimated, ok bool) {
	rows := d.onDemandRows(g.label, g.mode)
	x, y := d.costMean(rows, costThroughput), d.costMean(rows, costTotal)
	if !x.known() || !y.known() || *x.value <= 0 || *y.value <= 0 {
		return m, false, false
	}
	m = mark{Label: g.label, At: xy{*x.value, *y.value}, Color: d.colors[g.label]}
	if y.estimated {
		m.Label += EstimateMark
	}
	if len(rows) > 1 {
		for _, r := range rows {
			if r.ThroughputTokS != nil && r.TotalUSDPer1M != nil && *r.TotalUSDPer1M > 0 {
				m.Points = append(m.Points, xy{float64(*r.ThroughputTokS), float64(*r.TotalUSDPer1M)})
			}
		}
	}
	xl, xh, okX := meanInterval(collect(g.cells, d.throughputBounds), len(rows))
	yl, yh, okY := meanInterval(collect(rows, costBounds), len(rows))
	if okX && okY && xl > 0 && yl > 0 {
		m.Low, m.High = &xy{xl, yl}, &xy{xh, yh}
	}
	return m, y.estimated, true
}
