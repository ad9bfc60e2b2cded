package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR117, section{placeSynthesis, "Synthesis and decision matrix", answers117})
	registerFor(TR117, section{placeSynthesis + 1, "Decision matrix", decision117})
}

// criterion is a line of the decision matrix: who is first by it, who is next, and what speaks for the difference.
type criterion struct {
	name   string
	unit   string
	leader string // "": nobody, and doubt says why
	value  number
	next   string
	other  number
	doubt  string // how sure it is
}

// criteria are the lines of the decision matrix in a mode.
func (d *data) criteria(mode record.Mode) []criterion {
	list := []criterion{
		d.criterion("Lowest mean latency", "ms", d.rankRuns(mode, byMean, ""), func(a, b string) string { return d.latencyDoubt(mode, a, b) }),
		d.criterion("Lowest cost", "USD per 1M tokens", d.rankMode(mode, costTotal, true), func(a, b string) string { return d.costDoubt(mode, a, b) }).on(d.chargedGrade(mode)),
		d.criterion("Best median latency", "ms", d.rankRuns(mode, byP50, ""), func(a, b string) string { return d.medianDoubt(mode, a, b) }),
		d.criterion("Lowest p95 latency", "ms", d.rankRuns(mode, byP95, ""), func(string, string) string { return "a description, not tested" }),
		d.criterion("Most consistent", "% within a scenario", d.rankRuns(mode, byCV, ""), func(string, string) string { return "a description, not tested" }),
		d.criterion("CPU only, lowest mean latency", "ms", d.rankRuns(mode, byMean, record.CPU), func(a, b string) string { return d.latencyDoubt(mode, a, b) }),
	}
	return append(list, d.multiModel(mode))
}

// criterion is one line from a ranking.
func (d *data) criterion(name, unit string, order []ranked, doubt func(first, next string) string) criterion {
	c := criterion{name: name, unit: unit}
	if len(order) == 0 {
		c.doubt = "no such backend has a figure."
		return c
	}
	c.leader, c.value = order[0].label, order[0].number
	if len(order) == 1 {
		c.doubt = "the only one with a figure"
		return c
	}
	c.next, c.other = order[1].label, order[1].number
	c.doubt = doubt(c.leader, c.next)
	return c
}

// on adds how well the energy is known that a criterion rests on.
func (c criterion) on(grade string) criterion {
	if c.leader != "" && grade != "" {
		c.doubt += "; " + grade
	}
	return c
}

// chargedGrade is how well the energy is known that is in the costs of a mode, or nothing where none is.
func (d *data) chargedGrade(mode record.Mode) string {
	if !d.chargesEnergy() {
		return ""
	}
	return d.gradesOf(of(mode)).brief()
}

// medianDoubt says whether the intervals of two medians are apart.
func (d *data) medianDoubt(mode record.Mode, first, next string) string {
	var a, b *compare.Distribution
	for i := range d.singleRuns().Backends {
		g := &d.singleRuns().Backends[i]
		switch {
		case g.Mode != mode:
		case g.Backend == first:
			a = g.Metric(compare.LatencyMS)
		case g.Backend == next:
			b = g.Metric(compare.LatencyMS)
		}
	}
	switch {
	case a == nil || b == nil || a.P50Upper == nil || b.P50Lower == nil:
		return "without an interval to tell it from " + next
	case *a.P50Upper < *b.P50Lower:
		apart := "its 95% interval is apart from that of " + next
		if o, words := d.withinDoubt(mode, compare.LatencyMS, "", first, next); o == open || o == reversed {
			apart += ", which is no test; by mean latency " + words
		}
		return apart
	}
	return "its 95% interval overlaps that of " + next
}

// multiModel is who ran more than one model, where the data have more than one.
func (d *data) multiModel(mode record.Mode) criterion {
	c := criterion{name: "Several models"}
	models := d.singleRuns().Models
	if len(models) < 2 {
		c.doubt = "one model was run, so nothing is said about several."
		return c
	}
	ran := map[string]int{}
	for _, m := range models {
		for _, b := range m.Backends {
			ran[strings.SplitN(b, " (", 2)[0]]++ // a label names its model where there are several
		}
	}
	var best []string
	most := 0
	for _, g := range d.measuredIn(mode) {
		name := strings.SplitN(g.label, " (", 2)[0]
		if ran[name] > most {
			best, most = nil, ran[name]
		}
		if ran[name] == most && (len(best) == 0 || best[len(best)-1] != name) {
			best = append(best, name)
		}
	}
	c.leader, c.doubt = strings.Join(best, ", "), fmt.Sprintf("ran %d of %d models", most, len(models))
	return c
}

func decision117(d *data) []Block {
	var blocks []Block
	for _, mode := range d.measuredModes() {
		t := newTable("Decision matrix, "+string(mode), []string{"Criterion", "Backend"}, []string{"value"})
		t.table.Columns = append(t.table.Columns, Column{Name: "unit"}, Column{Name: "next"}, Column{Name: "next_value", Numeric: true}, Column{Name: "how_sure"})
		for _, c := range d.criteria(mode) {
			t.lines([]Line{phrase(c.name), phrase(orElse(c.leader, "none")), c.value.cell(), phrase(c.unit), phrase(orElse(c.next, "none")), c.other.cell(), phrase(c.doubt)})
		}
		blocks = append(blocks, t.block())
	}
	return blocks
}

func answers117(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return []Block{Note{Remark, phrase("Without results there is nothing to conclude.")}}
	}
	return []Block{para("The research questions and what the results answer:"), List{Ordered: true, Items: []Line{
		d.fastestAnswer(), d.realAnswer(), d.paradoxAnswer(), d.priceAnswer(), d.agreementFinding(),
	}}}
}

func (d *data) fastestAnswer() Line {
	var parts []string
	for _, mode := range d.measuredModes() {
		for _, s := range []statistic117{byMean, byP50, byP95} {
			if order := d.rankRuns(mode, s, ""); len(order) > 0 {
				parts = append(parts, fmt.Sprintf("%s by %s in %s", order[0].label, s.words, mode))
			}
		}
	}
	if len(parts) == 0 {
		return phrase("Fastest: not known, as no runs are on record.")
	}
	return prose("Fastest: %s.", word(strings.Join(parts, "; ")))
}

// realAnswer counts the pairs that each design separates.
func (d *data) realAnswer() Line {
	var parts []string
	for _, mode := range d.measuredModes() {
		for _, t := range d.singleRuns().Tests {
			if t.Mode == mode && t.Metric == compare.LatencyMS && t.Tests > 0 {
				n := 0
				for _, p := range t.Pairs {
					if p.Significant {
						n++
					}
				}
				parts = append(parts, fmt.Sprintf("%d of %d pairs differ in mean latency over all runs of %s", n, t.Tests, mode))
			}
		}
		if a := d.Stats.Find(mode, compare.LatencyMS, ""); a != nil && a.Default != nil && a.Default.Tests > 0 {
			n := 0
			for _, p := range a.Default.Pairs {
				if p.Significant {
					n++
				}
			}
			parts = append(parts, fmt.Sprintf("%d of %d within scenarios of %s", n, a.Default.Tests, mode))
		}
	}
	if len(parts) == 0 {
		return phrase("Differences beyond noise: nothing could be tested, as there are no two backends with results.")
	}
	return prose("Differences beyond noise: %s.", word(strings.Join(parts, ", ")))
}

func (d *data) paradoxAnswer() Line {
	if len(d.measuredBackends()) < 2 {
		return phrase(noPair)
	}
	beyond, open := 0, 0
	list := d.singleRuns().Paradoxes
	for _, p := range list {
		if p.ResamplingAbsent != "" {
			open++
		}
		if !p.WithinNoise {
			beyond++
		}
	}
	if len(list) == 0 {
		return phrase("Mean and median: they, p95 and p99 rank every pair alike.")
	}
	unknown := ""
	if open > 0 {
		unknown = fmt.Sprintf(", and of %d it is not known for want of sessions", open)
	}
	return prose("Mean and median: %s contradictions between the mean and the median, p95 or p99, of which %s are more than noise%s; section 5 says for each what to pick.",
		word(fmt.Sprint(len(list))), word(fmt.Sprint(beyond)), word(unknown))
}

func (d *data) priceAnswer() Line {
	var line Line
	for i, mode := range d.measuredModes() {
		if i > 0 {
			line = append(line, word(" "))
		}
		line = append(line, d.costFinding117(mode)...)
	}
	return line
}
