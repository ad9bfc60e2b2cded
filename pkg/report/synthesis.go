package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR119, section{placeSynthesis, "Synthesis and decision matrix", answers})
	registerFor(TR119, section{placeSynthesis + 1, "What matters most", levers})
	registerFor(TR119, section{placeSynthesis + 2, "Recommendations", recommendations})
	registerFor(TR119, section{placeSynthesis + 3, "Decision matrix", decisionMatrix})
}

// answers answers the research questions, in their order.
func answers(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return []Block{Note{Remark, phrase("Without results there is nothing to conclude.")}}
	}
	return []Block{para("The research questions and what the results answer:"), List{Ordered: true, Items: []Line{
		d.cheapestAnswer(), d.tierAnswer(), d.energyAnswer(), d.requestAnswer(),
	}}}
}

func (d *data) cheapestAnswer() Line {
	var parts []string
	for _, mode := range d.measuredModes() {
		c := d.choose(mode, "")
		s := string(mode) + ": " + c.leader
		switch {
		case c.others == 0:
			s += ", the only one with results"
		case c.doubt != "":
			s += ", untested"
		case c.inEach > 0:
			s += fmt.Sprintf(", lowest in each of %d scenarios but not shown to be so elsewhere against %s", c.inEach, strings.Join(c.tied, ", "))
		case len(c.tied) > 0:
			s += ", tied with " + strings.Join(c.tied, ", ")
		default:
			s += ", separated from all others"
		}
		parts = append(parts, s)
	}
	return d.onCost(prose("Cheapest backend: %s.", word(strings.Join(parts, "; "))), of(""))
}

// tierAnswer sets what spot saves beside what the choice of backend saves.
func (d *data) tierAnswer() Line {
	var best *lever
	for _, l := range d.levers() {
		if l.kind == tierLever && (best == nil || *l.factor.value > *best.factor.value) {
			best = &l
		}
	}
	if best == nil {
		return phrase("Tier: not known, as no backend has both an on-demand and a spot cost.")
	}
	line := prose("Tier: on-demand costs %s times spot for %s, over its modes and scenarios.", best.factor.span(), strong(best.who))
	var parts []Line
	for _, l := range d.levers() {
		if l.kind == backendLever {
			parts = append(parts, prose("%s in %s", l.factor.span(), code(l.mode)))
		}
	}
	if len(parts) == 0 {
		return d.onCost(append(line, word(" With one backend there is no choice of backend to set beside it.")), of(""))
	}
	line = append(line, word(" The dearest backend costs, as a multiple of the cheapest: "))
	return d.onCost(append(joined(line, parts, ", "), word(".")), of(""))
}

// energyAnswer says whether the order by infrastructure cost is the order by total cost.
func (d *data) energyAnswer() Line {
	var changed, same []string
	var most ranked
	for _, mode := range d.measuredModes() {
		total, infra := d.rankMode(mode, costTotal, true), d.rankMode(mode, costInfra, true)
		for _, r := range total {
			if share := d.energyShare(r.label, mode); share.known() && (most.value == nil || *share.value > *most.value) {
				most = ranked{r.label + " in " + string(mode), share}
			}
		}
		if len(total) < 2 {
			continue
		}
		infra = slices.DeleteFunc(infra, func(r ranked) bool {
			return !slices.ContainsFunc(total, func(o ranked) bool { return o.label == r.label })
		})
		if slices.EqualFunc(total, infra, func(a, b ranked) bool { return a.label == b.label }) {
			same = append(same, string(mode))
		} else {
			changed = append(changed, string(mode))
		}
	}
	if most.value == nil {
		return phrase("Energy: not known, as no backend has both an energy and a total cost.")
	}
	share := d.onEnergy(prose(" Energy is at most %s of a cost (%s).", most.suffixed("%"), word(most.label)), of(""))
	switch {
	case len(changed) > 0:
		return append(prose("Energy changes the order of the mean costs in %s.", word(strings.Join(changed, ", "))), share...)
	case len(same) > 0:
		return append(prose("Energy does not change the order in %s: the hours that throughput decides do.", word(strings.Join(same, ", "))), share...)
	}
	return append(phrase("Energy: with one backend there is no order to change."), share...)
}

func (d *data) requestAnswer() Line {
	list := d.rankRequests()
	switch len(list) {
	case 0:
		return phrase("Request: not known, as no backend has both a prefill and a decode cost.")
	case 1:
		return d.onCost(prose("Request: %s USD with %s.", list[0].total.span(), strong(list[0].name())), list[0].cells())
	}
	last := list[len(list)-1]
	first, end := list[0].cells(), last.cells()
	return d.onCost(prose("Request: from %s USD (%s) to %s USD (%s).", list[0].total.span(), strong(list[0].name()), last.total.span(), strong(last.name())),
		func(c cellRow) bool { return first(c) || end(c) })
}

// leverKind is what a lever turns.
type leverKind string

// The kinds of lever.
const (
	backendLever  leverKind = "choice of backend"
	tierLever     leverKind = "pricing tier"
	cacheLever    leverKind = "KV cache"
	scenarioLever leverKind = "shape of the request"
)

// lever is a factor on the cost that a choice makes.
type lever struct {
	kind   leverKind
	mode   string
	who    string
	factor number
	words  string
	cells  func(cellRow) bool // that the factor is of
}

// levers are the factors that the results show, largest first.
func (d *data) levers() []lever {
	var list []lever
	for _, mode := range d.measuredModes() {
		order := d.rankMode(mode, costTotal, true)
		if len(order) > 1 {
			best, worst := order[0], last(order)
			list = append(list, lever{backendLever, string(mode), worst.label, worst.over(best.number, "dearest over cheapest"),
				fmt.Sprintf("in %s, %s against %s", mode, worst.label, best.label), of(mode, best.label, worst.label)})
		}
		if len(order) > 0 {
			list = append(list, d.scenarioLever(order[0].label, mode)...)
		}
	}
	for _, label := range d.measuredBackends() {
		onDemand, spot := d.costMean(d.allRows(label, record.OnDemand), costTotal), d.costMean(d.allRows(label, record.Spot), costTotal)
		list = append(list, lever{tierLever, "", label, onDemand.over(spot, "on-demand over spot"), "on-demand against spot, " + label, of("", label)})
		plain := d.costMean(d.costRows(label, record.Generate, "", record.OnDemand), costTotal)
		cached := d.costMean(d.costRows(label, record.GenerateCached, "", record.OnDemand), costTotal)
		list = append(list, lever{cacheLever, "", label, plain.over(cached, "generate over generate-cached"), "decoding without it against decoding with it, " + label,
			func(c cellRow) bool { return c.label == label && c.Mode != record.Prefill }})
	}
	list = slices.DeleteFunc(list, func(l lever) bool { return !l.factor.known() })
	slices.SortStableFunc(list, func(a, b lever) int {
		switch {
		case *a.factor.value > *b.factor.value:
			return -1
		case *a.factor.value < *b.factor.value:
			return 1
		}
		return strings.Compare(a.words, b.words)
	})
	return list
}

// scenarioLever is what the shape of a request makes of a backend's cost, where it has two scenarios.
func (d *data) scenarioLever(label string, mode record.Mode) []lever {
	var list []ranked
	rows := d.costRows(label, mode, "", record.OnDemand)
	for i := range rows {
		list = append(list, ranked{rows[i].Scenario, d.costNumber(&rows[i], costTotal)})
	}
	list = rank(list, true)
	if len(list) < 2 {
		return nil
	}
	low, high := list[0], list[len(list)-1]
	return []lever{{scenarioLever, string(mode), label, high.over(low.number, "dearest over cheapest scenario"),
		fmt.Sprintf("in %s, %s against %s, %s", mode, high.label, low.label, label),
		func(c cellRow) bool {
			return of(mode, label)(c) && (c.Scenario == low.label || c.Scenario == high.label)
		}}}
}

func levers(d *data) []Block {
	list := d.levers()
	if len(list) == 0 {
		return nil
	}
	seen := map[leverKind]bool{}
	var items []Line
	for _, l := range list {
		if seen[l.kind] {
			continue // the largest of its kind stands for it
		}
		seen[l.kind] = true
		items = append(items, d.onCost(prose("%s: a factor of %s on the cost of a token (%s).", strong(sentenceStart(string(l.kind))), l.factor.span(), word(l.words)), l.cells))
	}
	return []Block{para("The largest factor of each kind, largest first, on demand and by mean cost:"), List{Ordered: true, Items: items}}
}

// sentenceStart is s with its first letter capital.
func sentenceStart(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func recommendations(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return nil
	}
	var blocks []Block
	for _, part := range []struct {
		title  string
		device record.Device
	}{{"Default GPU backend", record.GPU}, {"CPU-only fallback", record.CPU}} {
		blocks = append(blocks, para("%s:", strong(part.title)), List{Items: d.choicesOf(part.device)})
	}
	return append(blocks, para("%s", strong("When to keep the others:")), List{Items: d.keepers()})
}

// choicesOf is the choice in each mode among the backends of a device, or one line where no mode has any.
func (d *data) choicesOf(device record.Device) []Line {
	var lines []Line
	any := false
	for _, mode := range d.measuredModes() {
		c := d.choose(mode, device)
		any = any || c.leader != ""
		lines = append(lines, d.choiceWords(c, kindWords(device)))
	}
	if any {
		return lines
	}
	line := prose("No %s has results, so none is recommended.", word(kindWords(device)))
	if why := d.unmeasured(); why != "" {
		line = append(line, word(" Not measured: "+why+"."))
	}
	return []Line{line}
}

// keepers says of each measured backend that is not chosen anywhere in which cells it is cheapest or fastest.
func (d *data) keepers() []Line {
	chosen := map[string]bool{}
	for _, mode := range d.measuredModes() {
		for _, device := range []record.Device{record.GPU, record.CPU} {
			chosen[d.choose(mode, device).leader] = true
		}
	}
	wins := d.wins()
	var lines []Line
	for _, label := range d.measuredBackends() {
		if chosen[label] {
			continue
		}
		if where := wins[label]; len(where) > 0 {
			line := prose("%s: keep it where it wins, with %s.", strong(label), word(strings.Join(where, "; ")))
			if strings.Contains(strings.Join(where, ""), lowestCost) {
				line = d.onCost(line, of("", label))
			}
			lines = append(lines, line)
		} else {
			lines = append(lines, prose("%s: it is neither cheapest nor fastest in any cell; nothing measured here speaks for keeping it.", strong(label)))
		}
	}
	if len(lines) == 0 {
		return []Line{phrase("There are no others with results.")}
	}
	return lines
}

// lowestCost is what a backend wins by that is cheapest.
const lowestCost = "the lowest cost"

// wins lists where each backend has the lowest total cost or the lowest mean latency, as
// "the lowest cost in prefill (batch_short, single_long)".
func (d *data) wins() map[string][]string {
	wins := map[string][]string{}
	for _, mode := range d.measuredModes() {
		cheap, fast := map[string][]string{}, map[string][]string{}
		for _, scenario := range d.scenarios {
			var costs, latencies []ranked
			for _, g := range d.measuredIn(mode) {
				row := inScenario(d.costRows(g.label, mode, "", record.OnDemand), scenario)
				costs = append(costs, ranked{g.label, d.costNumber(row, costTotal)})
				for _, c := range g.cells {
					if c.Scenario == scenario {
						latencies = append(latencies, ranked{g.label, d.cellNumber(c, latMean)})
					}
				}
			}
			winner(cheap, costs, scenario)
			winner(fast, latencies, scenario)
		}
		for _, label := range d.backends {
			if len(cheap[label]) > 0 {
				wins[label] = append(wins[label], fmt.Sprintf("%s in %s (%s)", lowestCost, mode, strings.Join(cheap[label], ", ")))
			}
			if len(fast[label]) > 0 {
				wins[label] = append(wins[label], fmt.Sprintf("the lowest latency in %s (%s)", mode, strings.Join(fast[label], ", ")))
			}
		}
	}
	return wins
}

// winner adds the scenario to the list of the backend with the lowest number.
func winner(wins map[string][]string, list []ranked, scenario string) {
	if list = rank(list, true); len(list) > 0 {
		wins[list[0].label] = append(wins[list[0].label], scenario)
	}
}

func decisionMatrix(d *data) []Block {
	columns := []string{"prefill_usd_per_1M", "generate_usd_per_1M", "generate/prefill"}
	cached := slices.Contains(d.modes, record.GenerateCached)
	if cached {
		columns = append(columns, "generate-cached_usd_per_1M", "generate-cached/prefill")
	}
	t := newTable("Decision matrix: total cost per 1M tokens, on-demand, mean across scenarios", []string{"Backend"}, columns)
	for _, label := range d.backends {
		of := func(mode record.Mode) number {
			return d.costMean(d.costRows(label, mode, "", record.OnDemand), costTotal)
		}
		prefill, generate := of(record.Prefill), of(record.Generate)
		numbers := []number{prefill, generate, generate.over(prefill, "generate over prefill")}
		if cached {
			numbers = append(numbers, of(record.GenerateCached), of(record.GenerateCached).over(prefill, "generate-cached over prefill"))
		}
		t.row([]string{label}, numbers...)
	}
	t.note("Default provider: %s.", word(d.defaultProviders()))
	d.noteCharge(t, "")
	return []Block{t.block()}
}
