package report

import (
	"image/color"
	"math"
	"strconv"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// xy is a place in a scatter chart; both coordinates are above zero.
type xy struct{ X, Y float64 }

// mark is one backend in a scatter chart: its mean, the interval of each coordinate, and the points behind the mean.
type mark struct {
	Label     string
	At        xy
	Low, High *xy // corners of the intervals; nil where there are none
	Points    []xy
	Color     color.NRGBA
	Shape     draw.GlyphDrawer
}

// scatterChart draws marks over two logarithmic axes.
type scatterChart struct {
	Title, Subtitle, XAxis, YAxis string
	Marks                         []mark
}

const scatterHeight = 3.9 * vg.Inch

// shapes tell backends apart where colours do not.
var shapes = []draw.GlyphDrawer{
	draw.CircleGlyph{}, polygon{4, math.Pi / 4}, polygon{3, math.Pi / 2}, polygon{4, 0}, polygon{3, -math.Pi / 2}, polygon{5, math.Pi / 2},
}

// polygon is a filled regular polygon; turn is the angle of its first corner.
type polygon struct {
	corners int
	turn    float64
}

// DrawGlyph implements draw.GlyphDrawer.
func (p polygon) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, at vg.Point) {
	points := make([]vg.Point, p.corners)
	for i := range points {
		sin, cos := math.Sincos(p.turn + 2*math.Pi*float64(i)/float64(p.corners))
		// A little larger than the circle of the same radius, so that all shapes look alike in size.
		points[i] = vg.Point{X: at.X + s.Radius*1.25*vg.Length(cos), Y: at.Y + s.Radius*1.25*vg.Length(sin)}
	}
	c.FillPolygon(s.Color, points)
}

func (s scatterChart) drawing() *Drawing {
	height := headingHeight(s.Title, s.Subtitle, figureWidth) + scatterHeight
	return &Drawing{Width: figureWidth, Height: height, draw: func(dc draw.Canvas) {
		p := plot.New()
		axes(p)
		p.X.Label.Text = s.XAxis
		for _, a := range []*plot.Axis{&p.X, &p.Y} {
			a.Scale, a.Tick.Marker, a.Padding = plot.LogScale{}, logTicks{}, 0
		}
		p.Add(&scatter{marks: s.Marks})
		p.Draw(sideLabel(heading(dc, s.Title, s.Subtitle), s.YAxis))
	}}
}

// sideLabel writes the label of a vertical axis along the left edge and returns what is left of the canvas. The plot's own
// label keeps room around the middle of the values, which on a logarithmic axis is not the middle of the axis.
func sideLabel(c draw.Canvas, label string) draw.Canvas {
	style := sans(textSize, muted, font.WeightNormal)
	style.XAlign, style.YAlign, style.Rotation = draw.XCenter, draw.YTop, math.Pi/2
	c.FillText(style, vg.Point{X: c.Min.X, Y: c.Center().Y}, label)
	return draw.Crop(c, style.Height(label)+labelGap, 0, 0, 0)
}

// logTicks labels 1, 2 and 5 of each decade, or the decades alone over more than three of them.
type logTicks struct{}

// Ticks implements plot.Ticker.
func (logTicks) Ticks(low, high float64) []plot.Tick {
	var marks []plot.Tick
	decades := math.Log10(high / low)
	for exp := int(math.Floor(math.Log10(low))); exp <= int(math.Ceil(math.Log10(high))); exp++ {
		for d := 1; d < 10; d++ {
			// Parsed and not computed: 3 * 10^-1 is 0.30000000000000004.
			v, err := strconv.ParseFloat(strconv.Itoa(d)+"e"+strconv.Itoa(exp), 64)
			if err != nil || v < low || v > high {
				continue
			}
			t := plot.Tick{Value: v}
			if d == 1 || decades <= 3 && (d == 2 || d == 5) {
				t.Label = strconv.FormatFloat(v, 'f', -1, 64)
			}
			marks = append(marks, t)
		}
	}
	return marks
}

// scatter plots the marks.
type scatter struct{ marks []mark }

var (
	_ plot.Plotter    = (*scatter)(nil)
	_ plot.DataRanger = (*scatter)(nil)
)

// roomAround is the factor by which the axes reach beyond the data.
const roomAround = 1.35

// DataRange implements plot.DataRanger.
func (s *scatter) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, ymin = math.Inf(1), math.Inf(1)
	take := func(p xy) {
		xmin, xmax = math.Min(xmin, p.X), math.Max(xmax, p.X)
		ymin, ymax = math.Min(ymin, p.Y), math.Max(ymax, p.Y)
	}
	for _, m := range s.marks {
		take(m.At)
		for _, p := range m.Points {
			take(p)
		}
		if m.Low != nil && m.High != nil {
			take(*m.Low)
			take(*m.High)
		}
	}
	return xmin / roomAround, xmax * roomAround, ymin / roomAround, ymax * roomAround
}

// Plot implements plot.Plotter.
func (s *scatter) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !t.IsMinor() {
			c.StrokeLine2(stroke(rule, 0.5), x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
		}
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if !t.IsMinor() {
			c.StrokeLine2(stroke(rule, 0.5), c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
	at := func(q xy) vg.Point { return vg.Point{X: x(q.X), Y: y(q.Y)} }
	var busy []vg.Rectangle
	for _, m := range s.marks {
		busy = append(busy, m.plot(c, at)...)
	}
	for _, m := range s.marks {
		busy = append(busy, m.label(c, at(m.At), busy))
	}
}

const (
	markRadius  = 5 * vg.Length(1)
	smallRadius = 2.2 * vg.Length(1)
)

// plot draws a mark and returns the boxes it takes.
func (m mark) plot(c draw.Canvas, at func(xy) vg.Point) []vg.Rectangle {
	var busy []vg.Rectangle
	for _, q := range m.Points {
		c.DrawGlyph(draw.GlyphStyle{Color: m.Color, Radius: smallRadius, Shape: m.Shape}, at(q))
		busy = append(busy, around(at(q), smallRadius))
	}
	mid := at(m.At)
	if m.Low != nil && m.High != nil {
		low, high := at(*m.Low), at(*m.High)
		c.StrokeLine2(stroke(ink, 0.8), low.X, mid.Y, high.X, mid.Y)
		c.StrokeLine2(stroke(ink, 0.8), mid.X, low.Y, mid.X, high.Y)
		busy = append(busy,
			vg.Rectangle{Min: vg.Point{X: low.X, Y: mid.Y - 1}, Max: vg.Point{X: high.X, Y: mid.Y + 1}},
			vg.Rectangle{Min: vg.Point{X: mid.X - 1, Y: low.Y}, Max: vg.Point{X: mid.X + 1, Y: high.Y}})
	}
	c.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: markRadius + 1, Shape: m.Shape}, mid)
	c.DrawGlyph(draw.GlyphStyle{Color: m.Color, Radius: markRadius, Shape: m.Shape}, mid)
	return append(busy, around(mid, markRadius+1))
}

func around(p vg.Point, r vg.Length) vg.Rectangle {
	return vg.Rectangle{Min: vg.Point{X: p.X - r, Y: p.Y - r}, Max: vg.Point{X: p.X + r, Y: p.Y + r}}
}

// label writes the name of the mark at the first of 16 places around it that is free, nearest first, or at the one that
// overlaps least, and returns the box it takes.
func (m mark) label(c draw.Canvas, mid vg.Point, busy []vg.Rectangle) vg.Rectangle {
	style := sans(textSize, ink, font.WeightNormal)
	w, h := style.Width(m.Label), style.Height(m.Label)
	best, bestCost := vg.Rectangle{}, vg.Length(math.Inf(1))
	for _, far := range []vg.Length{1, 2.2} {
		d := (markRadius + 4) * far
		for _, corner := range []vg.Point{
			{X: d, Y: -h / 2}, {X: -d - w, Y: -h / 2}, {X: -w / 2, Y: d}, {X: -w / 2, Y: -d - h},
			{X: d, Y: d / 2}, {X: -d - w, Y: d / 2}, {X: d, Y: -d/2 - h}, {X: -d - w, Y: -d/2 - h},
		} {
			box := vg.Rectangle{Min: mid.Add(corner), Max: mid.Add(corner).Add(vg.Point{X: w, Y: h})}
			cost := outside(box, c.Rectangle)
			for _, other := range busy {
				cost += overlap(box, other)
			}
			if cost < bestCost {
				best, bestCost = box, cost
			}
		}
	}
	c.FillText(style, vg.Point{X: best.Min.X, Y: best.Min.Y + style.FontExtents().Descent/2}, m.Label)
	return best
}

// overlap is the area that two boxes share.
func overlap(a, b vg.Rectangle) vg.Length {
	w := min(a.Max.X, b.Max.X) - max(a.Min.X, b.Min.X)
	h := min(a.Max.Y, b.Max.Y) - max(a.Min.Y, b.Min.Y)
	return max(w, 0) * max(h, 0)
}

// outside is the area of box that lies outside of frame, ten times over: a label that is cut off is worse than one that
// touches a point.
func outside(box, frame vg.Rectangle) vg.Length {
	size := box.Size()
	return 10 * (size.X*size.Y - overlap(box, frame))
}
