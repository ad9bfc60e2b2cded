package compare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// Analyse compares the backends of cells and costs, mode by mode, by every metric of opt. The order of cells and costs
// makes no difference. A mode without anything to compare has an analysis all the same, whose Absent says why.
//
// It fails with bad input (exit code 2) for options out of range, an unknown metric, two values for one scenario of one
// backend, and prices of several providers none of which is the default.
func Analyse(cells []record.Cell, costs []record.Cost, opt Options) (*Document, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	d := &Document{
		Schema: Schema, Inputs: append([]string{}, opt.Inputs...), Alpha: opt.Alpha, Seed: opt.Seed, Resamples: opt.Resamples,
		Modes: []ModeAnalysis{},
	}
	names := labels(cells, costs)
	for _, mode := range modesOf(cells, costs) {
		for _, name := range opt.Metrics {
			blocks, err := collect(cells, costs, names, mode, name, opt.Tier)
			if err != nil {
				return nil, err
			}
			for _, b := range blocks {
				m, err := b.analyse(opt)
				if err != nil {
					return nil, fmt.Errorf("%s by %s: %w", mode, name, err)
				}
				d.Modes = append(d.Modes, m)
			}
		}
	}
	d.Throughput = throughputOf(cells, names, 1-opt.Alpha)
	return d, nil
}

// modesOf are the modes that occur, in the order of record.Modes.
func modesOf(cells []record.Cell, costs []record.Cost) []record.Mode {
	seen := map[record.Mode]bool{}
	for i := range cells {
		seen[cells[i].Mode] = true
	}
	for i := range costs {
		seen[costs[i].Mode] = true
	}
	return slices.DeleteFunc(record.Modes(), func(m record.Mode) bool { return !seen[m] })
}

// collect gathers what is to be compared by the metric called name; for cost metrics, one block per method.
func collect(
	cells []record.Cell, costs []record.Cost, names map[identity]string, mode record.Mode, name string, tier record.Tier,
) ([]*block, error) {
	m, err := metricOf(name)
	if err != nil {
		return nil, err
	}
	if m.ofCell != nil {
		b, err := cellBlock(cells, names, mode, m)
		return []*block{b}, err
	}
	blocks, err := costBlocks(costs, names, mode, m, tier)
	if len(blocks) == 0 && err == nil {
		blocks = []*block{newBlock(mode, m, "", tier)}
	}
	return blocks, err
}

// analyse applies both designs to a block.
func (b *block) analyse(opt Options) (ModeAnalysis, error) {
	a := ModeAnalysis{
		Mode: b.mode, Metric: b.metric.name, LowerIsBetter: !b.metric.higher, Method: b.method, Tier: b.tier,
		Backends: []Sample{}, Disagreements: []Disagreement{}, Warnings: append([]string{}, b.warnings...),
	}
	for i := range b.series {
		s, err := b.series[i].sample(1 - opt.Alpha)
		if err != nil {
			return a, err
		}
		a.Backends = append(a.Backends, s)
	}
	if len(b.series) < 2 {
		a.Absent = b.tooFew()
		return a, nil
	}
	var err error
	if a.Default, err = b.ratios(opt); err != nil {
		return a, err
	}
	if b.metric.tr119 && !opt.NoTR119 {
		var doubts []string
		if a.TR119, doubts, err = b.tr119(opt.Alpha); err != nil {
			return a, err
		}
		a.Warnings = append(a.Warnings, doubts...)
		a.Disagreements = disagreements(a.TR119, a.Default, opt.Alpha)
	}
	if !a.tested() {
		a.Absent = "no two backends have two scenarios in common, or what they have there does not vary"
	}
	return a, nil
}

// tested reports whether any test could be made, in either design.
func (a *ModeAnalysis) tested() bool {
	if a.TR119 != nil {
		for _, p := range a.TR119.Pairs {
			if p.P != nil {
				return true
			}
		}
	}
	return a.Default.Tests > 0
}

// tooFew says why a block has nothing to compare.
func (b *block) tooFew() string {
	switch {
	case len(b.series) == 1:
		return fmt.Sprintf("only %s has values of %s: there is nothing to compare it with", b.series[0].label, b.metric.name)
	case b.metric.ofCost != nil && b.method == "":
		return fmt.Sprintf("there are no cost rows of tier %s", b.tier)
	}
	return fmt.Sprintf("no backend has a value of %s", b.metric.name)
}

// sample summarises one backend's series.
func (s *series) sample(confidence float64) (Sample, error) {
	x := s.values()
	m, err := stats.Of(x)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", s.label, err)
	}
	geo, err := stats.GeoMean(x)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", s.label, err)
	}
	out := Sample{Backend: s.label, N: m.N, Mean: &m.Mean, GeoMean: &geo, Values: []ScenarioValue{}}
	if m.N > 1 {
		out.SD = &m.SD
	}
	for _, p := range s.points {
		v := ScenarioValue{Scenario: p.scenario, Value: p.value, Runs: p.runs}
		if p.spread != nil {
			if ci, err := p.spread.Interval(confidence); err == nil { // no spread between runs is no interval
				v.CILower, v.CIUpper = &ci.Lower, &ci.Upper
			}
		}
		out.Values = append(out.Values, v)
	}
	return out, nil
}

// untestable reports whether err says that values do not allow a test, which is a result, and in which words.
func untestable(err error) (string, bool) {
	for _, cause := range []error{stats.ErrTooFew, stats.ErrZeroVariance, stats.ErrNotFinite} {
		if errors.Is(err, cause) {
			return err.Error(), true
		}
	}
	return "", false
}

// ChooseTier is the tier to compare costs at where the user named none: DefaultTier if the rows have it, else the only
// one they have besides on-prem, else on-prem. Several others are bad input, as is no row at all.
func ChooseTier(costs []record.Cost) (record.Tier, error) {
	seen := map[record.Tier]bool{}
	for i := range costs {
		seen[costs[i].Tier] = true
	}
	if seen[DefaultTier] {
		return DefaultTier, nil
	}
	var rest []string
	for _, t := range record.Tiers() {
		if seen[t] && t != record.OnPrem {
			rest = append(rest, string(t))
		}
	}
	switch {
	case len(rest) == 1:
		return record.Tier(rest[0]), nil
	case len(rest) > 1:
		return "", cli.BadInputf("saw cost rows of tiers %s, want the tier to compare named (--tier)", strings.Join(rest, ", "))
	case seen[record.OnPrem]:
		return record.OnPrem, nil
	}
	return "", cli.BadInputf("saw no cost rows, want some to compare")
}
