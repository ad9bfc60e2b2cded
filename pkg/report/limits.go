package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	register(section{placeSynthesis + 4, "Operational considerations", operations})
	register(section{placeSynthesis + 5, "Limitations", limitations})
}

func operations(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return nil
	}
	var items []Line
	for _, label := range d.measuredBackends() {
		if peak := d.peakMemory(label); peak.known() {
			items = append(items, prose("%s: the largest resident memory of its process was %s%s.", strong(label), peak.shown(units.Bytes(*peak.value).String()),
				word(d.peakRuns(label))))
		}
	}
	if !d.Profile.priced() {
		if wide := d.widest(); wide != nil {
			items = append(items, *wide)
		}
		return []Block{list(items...)}
	}
	items = append(items,
		phrase("Costs charge the hours that tokens take. An instance that idles between requests costs its idle hours as well: below full use, divide by the share of time it works."),
		phrase("A spot instance can be withdrawn at short notice, and a reserved one is paid for whether it is used or not; neither is in the numbers."),
	)
	if wide := d.widest(); wide != nil {
		items = append(items, *wide)
	}
	return []Block{list(items...)}
}

// peakMemory is the largest peak of a backend's cells.
func (d *data) peakMemory(label string) number {
	n := number{source: Source{Artifact: d.CellsName, Row: "backend=" + label, Column: "rss_peak_bytes", How: "largest"}}
	for _, c := range d.cells {
		if v := float(c.RSSPeakBytes); c.label == label && v != nil && (n.value == nil || *v > *n.value) {
			n.value = v
		}
	}
	return n
}

// peakRuns says of how many of a backend's runs peakMemory is, where not all have one.
func (d *data) peakRuns(label string) string {
	known, all := 0, 0
	for _, mode := range d.modes {
		n, m := d.knownRuns(d.group(label, mode), resRSSPeak)
		known, all = known+n, all+m
	}
	return ofRuns(known, all)
}

// widest names the cell whose latency varied most, for those who promise latencies.
func (d *data) widest() *Line {
	var name string
	var worst number
	for _, c := range d.cells {
		if c.LatSDMS == nil || c.LatMeanMS == nil {
			continue
		}
		cv := float64(*c.LatSDMS) / float64(*c.LatMeanMS) * 100
		if worst.value == nil || cv > *worst.value {
			name, worst = c.name(), number{value: &cv, source: Source{Artifact: d.CellsName, Row: cellKey(c) + ", scenario=" + c.Scenario,
				Column: "lat_sd_ms and lat_mean_ms", How: "standard deviation over mean, per cent"}}
		}
	}
	if worst.value == nil {
		return nil
	}
	line := prose("Latency is not constant: it varied most in %s, with a standard deviation of %s of the mean. Promise percentiles, not means.", strong(name), worst.suffixed("%"))
	return &line
}

// limitations says what the data lacks; a line stands here only where it is so.
func limitations(d *data) []Block {
	var items []Line
	for _, part := range []func() []Line{d.coverageLimits, d.modelLimits, d.promptLimits, d.energyLimits, d.priceLimits, d.designLimits, d.runLimits} {
		items = append(items, part()...)
	}
	return []Block{list(items...)}
}

func (d *data) coverageLimits() []Line {
	var lines []Line
	if missing := d.unmeasured(); missing != "" {
		lines = append(lines, prose("Not measured: %s. Nothing here says how they would compare.", word(missing)))
	}
	if len(d.measuredBackends()) == 1 {
		lines = append(lines, phrase("With one measured backend there is no comparison between backends in this report."))
	}
	if !d.FromRuns {
		lines = append(lines, phrase("The raw runs are gone: no percentiles, no drift over time, no check of outputs, and no spread of power."))
	}
	lines = append(lines, prose("Measured on %s: other hardware, other load or another day may give other numbers, and no interval covers that.", word(d.hostsWords())))
	if e := d.environment(); e != "" {
		lines = append(lines, phrase(e))
	}
	return lines
}

// environment says what of the machine limits the numbers.
func (d *data) environment() string {
	if d.Manifest == nil || d.Manifest.Environment == nil {
		return "The environment of the measurements is not on record."
	}
	if v := d.Manifest.Environment.Virtualisation; v != "" {
		return fmt.Sprintf("Measured under virtualisation (%s): neighbours on the same machine may have taken time, and hardware sensors are hidden or shared.", v)
	}
	return ""
}

func (d *data) modelLimits() []Line {
	more := "larger batches and concurrent requests"
	if len(d.singleRuns().InFlight) > 0 {
		more = "larger batches and more requests at once"
	}
	lines := []Line{prose("One model (%s) in %s scenarios: longer prompts, longer answers, %s are not measured.",
		word(d.modelWords()), word(fmt.Sprint(len(d.scenarios))), word(more))}
	if models := d.models(); len(models) > 1 {
		lines[0] = prose("%s models (%s) in %s scenarios: a difference between backends that ran different ones may be a difference between models.",
			word(fmt.Sprint(len(models))), word(d.modelWords()), word(fmt.Sprint(len(d.scenarios))))
	}
	if other := d.otherWeights(); other != "" {
		lines = append(lines, phrase(other))
	}
	if strings.Contains(d.modelWords(), "seeded") {
		lines = append(lines, phrase("The weights are seeded random numbers of the architecture's initialiser, not trained: time and energy are those of the architecture, the text that comes out means nothing."))
	}
	if len(d.measuredModes()) > 0 && !slices.Contains(d.measuredModes(), record.GenerateCached) {
		lines = append(lines, phrase("Decoding was measured without a KV cache only, which is not how servers decode."))
	}
	return lines
}

func (d *data) energyLimits() []Line {
	grades := d.grades()
	var lines []Line
	if n := grades[record.GradeD]; n > 0 {
		lines = append(lines, prose("Power of %s measured cells is estimated from a model of the processor: energy and what follows from it carry %s and can be wrong by more than their intervals say.",
			word(fmt.Sprint(n)), word(EstimateMark)))
	}
	if n := grades[record.GradeC]; n > 0 {
		lines = append(lines, prose("Power of %s measured cells is under-sampled, throttled or shared with other processes.", word(fmt.Sprint(n))))
	}
	if n := grades[""]; n > 0 {
		lines = append(lines, prose("Power of %s measured cells has no grade: how well it was sampled is not known.", word(fmt.Sprint(n))))
	}
	if _, saw := checkPower(d); d.lacksPower() {
		lines = append(lines, prose("Energy is not known everywhere: %s. What rests on it is %s, not lower.", word(saw), code(units.Absent)))
	}
	return lines
}

func (d *data) lacksPower() bool {
	return slices.ContainsFunc(d.cells, func(c cellRow) bool { return c.N > 0 && c.PowerMeanW == nil })
}

func (d *data) priceLimits() []Line {
	if !d.Profile.priced() {
		return nil
	}
	_, saw := checkPriceOrigin(d)
	lines := []Line{prose("Prices are inputs with a date, not measurements: %s.", word(saw))}
	if outcome, saw := checkDevices(d); outcome != pass {
		lines = append(lines, prose("Prices do not always fit the hardware: %s.", word(saw)))
	}
	return append(lines, phrase("A measured time on this machine is priced at the rate of rented ones, which are not this machine: the costs compare backends, and predict a bill only as far as the instance performs alike."))
}

func (d *data) designLimits() []Line {
	var lines []Line
	if outcome, saw := checkBelowZero(d); outcome != pass {
		lines = append(lines, prose("Symmetric intervals of a latency reach where no latency can be (%s).", word(saw)))
	}
	if outcome, saw := checkEstimators(d); outcome != pass {
		lines = append(lines, prose("The throughput of some cells depends on the estimator: %s.", word(saw)))
	}
	least := int64(0)
	for _, c := range d.cells {
		if c.N > 0 && (least == 0 || c.N < least) {
			least = c.N
		}
	}
	if least > 0 {
		lines = append(lines, prose("From %s runs per cell on: enough for a mean, too few for tail latencies.", word(fmt.Sprint(least))))
	}
	return lines
}
