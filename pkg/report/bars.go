package report

import (
	"image/color"
	"math"
	"strconv"
	"strings"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/banterhearts/bh/pkg/units"
)

// bar is one horizontal bar.
type bar struct {
	Group  string // heading above the first bar of a group; empty where bars are not grouped
	Label  string
	Value  float64
	Low    *float64 // interval of Value; nil where it has none
	High   *float64
	Points []float64 // the values that Value is the mean of
	Color  color.NRGBA
	Text   string  // what stands at the end of the bar
	Edge   float64 // where an interval that is very wide is cut off; 0 where it is not
}

// barChart draws bars from zero, one below the other in the order given.
type barChart struct {
	Title, Subtitle, Axis string
	Bars                  []bar
}

const (
	rowHeight   = 28 * vg.Length(1) // of an ungrouped bar and the lane of its points
	groupedRow  = 15 * vg.Length(1) // of a bar in a group, and of its heading
	barShare    = 0.62              // of a row in a group
	barHeight   = 14 * vg.Length(1) // of an ungrouped bar
	barLift     = 4 * vg.Length(1)  // of an ungrouped bar above the middle of its row: its points lie below it
	axisHeight  = 42 * vg.Length(1)
	pointRadius = 2 * vg.Length(1)
	labelGap    = 5 * vg.Length(1)
	centred     = 0.8 * vg.Length(1) // lifts text so that its digits, not its box, stand in the middle of the bar
)

// drawing lays the chart out. Its height follows from the number of bars.
func (c barChart) drawing() *Drawing {
	c.cut()
	rows := c.rows()
	pitch := rowHeight
	if c.grouped() {
		pitch = groupedRow
	}
	height := headingHeight(c.Title, c.Subtitle, figureWidth) + pitch*vg.Length(len(rows)) + axisHeight + margin
	return &Drawing{Width: figureWidth, Height: height, draw: func(dc draw.Canvas) {
		p := plot.New()
		axes(p)
		p.X.Min, p.X.Padding = 0, 0
		p.X.Label.Text = c.Axis
		p.X.Tick.Marker = linearTicks{}
		p.Y.Min, p.Y.Max, p.Y.Padding = -0.5, float64(len(rows))-0.5, 0
		p.Y.Tick.Length = 0
		p.Y.Tick.Marker = plot.ConstantTicks(c.ticks(rows))
		p.Add(&barRows{rows: rows})
		p.Draw(heading(dc, c.Title, c.Subtitle))
	}}
}

// wideInterval is how many times the largest value the end of an interval may be before it is cut off: with the axis drawn
// up to it, no value could be read.
const wideInterval = 3

// cut marks the intervals that are cut off, all at the same place.
func (c barChart) cut() {
	largest, edge := 0.0, 0.0
	for _, b := range c.Bars {
		for _, v := range append([]float64{b.Value}, b.Points...) {
			largest = math.Max(largest, v)
		}
	}
	wide := func(b bar) bool { return largest > 0 && b.High != nil && *b.High > wideInterval*largest }
	edge = 1.25 * largest
	for _, b := range c.Bars {
		if b.High != nil && !wide(b) {
			edge = math.Max(edge, *b.High)
		}
	}
	for i := range c.Bars {
		if c.Bars[i].Edge = 0; wide(c.Bars[i]) {
			c.Bars[i].Edge = edge
		}
	}
}

// cutWords says which intervals are cut off, and where they end; empty where none is.
func (c barChart) cutWords() string {
	c.cut()
	var parts []string
	for _, b := range c.Bars {
		if b.Edge > 0 {
			parts = append(parts, strings.TrimSpace(b.Group+" "+b.Label)+" to "+units.G4(*b.High))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " An arrow marks an interval that is cut off at the axis: " + strings.Join(parts, ", ") + "."
}

func (c barChart) grouped() bool { return len(c.Bars) > 0 && c.Bars[0].Group != "" }

// row is a line of the chart: a bar, or the heading of a group when bar is nil.
type row struct {
	heading string
	bar     *bar
}

// rows lists the lines of the chart from the top.
func (c barChart) rows() []row {
	var rows []row
	group := ""
	for i := range c.Bars {
		b := &c.Bars[i]
		if b.Group != group {
			group = b.Group
			rows = append(rows, row{heading: group})
		}
		rows = append(rows, row{bar: b})
	}
	return rows
}

// ticks labels the bars on the vertical axis; the first row is the topmost, at the highest value.
func (c barChart) ticks(rows []row) []plot.Tick {
	lift := 0.0
	if !c.grouped() {
		lift = float64(barLift / rowHeight)
	}
	var marks []plot.Tick
	for i, r := range rows {
		if r.bar != nil {
			marks = append(marks, plot.Tick{Value: height(i, len(rows)) + lift, Label: r.bar.Label})
		}
	}
	return marks
}

func height(i, n int) float64 { return float64(n - 1 - i) }

// barRows plots the rows.
type barRows struct{ rows []row }

var (
	_ plot.Plotter    = (*barRows)(nil)
	_ plot.DataRanger = (*barRows)(nil)
	_ plot.GlyphBoxer = (*barRows)(nil)
)

// reach is where the text of the bar may begin: the end of the bar, or of its interval.
func (b *bar) reach() float64 {
	switch {
	case b.Edge > 0:
		return b.Edge
	case b.High != nil:
		return math.Max(b.Value, *b.High)
	}
	return b.Value
}

// DataRange implements plot.DataRanger.
func (r *barRows) DataRange() (xmin, xmax, ymin, ymax float64) {
	for _, line := range r.rows {
		if line.bar != nil {
			xmax = math.Max(xmax, line.bar.reach())
			for _, v := range line.bar.Points {
				xmax = math.Max(xmax, v)
			}
		}
	}
	return 0, xmax, -0.5, float64(len(r.rows)) - 0.5
}

// GlyphBoxes implements plot.GlyphBoxer: it keeps room for the texts right of the bars.
func (r *barRows) GlyphBoxes(p *plot.Plot) []plot.GlyphBox {
	style := sans(textSize, ink, font.WeightBold)
	var boxes []plot.GlyphBox
	for _, line := range r.rows {
		if line.bar != nil {
			width := style.Width(line.bar.Text) + labelGap
			boxes = append(boxes, plot.GlyphBox{X: p.X.Norm(line.bar.reach()), Y: 0.5,
				Rectangle: vg.Rectangle{Max: vg.Point{X: width}}})
			for _, v := range line.bar.Points {
				boxes = append(boxes, plot.GlyphBox{X: p.X.Norm(v), Y: 0.5, Rectangle: vg.Rectangle{Max: vg.Point{X: pointRadius + 1}}})
			}
		}
	}
	return boxes
}

// Plot implements plot.Plotter.
func (r *barRows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, tick := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !tick.IsMinor() && tick.Value > p.X.Min {
			c.StrokeLine2(stroke(rule, 0.5), x(tick.Value), c.Min.Y, x(tick.Value), c.Max.Y)
		}
	}
	pitch := c.Size().Y / vg.Length(len(r.rows))
	for i, line := range r.rows {
		middle := y(height(i, len(r.rows)))
		if line.bar == nil {
			style := sans(textSize, ink, font.WeightBold)
			style.YAlign = draw.YCenter
			c.FillText(style, vg.Point{X: c.Min.X + labelGap, Y: middle - pitch/8}, line.heading)
			continue
		}
		if line.bar.Group != "" {
			line.bar.plot(c, x, middle, pitch*barShare)
		} else {
			line.bar.plot(c, x, middle+barLift, barHeight)
		}
	}
	c.StrokeLine2(stroke(muted, 0.5), c.Min.X, c.Min.Y, c.Min.X, c.Max.Y)
}

// plot draws one bar around the height middle.
func (b *bar) plot(c draw.Canvas, x func(float64) vg.Length, middle, thick vg.Length) {
	c.FillPolygon(b.Color, []vg.Point{
		{X: c.Min.X, Y: middle - thick/2}, {X: x(b.Value), Y: middle - thick/2},
		{X: x(b.Value), Y: middle + thick/2}, {X: c.Min.X, Y: middle + thick/2}})
	for _, v := range b.Points {
		at := vg.Point{X: x(v), Y: middle - thick/2 - pointRadius - 2}
		c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: pointRadius, Shape: draw.CircleGlyph{}}, at)
		c.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: pointRadius, Shape: draw.RingGlyph{}}, at)
	}
	if b.Low != nil && b.High != nil {
		whisker(c, x(math.Max(*b.Low, 0)), x(b.reach()), middle, thick/2, b.Edge > 0)
	}
	style := sans(textSize, ink, font.WeightBold)
	style.YAlign = draw.YCenter
	c.FillText(style, vg.Point{X: x(b.reach()) + labelGap, Y: middle + centred}, b.Text)
}

// whisker draws a horizontal interval with caps, or with the head of an arrow where it goes on.
func whisker(c draw.Canvas, from, to, middle, cap vg.Length, on bool) {
	s := stroke(ink, 1)
	c.StrokeLine2(s, from, middle, to, middle)
	c.StrokeLine2(s, from, middle-cap/2, from, middle+cap/2)
	if on {
		c.FillPolygon(ink, []vg.Point{{X: to, Y: middle}, {X: to - cap, Y: middle + cap/2}, {X: to - cap, Y: middle - cap/2}})
		return
	}
	c.StrokeLine2(s, to, middle-cap/2, to, middle+cap/2)
}

// linearTicks are about five round steps from zero.
type linearTicks struct{}

// Ticks implements plot.Ticker.
func (linearTicks) Ticks(low, high float64) []plot.Tick {
	const about = 5
	if !(high > low) {
		return nil
	}
	exp := int(math.Floor(math.Log10((high - low) / about)))
	digit := 1
	for _, d := range []int{2, 5, 10} {
		if (high-low)/about >= float64(d)*math.Pow10(exp) {
			digit = d
		}
	}
	var marks []plot.Tick
	for i := 0; ; i++ {
		// Parsed and not computed: 3 * 10^-1 is 0.30000000000000004.
		v, err := strconv.ParseFloat(strconv.Itoa(i*digit)+"e"+strconv.Itoa(exp), 64)
		if err != nil || v > high {
			return marks
		}
		if v >= low {
			marks = append(marks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)})
		}
	}
}
