package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	for i, mode := range record.Modes() {
		title := strings.ToUpper(string(mode)[:1]) + string(mode)[1:] + " deep dive"
		registerPriced(section{placeResults + 10 + i, title, func(d *data) []Block { return deepDive(d, mode) }})
	}
	registerFor(TR119, section{placeResults + 20, "Cost breakdown", costBreakdown})
	registerPriced(section{placeResults + 21, "Energy efficiency ranking", energyRanking})
	registerPriced(section{placeResults + 22, "Carbon comparison", carbonComparison})
	registerFor(TR119, section{placeResults + 23, "ROI by tier", tierReturn})
}

// ranked is a backend with the number that it is ranked by.
type ranked struct {
	label string
	number
}

// rank sorts the backends whose number is known: ascending where less is better, else descending; equal ones by name.
// Means over fewer rows than others have come last: a backend that was measured in the cheap scenarios alone is not the
// cheapest.
func rank(list []ranked, lessIsBetter bool) []ranked {
	list = slices.DeleteFunc(slices.Clone(list), func(r ranked) bool { return !r.known() })
	most := 0
	for _, r := range list {
		most = max(most, r.of)
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		order := cmp.Compare(*a.value, *b.value)
		if !lessIsBetter {
			order = -order
		}
		return cmp.Or(cmp.Compare(most-a.of, most-b.of), order, cmp.Compare(a.label, b.label))
	})
	return list
}

// last is the other end of an order: the last one with a mean over as many rows as the first has. What has fewer comes after
// it and is no end of anything.
func last(order []ranked) ranked {
	end := order[0]
	for _, r := range order {
		if r.of == order[0].of {
			end = r
		}
	}
	return end
}

// amongComplete says that the ends of an order are those of the backends with all cells, where others have fewer.
func amongComplete(order []ranked) string {
	if slices.ContainsFunc(order, func(r ranked) bool { return r.of != order[0].of }) {
		return fmt.Sprintf(" of those with all %d cells", order[0].of)
	}
	return ""
}

// rankMode ranks the backends of a mode by the mean of a cost column across scenarios, on demand.
func (d *data) rankMode(mode record.Mode, col costColumn, lessIsBetter bool) []ranked {
	var list []ranked
	for _, g := range d.measuredIn(mode) {
		rows := d.costRows(g.label, mode, "", record.OnDemand)
		if col.energy && col.name != costTotal.name {
			rows = d.energyRows(g.label, mode)
		}
		list = append(list, ranked{g.label, d.costMean(rows, col)})
	}
	return rank(list, lessIsBetter)
}

// rankCells ranks the backends by the mean of a cost column over all their cells.
func (d *data) rankCells(col costColumn, lessIsBetter bool) []ranked {
	var list []ranked
	for _, label := range d.measuredBackends() {
		list = append(list, ranked{label, d.costMean(d.allRows(label, ""), col)})
		list[len(list)-1].source.Row = "backend=" + label + ", all modes and scenarios"
	}
	return rank(list, lessIsBetter)
}

// allRows are a backend's rows in all modes: of a tier at the default provider, or for tier "" those that hold energy.
func (d *data) allRows(label string, tier record.Tier) []costRow {
	var rows []costRow
	for _, mode := range d.modes {
		if tier == "" {
			rows = append(rows, d.energyRows(label, mode)...)
		} else {
			rows = append(rows, d.costRows(label, mode, "", tier)...)
		}
	}
	return rows
}

// more is by how many per cent n exceeds base.
func (n number) more(base number, how string) number {
	r := n.over(base, how)
	if r.value != nil {
		*r.value = 100 * (*r.value - 1)
	}
	return r
}

func deepDive(d *data, mode record.Mode) []Block {
	groups := d.measuredIn(mode)
	if len(groups) == 0 {
		if !slices.Contains(d.modes, mode) {
			return nil
		}
		return []Block{Note{Remark, prose("No backend has a good run in %s.", code(string(mode)))}}
	}
	order := d.rankMode(mode, costTotal, true)
	if len(order) == 0 {
		return []Block{Note{Remark, prose("No backend has a total cost in %s: %s.", code(string(mode)), word(d.noTotal(mode)))}}
	}
	t := newTable(fmt.Sprintf("Backends in %s by total cost per 1M tokens, mean across scenarios, on-demand", mode),
		[]string{"Rank", "Backend"}, []string{"total_usd_per_1M", "ci_lower", "ci_upper", "above_best_pct", "throughput_mean_tok_s", "power_mean_w", "energy_pct"})
	for i, r := range order {
		g := d.group(r.label, mode)
		low, high := d.costMeanInterval(d.costRows(r.label, mode, "", record.OnDemand))
		t.row([]string{fmt.Sprint(i + 1), r.label}, r.number, low, high, r.above(order[0].number, i == 0),
			d.cellMean(g.cells, d.throughput()), d.cellMean(g.cells, powerMean), d.energyShare(r.label, mode))
	}
	t.note("ci_lower, ci_upper: 95% interval of the mean cost from repeating the runs; %s where a cell has none, as under the estimator mean without the spread of the runs' throughputs.", code("n/a"))
	t.note("%s", word(d.gradeWords(mode)))
	return []Block{list(d.diveFindings(mode, order)...), t.block()}
}

// energyShare is energy cost over total cost of the means, per cent.
func (d *data) energyShare(label string, mode record.Mode) number {
	rows := d.costRows(label, mode, "", record.OnDemand)
	return d.costMean(rows, costEnergy).over(d.costMean(rows, costTotal), "share").times(100, "per cent")
}

// diveFindings says what is best, what it takes, and by how much the next is behind.
func (d *data) diveFindings(mode record.Mode, order []ranked) []Line {
	best := order[0]
	g := d.group(best.label, mode)
	lines := []Line{
		d.onCost(prose("Lowest total cost: %s at %s USD per 1M tokens.", strong(best.label), best.span()), of(mode, best.label)),
		prose("Its throughput is %s tok/s and its power %s W.", d.cellMean(g.cells, d.throughput()).span(), d.cellMean(g.cells, powerMean).span()),
	}
	if share := d.energyShare(best.label, mode); share.known() {
		lines[1] = prose("Its throughput is %s tok/s and its power %s W; energy is %s of its cost.", d.cellMean(g.cells, d.throughput()).span(),
			d.cellMean(g.cells, powerMean).span(), share.suffixed("%"))
	}
	if d.cellMean(g.cells, powerMean).known() {
		lines[1] = d.onEnergy(lines[1], of(mode, best.label))
	}
	if len(order) == 1 {
		return append(lines, phrase("No other backend has a total cost here, so there is nothing to compare it with."))
	}
	next := order[1]
	lines = append(lines, d.onCost(prose("Next is %s at %s USD, %s more.", strong(next.label), next.span(),
		next.more(best.number, "per cent above the best").suffixed("%")), of(mode, next.label)))
	if s := d.rankingSentence(mode); s != "" {
		lines = append(lines, prose("How sure that is (ratios within scenarios, section 5): %s", word(s)))
	}
	return lines
}

// noTotal says why no backend of a mode has a total cost.
func (d *data) noTotal(mode record.Mode) string {
	var reasons []string
	for _, g := range d.measuredIn(mode) {
		rows := d.costRows(g.label, mode, "", record.OnDemand)
		if len(rows) == 0 {
			reasons = append(reasons, "the price book has no provider for it")
		}
		for _, r := range rows {
			reasons = append(reasons, strings.Split(r.Reason, ",")...)
		}
	}
	slices.Sort(reasons)
	return orElse(strings.Join(slices.Compact(reasons), ", "), "no reason recorded")
}

func costBreakdown(d *data) []Block {
	t := newTable("Cost breakdown per 1M tokens, on-demand, mean over modes and scenarios", []string{"Backend"},
		[]string{"infra_usd_per_1M", "energy_usd_per_1M", "total_usd_per_1M", "infra_pct", "energy_pct"})
	for _, label := range d.backends {
		rows := d.allRows(label, record.OnDemand)
		infra, energy, total := d.costMean(rows, costInfra), d.costMean(rows, costEnergy), d.costMean(rows, costTotal)
		for _, n := range []*number{&infra, &energy, &total} {
			n.source.Row = "backend=" + label + ", on demand, all modes and scenarios"
		}
		share := "share of the means"
		t.row([]string{label}, infra, energy, total,
			infra.over(total, share).times(100, "per cent"), energy.over(total, share).times(100, "per cent"))
	}
	t.note("Modes: %s. A mean over modes weighs each of them alike, whatever a workload's mix; the request costs below weigh them by tokens.", word(joinModes(d.measuredModes())))
	t.note("%s", word(d.gradeWords("")))
	return []Block{t.block()}
}

func joinModes(modes []record.Mode) string {
	names := make([]string, len(modes))
	for i, m := range modes {
		names[i] = string(m)
	}
	return orElse(strings.Join(names, ", "), "none")
}

func energyRanking(d *data) []Block {
	order := d.rankCells(tokensPerKWh, false)
	if len(order) == 0 {
		return append(energyNote(d), Note{Remark, phrase("No run has a power figure, so energy efficiency is not known.")})
	}
	t := newTable("Energy efficiency, mean over all cells of a backend", []string{"Rank", "Backend"},
		[]string{"tokens_per_kwh", "cells", "ratio_to_first", "ci_lower", "ci_upper"})
	for i, r := range order {
		cells := number{value: ptr(float64(r.of)), source: r.source}
		c := d.within(r.label, order[0].label, tokensPerKWh)
		t.lines([]Line{phrase(fmt.Sprint(i + 1)), phrase(r.label), r.cell(), {cells.integer()}, c.ratio.cell(), c.low.cell(), c.high.cell()})
	}
	t.note("%s", word("ratio_to_first"+contrastNote))
	d.noteMissing(t, order)
	t.note("%s", word(d.gradeWords("")))
	return append(append(energyNote(d), d.sureness(order, tokensPerKWh, true)...), t.block())
}

// noteMissing names measured backends that a ranking had to leave out.
func (d *data) noteMissing(t *tableBuilder, order []ranked) {
	var out []string
	for _, label := range d.measuredBackends() {
		if !slices.ContainsFunc(order, func(r ranked) bool { return r.label == label }) {
			out = append(out, label)
		}
	}
	if len(out) > 0 {
		t.note("Measured without power, hence not ranked: %s.", word(strings.Join(out, ", ")))
	}
}

func carbonComparison(d *data) []Block {
	order := d.rankCells(costCarbon, true)
	if len(order) == 0 {
		return []Block{Note{Remark, phrase("No run has a power figure, so emissions are not known.")}}
	}
	t := newTable("Carbon per 1M tokens, mean over all cells of a backend", []string{"Backend"},
		[]string{"carbon_gco2e_per_1M_tok", "above_lowest_pct", "ratio_to_lowest", "ci_lower", "ci_upper"})
	for i, r := range order {
		c := d.within(r.label, order[0].label, costCarbon)
		above := number{source: r.source} // of a mean over other cells there is no such thing
		if r.of == order[0].of {
			above = r.above(order[0].number, i == 0)
		}
		t.row([]string{r.label}, r.number, above, c.ratio, c.low, c.high)
	}
	t.note("%s", word("ratio_to_lowest"+contrastNote))
	d.noteMissing(t, order)
	t.note("%s", word(d.gradeWords("")))
	if len(order) == 1 {
		return []Block{Paragraph{d.onEnergy(prose("Only %s has a carbon figure, %s gCO2e per 1M tokens; there is no range to speak of.",
			strong(order[0].label), order[0].span()), of("", order[0].label))}, t.block()}
	}
	low, high := order[0], last(order)
	return append(d.sureness(order, costCarbon, false), list(
		d.onEnergy(prose("Lowest: %s, %s gCO2e per 1M tokens.", strong(low.label), low.span()), of("", low.label)),
		d.onEnergy(prose("Highest%s: %s, %s gCO2e per 1M tokens.", word(amongComplete(order)), strong(high.label), high.span()), of("", high.label)),
		d.onEnergy(prose("Range%s: %s gCO2e per 1M tokens, a factor of %s.", word(amongComplete(order)), difference(high.number, low.number).span(),
			high.over(low.number, "highest over lowest").span()), of("", low.label, high.label)),
	), t.block())
}

// difference is a-b.
func difference(a, b number) number {
	r := number{estimated: a.estimated || b.estimated, source: a.source}
	r.source.How = also(r.source.How, "difference to "+b.source.Row)
	if a.value != nil && b.value != nil {
		r.value = ptr(*a.value - *b.value)
	}
	return r
}

func tierReturn(d *data) []Block {
	t := newTable("What spot and reserved instances save against on-demand, mean over modes and scenarios", []string{"Backend"},
		[]string{"on_demand_usd", "spot_usd", "spot_saving_pct", "reserved_usd", "reserved_saving_pct"})
	for _, label := range d.backends {
		onDemand := d.costMean(d.allRows(label, record.OnDemand), costTotal)
		spot, reserved := d.costMean(d.allRows(label, record.Spot), costTotal), d.costMean(d.allRows(label, record.Reserved1yr), costTotal)
		t.row([]string{label}, onDemand, spot, saving(spot, onDemand), reserved, saving(reserved, onDemand))
	}
	t.note("Default provider: %s. reserved means reserved_1yr. The saving is of the whole cost: energy costs the same in every tier.", word(d.defaultProviders()))
	d.noteCharge(t, "")
	return []Block{t.block()}
}

// saving is by how many per cent cheap lies below base.
func saving(cheap, base number) number {
	r := cheap.over(base, "per cent saved against on-demand")
	if r.value != nil {
		*r.value = 100 * (1 - *r.value)
	}
	return r
}
