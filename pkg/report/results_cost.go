package report

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerPriced(section{placeResults + 4, "Cost and energy summary", costSummary})
	registerPriced(section{placeResults + 5, "Cost and energy per 1M tokens, on-demand", costOnDemand})
	registerFor(TR119, section{placeResults + 6, "Multi-tier pricing", tierPricing})
	registerPriced(section{placeResults + 7, "Cloud providers", cloudProviders})
	registerPriced(section{placeResults + 8, "Carbon footprint", carbonDetail})
}

// costSummaryColumns are the columns of the summary in spec TR119's names.
var costSummaryColumns = []string{"total_cost_usd_per_1M_tok", "energy_cost_usd_per_1M_tok", "energy_kwh_per_1M_tok", "carbon_gco2e_per_1M_tok"}

func costSummary(d *data) []Block {
	t := newTable("Cost and energy summary, mean across scenarios", byBackendMode, costSummaryColumns)
	for _, g := range d.groups() {
		onDemand, energy := d.costRows(g.label, g.mode, "", record.OnDemand), d.energyRows(g.label, g.mode)
		t.row([]string{g.label, string(g.mode)}, d.costMean(onDemand, costTotal),
			d.costMean(energy, costEnergy), d.costMean(energy, costKWh), d.costMean(energy, costCarbon))
	}
	t.note("total_cost_usd_per_1M_tok: on demand at the default provider (%s).", word(d.defaultProviders()))
	t.note("%s", word(d.gradeWords("")))
	return append(energyStatement(d), t.block())
}

// matchesDevice reports whether the method shown prices a backend on instances of its own kind alone.
func (d *data) matchesDevice() bool { return !strings.HasPrefix(d.Method, cost.MethodTR119.Name) }

// defaultProviders names the provider that single-provider tables show for each kind of backend.
func (d *data) defaultProviders() string {
	of := map[record.Device]string{}
	for _, r := range d.costs[d.Method] {
		if r.Default && r.Tier == record.OnDemand {
			of[r.Device] = r.Provider
		}
	}
	cpu, gpu := of[record.CPU], of[record.GPU]
	switch {
	case cpu == gpu:
		return orElse(cpu, "none in the price book for these backends")
	case cpu == "":
		return gpu
	case gpu == "":
		return cpu
	}
	return cpu + " for CPU backends, " + gpu + " for GPU backends"
}

func costOnDemand(d *data) []Block {
	t := newTable("Cost and energy per 1M tokens, on-demand, per backend and scenario", byBackendScenario,
		[]string{"throughput_mean_tok_s", "power_mean_w", "gpu_hours_per_1M_tok", "infra_cost_usd_per_1M_tok",
			"energy_cost_usd_per_1M_tok", "total_cost_usd_per_1M_tok"})
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		priced := inScenario(d.costRows(c.label, c.Mode, "", record.OnDemand), c.Scenario)
		timed := inScenario(d.energyRows(c.label, c.Mode), c.Scenario)
		t.row([]string{c.label, string(c.Mode), c.Scenario},
			d.costNumber(timed, costThroughput), d.costNumber(timed, costPower), d.costNumber(timed, costHours),
			d.costNumber(priced, costInfra), d.costNumber(timed, costEnergy), d.costNumber(priced, costTotal))
	}
	t.note("Default provider: %s. gpu_hours_per_1M_tok: hours of the machine that runs the backend, with a GPU or without. %s",
		word(d.defaultProviders()), d.estimatorNote())
	t.note("%s", word(d.gradeWords("")))
	return d.orNothing(t)
}

// shownTiers are the tiers of the tier table; reserved means reserved_1yr, as in spec TR119.
var shownTiers = []struct {
	column string
	tier   record.Tier
}{
	{"on_demand_usd", record.OnDemand}, {"spot_usd", record.Spot}, {"reserved_usd", record.Reserved1yr},
	{"reserved_1yr_usd", record.Reserved1yr}, {"reserved_3yr_usd", record.Reserved3yr}, {"on_prem_usd", record.OnPrem},
}

func tierPricing(d *data) []Block {
	columns := make([]string, len(shownTiers))
	for i, s := range shownTiers {
		columns[i] = s.column
	}
	t := newTable("Total cost per 1M tokens by pricing tier, per backend and scenario", byBackendScenario, columns)
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		numbers := make([]number, len(shownTiers))
		for i, s := range shownTiers {
			numbers[i] = d.costNumber(inScenario(d.costRows(c.label, c.Mode, "", s.tier), c.Scenario), costTotal)
		}
		t.row([]string{c.label, string(c.Mode), c.Scenario}, numbers...)
	}
	t.note("Default provider: %s. reserved means reserved_1yr. %s", word(d.defaultProviders()), word(d.onPremWords()))
	d.noteCharge(t, "")
	return d.orNothing(t)
}

// onPremWords says what on_prem_usd holds.
func (d *data) onPremWords() string {
	if d.Book.OnPrem.CapitalUSD == nil {
		return "on_prem_usd: energy only, as no capital cost was given."
	}
	return "on_prem_usd: energy, and the purchase price spread over the hours of use."
}

func cloudProviders(d *data) []Block {
	t := newTable("Total cost per 1M tokens by cloud provider, mean across scenarios", []string{"Provider", "Backend", "Mode"},
		[]string{"on_demand_usd", "spot_usd", "reserved_usd"})
	for _, provider := range d.providers() {
		for _, g := range d.groups() {
			onDemand := d.costRows(g.label, g.mode, provider, record.OnDemand)
			if len(onDemand) == 0 {
				continue // the method does not price this backend there
			}
			t.row([]string{provider, g.label, string(g.mode)}, d.costMean(onDemand, costTotal),
				d.costMean(d.costRows(g.label, g.mode, provider, record.Spot), costTotal),
				d.costMean(d.costRows(g.label, g.mode, provider, record.Reserved1yr), costTotal))
		}
	}
	if len(t.table.Rows) == 0 {
		return []Block{Note{Remark, phrase("The price book has no provider for the kinds of backend that were run.")}}
	}
	t.note("Method %s: %s. A price that the book does not have gives %s.", code(d.Method), word(d.pricingWords()), code("n/a"))
	d.noteCharge(t, "")
	return []Block{t.block()}
}

// providers lists the cloud providers of the method shown, sorted. Under the original's method those are the ones that
// rent out GPUs, as it had no others: a GPU backend at the price of a CPU instance is not on offer anywhere.
func (d *data) providers() []string {
	var list []string
	kinds := d.devicesOf()
	for _, r := range d.costs[d.Method] {
		if r.Provider == cost.OnPremProvider || !d.matchesDevice() && kinds[r.Provider] == record.CPU {
			continue
		}
		list = append(list, r.Provider)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func carbonDetail(d *data) []Block {
	t := newTable("Carbon footprint per 1M tokens, per backend and scenario", byBackendScenario,
		[]string{"energy_kwh_per_1M_tok", "carbon_gco2e_per_1M_tok"})
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		row := inScenario(d.energyRows(c.label, c.Mode), c.Scenario)
		t.row([]string{c.label, string(c.Mode), c.Scenario}, d.costNumber(row, costKWh), d.costNumber(row, costCarbon))
	}
	t.note("Carbon intensity %s gCO2e/kWh (%s, %s): %s.", d.bookNumber(float64(d.Book.Carbon.GCO2ePerKWh), "carbon.gco2e_per_kwh").span(),
		word(d.Book.Carbon.Region), word(d.Book.Carbon.Date), word(d.Book.Carbon.Source))
	t.note("%s", word(d.gradeWords("")))
	return d.orNothing(t)
}

// bookNumber is a number of the price book.
func (d *data) bookNumber(v float64, field string) number {
	return number{value: &v, source: Source{Artifact: d.BookName, Column: field}}
}
