package report

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR122, section{placeResults + 15, "Over time", overTime})
}

// overTime draws every quantity over time.
func overTime(d *data) []Block {
	t := d.Timeline
	if t == nil || t.length == 0 {
		return []Block{Note{Remark, prose("Nothing is drawn over time: %s.", word(d.noTimeline()))}}
	}
	blocks := []Block{para("Each box spans the lowest and the highest value of its stretch of time, %s s, while one backend worked; the faintest grey is between runs. %s", word(fmt.Sprintf("%.3g", float64(t.length)/1e9/timelineBins)), word(t.cutWords()))}
	drawn := map[string]bool{}
	for _, q := range quantities {
		if drawn[q.name] {
			continue
		}
		drawn[q.name] = true
		if f := d.timeFigure(q); f != nil {
			blocks = append(blocks, *f)
		} else {
			blocks = append(blocks, Note{Remark, prose("No figure %s: no sensor of this machine gave it%s.", code("over_time_"+q.name), word(d.lacking(q)))})
		}
	}
	return blocks
}

func (d *data) noTimeline() string {
	if d.Timeline == nil {
		return "there is no " + SamplesFile
	}
	return "no run has a window"
}

// cutWords says what was cut out of the time shown.
func (t *timeline) cutWords() string {
	text := fmt.Sprintf("Shown is the time from %g s before runs to %g s after them", aroundRuns.Seconds(), aroundRuns.Seconds())
	if len(t.shown) > 1 {
		text += fmt.Sprintf(", %d stretches set side by side where a dashed line stands", len(t.shown))
	}
	if len(t.hosts) > 1 {
		text += fmt.Sprintf(", of host %s, which has the most runs; the others are not drawn: %s", t.host, strings.Join(t.hosts[1:], ", "))
	}
	return text + "."
}

// timeFigure draws a quantity, or is nil where no sensor gave it.
func (d *data) timeFigure(q quantity) *Figure {
	t := d.Timeline
	keys := t.panels(q.name)
	if len(keys) == 0 {
		return nil
	}
	var left []string
	for _, k := range keys[min(len(keys), maxPanels):] {
		left = append(left, k.words())
	}
	keys = keys[:min(len(keys), maxPanels)]
	c := timeChart{Title: q.title + " over time", Subtitle: sentenceStart(q.axis) + ", by device and source", Axis: q.axis}
	first, end := t.extent()
	perBin := float64(t.length) / 1e9 / timelineBins
	c.Bins, c.Seconds = end-first, float64(end-first)*perBin
	seen := map[string]bool{}
	for _, k := range keys {
		c.Panels = append(c.Panels, d.panel(k, first, seen))
	}
	for _, label := range d.backends {
		if seen[label] {
			c.Legend = append(c.Legend, legendEntry{label, d.colors[label]})
		}
	}
	if seen[""] {
		c.Legend = append(c.Legend, legendEntry{"between runs", rule})
	}
	var before int64
	for _, s := range t.shown[:len(t.shown)-1] {
		before += s.to - s.from
		c.Cuts = append(c.Cuts, float64(before)/1e9-float64(first)*perBin)
	}
	return d.timeCaption(q, c, keys, left)
}

// extent are the first bin with a value and the one after the last, of all series: what loading took before the recording
// began is not shown.
func (t *timeline) extent() (first, end int) {
	first = timelineBins
	for _, s := range t.series {
		for k := range s.bins {
			first, end = min(first, k.at), max(end, k.at+1)
		}
	}
	return first, end
}

// panel is the bins of a series in order, counted from the first that is shown.
func (d *data) panel(k seriesKey, first int, seen map[string]bool) panel {
	p := panel{Label: k.words()}
	for key, b := range d.Timeline.series[k].bins {
		label := ""
		if key.subject > 0 {
			label = d.labels[d.Runs.subjects[key.subject-1]]
		}
		c, ok := d.colors[label]
		if !ok {
			label, c = "", rule
		}
		seen[label] = true
		p.Bins = append(p.Bins, envelope{key.at - first, 1, b.low, b.high, c})
	}
	slices.SortFunc(p.Bins, func(a, b envelope) int {
		return compareAll(float64(a.at-b.at), layerOf(a.color)-layerOf(b.color), a.low-b.low, a.high-b.high)
	})
	p.hold(int(float64(hold) * timelineBins / float64(d.Timeline.length)))
	return p
}

// hold is how long a value stands until the next one of a source that is read seldom.
const hold = 2500 * time.Millisecond

// layerOf orders the colours: what stands between runs lies below the backends.
func layerOf(c color.NRGBA) float64 {
	if c == rule {
		return 0
	}
	return 1 + float64(c.R)*65536 + float64(c.G)*256 + float64(c.B)
}

// compareAll is the sign of the first of the differences that is not 0.
func compareAll(differences ...float64) int {
	for _, v := range differences {
		if v != 0 {
			return int(math.Copysign(1, v))
		}
	}
	return 0
}

func (k seriesKey) words() string {
	text := k.device
	if k.source != k.device {
		text += ", " + k.source
	}
	if k.source == record.SourceCPUEstimate { // a figure is shown without its caption, too
		text += " (an estimate, not measured)"
	}
	if k.derived {
		text += " (from its energy counter)"
	}
	return text
}

// timeCaption makes the figure.
func (d *data) timeCaption(q quantity, c timeChart, keys []seriesKey, left []string) *Figure {
	estimated := false
	var parts []string
	for i, k := range keys {
		estimated = estimated || q.name == quantityPower.name && k.source == "cpu-estimate"
		low, high := math.Inf(1), math.Inf(-1)
		for _, b := range c.Panels[i].Bins {
			low, high = min(low, b.low), max(high, b.high)
		}
		parts = append(parts, fmt.Sprintf("%s from %.4g to %.4g", k.words(), low, high))
	}
	alt := fmt.Sprintf("Chart over time. %s, in %s: %s.", c.Title, q.axis, strings.Join(parts, "; "))
	f := d.figure(c.Title, "Lowest to highest value of each stretch, in "+q.axis, SamplesFile, estimated, alt, c.drawing())
	f.Name = "over_time_" + q.name
	if len(left) > 0 {
		f.Caption = append(f.Caption, word(" Not drawn: "+names(left)+"."))
	}
	if q.name == quantityPower.name {
		f.Caption = append(f.Caption, word(" "+d.gradeWords("")))
	}
	return f
}

// lacking is what the sources that could have given a quantity said of themselves, in brackets.
func (d *data) lacking(q quantity) string {
	if d.Manifest == nil {
		return ""
	}
	var parts []string
	for _, s := range d.Manifest.Sensors {
		if slices.Contains(q.from, s.Source) && s.Detail != "" {
			parts = append(parts, s.Source+": "+s.Detail)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}
