package report

import (
	"fmt"
	"image/color"
	"math"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// envelope is one bin of a panel: the lowest and the highest value while one backend worked.
type envelope struct {
	at, bins  int // the first bin, and how many until the next value
	low, high float64
	color     color.NRGBA
}

// panel is the values of one device by one source.
type panel struct {
	Label string
	Bins  []envelope
}

// timeChart draws panels one below the other over the same time.
type timeChart struct {
	Title, Subtitle, Axis string
	Seconds               float64   // of the time shown
	Bins                  int       // in it
	Cuts                  []float64 // seconds at which time without runs was cut out
	Legend                []legendEntry
	Panels                []panel
}

type legendEntry struct {
	label string
	color color.NRGBA
}

const (
	panelHeight = 1.25 * vg.Inch
	panelLabel  = 14 * vg.Length(1)
	timeAxis    = 26 * vg.Length(1)
	maxPanels   = 10
	swatch      = 9 * vg.Length(1)
)

func (c timeChart) drawing() *Drawing {
	legend := vg.Length(len(c.legendRows(figureWidth-2*margin))) * legendRow
	height := headingHeight(c.Title, c.Subtitle, figureWidth) + legend + labelGap + vg.Length(len(c.Panels))*(panelHeight+panelLabel) + timeAxis + margin
	return &Drawing{Width: figureWidth, Height: height, draw: func(dc draw.Canvas) {
		dc = c.drawLegend(heading(dc, c.Title, c.Subtitle))
		for i := range c.Panels {
			part := dc
			part.Min.Y = dc.Max.Y - panelHeight - panelLabel
			if i == len(c.Panels)-1 {
				part.Min.Y = dc.Min.Y
			}
			c.drawPanel(part, &c.Panels[i], i == len(c.Panels)-1)
			dc.Max.Y = part.Min.Y
		}
	}}
}

// legendRows breaks the legend, by the index of its entries, into rows no wider than width.
func (c timeChart) legendRows(width vg.Length) [][]int {
	style := sans(textSize, ink, font.WeightNormal)
	entries := make([]vg.Length, len(c.Legend))
	for i, e := range c.Legend {
		entries[i] = swatch + labelGap + style.Width(e.label) + legendSpace
	}
	return wrapped(entries, width)
}

func (c timeChart) drawLegend(dc draw.Canvas) draw.Canvas {
	style := sans(textSize, ink, font.WeightNormal)
	style.YAlign = draw.YCenter
	for _, row := range c.legendRows(dc.Size().X) {
		x, y := dc.Min.X, dc.Max.Y-legendRow/2
		for _, i := range row {
			e := c.Legend[i]
			box(dc, e.color, x, y-swatch/2, x+swatch, y+swatch/2)
			x += swatch + labelGap
			dc.FillText(style, vg.Point{X: x, Y: y + centred}, e.label)
			x += style.Width(e.label) + legendSpace
		}
		dc.Max.Y -= legendRow
	}
	dc.Max.Y -= labelGap
	return dc
}

// box fills a rectangle.
func box(dc draw.Canvas, c color.Color, left, bottom, right, top vg.Length) {
	dc.FillPolygon(c, []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}})
}

// axisWidth is the room of the vertical axis' numbers: the same in all panels, so that they stand below each other.
const axisWidth = 44 * vg.Length(1)

func (c timeChart) drawPanel(dc draw.Canvas, p *panel, last bool) {
	style := sans(textSize, ink, font.WeightNormal)
	style.YAlign = draw.YTop
	dc.FillText(style, vg.Point{X: dc.Min.X, Y: dc.Max.Y}, p.Label)
	area := draw.Crop(dc, axisWidth, -margin, margin/2, -panelLabel)
	if last {
		area.Min.Y = dc.Min.Y + timeAxis
	}
	low, high := p.limits()
	x := func(seconds float64) vg.Length { return area.Min.X + vg.Length(seconds/c.Seconds)*area.Size().X }
	y := func(v float64) vg.Length { return area.Min.Y + vg.Length((v-low)/(high-low))*area.Size().Y }
	c.grid(dc, area, low, high, x, y, last)
	const least = 1.2 * vg.Length(1) // of a box, so that a value that did not change is seen
	width := area.Size().X / vg.Length(c.Bins)
	for _, b := range p.Bins {
		left, bottom, top := area.Min.X+vg.Length(b.at)*width, y(b.low), y(b.high)
		if short := least - (top - bottom); short > 0 {
			bottom, top = bottom-short/2, top+short/2
		}
		box(dc, b.color, left, bottom, left+max(width*vg.Length(b.bins), least), top)
	}
}

// limits are the axis' ends: zero below what is never negative and not far above it.
func (p *panel) limits() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, b := range p.Bins {
		low, high = min(low, b.low), max(high, b.high)
	}
	if low >= 0 && low < high/2 {
		low = 0
	}
	room := (high - low) / 20
	if room == 0 {
		room = max(math.Abs(high)/20, 0.5)
		low -= room
	} else if low != 0 {
		low -= room
	}
	return low, high + room
}

// grid draws the axes with their numbers, and the cuts.
func (c timeChart) grid(dc, area draw.Canvas, low, high float64, x, y func(float64) vg.Length, last bool) {
	style := sans(textSize, ink, font.WeightNormal)
	for _, t := range evenTicks(low, high, 3) {
		dc.StrokeLine2(stroke(rule, 0.5), area.Min.X, y(t.Value), area.Max.X, y(t.Value))
		s := style
		s.XAlign, s.YAlign = draw.XRight, draw.YCenter
		dc.FillText(s, vg.Point{X: area.Min.X - labelGap, Y: y(t.Value) + centred}, t.Label)
	}
	for _, at := range c.Cuts {
		s := stroke(muted, 0.8)
		s.Dashes = []vg.Length{3, 3}
		dc.StrokeLine2(s, x(at), area.Min.Y, x(at), area.Max.Y)
	}
	dc.StrokeLine2(stroke(muted, 0.5), area.Min.X, area.Min.Y, area.Min.X, area.Max.Y)
	dc.StrokeLine2(stroke(muted, 0.5), area.Min.X, area.Min.Y, area.Max.X, area.Min.Y)
	if !last {
		return
	}
	for _, t := range (linearTicks{}).Ticks(0, c.Seconds) {
		s := style
		s.XAlign, s.YAlign = draw.XCenter, draw.YTop
		dc.FillText(s, vg.Point{X: x(t.Value), Y: area.Min.Y - labelGap/2}, t.Label)
	}
	s := sans(textSize, muted, font.WeightNormal)
	s.XAlign, s.YAlign = draw.XCenter, draw.YTop
	dc.FillText(s, vg.Point{X: area.Center().X, Y: area.Min.Y - labelGap/2 - style.Height("0")*1.3}, "Seconds since the recording began")
}

// evenTicks are about n round steps between two values, of which the lower need not be zero.
func evenTicks(low, high float64, n int) []plot.Tick {
	step := math.Pow10(int(math.Floor(math.Log10((high - low) / float64(n)))))
	for _, by := range []float64{2, 2.5, 2} { // 1, 2, 5, 10 times
		if (high-low)/step <= float64(n)*1.5 {
			break
		}
		step *= by
	}
	var marks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high; i++ {
		marks = append(marks, plot.Tick{Value: i * step, Label: fmt.Sprintf("%.6g", i*step)})
	}
	return marks
}

// hold widens each bin up to the next with a value, where that is at most so many bins away.
func (p *panel) hold(most int) {
	for i := range p.Bins {
		for _, next := range p.Bins[i+1:] {
			if gap := next.at - p.Bins[i].at; gap > 0 {
				if gap <= most {
					p.Bins[i].bins = gap
				}
				break
			}
		}
	}
}
