package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// point is one backend's metric in one scenario.
type point struct {
	scenario string
	value    float64
	spread   *stats.LogMean
	flat     string // why there is no spread
	runs     int64
}

// series is one backend's points, sorted by scenario.
type series struct {
	label  string
	points []point
}

// values are the numbers of the series.
func (s *series) values() []float64 {
	x := make([]float64, len(s.points))
	for i, p := range s.points {
		x[i] = p.value
	}
	return x
}

// block is everything that is compared with each other: one mode, one metric, one method.
type block struct {
	mode     record.Mode
	metric   metric
	method   string
	tier     record.Tier
	series   []series                  // sorted by label
	missing  map[string]map[string]int // by label and reason, in how many scenarios a good cell has no value
	ids      map[identity]bool         // of the series with values
	warnings []string
}

func newBlock(mode record.Mode, m metric, method string, tier record.Tier) *block {
	return &block{mode: mode, metric: m, method: method, tier: tier, missing: map[string]map[string]int{}, ids: map[identity]bool{}}
}

// add takes one reading. Two values for one scenario of one backend are bad input: neither can be chosen.
func (b *block) add(id identity, label, scenario string, runs int64, r reading) error {
	if r.value == nil {
		if b.missing[label] == nil {
			b.missing[label] = map[string]int{}
		}
		b.missing[label][r.reason]++
		return nil
	}
	b.ids[id] = true
	i, found := slices.BinarySearchFunc(b.series, label, func(s series, l string) int { return cmp.Compare(s.label, l) })
	if !found {
		b.series = slices.Insert(b.series, i, series{label: label})
	}
	s := &b.series[i]
	j, found := slices.BinarySearchFunc(s.points, scenario, func(p point, n string) int { return cmp.Compare(p.scenario, n) })
	if found {
		return cli.BadInputf("%s %s %s: saw %s twice, want one value", label, b.mode, scenario, b.metric.name)
	}
	s.points = slices.Insert(s.points, j, point{scenario: scenario, value: *r.value, spread: r.spread, flat: r.flat, runs: runs})
	return nil
}

// cellBlock collects a metric of cells in one mode.
func cellBlock(cells []record.Cell, names map[identity]string, mode record.Mode, m metric) (*block, error) {
	b := newBlock(mode, m, "", "")
	for i := range cells {
		c := &cells[i]
		if c.Mode != mode {
			continue
		}
		if c.N == 0 {
			continue // the Throughput section lists it with its reasons
		}
		id := cellIdentity(c)
		if err := b.add(id, names[id], c.Scenario, c.N, m.ofCell(c)); err != nil {
			return nil, err
		}
	}
	b.finish()
	return b, nil
}

// costBlocks collects a metric of cost rows in one mode at one tier: one block per method, sorted by method.
func costBlocks(costs []record.Cost, names map[identity]string, mode record.Mode, m metric, tier record.Tier) ([]*block, error) {
	byMethod := map[string][]*record.Cost{}
	for i := range costs {
		if r := &costs[i]; r.Mode == mode && r.Tier == tier {
			byMethod[r.Method] = append(byMethod[r.Method], r)
		}
	}
	var out []*block
	for _, method := range sortedKeys(byMethod) {
		rows, err := oneProvider(byMethod[method], mode, tier)
		if err != nil {
			return nil, err
		}
		b := newBlock(mode, m, method, tier)
		for _, r := range rows {
			if r.N == 0 {
				continue // as in cellBlock
			}
			id := costIdentity(r)
			if err := b.add(id, names[id], r.Scenario, r.N, m.ofCost(r)); err != nil {
				return nil, err
			}
		}
		b.warnEstimated(rows, names)
		b.finish()
		out = append(out, b)
	}
	return out, nil
}

// oneProvider keeps the rows of the default provider of each backend. Rows of one provider alone need no default: a
// filter upstream has chosen it.
func oneProvider(rows []*record.Cost, mode record.Mode, tier record.Tier) ([]*record.Cost, error) {
	defaults := slices.DeleteFunc(slices.Clone(rows), func(r *record.Cost) bool { return !r.Default })
	if len(defaults) > 0 {
		return defaults, nil
	}
	providers := map[string]bool{}
	for _, r := range rows {
		providers[r.Provider] = true
	}
	if len(providers) > 1 {
		return nil, cli.BadInputf("%s at tier %s: saw prices of %s and none of a default provider, want those of one",
			mode, tier, sortedKeys(providers))
	}
	return rows, nil
}

// warnEstimated marks the backends whose energy is an estimate, where the metric depends on it.
func (b *block) warnEstimated(rows []*record.Cost, names map[identity]string) {
	if b.metric.name == infraUSD {
		return
	}
	estimated := map[string]bool{}
	for _, r := range rows {
		if r.N > 0 && r.EnergyGrade == record.GradeD && r.EnergyUSDPer1M != nil {
			estimated[names[costIdentity(r)]] = true
		}
	}
	for _, l := range sortedKeys(estimated) {
		b.warnings = append(b.warnings, l+": its energy is estimated from a model of the processor (grade D), not measured")
	}
}

// finish turns what is missing and what is confounded into warnings.
func (b *block) finish() {
	for _, l := range sortedKeys(b.missing) {
		for _, reason := range sortedKeys(b.missing[l]) {
			b.warnings = append(b.warnings, fmt.Sprintf("%s: no %s in %s (%s)",
				l, b.metric.name, count(b.missing[l][reason], "scenario"), reason))
		}
	}
	b.warnings = append(b.warnings, confoundWarnings(b.ids)...)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// count is "1 scenario", "2 scenarios".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
