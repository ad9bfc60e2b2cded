package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR119, section{placeStatistics, "Statistical analysis", statisticsIntro})
	for i, mode := range record.Modes() {
		registerFor(TR119, section{placeStatistics + 1 + i, "Total cost in " + string(mode), func(d *data) []Block { return modeStatistics(d, mode) }})
	}
	registerFor(TR119, section{placeStatistics + 10, "Mean latency", latencyStatistics})
}

func statisticsIntro(d *data) []Block {
	return []Block{
		para("The question is which differences between backends are real. It is asked per mode of %s, on demand at the default provider, under method %s, at the level %s. A backend's sample is its values in the scenarios.",
			code(compare.TotalUSD), code(d.Method), word(fmt.Sprint(d.Stats.Alpha))),
		list(
			prose("%s, the original report's design: one-way analysis of variance over backends, and pooled two-sample t tests of all pairs with Cohen's d, s = sqrt((s1^2 + s2^2) / 2). It takes scenarios for independent samples, so the difference between a short and a long prompt counts as noise, and it corrects for nothing.", strong("tr119")),
			prose("%s: backends are compared within scenarios, on the ratio of their costs. The ratio is the geometric mean over scenarios, with the interval of a paired t test of its logarithm; p values are adjusted by Holm's method for the number of pairs in the mode.", strong("default")),
		),
		para("An interval of a ratio that includes 1 is a tie: nothing measured here separates the two. Ratios come from scenarios that were chosen, not drawn at random; they speak for workloads like them."),
	}
}

// statsNumber is a number of the statistics document.
func (d *data) statsNumber(v *float64, row, column string) number {
	return number{value: v, source: Source{Artifact: d.StatsName, Row: row, Column: column}}
}

func modeStatistics(d *data, mode record.Mode) []Block {
	if !slices.Contains(d.modes, mode) {
		return nil
	}
	a := d.Stats.Find(mode, compare.TotalUSD, d.Method)
	if a == nil {
		return []Block{Note{Remark, prose("The statistics hold no analysis of %s under method %s.", code(string(mode)), code(d.Method))}}
	}
	key := fmt.Sprintf("mode=%s, metric=%s, method=%s", a.Mode, a.Metric, a.Method)
	blocks := []Block{}
	if len(a.Backends) > 0 {
		blocks = append(blocks, d.sampleTable(a, key))
	}
	if a.Absent != "" {
		blocks = append(blocks, Note{Remark, prose("Nothing could be tested: %s.", word(strings.TrimSuffix(a.Absent, ".")))})
	}
	blocks = append(blocks, d.originalDesign(a, key)...)
	blocks = append(blocks, d.defaultDesign(a, key)...)
	blocks = append(blocks, disagreementWords(a)...)
	for _, w := range a.Warnings {
		blocks = append(blocks, Note{Warning, phrase(strings.TrimSuffix(w, ".") + ".")})
	}
	return blocks
}

// sampleTable shows what is compared.
func (d *data) sampleTable(a *compare.ModeAnalysis, key string) Block {
	t := newTable(fmt.Sprintf("Samples of %s in %s", a.Metric, a.Mode), []string{"Backend"}, []string{"scenarios", "mean", "sd", "geo_mean"})
	for _, s := range a.Backends {
		row := key + ", backend=" + s.Backend
		t.lines([]Line{phrase(s.Backend), {d.statsNumber(ptr(float64(s.N)), row, "n").integer()},
			d.marked(s.Backend, a, d.statsNumber(s.Mean, row, "mean")).cell(), d.marked(s.Backend, a, d.statsNumber(s.SD, row, "sd")).cell(),
			d.marked(s.Backend, a, d.statsNumber(s.GeoMean, row, "geo_mean")).cell()})
	}
	d.noteTested(t, a)
	return t.block()
}

// marked marks a number about a backend's cost that rests on an estimate of power.
func (d *data) marked(label string, a *compare.ModeAnalysis, n number) number {
	if a.Metric != compare.LatencyMS {
		n.estimated = slices.ContainsFunc(d.costRowsOf(a.Method, label, a.Mode, "", a.Tier), func(r costRow) bool { return costTotal.estimated(&r) })
	}
	return n
}

// either marks a number about two backends.
func (d *data) either(x, y string, a *compare.ModeAnalysis, n number) number {
	n.estimated = d.marked(x, a, n).estimated || d.marked(y, a, n).estimated
	return n
}

// originalDesign is what the design of TR119 finds.
func (d *data) originalDesign(a *compare.ModeAnalysis, key string) []Block {
	r := a.TR119
	if r == nil {
		return nil
	}
	anova := newTable(fmt.Sprintf("Design tr119: one-way analysis of variance, %s", a.Mode), nil, []string{"F", "df_between", "df_within", "p"})
	if v := r.ANOVA; v != nil {
		row := key + ", tr119.anova"
		anova.row(nil, d.statsNumber(&v.F, row, "f"), d.statsNumber(&v.DFBetween, row, "df_between"),
			d.statsNumber(&v.DFWithin, row, "df_within"), d.statsNumber(&v.P, row, "p"))
	} else {
		anova.row(nil, make([]number, 4)...)
		anova.note("No analysis of variance: %s.", word(r.ANOVAAbsent))
	}
	pairs := newTable(fmt.Sprintf("Design tr119: pairs, pooled two-sample t tests, %s", a.Mode), []string{"A", "B"},
		[]string{"diff_usd", "diff_pct", "t", "df", "p", "cohens_d"})
	pairs.table.Columns = append(pairs.table.Columns, Column{Name: "significant"})
	var found []string
	for _, p := range r.Pairs {
		row := key + ", tr119.pairs, a=" + p.A + ", b=" + p.B
		n := func(v *float64, column string) Line {
			return d.either(p.A, p.B, a, d.statsNumber(v, row, column)).cell()
		}
		pairs.lines([]Line{phrase(p.A), phrase(p.B), n(&p.DiffUSD, "diff_usd"), n(p.DiffPct, "diff_pct"), n(p.T, "t"), n(p.DF, "df"),
			n(p.P, "p"), n(p.CohensD, "cohens_d"), verdict(p.Significant, p.Absent)})
		if p.Significant {
			found = append(found, p.A+" against "+p.B)
		}
	}
	pairs.note("diff: mean of A minus mean of B. Pairs with p < %s: %s.", word(fmt.Sprint(d.Stats.Alpha)), word(orElse(strings.Join(found, "; "), "none")))
	d.noteTested(anova, a)
	d.noteTested(pairs, a)
	return []Block{anova.block(), pairs.block()}
}

func verdict(significant bool, absent string) Line {
	switch {
	case absent != "":
		return phrase("not tested: " + absent)
	case significant:
		return phrase("yes")
	}
	return phrase("no")
}

// defaultDesign is what the comparison within scenarios finds.
func (d *data) defaultDesign(a *compare.ModeAnalysis, key string) []Block {
	r := a.Default
	if r == nil {
		return nil
	}
	pairs := newTable(fmt.Sprintf("Default design: ratios within scenarios, %s", a.Mode), []string{"A", "B"},
		[]string{"scenarios", "ratio", "ci_lower", "ci_upper", "p", "p_holm"})
	pairs.table.Columns = append(pairs.table.Columns, Column{Name: "significant"})
	for _, p := range r.Pairs {
		row := key + ", default.pairs, a=" + p.A + ", b=" + p.B
		n := func(v *float64, column string) Line {
			return d.either(p.A, p.B, a, d.statsNumber(v, row, column)).cell()
		}
		pairs.lines([]Line{phrase(p.A), phrase(p.B), {d.statsNumber(ptr(float64(p.Scenarios)), row, "scenarios").integer()},
			n(&p.Ratio, "ratio"), n(p.CILower, "ci_lower"), n(p.CIUpper, "ci_upper"), n(p.P, "p"), n(p.PHolm, "p_holm"), verdict(p.Significant, p.Absent)})
	}
	pairs.note("ratio: A over B, geometric mean over scenarios; its 95% interval is of this pair alone. p_holm: adjusted for the %s pairs tested in this mode.",
		word(fmt.Sprint(r.Tests)))
	d.noteTested(pairs, a)
	blocks := []Block{pairs.block()}
	if r.Ranking.Absent != "" {
		return append(blocks, Note{Remark, prose("No ranking: %s.", word(r.Ranking.Absent))})
	}
	return append(blocks, d.rankTable(a, key), Paragraph{phrase(r.Ranking.Sentence)})
}

// rankTable shows each backend's place with the places that the tests leave open.
func (d *data) rankTable(a *compare.ModeAnalysis, key string) Block {
	t := newTable(fmt.Sprintf("Default design: ranking by %s, %s", a.Metric, a.Mode), []string{"Rank", "Backend"}, []string{"geo_mean", "to_best", "best_share"})
	t.table.Columns = append(t.table.Columns, Column{Name: "possible_ranks"}, Column{Name: "tied_with"})
	for _, k := range a.Default.Ranking.Ranks {
		row := key + ", default.ranking, backend=" + k.Backend
		n := func(v *float64, column string) Line {
			return d.marked(k.Backend, a, d.statsNumber(v, row, column)).cell()
		}
		t.lines([]Line{phrase(fmt.Sprint(k.Rank)), phrase(k.Backend), n(&k.GeoMean, "geo_mean"), n(&k.ToBest, "to_best"),
			d.statsNumber(k.BestShare, row, "best_share").cell(), phrase(possibleRanks(k)), phrase(orElse(strings.Join(k.TiedWith, ", "), "none"))})
	}
	t.note("geo_mean: over the scenarios %s. to_best: over the first's. best_share: share of resamples of the scenarios in which it comes first, a description and not a probability. possible_ranks: what the adjusted tests leave open.",
		word(strings.Join(a.Default.Ranking.Scenarios, ", ")))
	d.noteTested(t, a)
	return t.block()
}

func possibleRanks(k compare.Rank) string {
	if k.RankLower == k.RankUpper {
		return fmt.Sprint(k.RankLower)
	}
	return fmt.Sprintf("%d to %d", k.RankLower, k.RankUpper)
}

// disagreementWords says where the two designs part.
func disagreementWords(a *compare.ModeAnalysis) []Block {
	if a.TR119 == nil || a.Default == nil {
		return nil
	}
	if len(a.Disagreements) == 0 {
		return []Block{para("The two designs agree on every pair.")}
	}
	items := make([]Line, len(a.Disagreements))
	for i, x := range a.Disagreements {
		items[i] = phrase(x.Sentence)
	}
	return []Block{para("Where the two designs disagree:"), list(items...)}
}

// latencyStatistics ranks by latency, in the default design alone: the original did not test it.
func latencyStatistics(d *data) []Block {
	var blocks []Block
	for _, mode := range d.modes {
		a := d.Stats.Find(mode, compare.LatencyMS, "")
		if a == nil || a.Default == nil || a.Default.Ranking.Absent != "" {
			continue
		}
		blocks = append(blocks, d.rankTable(a, fmt.Sprintf("mode=%s, metric=%s", a.Mode, a.Metric)), Paragraph{phrase(a.Default.Ranking.Sentence)})
	}
	return blocks
}
