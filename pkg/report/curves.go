package report

import (
	"image/color"
	"math"
	"slices"
	"strconv"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/banterhearts/bh/pkg/record"
)

// curve is one backend's values by percentile.
type curve struct {
	Label  string
	Values []float64 // sorted, above zero
	Color  color.NRGBA
}

// curveChart draws quantile functions: percentiles from left to right, values upwards on a logarithmic axis. Marks are
// percentiles that stand out.
type curveChart struct {
	Title, Subtitle, Axis string
	Curves                []curve
	Marks                 []float64
}

const (
	curveHeight = 3.6 * vg.Inch
	maxPoints   = 1000 // of a curve; more values are thinned to as many quantiles
	maxLabels   = 6    // of marks; more stand without their number
)

// points are the corners of the curve: percentile and value.
func (c *curve) points() []xy {
	n := len(c.Values)
	if n == 1 {
		return []xy{{0, c.Values[0]}, {100, c.Values[0]}}
	}
	m := min(n, maxPoints)
	points := make([]xy, m)
	for i := range points {
		at := float64(i) / float64(m-1) * float64(n-1)
		low := min(int(at), n-2)
		points[i] = xy{100 * at / float64(n-1), c.Values[low] + (at-float64(low))*(c.Values[low+1]-c.Values[low])}
	}
	return points
}

// dashes tell curves apart where colours do not.
var dashes = [][]vg.Length{nil, {6, 3}, {2, 2}, {8, 2, 2, 2}, {10, 4}}

func (c *curve) stroke(i int) draw.LineStyle {
	s := stroke(c.Color, 1.6)
	s.Dashes = dashes[i%len(dashes)]
	return s
}

func (c curveChart) drawing() *Drawing {
	legend := vg.Length(len(c.legend(figureWidth-2*margin))) * legendRow
	height := headingHeight(c.Title, c.Subtitle, figureWidth) + legend + curveHeight
	return &Drawing{Width: figureWidth, Height: height, draw: func(dc draw.Canvas) {
		p := plot.New()
		axes(p)
		p.X.Min, p.X.Max, p.X.Padding = 0, 100, 0
		p.X.Label.Text = "Percentile of the runs"
		p.X.Tick.Marker = linearTicks{}
		p.Y.Scale, p.Y.Tick.Marker, p.Y.Padding = plot.LogScale{}, logTicks{}, 0
		p.Add(&curves{chart: c})
		p.Draw(sideLabel(c.drawLegend(heading(dc, c.Title, c.Subtitle)), c.Axis))
	}}
}

const (
	legendRow   = 14 * vg.Length(1)
	legendLine  = 22 * vg.Length(1) // of the sample of a curve's stroke
	legendSpace = 14 * vg.Length(1) // between two entries
)

// wrapped breaks entries, by their index, into rows no wider than width.
func wrapped(entries []vg.Length, width vg.Length) [][]int {
	var rows [][]int
	used := width // so that the first entry opens a row
	for i, entry := range entries {
		if used+entry > width+legendSpace {
			rows, used = append(rows, nil), 0
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], i)
		used += entry
	}
	return rows
}

// legend breaks the names of the curves, by their index, into rows no wider than width.
func (c curveChart) legend(width vg.Length) [][]int {
	style := sans(textSize, ink, font.WeightNormal)
	entries := make([]vg.Length, len(c.Curves))
	for i := range c.Curves {
		entries[i] = legendLine + labelGap + style.Width(c.Curves[i].Label) + legendSpace
	}
	return wrapped(entries, width)
}

// drawLegend names the curves at the top and returns what is left of the canvas.
func (c curveChart) drawLegend(dc draw.Canvas) draw.Canvas {
	style := sans(textSize, ink, font.WeightNormal)
	style.YAlign = draw.YCenter
	for _, row := range c.legend(dc.Size().X) {
		x, y := dc.Min.X, dc.Max.Y-legendRow/2
		for _, i := range row {
			dc.StrokeLine2(c.Curves[i].stroke(i), x, y, x+legendLine, y)
			x += legendLine + labelGap
			dc.FillText(style, vg.Point{X: x, Y: y + centred}, c.Curves[i].Label)
			x += style.Width(c.Curves[i].Label) + legendSpace
		}
		dc.Max.Y -= legendRow
	}
	return dc
}

// curves plots the curves and the marks.
type curves struct{ chart curveChart }

var (
	_ plot.Plotter    = (*curves)(nil)
	_ plot.DataRanger = (*curves)(nil)
)

// DataRange implements plot.DataRanger.
func (c *curves) DataRange() (xmin, xmax, ymin, ymax float64) {
	ymin = math.Inf(1)
	for _, one := range c.chart.Curves {
		ymin, ymax = math.Min(ymin, one.Values[0]), math.Max(ymax, one.Values[len(one.Values)-1])
	}
	const room = 1.1
	return 0, 100, ymin / room, ymax * room
}

// Plot implements plot.Plotter.
func (c *curves) Plot(dc draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&dc)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		dc.StrokeLine2(stroke(rule, 0.5), x(t.Value), dc.Min.Y, x(t.Value), dc.Max.Y)
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if !t.IsMinor() {
			dc.StrokeLine2(stroke(rule, 0.5), dc.Min.X, y(t.Value), dc.Max.X, y(t.Value))
		}
	}
	c.plotMarks(dc, x)
	for i := range c.chart.Curves {
		one := &c.chart.Curves[i]
		var line []vg.Point
		for _, q := range one.points() {
			line = append(line, vg.Point{X: x(q.X), Y: y(q.Y)})
		}
		dc.StrokeLines(one.stroke(i), line)
	}
}

// plotMarks draws a line at each mark, with its percentile where there are few.
func (c *curves) plotMarks(dc draw.Canvas, x func(float64) vg.Length) {
	style := sans(textSize, muted, font.WeightNormal)
	style.YAlign = draw.YTop
	s := stroke(muted, 0.8)
	s.Dashes = []vg.Length{3, 3}
	var row int
	var end vg.Length // of the number before
	for _, at := range c.chart.Marks {
		dc.StrokeLine2(s, x(at), dc.Min.Y, x(at), dc.Max.Y)
		if len(c.chart.Marks) > maxLabels {
			continue
		}
		label := strconv.FormatFloat(at, 'f', 1, 64)
		where := vg.Point{X: x(at) + labelGap/2, Y: dc.Max.Y - labelGap/2}
		if where.X+style.Width(label) > dc.Max.X { // at the right edge it stands left of its line
			where.X = x(at) - labelGap/2 - style.Width(label)
		}
		// A number that would lie on the one before it stands a line lower.
		if where.X < end+labelGap/2 {
			row++
		} else {
			row = 0
		}
		where.Y -= vg.Length(row) * style.Height(label)
		end = where.X + style.Width(label)
		dc.FillText(style, where, label)
	}
}

// curvesOf are the latencies (ms) of the backends in a mode, or their times to the first token; of labels alone where any
// are given.
func (d *data) curvesOf(mode record.Mode, get func(*sample) []float64, labels ...string) []curve {
	byLabel := map[string][]float64{}
	for key, s := range d.Runs.samples {
		if label := d.labels[key.subject]; key.mode == mode && (len(labels) == 0 || slices.Contains(labels, label)) {
			byLabel[label] = append(byLabel[label], get(s)...)
		}
	}
	var list []curve
	for _, label := range d.backends {
		if values := byLabel[label]; len(values) > 0 {
			slices.Sort(values)
			list = append(list, curve{Label: label, Values: values, Color: d.colors[label]})
		}
	}
	return list
}
