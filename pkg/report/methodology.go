package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	register(section{placeMethodology, "Methodology", methodology})
	register(section{placeMethodology + 1, "Matrix", matrixSection})
	registerPriced(section{placeMethodology + 2, "Cost and energy model", costModel})
	register(section{placeMethodology + 3, "Telemetry", telemetrySection})
	registerPriced(section{placeMethodology + 4, "Pricing inputs", pricingInputs})
	registerFor(TR119, section{placeMethodology + 5, "Request mix and volume", requestMix})
}

func methodology(d *data) []Block {
	items := []Line{
		phrase("Metrics: latency, throughput, power and energy of each run, as defined above; a cell is the runs that share backend, settings, mode and scenario."),
		prose("Tables show the mean of a cell or the unweighted mean over the scenarios of a backend, with four significant digits.%s", word(d.intervalWords())),
		d.designWords(),
	}
	if d.FromRuns {
		items = append(items, prose("Each run is measured in a worker process of its own backend, the clock read around the call itself; cells are summarised from %s.", code(d.CellsName)))
	} else {
		items = append(items, prose("The cells are those of the archive %s. What it lacks is filled in only where it follows from what it has: token counts from the scenarios, the ratio throughput from tokens and mean latency, the standard deviation from the interval.", code(d.CellsName)))
	}
	return []Block{list(items...)}
}

// intervalWords says what intervals of a cost are, where there are costs.
func (d *data) intervalWords() string {
	if !d.Profile.priced() {
		return ""
	}
	return " Intervals of a cost follow from the spread of its runs, on the log scale, so that none reaches below zero."
}

// designWords says how section 5 tests.
func (d *data) designWords() Line {
	if d.Profile == TR122 {
		return phrase("Section 5 tests which differences in latency are real, within scenarios and allowing for the number of comparisons.")
	}
	if d.Profile == TR117 {
		return phrase("Section 5 tests which differences are real: between the runs of all scenarios together, as the original report did, and within scenarios; and it looks for pairs whose order by the mean is another by the median or a percentile.")
	}
	return phrase("Section 5 tests which differences in cost are real, by the original report's design and by one that compares backends within scenarios and allows for the number of comparisons.")
}

func matrixSection(d *data) []Block {
	t := newTable("Scenarios", []string{"Scenario"}, []string{"batch_size", "prompt_tokens", "max_new_tokens"})
	for _, s := range d.scenarios {
		var numbers []Line
		for _, col := range []cellColumn{shapeBatch, shapePrompt, shapeNew} {
			numbers = append(numbers, d.shape(s, col).cell())
		}
		t.lines(append([]Line{phrase(s)}, numbers...))
	}
	t.note("Tokens are per sequence. max_new_tokens: in the generate modes.")
	blocks := []Block{t.block()}
	switch m := d.Matrix; {
	case m != nil && !d.FromRuns:
		blocks = append(blocks, para("The shapes are those of the matrix %s. In which order the archived runs were made, and after how many warm-ups, the archive does not say.", code(d.matrixName())))
	case m != nil:
		blocks = append(blocks, list(
			prose("%s repetitions of each cell after %s warm-ups, in %s order, seed %s.", word(fmt.Sprint(m.Repetitions)), word(fmt.Sprint(m.Warmups)), word(string(m.Order)), word(fmt.Sprint(m.Seed))),
			prose("A measured window lasts at least %s; a shorter run is repeated inside it. A window that takes longer than %s is ended and recorded as an error.", word(windowWords(m.MinWindow)), word(m.Timeout.String())),
		))
		if m.Temperature > 0 {
			blocks = append(blocks, para("Tokens are sampled at temperature %s with seed %s: backends in process draw with one sequence of random numbers, so that equal probabilities give equal tokens.",
				word(fmt.Sprint(m.Temperature)), word(fmt.Sprint(m.Seed))))
		}
		if m.Sessions > 1 {
			blocks = append(blocks, para("Every backend is started %s times, one worker process after the other; a session has all repetitions, and is the unit of the intervals and tests over runs.", word(fmt.Sprint(m.Sessions))))
		}
	}
	return blocks
}

func windowWords(w time.Duration) string {
	if w == 0 {
		return "as long as one run"
	}
	return w.String()
}

// shape is a column of a scenario's shape: the largest among its cells, as prefill has no new tokens.
func (d *data) shape(scenario string, col cellColumn) number {
	var best number
	for _, c := range d.cells {
		if c.Scenario != scenario {
			continue
		}
		n := number{value: col.get(c.Cell), source: Source{Artifact: d.CellsName, Row: "scenario=" + scenario, Column: col.name}}
		if best.value == nil || n.value != nil && *n.value > *best.value {
			best = n
		}
	}
	return best
}

func costModel(d *data) []Block {
	return []Block{
		para("A million tokens take 1e6 / throughput seconds. That time is charged at the hourly price of an instance, and the energy of that time, at the measured power, at the price of a kilowatt hour. On-prem has no hourly price unless a capital cost is given."),
		para("%s Assumption set %s: throughput by the estimator %s, and %s.", word(d.energyWords()), code(d.Method), code(d.estimator), word(d.pricingWords())),
	}
}

// energyWords says whether energy is charged.
func (d *data) energyWords() string {
	if strings.HasSuffix(d.Method, cost.InfraOnlySuffix) {
		return "Energy is measured and not charged: a cost is the hourly price alone."
	}
	return "Energy is charged on top of every provider's hourly price, as in the original report, although a cloud's hourly price already pays for its electricity."
}

func telemetrySection(d *data) []Block {
	var items []Line
	if len(d.Runs.PowerSamples) > 0 {
		items = append(items, prose("Power readings per measured window: median %s, from %s to %s, in %s windows.", d.runMedian(d.Runs.PowerSamples, "power_samples").span(),
			d.runFact(d.Runs.PowerSamples, "power_samples", slices.Min[[]int64]), d.runFact(d.Runs.PowerSamples, "power_samples", slices.Max[[]int64]), word(fmt.Sprint(len(d.Runs.PowerSamples)))))
	}
	if len(d.Runs.Iterations) > 0 {
		items = append(items, prose("Repetitions of the work per window: median %s, from %s to %s.", d.runMedian(d.Runs.Iterations, "iterations").span(),
			d.runFact(d.Runs.Iterations, "iterations", slices.Min[[]int64]), d.runFact(d.Runs.Iterations, "iterations", slices.Max[[]int64])))
	}
	if len(d.Runs.ToolGapNS) > 0 {
		items = append(items, prose("Time the tool itself took between two runs of a worker: median %s ms.",
			d.runMedian(d.Runs.ToolGapNS, "tool_gap_ns").times(1e-6, "in ms").span()))
	}
	items = append(items, prose("Where the power of the measured cells came from: %s.", word(d.powerSources())))
	_, grades := checkGrades(d)
	items = append(items, prose("Energy grades: %s.", word(grades)))
	if !d.FromRuns {
		items = append(items, phrase("The original sampled power every 0.25 s over runs of 6 to 1000 ms, so most windows held no sample at all; the archive does not say how many each mean rests on."))
	}
	blocks := []Block{list(items...)}
	if t := d.sensorTable(); t != nil {
		blocks = append(blocks, t)
	}
	return blocks
}

// runMedian is the median of a column of the good runs, of which there are some.
func (d *data) runMedian(x []int64, column string) number {
	n := number{source: Source{Artifact: d.CellsName, Row: "status=ok", Column: column, How: "median"}}
	values := make([]float64, len(x))
	for i, v := range x {
		values[i] = float64(v)
	}
	if m, err := stats.Median(values); err == nil {
		n.value = &m
	}
	return n
}

// runFact is a statistic of a column of the good runs.
func (d *data) runFact(x []int64, column string, of func([]int64) int64) Span {
	return number{value: ptr(float64(of(x))), source: Source{Artifact: d.CellsName, Row: "status=ok", Column: column}}.integer()
}

// powerSources lists the telemetry sources of the measured cells.
func (d *data) powerSources() string {
	var list []string
	for _, c := range d.cells {
		if c.N > 0 && c.PowerMeanW != nil && !slices.Contains(list, c.PowerSource) {
			list = append(list, c.PowerSource)
		}
	}
	slices.Sort(list)
	switch {
	case len(list) == 0:
		return "no cell has a power figure"
	case len(list) == 1 && list[0] == "":
		return "not recorded"
	}
	return strings.Join(list, ", ")
}

// sensorTable sums up what telemetry recorded, or is nil where there is no file of samples.
func (d *data) sensorTable() Block {
	if len(d.Sensors) == 0 {
		return nil
	}
	t := newTable("Telemetry recorded", []string{"Source", "Device"}, []string{"samples", "with_power", "mean_interval_ms"})
	for _, s := range d.Sensors {
		key := Source{Artifact: SamplesFile, Row: "source=" + s.Source + ", device=" + s.Device, Column: "ts_unix_ns", How: "count"}
		interval := number{source: key}
		interval.source.How = "mean gap between samples"
		if s.Samples > 1 {
			interval.value = ptr(float64(s.LastNS-s.FirstNS) / float64(s.Samples-1) / 1e6)
		}
		t.lines([]Line{phrase(s.Source), phrase(s.Device), {number{value: ptr(float64(s.Samples)), source: key}.integer()},
			{number{value: ptr(float64(s.Power)), source: key}.integer()}, interval.cell()})
	}
	t.note("The mean interval includes pauses between backends.")
	return t.block()
}

func pricingInputs(d *data) []Block {
	t := newTable("Instances and their prices, USD per hour", []string{"Provider", "for"},
		[]string{"on_demand", "spot", "reserved_1yr", "reserved_3yr"})
	t.table.Columns = append(t.table.Columns, Column{Name: "Instance"}, Column{Name: "Region"}, Column{Name: "Date"}, Column{Name: "Source"})
	for _, p := range d.Book.Providers {
		row := []Line{phrase(p.Name), phrase(string(p.Device))}
		for _, tier := range []record.Tier{record.OnDemand, record.Spot, record.Reserved1yr, record.Reserved3yr} {
			n := number{source: Source{Artifact: d.BookName, Row: "provider=" + p.Name, Column: "usd_per_hour." + string(tier)}}
			if price, ok := p.USDPerHour[tier]; ok {
				n.value = ptr(float64(price))
			} else {
				n.source.How = "absent: no price that could be sourced"
			}
			row = append(row, n.cell())
		}
		t.lines(append(row, phrase(p.Instance), phrase(p.Region), phrase(p.Date), phrase(p.Source)))
	}
	e, c := d.Book.Energy, d.Book.Carbon
	items := []Line{
		prose("Energy: %s USD/kWh (%s, %s; %s).", d.bookNumber(float64(e.USDPerKWh), "energy.usd_per_kwh").span(), word(e.Region), word(e.Date), word(e.Source)),
		prose("Carbon: %s gCO2e/kWh (%s, %s; %s).", d.bookNumber(float64(c.GCO2ePerKWh), "carbon.gco2e_per_kwh").span(), word(c.Region), word(c.Date), word(c.Source)),
	}
	if o := d.Book.OnPrem; o.CapitalUSD != nil {
		items = append(items, prose("On-prem: %s USD over %s hours of use (%s, %s; %s).", d.bookNumber(float64(*o.CapitalUSD), "on_prem.capital_usd").span(),
			d.bookNumber(float64(o.LifetimeHours), "on_prem.lifetime_hours").span(), word(o.Region), word(o.Date), word(o.Source)))
	} else {
		items = append(items, phrase("On-prem: energy only, as no capital cost was given."))
	}
	return []Block{t.block(), list(items...)}
}

func requestMix(d *data) []Block {
	plan := d.Book.TCO
	return []Block{list(
		prose("Request: %s prompt tokens and %s generated ones.", d.bookNumber(float64(d.Book.Request.PromptTokens), "request.prompt_tokens").integer(),
			d.bookNumber(float64(d.Book.Request.GenerateTokens), "request.generate_tokens").integer()),
		prose("Volume: %s tokens a month for %s months, %s USD upfront.", d.bookNumber(float64(plan.TokensPerMonth), "tco.tokens_per_month").span(),
			d.bookNumber(float64(plan.Months), "tco.months").integer(), d.bookNumber(float64(plan.UpfrontUSD), "tco.upfront_usd").shown(units.G4(float64(plan.UpfrontUSD)))),
	)}
}
