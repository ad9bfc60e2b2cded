package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR119, section{placeResults + 40, "What the better estimators say", betterEstimators})
}

// betterEstimators sets the original report's estimators beside those of the default method.
func betterEstimators(d *data) []Block {
	var blocks []Block
	for _, part := range []func(*data) []Block{throughputGaps, costGaps, intervalsBelowZero} {
		blocks = append(blocks, part(d)...)
	}
	if len(blocks) == 0 {
		return nil
	}
	intro := para("The original report averaged the runs' throughputs, took symmetric intervals and priced CPU backends at GPU instances. This is where that changes a number by more than %s.",
		word(fmt.Sprintf("%d%%", compare.EstimatorGapPct)))
	return append([]Block{intro}, blocks...)
}

// throughputGaps lists the cells whose throughput depends on the estimator.
func throughputGaps(d *data) []Block {
	t := newTable("Throughput of cells where the two estimators differ by more than 5%", byBackendScenario,
		[]string{"throughput_mean_tok_s", "throughput_ratio_tok_s", "mean_above_ratio_pct"})
	seen := 0
	for _, c := range d.cells {
		mean, ratio := d.cellNumber(c, throughputMean), d.cellNumber(c, throughputRatio)
		if !mean.known() || !ratio.known() {
			continue
		}
		seen++
		gap := mean.more(ratio, "per cent by which the mean of throughputs exceeds tokens over time")
		if math.Abs(*gap.value) > compare.EstimatorGapPct {
			t.row([]string{c.label, string(c.Mode), c.Scenario}, mean, ratio, gap)
		}
	}
	if seen == 0 {
		return nil
	}
	if len(t.table.Rows) == 0 {
		return []Block{para("Throughput: in all %s measured cells the mean of the runs' throughputs and tokens over time agree within %s.",
			word(fmt.Sprint(seen)), word(fmt.Sprintf("%d%%", compare.EstimatorGapPct)))}
	}
	t.note("%s of %s measured cells. Cost is time, so tokens over time is what a bill follows; the mean of throughputs gives fast runs more weight than slow ones and flatters cells whose latency varies.",
		word(fmt.Sprint(len(t.table.Rows))), word(fmt.Sprint(seen)))
	return []Block{t.block()}
}

// costGaps contrasts the total cost under both methods, where the file of costs holds both.
func costGaps(d *data) []Block {
	original, better := cost.MethodTR119.Name, cost.MethodDefault.Name
	if len(d.costs[original]) == 0 || len(d.costs[better]) == 0 {
		return nil
	}
	t := newTable("Total cost per 1M tokens where the two methods differ by more than 5%, on-demand, mean across scenarios",
		[]string{"Backend", "Mode"},
		[]string{"tr119_total_usd_per_1M", "default_total_usd_per_1M", "default_ci_lower", "default_ci_upper", "tr119_above_default_pct"})
	t.table.Columns = append(t.table.Columns, Column{Name: "tr119_provider"}, Column{Name: "default_provider"})
	compared := 0
	for _, g := range d.groups() {
		was := d.costRowsOf(original, g.label, g.mode, "", record.OnDemand)
		is := d.costRowsOf(better, g.label, g.mode, "", record.OnDemand)
		before, after := d.costMean(was, costTotal), d.costMean(is, costTotal)
		if !before.known() || !after.known() {
			continue
		}
		compared++
		gap := before.more(after, "per cent by which tr119 exceeds default")
		if math.Abs(*gap.value) <= compare.EstimatorGapPct {
			continue
		}
		low, high := d.costMeanInterval(is)
		t.lines([]Line{phrase(g.label), phrase(string(g.mode)), before.cell(), after.cell(), low.cell(), high.cell(), gap.cell(),
			phrase(was[0].Provider), phrase(is[0].Provider)})
	}
	if compared == 0 {
		return nil
	}
	if len(t.table.Rows) == 0 {
		return []Block{para("Cost: the mean total cost under %s and %s agrees within 5% for every backend and mode.", code(original), code(better))}
	}
	t.note("%s of %s backends and modes. default_ci_lower, default_ci_upper: 95% interval of the mean cost from repeating the runs; the original gave none.",
		word(fmt.Sprint(len(t.table.Rows))), word(fmt.Sprint(compared)))
	t.note("%s", word(d.gradeWords("")))
	return []Block{t.block(), Note{Warning, prose("A price is not a machine. Method %s decides which kind of instance a backend pays for, not whether that instance would be as fast as the machine that measured: a processor with more cores than the instance has gives a cost that nobody can rent. Compare costs across providers only where the hardware is alike.", code(better))}}
}

// costMeanInterval is the interval of the mean total cost of rows, as two numbers.
func (d *data) costMeanInterval(rows []costRow) (low, high number) {
	low, high = d.costMean(rows, costLower), d.costMean(rows, costUpper)
	how := "95% interval of the mean (method of variance estimates recovery)"
	low.value, high.value, low.source.How, high.source.How = nil, nil, how, how
	if l, h, ok := meanInterval(collect(rows, costBounds), len(rows)); ok {
		low.value, high.value = &l, &h
	}
	return low, high
}

// intervalsBelowZero lists latencies whose symmetric interval reaches below zero, with the one on the log scale.
func intervalsBelowZero(d *data) []Block {
	list := d.Stats.Throughput.BelowZero
	if len(list) == 0 {
		return []Block{para("Intervals: no 95% interval of a mean latency reaches below zero.")}
	}
	t := newTable("Mean latencies whose symmetric 95% interval reaches below zero, in ms", byBackendScenario,
		[]string{"lat_mean_ms", "lat_ci_lower", "lat_ci_upper", "log_ci_lower", "log_ci_upper"})
	for i, n := range list {
		of := func(v *float64, column string) number {
			return number{value: v, source: Source{Artifact: d.StatsName, Row: fmt.Sprintf("throughput.below_zero[%d]", i), Column: column}}
		}
		t.row([]string{n.Backend, string(n.Mode), n.Scenario}, of(&n.MeanMS, "lat_mean_ms"), of(&n.LowerMS, "lat_ci_lower_ms"),
			of(&n.UpperMS, "lat_ci_upper_ms"), of(n.LogLowerMS, "log_ci_lower_ms"), of(n.LogUpperMS, "log_ci_upper_ms"))
	}
	t.note("A latency cannot be negative: the symmetric interval says that the runs of the cell vary too much for it. The interval on the log scale stays above zero.")
	return []Block{t.block()}
}

// rankingSentence is what the default design says of the ranking of a mode by total cost, or nothing.
func (d *data) rankingSentence(mode record.Mode) string {
	a := d.Stats.Find(mode, compare.TotalUSD, d.Method)
	if a == nil || a.Default == nil {
		return ""
	}
	return strings.TrimSpace(a.Default.Ranking.Sentence)
}
