package report

import (
	"bytes"
	"fmt"
	"image/color"
	"image/png"
	"strings"

	"golang.org/x/image/font"
	"gonum.org/v1/plot"
	plotfont "gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Drawing is a figure before it is turned into a file. The same drawing gives the same bytes on every call: it holds no
// time, no random choice and no map.
type Drawing struct {
	Width, Height vg.Length
	draw          func(draw.Canvas)
}

// pngDPI is the resolution of the PNG files, dots per inch: sharp on a laptop screen at the width of a text column.
const pngDPI = 144

// SVG renders the drawing as an SVG document. Text stays text, in the first font of figureFonts that the reader has.
func (d *Drawing) SVG() ([]byte, error) {
	c := vgsvg.NewWith(vgsvg.UseWH(d.Width, d.Height))
	d.draw(draw.New(c))
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("draw SVG: %w", err)
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans"), []byte("font-family:"+figureFonts)), nil
}

// figureFonts are fonts of the same widths, so that text fits where it was measured to fit.
const figureFonts = "Liberation Sans,Arimo,Arial,Helvetica,sans-serif"

// PNG renders the drawing as a PNG file.
func (d *Drawing) PNG() ([]byte, error) {
	c := vgimg.NewWith(vgimg.UseWH(d.Width, d.Height), vgimg.UseDPI(pngDPI))
	d.draw(draw.New(c))
	var b bytes.Buffer
	if err := png.Encode(&b, c.Image()); err != nil {
		return nil, fmt.Errorf("draw PNG: %w", err)
	}
	return b.Bytes(), nil
}

// The inks. The HTML page gives them other values in its dark scheme (page.css finds them by these), so nothing in a
// figure is drawn in any other grey; pure black would be left out of the SVG as its default colour.
var (
	paper = color.NRGBA{0xff, 0xff, 0xff, 0xff}
	ink   = color.NRGBA{0x1a, 0x1a, 0x1a, 0xff}
	muted = color.NRGBA{0x5c, 0x5c, 0x5c, 0xff}
	rule  = color.NRGBA{0xde, 0xde, 0xde, 0xff}
)

// palette is the colour-blind safe palette of Okabe and Ito ("Color Universal Design", 2008) without its black, which
// is the ink's, followed by two of others.
var palette = []color.NRGBA{
	{0x00, 0x72, 0xb2, 0xff}, // blue
	{0x00, 0x9e, 0x73, 0xff}, // bluish green
	{0xcc, 0x79, 0xa7, 0xff}, // reddish purple
	{0xe6, 0x9f, 0x00, 0xff}, // orange
	{0xd5, 0x5e, 0x00, 0xff}, // vermilion
	{0x56, 0xb4, 0xe9, 0xff}, // sky blue
	{0xf0, 0xe4, 0x42, 0xff}, // yellow
	{0x88, 0x88, 0x88, 0xff}, // grey
	{0x88, 0x22, 0x55, 0xff}, // wine, of Tol's palette "muted" (2021)
}

// ownColor fixes the colours of the backends, so that a backend looks the same in every report.
var ownColor = map[string]int{
	"onnxruntime-cpu":          0,
	"onnxruntime-gpu":          1,
	"transformers-cpu":         2,
	"transformers-gpu":         3,
	"transformers-gpu-compile": 4,
	"tensorrt":                 5,
	"transformers-cpu-compile": 6,
	"ollama":                   7,
	"openai":                   8,
}

// colors gives each backend label a colour: its own where it has one, else the next that no other took.
func colors(labels []string) map[string]color.NRGBA {
	given, taken := map[string]color.NRGBA{}, map[int]bool{}
	for _, l := range labels {
		if i, ok := ownColor[l]; ok {
			given[l], taken[i] = palette[i], true
		}
	}
	next := 0
	for _, l := range labels {
		if _, ok := given[l]; ok {
			continue
		}
		for len(taken) < len(palette) && taken[next%len(palette)] {
			next++
		}
		given[l], taken[next%len(palette)] = palette[next%len(palette)], true
		next++
	}
	return given
}

// Sizes shared by the figures.
const (
	figureWidth = 5.6 * vg.Inch
	textSize    = 9
	titleSize   = 11
	margin      = 8 * vg.Length(1)
)

// sans is a text style of the figures.
func sans(size float64, c color.Color, weight font.Weight) text.Style {
	f := plotfont.From(plotfont.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight}, vg.Points(size))
	return text.Style{Font: f, Color: c, Handler: plot.DefaultTextHandler}
}

// line is a stroke style.
func stroke(c color.Color, points float64) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: vg.Points(points)}
}

// heading draws the title and the subtitle of a figure at the top left and returns what is left of the canvas.
func heading(c draw.Canvas, title, subtitle string) draw.Canvas {
	c.SetColor(paper)
	c.Fill(c.Path())
	c = draw.Crop(c, margin, -margin, margin, -margin)
	for _, part := range []struct {
		text  string
		style text.Style
	}{{title, sans(titleSize, ink, font.WeightBold)}, {subtitle, sans(textSize, muted, font.WeightNormal)}} {
		for _, row := range wrap(part.text, part.style, c.Size().X) {
			height := part.style.Height(row)
			style := part.style
			style.YAlign = draw.YTop
			c.FillText(style, vg.Point{X: c.Min.X, Y: c.Max.Y}, row)
			c.Max.Y -= height * 1.35
		}
	}
	c.Max.Y -= margin / 2
	return c
}

// headingHeight is the height that heading takes at the given width of the figure.
func headingHeight(title, subtitle string, width vg.Length) vg.Length {
	t, s := sans(titleSize, ink, font.WeightBold), sans(textSize, muted, font.WeightNormal)
	inner := width - 2*margin
	rows := func(str string, style text.Style) vg.Length {
		return vg.Length(len(wrap(str, style, inner))) * style.Height(str) * 1.35
	}
	return margin + rows(title, t) + rows(subtitle, s) + margin/2
}

// wrap breaks text into rows no wider than width.
func wrap(s string, style text.Style, width vg.Length) []string {
	var rows []string
	row := ""
	for word := range strings.FieldsSeq(s) {
		switch {
		case row == "":
			row = word
		case style.Width(row+" "+word) <= width:
			row += " " + word
		default:
			rows, row = append(rows, row), word
		}
	}
	if row != "" {
		rows = append(rows, row)
	}
	return rows
}

// axes sets the look of both axes of a plot.
func axes(p *plot.Plot) {
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle = stroke(muted, 0.5)
		a.Tick.LineStyle = stroke(muted, 0.5)
		a.Tick.Length = vg.Points(4)
		align := a.Tick.Label
		a.Tick.Label = sans(textSize, ink, font.WeightNormal)
		a.Tick.Label.XAlign, a.Tick.Label.YAlign = align.XAlign, align.YAlign
		align = a.Label.TextStyle
		a.Label.TextStyle = sans(textSize, muted, font.WeightNormal)
		a.Label.TextStyle.XAlign, a.Label.TextStyle.YAlign = align.XAlign, align.YAlign
		a.Label.Padding = vg.Points(4)
	}
}
