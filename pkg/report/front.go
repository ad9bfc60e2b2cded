package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR119, section{10, "Abstract", abstract})
	registerFor(TR119, section{30, "Executive summary", executiveSummary})
}

func abstract(d *data) []Block {
	ok, planned := d.runCounts()
	what := "runs"
	if !d.FromRuns {
		what = "archived runs"
	}
	blocks := []Block{para("Which backend runs %s cheapest, fastest and cleanest on this hardware, and how sure is that? %s %s of %s planned, of %s backends (%s with results) in %s modes and %s scenarios, were turned into dollars, kWh and gCO2e per 1M tokens. Section 4 shows the assumption set %s.",
		strong(d.modelWords()), ok, word(what), planned, word(fmt.Sprint(len(d.backends))),
		word(fmt.Sprint(len(d.measuredBackends()))), word(fmt.Sprint(len(d.modes))), word(fmt.Sprint(len(d.scenarios))), code(d.Method))}
	var items []Line
	for _, mode := range d.measuredModes() {
		items = append(items, d.choiceWords(d.choose(mode, ""), kindWords("")))
	}
	if len(items) == 0 {
		return append(blocks, Note{Warning, phrase("No backend has a good run: this report has no results.")})
	}
	list := d.checks()
	blocks = append(blocks, d.disturbed()...)
	return append(blocks, List{Items: items}, para("Validation over all: %s (section 4, validation and sanity checks).", strong(overall(list).String())))
}

// runCounts are the good runs and those planned.
func (d *data) runCounts() (good, planned Span) {
	var ok, all int64
	for _, c := range d.cells {
		ok, all = ok+c.N, all+c.Planned()
	}
	count := func(n int64, column string) Span {
		return number{value: ptr(float64(n)), source: Source{Artifact: d.CellsName, Column: column, How: "sum over all cells"}}.integer()
	}
	return count(ok, "n"), count(all, "n, n_degraded, n_error")
}

// modelWords names the models.
func (d *data) modelWords() string {
	var list []string
	for _, c := range d.cells {
		if c.Model != "" && !slices.Contains(list, c.Model) {
			list = append(list, c.Model)
		}
	}
	slices.Sort(list)
	if len(list) == 0 && d.Matrix != nil && d.Matrix.Model != "" {
		return d.Matrix.Model
	}
	return orElse(strings.Join(list, ", "), "a model that is not on record")
}

func executiveSummary(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return d.nothing()
	}
	blocks := d.keyFindings(para("%s, on demand at the default provider (%s) unless said otherwise:", strong("Key findings"), word(d.defaultProviders())))
	decision := []Line{}
	for _, mode := range d.measuredModes() {
		decision = append(decision, d.choiceWords(d.choose(mode, ""), kindWords("")))
	}
	return append(blocks, para("%s:", strong("Key decision")), List{Items: decision})
}

// nothing is the summary of a report without results.
func (d *data) nothing() []Block {
	return []Block{Note{Warning, prose("Nothing was measured: %s.", word(d.unmeasured()))}}
}

// keyFindings are the findings under a heading, with a remark where one of them rests on an estimate.
func (d *data) keyFindings(heading Block) []Block {
	findings := d.findings()
	blocks := []Block{heading, List{Items: findings}}
	if estimatedIn(findings) {
		blocks = append(blocks, Note{Remark, phrase(EstimateNote)})
	}
	return blocks
}

// findings are the key findings of the profile; TR119's in the order of its spec.
func (d *data) findings() []Line {
	switch d.Profile {
	case TR117:
		return d.findings117()
	case TR122:
		return d.findings122()
	}
	var lines []Line
	for _, part := range []func() []Line{d.costFindings, d.spotFindings, d.cleanFindings, d.providerFindings, d.requestFindings, d.runFindings, d.latencyFindings} {
		lines = append(lines, part()...)
	}
	return lines
}

// keyFindings are the key findings as plain text, with the mark of an estimate.
func keyFindings(in *Inputs) []string {
	var texts []string
	for _, line := range newData(in).findings() {
		texts = append(texts, line.plain())
	}
	return texts
}

func estimatedIn(lines []Line) bool {
	return slices.ContainsFunc(lines, func(l Line) bool { return l.estimated() })
}

// costFindings are the best and the worst total cost of each mode.
func (d *data) costFindings() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		order := d.rankMode(mode, costTotal, true)
		switch len(order) {
		case 0:
			lines = append(lines, prose("Cost, %s: no total cost is known (%s).", code(string(mode)), word(d.noTotal(mode))))
		case 1:
			line := prose("Cost, %s: %s, %s USD per 1M tokens", code(string(mode)), strong(order[0].label), order[0].span())
			line = append(line, d.costInterval(order[0].label, mode)...)
			line = append(line, word("; it is the only backend with a cost, so it is best and worst."))
			lines = append(lines, d.onCost(line, of(mode, order[0].label)))
		default:
			best, worst := order[0], last(order)
			line := prose("Cost, %s: best %s, %s USD per 1M tokens", code(string(mode)), strong(best.label), best.span())
			line = append(line, d.costInterval(best.label, mode)...)
			line = append(line, prose("; worst%s %s, %s USD", word(amongComplete(order)), strong(worst.label), worst.span())...)
			line = append(line, d.costInterval(worst.label, mode)...)
			line = append(line, prose(", a factor of %s. The best is %s.", worst.over(best.number, "worst over best").span(), word(d.costDoubt(mode, order)))...)
			lines = append(lines, d.onCost(line, of(mode, best.label, worst.label)))
		}
	}
	return lines
}

// costInterval is the interval of a backend's mean cost in brackets, or nothing where there is none.
func (d *data) costInterval(label string, mode record.Mode) Line {
	rows := d.costRows(label, mode, "", record.OnDemand)
	low, high := d.costMeanInterval(rows)
	return intervalWords(d.costMean(rows, costTotal), low, high, replicatesIn(d.group(label, mode).cells))
}

// spotFindings are the best spot price of each mode and what it saves.
func (d *data) spotFindings() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		var list []ranked
		for _, g := range d.measuredIn(mode) {
			list = append(list, ranked{g.label, d.costMean(d.costRows(g.label, mode, "", record.Spot), costTotal)})
		}
		list = rank(list, true)
		if len(list) == 0 {
			continue // costFindings has said why there is no cost, and a provider without a spot price has no spot cost
		}
		best := list[0]
		onDemand := d.costMean(d.costRows(best.label, mode, "", record.OnDemand), costTotal)
		lines = append(lines, d.onCost(prose("Best spot price, %s: %s, %s USD per 1M tokens, %s below its on-demand cost.",
			code(string(mode)), strong(best.label), best.span(), saving(best.number, onDemand).suffixed("%")), of(mode, best.label)))
	}
	return lines
}

// cleanFindings are the lowest carbon and the most tokens per kWh, over all cells.
func (d *data) cleanFindings() []Line {
	carbon, energy := d.rankCells(costCarbon, true), d.rankCells(tokensPerKWh, false)
	if len(carbon) == 0 || len(energy) == 0 {
		return []Line{phrase("Energy and carbon: not known, as no run has a power figure.")}
	}
	return []Line{
		d.onEnergy(prose("Lowest carbon: %s, %s gCO2e per 1M tokens, mean over all modes and scenarios (%s).", strong(carbon[0].label), carbon[0].span(),
			word(firstDoubt(d.costTests(costCarbon, false), carbon))), of("", carbon[0].label)),
		d.onEnergy(prose("Best energy efficiency: %s, %s tokens per kWh, mean over all modes and scenarios (%s).", strong(energy[0].label), energy[0].span(),
			word(firstDoubt(d.costTests(tokensPerKWh, true), energy))), of("", energy[0].label)),
	}
}

// providerFindings are the cheapest provider and backend of each mode.
func (d *data) providerFindings() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		var list []ranked
		who := map[string]string{}
		for _, provider := range d.providers() {
			for _, g := range d.measuredIn(mode) {
				name := provider + " with " + g.label
				who[name] = g.label
				list = append(list, ranked{name, d.costMean(d.costRows(g.label, mode, provider, record.OnDemand), costTotal)})
			}
		}
		if list = rank(list, true); len(list) > 0 {
			lines = append(lines, d.onCost(prose("Cheapest provider and backend, %s: %s, %s USD per 1M tokens on demand.",
				code(string(mode)), strong(list[0].label), list[0].span()), of(mode, who[list[0].label])))
		}
	}
	return lines
}

// requestFindings are about the cheapest request.
func (d *data) requestFindings() []Line {
	list := d.rankRequests()
	if len(list) == 0 {
		return []Line{phrase("Request: no backend has both a prefill and a decode cost, so no request is priced.")}
	}
	best := list[0]
	line := prose("Best request cost (%s prompt tokens, %s generated): %s, %s USD",
		d.bookNumber(float64(d.Book.Request.PromptTokens), "request.prompt_tokens").integer(),
		d.bookNumber(float64(d.Book.Request.GenerateTokens), "request.generate_tokens").integer(), strong(best.name()), best.total.span())
	line = append(line, intervalWords(best.total, best.low, best.high, replicatesIn(d.cellsOf(best.cells())))...)
	return []Line{d.onCost(append(line, word(".")), best.cells())}
}

// latencyFindings are the lowest mean latency of each mode.
func (d *data) latencyFindings() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		order := d.rankLatency(mode)
		if len(order) == 0 {
			continue
		}
		line := prose("Best latency, %s: %s, %s ms, mean across scenarios", code(string(mode)), strong(order[0].label), order[0].span())
		if len(order) > 1 {
			line = append(line, prose(" (%s)", word(standingWords(d.latencyStandings(mode, order))))...)
		}
		lines = append(lines, append(line, word(".")))
	}
	return lines
}

// runFindings count the runs.
func (d *data) runFindings() []Line {
	_, saw := checkRuns(d)
	line := prose("Runs: %s.", word(saw))
	if missing := d.unmeasured(); missing != "" {
		line = append(line, word(" Without results: "+missing+"."))
	}
	return []Line{line}
}
