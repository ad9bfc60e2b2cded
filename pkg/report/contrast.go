package report

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/stats"
)

// contrast is the ratio of a column between two backends within cells, with its 95% interval.
type contrast struct{ ratio, low, high number }

// contrastNote explains the columns of a contrast in a table.
const contrastNote = ": geometric mean of the ratios within the cells that both backends have; ci_lower, ci_upper: its 95% interval by a paired t test of their logarithms, of each pair alone."

// within compares a column of two backends within modes and scenarios: stats.PairedRatio over the cells that both have.
// Without two such cells, or without variation, there is no interval.
func (d *data) within(label, other string, col costColumn) contrast {
	var x, y []float64
	estimated := false
	for _, mode := range d.modes {
		theirs := d.energyRows(other, mode)
		for _, r := range d.energyRows(label, mode) {
			o := inScenario(theirs, r.Scenario)
			if o == nil || col.get(r.Cost) == nil || col.get(o.Cost) == nil {
				continue
			}
			x, y = append(x, *col.get(r.Cost)), append(y, *col.get(o.Cost))
			estimated = estimated || col.estimated(&r) || col.estimated(o)
		}
	}
	of := func(v *float64, what string) number {
		return number{value: v, estimated: estimated, source: Source{Artifact: d.CostsName, Column: col.name,
			Row: fmt.Sprintf("backend=%s over backend=%s, %d cells", label, other, len(x)), How: what}}
	}
	c := contrast{of(nil, "geometric mean of ratios"), of(nil, "lower end of its 95% interval"), of(nil, "upper end of its 95% interval")}
	if label == other {
		c.ratio.value, c.ratio.estimated = ptr(1), false // by definition
		return c
	}
	if _, ratio, err := stats.PairedRatio(x, y, stats.DefaultConfidence); err == nil {
		c.ratio.value, c.low.value, c.high.value = &ratio.Ratio, &ratio.CI.Lower, &ratio.CI.Upper
	}
	return c
}

// sureness says whom the first of a ranking is separated from, by the tests of all pairs; nothing for a ranking of one.
func (d *data) sureness(order []ranked, col costColumn, highestFirst bool) []Block {
	if len(order) < 2 {
		return nil
	}
	line := prose("How sure the first place is: %s is %s.", strong(order[0].label), word(firstDoubt(d.costTests(col, highestFirst), order)))
	var labels []string
	for _, r := range order {
		labels = append(labels, r.label)
	}
	return []Block{Paragraph{d.onEnergy(line, of("", labels...))}}
}
