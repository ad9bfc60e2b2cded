package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image/color"
	"image/png"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
)

// figuresOf draws the figures of a report: SVG files by name, without extension.
func figuresOf(tb testing.TB, in *Inputs) map[string][]byte {
	tb.Helper()
	figures := map[string][]byte{}
	for _, b := range Build(in).Blocks {
		if f, ok := b.(Figure); ok {
			svg, err := f.Drawing.SVG()
			if err != nil {
				tb.Fatal(err)
			}
			figures[f.Name] = svg
		}
	}
	return figures
}

// svgTexts are the texts of an SVG file; a file that is not well-formed XML fails the test.
func svgTexts(tb testing.TB, data []byte) []string {
	tb.Helper()
	var texts []string
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			tb.Fatal(err)
		}
		if s := strings.TrimSpace(string(charData(token))); s != "" {
			texts = append(texts, s)
		}
	}
}

func charData(t xml.Token) xml.CharData {
	c, _ := t.(xml.CharData) // other tokens have no text
	return c
}

// kindNames are the seven figures of spec TR119.
var kindNames = []string{"mean_latency", "throughput", "total_cost", "cost_by_tier", "energy_efficiency", "carbon_footprint", "cost_vs_throughput"}

func TestFourteenFiguresOfTheArchive(t *testing.T) {
	files, err := Render(archive(t, "tr119"))
	if err != nil {
		t.Fatal(err)
	}
	figures := map[string][]byte{}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name, FiguresDir+"/"); ok {
			figures[name] = f.Data
		}
	}
	if len(figures) != 28 {
		t.Errorf("saw %d files, want 14 figures as SVG and PNG", len(figures))
	}
	for _, mode := range []string{"prefill", "generate"} {
		for _, kind := range kindNames {
			svg, raster := figures[mode+"_"+kind+".svg"], figures[mode+"_"+kind+".png"]
			texts := svgTexts(t, svg)
			for _, label := range []string{"onnxruntime-cpu", "onnxruntime-gpu", "transformers-cpu", "transformers-gpu", "transformers-gpu-compile"} {
				if !slices.Contains(texts, label) {
					t.Errorf("%s %s: no label %s", mode, kind, label)
				}
			}
			if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
				t.Errorf("%s %s: a coordinate is not a number", mode, kind)
			}
			img, err := png.Decode(bytes.NewReader(raster))
			if err != nil {
				t.Fatalf("%s %s: %v", mode, kind, err)
			}
			if b := img.Bounds(); b.Dx() != int(math.Round(figureWidth.Points()*pngDPI/72)) || b.Dy() < 300 {
				t.Errorf("%s %s: %v", mode, kind, b)
			}
		}
	}
	texts := svgTexts(t, figures["prefill_mean_latency.svg"])
	for _, want := range []string{"Mean latency, prefill", "Mean latency (ms), lower is better", "16.54", "88.81"} {
		if !slices.Contains(texts, want) {
			t.Errorf("prefill_mean_latency lacks the text %q: %q", want, texts)
		}
	}
}

func TestNothingIsDrawnForWhatWasNotMeasured(t *testing.T) {
	in := cpuOnly(t)
	figures := figuresOf(t, in)
	if len(figures) != 21 {
		t.Errorf("saw %d figures, want 7 for each of 3 modes", len(figures))
	}
	for name, data := range figures {
		for _, text := range svgTexts(t, data) {
			if strings.Contains(text, "transformers") || strings.Contains(text, "onnxruntime-gpu") {
				t.Errorf("%s names a backend without results: %q", name, text)
			}
		}
	}
	if !slices.Contains(svgTexts(t, figures["prefill_carbon_footprint"]), newFigureText(t, in)) {
		t.Error("an estimated bar does not carry its mark")
	}
}

// newFigureText is the marked text of the one bar of the carbon figure.
func newFigureText(tb testing.TB, in *Inputs) string {
	return Build(in).table(tb, "Cost and energy summary").at(tb, "carbon_gco2e_per_1M_tok", "onnxruntime-cpu", "prefill")
}

func TestNoFigureWithoutPower(t *testing.T) {
	in := cpuOnly(t)
	for i := range in.Cells {
		in.Cells[i].PowerMeanW, in.Cells[i].EnergyGrade = nil, ""
	}
	in = withFacts(finish(t, in.Cells, "default"), in)
	figures := figuresOf(t, in)
	for _, kind := range []string{"energy_efficiency", "carbon_footprint", "total_cost", "cost_vs_throughput"} {
		if _, ok := figures["prefill_"+kind]; ok {
			t.Errorf("figure %s is drawn without any power figure", kind)
		}
	}
	if _, ok := figures["prefill_throughput"]; !ok {
		t.Error("throughput needs no power and is not drawn")
	}
	if md := renderedMarkdown(t, in); !strings.Contains(md, "No figure `prefill_total_cost`: power_unknown.") {
		t.Error("the report does not say why a figure is missing")
	}
}

func withFacts(in, from *Inputs) *Inputs {
	in.FromRuns, in.Runs = from.FromRuns, from.Runs
	return in
}

func TestEqualInputEqualBytes(t *testing.T) {
	first, err := Render(archive(t, "default"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := Render(archive(t, "default"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if first[i].Name != second[i].Name || !bytes.Equal(first[i].Data, second[i].Data) {
			t.Errorf("%s differs between two renderings", first[i].Name)
		}
	}
}

func TestBackendsKeepTheirColour(t *testing.T) {
	alone := colors([]string{"transformers-gpu"})
	among := colors([]string{"a", "b", "onnxruntime-cpu", "transformers-gpu", "z"})
	if alone["transformers-gpu"] != among["transformers-gpu"] {
		t.Error("transformers-gpu changes its colour with the company it is in")
	}
	seen := map[color.NRGBA]string{}
	for label, c := range among {
		if other, ok := seen[c]; ok {
			t.Errorf("%s and %s have the same colour", label, other)
		}
		seen[c] = label
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = strings.Repeat("x", i+1)
	}
	if got := colors(many); len(got) != 30 {
		t.Errorf("%d of 30 backends have a colour", len(got))
	}
}

func TestTicks(t *testing.T) {
	labels := func(marks []plot.Tick) string {
		var list []string
		for _, m := range marks {
			if m.Label != "" {
				list = append(list, m.Label)
			}
		}
		return strings.Join(list, " ")
	}
	for _, c := range []struct {
		ticker    plot.Ticker
		low, high float64
		want      string
	}{
		{linearTicks{}, 0, 113, "0 20 40 60 80 100"},
		{linearTicks{}, 0, 0.55, "0 0.1 0.2 0.3 0.4 0.5"},
		{linearTicks{}, 0, 4800, "0 500 1000 1500 2000 2500 3000 3500 4000 4500"},
		{linearTicks{}, 0, 0, ""},
		{logTicks{}, 0.015, 0.6, "0.02 0.05 0.1 0.2 0.5"},
		{logTicks{}, 9, 2e5, "10 100 1000 10000 100000"},
	} {
		if got := labels(c.ticker.Ticks(c.low, c.high)); got != c.want {
			t.Errorf("%T from %v to %v: saw %q, want %q", c.ticker, c.low, c.high, got, c.want)
		}
	}
}

// TestTicksAreFewAndInside holds for any axis.
func TestTicksAreFewAndInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high := math.Pow(10, rapid.Float64Range(-9, 9).Draw(t, "exponent"))
		marks := linearTicks{}.Ticks(0, high)
		if len(marks) < 4 || len(marks) > 13 {
			t.Fatalf("%d ticks up to %v", len(marks), high)
		}
		for i, m := range marks {
			if m.Value < 0 || m.Value > high || i > 0 && m.Value <= marks[i-1].Value {
				t.Fatalf("tick %v out of place up to %v", m.Value, high)
			}
		}
	})
}

// TestLabelsDoNotOverlap measures the boxes of the labels of a crowded scatter chart.
func TestLabelsDoNotOverlap(t *testing.T) {
	d := newData(archive(t, "default"))
	for _, mode := range []record.Mode{record.Prefill, record.Generate} {
		f, why := scatterFigure(d, mode)
		if f == nil {
			t.Fatal(why)
		}
		svg, err := f.Drawing.SVG()
		if err != nil {
			t.Fatal(err)
		}
		boxes := labelBoxes(t, svg, d.backends)
		if len(boxes) != len(d.backends) {
			t.Fatalf("%s: %d labels, want %d", mode, len(boxes), len(d.backends))
		}
		for i := range boxes {
			for j := range i {
				if overlap(boxes[i], boxes[j]) > 0 {
					t.Errorf("%s: labels %d and %d overlap", mode, i, j)
				}
			}
		}
	}
}

// labelBoxes are the boxes of those texts of an SVG file that are wanted.
func labelBoxes(tb testing.TB, data []byte, wanted []string) []vg.Rectangle {
	tb.Helper()
	var svg struct {
		Groups []struct {
			Texts []struct {
				X    float64 `xml:"x,attr"`
				Y    float64 `xml:"y,attr"`
				Text string  `xml:",chardata"`
			} `xml:"text"`
		} `xml:"g"`
	}
	if err := xml.Unmarshal(data, &svg); err != nil {
		tb.Fatal(err)
	}
	style := sans(textSize, ink, 0)
	var boxes []vg.Rectangle
	for _, g := range svg.Groups {
		for _, t := range g.Texts {
			if slices.Contains(wanted, t.Text) {
				boxes = append(boxes, vg.Rectangle{Min: vg.Point{X: vg.Length(t.X), Y: vg.Length(t.Y)},
					Max: vg.Point{X: vg.Length(t.X) + style.Width(t.Text), Y: vg.Length(t.Y) + style.Height(t.Text)*0.7}})
			}
		}
	}
	return boxes
}
