package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR122, section{placeStatistics, "Statistical analysis", statistics122})
	registerFor(TR122, section{placeSynthesis, "Synthesis", answers122})
}

func statistics122(d *data) []Block {
	intro := para("Which differences in latency are real? Backends are compared within scenarios at the level %s, allowing for the number of comparisons. Energy is not tested: where its power comes from one estimate, a difference in energy is one in time.", word(fmt.Sprint(d.Stats.Alpha)))
	return append([]Block{intro}, withinScenarios(d, compare.LatencyMS, "")...)
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
			parts = append(parts, prose("%s in %s at %s J per token%s", strong(order[0].label), code(string(mode)), order[0].span(), word(d.nextInEnergy(order, mode))))
		}
	}
	if len(parts) == 0 {
		return prose("Least energy: not known. %s", word(d.gradeWords("")))
	}
	return append(joined(phrase("Least energy: "), parts, "; "), word(". "+d.gradeWords("")))
}

// nextInEnergy says whether the least is told apart from the next.
func (d *data) nextInEnergy(order []ranked, mode record.Mode) string {
	if len(order) < 2 {
		return ""
	}
	_, high := d.resourceInterval(d.group(order[0].label, mode), resPerToken)
	low, _ := d.resourceInterval(d.group(order[1].label, mode), resPerToken)
	return " (next " + order[1].label + ": " + toldApart(high, low) + ")"
}

func (d *data) drawAnswer() Line {
	var parts []Line
	for _, mode := range d.measuredModes() {
		for _, g := range d.measuredIn(mode) {
			peak, share := d.resourceMean(g, resPeak), d.resourceMean(g, resMarginalPct)
			if !peak.known() && !share.known() {
				continue
			}
			parts = append(parts, prose("%s in %s at most %s, of its energy %s above idle", strong(g.label), code(string(mode)), peak.suffixed(" W"), share.suffixed("%")))
		}
	}
	if len(parts) == 0 {
		return phrase("Peak and marginal draw: not known, as no run has either.")
	}
	return append(joined(phrase("Draw: "), parts, "; "), word("."))
}

func (d *data) limitAnswer() Line {
	list := d.bottlenecks()
	var parts []string
	for _, mode := range d.measuredModes() {
		parts = append(parts, string(mode)+": "+verdicts(list, mode))
	}
	return prose("Held back by: %s.", word(strings.Join(parts, ". ")))
}
