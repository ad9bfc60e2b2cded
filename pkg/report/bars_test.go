package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/units"
)

// TestVeryWideIntervalIsCutOff: the axis ends near the values, and the caption says where the interval does.
func TestVeryWideIntervalIsCutOff(t *testing.T) {
	chart := func(high float64) barChart {
		return barChart{Title: "T", Subtitle: "S", Axis: "A", Bars: []bar{
			{Label: "a", Value: 1, Low: units.Ptr(0.5), High: &high, Text: "1.0"},
			{Label: "b", Value: 2, Low: units.Ptr(1.5), High: units.Ptr(2.5), Text: "2.0"}}}
	}
	draw := func(c barChart) []string {
		svg, err := c.drawing().SVG()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(svg, []byte("NaN")) {
			t.Error("a coordinate is not a number")
		}
		return svgTexts(t, svg)
	}
	wide := chart(5000)
	if texts := strings.Join(draw(wide), " "); strings.Contains(texts, "1000") {
		t.Errorf("the axis reaches to the end of the interval: %s", texts)
	}
	if got, want := wide.cutWords(), " An arrow marks an interval that is cut off at the axis: a to 5000."; got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
	if got := wide.Bars[0].reach(); got != 2.5 {
		t.Errorf("the whisker is cut off at %v, want 2.5", got)
	}
	narrow := chart(5.9)
	if got := narrow.cutWords(); got != "" || narrow.Bars[0].reach() != 5.9 {
		t.Errorf("an interval of less than three times the largest value: saw %q", got)
	}
}
