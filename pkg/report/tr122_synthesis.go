package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR122, section{placeStatistics, "Statistical analysis", statistics122})
	registerFor(TR122, section{placeSynthesis, "Synthesis", answers122})
}

func statistics122(d *data) []Block {
	intro := para("Which differences in latency and in energy are real? Backends are compared within scenarios at the level %s, allowing for the number of comparisons. Where power is an estimate energy is not tested: a difference in energy is one in time then, and the test of the latencies is the one that speaks.", word(fmt.Sprint(d.Stats.Alpha)))
	blocks := append([]Block{intro}, withinScenarios(d, compare.LatencyMS, "")...)
	for _, mode := range d.measuredModes() {
		if t := d.energyTestTable(mode); t != nil {
			blocks = append(blocks, t)
		}
	}
	return blocks
}

// energyTestTable shows the tests of energy per token in a mode, or is nil where there is no pair with energy.
func (d *data) energyTestTable(mode record.Mode) Block {
	t := newTable(fmt.Sprintf("Ratios within scenarios, %s, by energy per token", mode), []string{"A", "B"},
		[]string{"scenarios", "ratio", "ci_lower", "ci_upper", "p", "p_holm"})
	t.table.Columns = append(t.table.Columns, Column{Name: "significant"})
	tests := 0
	for _, p := range d.energyTests(mode) {
		if p.cells == 0 {
			continue
		}
		if p.pHolm != nil {
			tests++
		}
		n := func(v *float64, how string) number {
			return number{value: v, estimated: p.estimated, source: Source{Artifact: d.CellsName, Column: resPerToken.name,
				Row: fmt.Sprintf("backend=%s and %s, mode=%s", p.a, p.b, mode), How: how}}
		}
		count := n(ptr(float64(p.cells)), "that both have")
		count.estimated = false
		t.lines([]Line{phrase(p.a), phrase(p.b), {count.integer()},
			n(p.ratio, "geometric mean of the ratios of their means").cell(), n(p.low, "lower end of its 95% interval").cell(),
			n(p.high, "upper end of its 95% interval").cell(), n(p.p, "paired t test of the logarithms").cell(),
			n(p.pHolm, "adjusted by Holm's method").cell(), verdict(p.significant, p.absent)})
	}
	if len(t.table.Rows) == 0 {
		return nil
	}
	t.note("ratio: A over B, geometric mean over scenarios; its 95% interval is of this pair alone. p_holm: adjusted for the number of pairs tested in this mode, %s.", word(fmt.Sprint(tests)))
	t.note("%s", word(d.gradeWords(mode)))
	return t.block()
}

// answers122 answers the research questions, in their order.
func answers122(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return []Block{Note{Remark, phrase("Without results there is nothing to conclude.")}}
	}
	return []Block{para("The research questions and what the results answer:"), List{Ordered: true, Items: []Line{
		d.leastEnergyAnswer(), d.drawAnswer(), d.memoryFinding(), d.limitAnswer(), d.recordingFinding(),
	}}}
}

func (d *data) leastEnergyAnswer() Line {
	var parts []Line
	for _, mode := range d.measuredModes() {
		if order := d.rankResource(mode, resPerToken); len(order) > 0 {
			parts = append(parts, prose("%s in %s at %s J per token%s", strong(order[0].label), code(string(mode)), order[0].span(), word(d.sureOfLeast(order, mode))))
		}
	}
	if len(parts) == 0 {
		return prose("Least energy: not known. %s", word(d.gradeWords("")))
	}
	return append(joined(phrase("Least energy: "), parts, "; "), word(". "+d.gradeWords("")))
}

// sureOfLeast says whether the least is told apart from the others.
func (d *data) sureOfLeast(order []ranked, mode record.Mode) string {
	if len(order) < 2 {
		return ""
	}
	return " (" + d.energyDoubt(mode, order) + ")"
}

func (d *data) drawAnswer() Line {
	var parts []Line
	shares := false
	for _, mode := range d.measuredModes() {
		for _, g := range d.measuredIn(mode) {
			peak, share := d.resourceMean(g, resPeak), d.resourceMean(g, resMarginalPct)
			if !peak.known() && !share.known() {
				continue
			}
			part := prose("%s in %s at most %s%s", strong(g.label), code(string(mode)), peak.suffixed(" W"), word(ofRuns(d.knownRuns(g, resPeak))))
			if share.known() {
				shares = true
				part = append(part, prose(", of its energy %s%s above idle", share.suffixed("%"), word(ofRuns(d.knownRuns(g, resMarginalPct))))...)
			}
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return phrase("Peak and marginal draw: not known, as no run has either.")
	}
	line := append(joined(phrase("Draw: "), parts, "; "), word("."))
	if !shares {
		line = append(line, word(" How much of it was above idle is not known, as "+d.noIdleWords()+"."))
	}
	return d.onEnergy(line, of(""))
}

// noIdleWords says why no run has its energy above idle.
func (d *data) noIdleWords() string {
	if d.gradesOf(of("")).reasons[energy.IdleBusy] > 0 {
		return "the processors or GPUs were busy, or may have been, whenever the machine was to be idle (" + energy.IdleBusy + ")"
	}
	return noIdle
}

func (d *data) limitAnswer() Line {
	list := d.bottlenecks()
	if nothing := noneKnown(list); nothing != nil {
		return nothing
	}
	var parts []string
	for _, mode := range d.measuredModes() {
		parts = append(parts, string(mode)+": "+verdicts(list, mode))
	}
	return prose("Held back by: %s.", word(strings.Join(parts, ". ")))
}
