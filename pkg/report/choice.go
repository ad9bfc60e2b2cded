package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

// choice is the backend that the measurements speak for in one mode, among those of some kind.
type choice struct {
	mode   record.Mode
	device record.Device // the kind; empty: all
	metric string        // what it was chosen by: compare.TotalUSD, or compare.LatencyMS where no cost is known
	leader string        // empty: no backend of the kind has results
	tied   []string      // others of the kind that no test separates from the leader
	inEach int           // scenarios, in each of which the leader is better than all that it is tied with; 0 where it is not
	others int           // others of the kind with results
	byMean string        // the backend with the lowest mean across scenarios, where that is another one
	doubt  string        // why nothing could be tested
}

// choose finds the backend with the lowest total cost in a mode, among those of a device, or of all where it is empty.
// The order is the default design's, by ratios within scenarios; the tests say which of the others are tied with it.
func (d *data) choose(mode record.Mode, device record.Device) choice {
	c := choice{mode: mode, device: device, metric: compare.TotalUSD}
	order := d.rankMode(mode, costTotal, true)
	if len(order) == 0 {
		c.metric = compare.LatencyMS
		order = d.rankLatency(mode)
	}
	var kind []string // by mean
	for _, r := range order {
		if device == "" || d.devices[r.label] == device {
			kind = append(kind, r.label)
		}
	}
	if len(kind) == 0 {
		return c
	}
	c.leader, c.others = kind[0], len(kind)-1
	if c.others == 0 {
		return c
	}
	method := d.Method
	if c.metric == compare.LatencyMS {
		method = ""
	}
	a := d.Stats.Find(mode, c.metric, method)
	if a == nil || a.Default == nil || len(a.Default.Ranking.Ranks) == 0 {
		c.doubt = "the statistics have no ranking"
		if a != nil {
			c.doubt = orElse(a.Absent, c.doubt)
		}
		return c
	}
	c = c.from(a.Default.Ranking.Ranks, kind)
	c.inEach = betterInEach(a.Default.Pairs, c.leader, c.tied)
	return c
}

// betterInEach is the number of scenarios where leader is lower than each of the others in all of them, by more than
// repeating the runs changes; else 0. Such a leader is not beaten here, whatever the test says of other workloads.
func betterInEach(pairs []compare.PairRatio, leader string, others []string) int {
	least := 0
	for _, other := range others {
		n := 0
		for i := range pairs {
			switch p := &pairs[i]; {
			case p.A == leader && p.B == other:
				n = allOnOneSide(p.PerScenario, func(s compare.ScenarioRatio) bool { return s.CIUpper != nil && *s.CIUpper < 1 })
			case p.B == leader && p.A == other:
				n = allOnOneSide(p.PerScenario, func(s compare.ScenarioRatio) bool { return s.CILower != nil && *s.CILower > 1 })
			}
		}
		if n == 0 {
			return 0
		}
		if least == 0 || n < least {
			least = n
		}
	}
	return least
}

// allOnOneSide is the number of scenarios where all of them are as is asked, else 0.
func allOnOneSide(scenarios []compare.ScenarioRatio, is func(compare.ScenarioRatio) bool) int {
	for _, s := range scenarios {
		if !is(s) {
			return 0
		}
	}
	return len(scenarios)
}

// from takes leader and ties from a ranking; kind are the backends to choose from, by mean.
func (c choice) from(ranks []compare.Rank, kind []string) choice {
	for _, r := range ranks {
		if !slices.Contains(kind, r.Backend) {
			continue
		}
		c.leader = r.Backend
		for _, other := range r.TiedWith {
			if slices.Contains(kind, other) {
				c.tied = append(c.tied, other)
			}
		}
		if kind[0] != c.leader {
			c.byMean = kind[0]
		}
		return c
	}
	c.doubt = "the statistics rank none of them"
	return c
}

// rankLatency ranks the backends of a mode by mean latency across scenarios.
func (d *data) rankLatency(mode record.Mode) []ranked {
	var list []ranked
	for _, g := range d.measuredIn(mode) {
		list = append(list, ranked{g.label, d.cellMean(g.cells, latMean)})
	}
	return rank(list, true)
}

// choiceWords says the choice, and where it is one by cost how well the energy in that is known; kind is "GPU backend", "CPU
// backend" or "backend".
func (d *data) choiceWords(c choice, kind string) Line {
	line := d.chosen(c, kind)
	if c.leader == "" || c.others == 0 || c.metric == compare.LatencyMS {
		return line
	}
	mine := of(c.mode)
	return d.onCost(line, func(x cellRow) bool { return mine(x) && (c.device == "" || d.devices[x.label] == c.device) })
}

// chosen says the choice.
func (d *data) chosen(c choice, kind string) Line {
	mode := code(string(c.mode))
	what := word("total cost")
	if c.metric == compare.LatencyMS {
		what = word("mean latency (no total cost is known)")
	}
	switch {
	case c.leader == "":
		return prose("%s: no %s has results, so none is recommended.", mode, word(kind))
	case c.others == 0:
		return prose("%s: %s is the only %s with results; there is nothing to choose between.", mode, strong(c.leader), word(kind))
	case c.doubt != "":
		return prose("%s: %s has the lowest %s, untested: %s.", mode, strong(c.leader), what, word(strings.TrimSuffix(c.doubt, ".")))
	}
	line := prose("%s: %s has the lowest %s, and the tests separate it from every other %s.", mode, strong(c.leader), what, word(kind))
	switch {
	case c.inEach > 0:
		line = prose("%s: %s has the lowest %s, in each of the %s scenarios by more than repeating the runs changes; so few scenarios do not show that it would be so against %s on other workloads.",
			mode, strong(c.leader), what, word(fmt.Sprint(c.inEach)), strong(strings.Join(c.tied, ", ")))
	case len(c.tied) > 0:
		line = prose("%s: a tie. %s has the lowest %s by ratios within scenarios, but the measurements do not separate it from %s; choose among them on other grounds.",
			mode, strong(c.leader), what, strong(strings.Join(c.tied, ", ")))
	}
	if c.byMean != "" {
		line = append(line, prose(" By the arithmetic mean across scenarios %s is lowest, as that mean follows the dearest scenarios.", strong(c.byMean))...)
	}
	return line
}

// kindWords names backends of a device.
func kindWords(device record.Device) string {
	if device == "" {
		return "backend"
	}
	return strings.ToUpper(string(device)) + " backend"
}
