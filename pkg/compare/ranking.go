package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/stats"
)

// rank orders the backends by the geometric mean of the metric over the scenarios that all of them have.
//
// How sure a rank is follows from the pairs: it is at least one more than the number of backends significantly better,
// and at most the number of backends less those significantly worse. As Holm's procedure keeps the chance of any false
// claim about a pair at alpha, all these ranges hold together with confidence 1-alpha: Al Mohamad, Goeman and van Zwet
// (2022), "Simultaneous confidence intervals for ranks with application to ranking institutions", Biometrics 78(1),
// 238-247, who do the same with Tukey's test.
func (b *block) rank(pairs []PairRatio, opt Options) Ranking {
	scenarios := b.sharedScenarios()
	r := Ranking{Scenarios: scenarios, Ranks: []Rank{}}
	if len(scenarios) == 0 {
		r.Absent = "there is no scenario that all backends have"
		return r
	}
	logs := b.logsOver(scenarios)
	order := make([]int, len(b.series))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { // ties stay in the order of names
		return b.sign() * cmp.Compare(sum(logs[i]), sum(logs[j]))
	})
	shares := b.bestShares(logs, opt)
	best := sum(logs[order[0]]) / float64(len(scenarios))
	for place, i := range order {
		geo := sum(logs[i]) / float64(len(scenarios))
		k := Rank{Rank: place + 1, Backend: b.series[i].label, GeoMean: math.Exp(geo), ToBest: math.Exp(geo - best), TiedWith: []string{}}
		if shares != nil {
			k.BestShare = &shares[i]
		}
		b.bound(&k, pairs)
		r.Ranks = append(r.Ranks, k)
	}
	r.Sure = r.Ranks[0].RankUpper == 1
	r.Sentence = b.rankSentence(&r, opt.Alpha)
	return r
}

// sign is 1 where lower is better and -1 where higher is.
func (b *block) sign() int {
	if b.metric.higher {
		return -1
	}
	return 1
}

func sum(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s
}

// sharedScenarios are the scenarios that every series has, sorted.
func (b *block) sharedScenarios() []string {
	have := map[string]int{}
	for _, s := range b.series {
		for _, p := range s.points {
			have[p.scenario]++
		}
	}
	return slices.DeleteFunc(sortedKeys(have), func(s string) bool { return have[s] < len(b.series) })
}

// logsOver are the logarithms of each series' values in scenarios.
func (b *block) logsOver(scenarios []string) [][]float64 {
	out := make([][]float64, len(b.series))
	for i, s := range b.series {
		for _, p := range s.points {
			if slices.Contains(scenarios, p.scenario) {
				out[i] = append(out[i], math.Log(p.value))
			}
		}
	}
	return out
}

// bestShares is, for each series, the share of resamples of the scenarios in which it comes first. It says how much the
// first place hangs on the choice of scenarios; with a handful of them it is a description and no probability. It is nil
// for fewer than two scenarios.
func (b *block) bestShares(logs [][]float64, opt Options) []float64 {
	n := len(logs[0])
	if n < 2 {
		return nil
	}
	wins := make([]float64, len(logs))
	stats.Resample(n, opt.Resamples, opt.Seed, func(index []int) {
		first, best := 0, math.Inf(1)
		for i := range logs {
			total := 0.0
			for _, k := range index {
				total += logs[i][k]
			}
			if total *= float64(b.sign()); total < best {
				first, best = i, total
			}
		}
		wins[first]++
	})
	for i := range wins {
		wins[i] /= float64(opt.Resamples)
	}
	return wins
}

// bound fills in the ranks that the tests leave open for k, and what no test separates it from.
func (b *block) bound(k *Rank, pairs []PairRatio) {
	k.RankLower, k.RankUpper = 1, len(b.series)
	separated := map[string]bool{k.Backend: true}
	for _, p := range pairs {
		if !p.Significant || (p.A != k.Backend && p.B != k.Backend) {
			continue
		}
		separated[p.A], separated[p.B] = true, true
		aBetter := (p.Ratio < 1) != b.metric.higher
		if aBetter == (p.A == k.Backend) {
			k.RankUpper--
		} else {
			k.RankLower++
		}
	}
	// Pairs are tested over the scenarios they share, ranks are taken over those that all share: where the two part, the
	// range is widened rather than contradicted.
	k.RankLower, k.RankUpper = min(k.RankLower, k.Rank), max(k.RankUpper, k.Rank)
	for _, s := range b.series {
		if !separated[s.label] {
			k.TiedWith = append(k.TiedWith, s.label)
		}
	}
}

// rankSentence says how sure the first place is.
func (b *block) rankSentence(r *Ranking, alpha float64) string {
	first, word := r.Ranks[0], "lowest"
	if b.metric.higher {
		word = "highest"
	}
	s := fmt.Sprintf("In %s, %s has the %s %s over %s", b.mode, first.Backend, word, b.metric.name, count(len(r.Scenarios), "scenario"))
	if r.Sure {
		return s + fmt.Sprintf(", and the first place is sure: every other backend is significantly worse (Holm-adjusted p < %g).", alpha)
	}
	s += fmt.Sprintf(", but the first place is not sure: its rank is between %d and %d", first.RankLower, first.RankUpper)
	if len(first.TiedWith) > 0 {
		s += ", as no test separates it from " + strings.Join(first.TiedWith, ", ")
	}
	return s + fmt.Sprintf(" (Holm-adjusted p < %g).", alpha)
}
