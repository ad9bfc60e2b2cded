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
	described := func(record.Mode, []ranked) string { return "a description, not tested" }
	list := []criterion{
		d.criterion(mode, "Lowest mean latency", "ms", d.rankRuns(mode, byMean, ""), d.latencyDoubt),
		d.criterion(mode, "Lowest cost", "USD per 1M tokens", d.rankMode(mode, costTotal, true), d.costDoubt).on(d.chargedGrade(mode)),
		d.criterion(mode, "Best median latency", "ms", d.rankRuns(mode, byP50, ""), d.medianDoubt),
		d.criterion(mode, "Lowest p95 latency", "ms", d.rankRuns(mode, byP95, ""), described),
		d.criterion(mode, "Most consistent", "% within a scenario", d.rankRuns(mode, byCV, ""), described),
		d.criterion(mode, "CPU only, lowest mean latency", "ms", d.rankRuns(mode, byMean, record.CPU), d.latencyDoubt),
	}
	return append(list, d.multiModel(mode))
}

// criterion is one line from a ranking.
func (d *data) criterion(mode record.Mode, name, unit string, order []ranked, doubt func(record.Mode, []ranked) string) criterion {
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
	c.doubt = doubt(mode, order)
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

// medianDoubt says whose median has an interval apart from that of the first of an order.
func (d *data) medianDoubt(mode record.Mode, order []ranked) string {
	first := d.latencies(mode, order[0].label)
	var without, apart, overlapping []string
	var disputed []standing
	for _, r := range order[1:] {
		other := d.latencies(mode, r.label)
		switch {
		case first == nil || other == nil || first.P50Upper == nil || other.P50Lower == nil:
			without = append(without, r.label)
		case *first.P50Upper < *other.P50Lower:
			apart = append(apart, r.label)
			if s := d.statsStanding(mode, compare.LatencyMS, "", order[0].label, r.label); s.opinion == open || s.opinion == reversed {
				disputed = append(disputed, s)
			}
		default:
			overlapping = append(overlapping, r.label)
		}
	}
	var parts []string
	for _, p := range []struct {
		words  string
		labels []string
	}{{"its 95% interval overlaps that of ", overlapping}, {"without an interval to tell it from ", without}, {"its 95% interval is apart from that of ", apart}} {
		if len(p.labels) > 0 {
			parts = append(parts, p.words+strings.Join(p.labels, ", "))
		}
	}
	words := strings.Join(parts, "; ")
	if len(disputed) > 0 {
		words += ", which is no test; by mean latency " + standingWords(disputed)
	}
	return words
}

// latencies are those of a backend's runs in a mode.
func (d *data) latencies(mode record.Mode, label string) *compare.Distribution {
	for i := range d.singleRuns().Backends {
		if b := &d.singleRuns().Backends[i]; b.Mode == mode && b.Backend == label {
			return b.Metric(compare.LatencyMS)
		}
	}
	return nil
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
