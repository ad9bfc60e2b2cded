package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
)

func init() {
	registerFor(TR117, section{placeStatistics, "Statistical analysis", statistics117})
	registerFor(TR117, section{placeStatistics + 1, "Between all runs", testsOfRuns})
	registerFor(TR117, section{placeStatistics + 2, "Paradoxes", paradoxSection})
	registerFor(TR117, section{placeStatistics + 3, "Latency within scenarios", func(d *data) []Block { return withinScenarios(d, compare.LatencyMS, "") }})
	registerFor(TR117, section{placeStatistics + 4, "Total cost within scenarios", func(d *data) []Block { return withinScenarios(d, compare.TotalUSD, d.Method) }})
}

func statistics117(d *data) []Block {
	return []Block{
		para("Which differences between backends are real? It is asked at the level %s, in two designs.", word(fmt.Sprint(d.Stats.Alpha))),
		list(
			prose("%s, the original report's design: one-way analysis of variance over the backends, and a paired t test of every pair over the scenarios, sessions and repetitions that both have, with p values multiplied by the number of pairs (Bonferroni) and Cohen's d of the two samples, s = sqrt((s1^2 + s2^2) / 2). %s", strong("between all runs"), word(d.unitWords())),
			prose("%s: the geometric mean over scenarios of the ratio of two backends, with the interval of a paired t test of its logarithm; p values are adjusted by Holm's method. A scenario is a value, so that more repetitions alone make nothing more significant; a session that is slow throughout moves all scenarios of its backend at once.", strong("within scenarios")),
		),
	}
}

// unitWords say what a value of the tests between all runs is.
func (d *data) unitWords() string {
	for _, t := range d.singleRuns().Tests {
		if t.Unit == compare.UnitSession {
			return "Runs come from several sessions, so that a session is a value: the analysis of variance is over the sessions' means, each over the means of its scenarios, and the t test of a pair over the mean differences of its sessions, with one degree of freedom less than there are. Cohen's d stays that of the runs, where the difference between a short and a long request counts as noise."
		}
	}
	return "A run is a value: the difference between a short and a long request counts as noise in the analysis of variance and in d, and the repetitions of a scenario count as independent."
}

func testsOfRuns(d *data) []Block {
	tests := d.singleRuns().Tests
	if len(tests) == 0 {
		return []Block{Note{Remark, phrase("No runs are on record, so nothing could be tested between them.")}}
	}
	anova := newTable("One-way analysis of variance over the backends", []string{"Mode", "Metric"}, []string{"F", "df_between", "df_within", "p"})
	var absent []string
	for i := range tests {
		t := &tests[i]
		row := fmt.Sprintf("runs.tests, mode=%s, metric=%s, anova", t.Mode, t.Metric)
		if t.ANOVA == nil {
			absent = append(absent, fmt.Sprintf("%s %s: %s", t.Mode, t.Metric, t.ANOVAAbsent))
			continue
		}
		anova.row([]string{string(t.Mode), t.Metric}, d.statsNumber(&t.ANOVA.F, row, "f"), d.statsNumber(&t.ANOVA.DFBetween, row, "df_between"),
			d.statsNumber(&t.ANOVA.DFWithin, row, "df_within"), d.statsNumber(&t.ANOVA.P, row, "p"))
	}
	blocks := []Block{}
	if len(anova.table.Rows) > 0 {
		blocks = append(blocks, anova.block())
	}
	if len(absent) > 0 {
		blocks = append(blocks, Note{Remark, prose("No analysis of variance: %s.", word(strings.Join(absent, "; ")))})
	}
	for i := range tests {
		if tests[i].Metric != compare.RequestsPerS { // the pairs are those of latency, seen from the other side
			blocks = append(blocks, d.pairsOfRuns(&tests[i])...)
		}
	}
	if words := d.sessionWords(); words != "" {
		blocks = append(blocks, Note{Remark, phrase(words)})
	}
	return blocks
}

// pairsOfRuns is the table of pairs of one metric, and its doubts.
func (d *data) pairsOfRuns(t *compare.RunTests) []Block {
	if len(t.Pairs) == 0 {
		return nil
	}
	pairs := newTable(fmt.Sprintf("Pairs by %s over all runs, %s: paired t tests", t.Metric, t.Mode), []string{"Mode", "A", "B"},
		[]string{"n", "sessions", "diff", "diff_pct", "ci_lower", "ci_upper", "t", "df", "p", "p_bonferroni", "cohens_d"})
	pairs.table.Columns = append(pairs.table.Columns, Column{Name: "significant"})
	for _, p := range t.Pairs {
		row := fmt.Sprintf("runs.tests, mode=%s, metric=%s, a=%s, b=%s", t.Mode, t.Metric, p.A, p.B)
		n := func(v *float64, column string) Line { return d.statsNumber(v, row, column).cell() }
		diff := n(&p.Diff, "diff")
		if p.N == 0 {
			diff = n(nil, "diff")
		}
		pairs.lines([]Line{phrase(string(t.Mode)), phrase(p.A), phrase(p.B), d.countNumber(int64(p.N), row, "n"), d.countNumber(int64(p.Sessions), row, "sessions"), diff, n(p.DiffPct, "diff_pct"), n(p.CILower, "ci_lower"),
			n(p.CIUpper, "ci_upper"), n(p.T, "t"), n(p.DF, "df"), n(p.P, "p"), n(p.PBonferroni, "p_bonferroni"), n(p.CohensD, "cohens_d"), verdict(p.Significant, p.Absent)})
	}
	interval := "bootstrap interval (bias-corrected and accelerated)"
	if t.Unit == compare.UnitSession {
		interval = "t interval over the mean differences of the sessions, or where it has one session the bootstrap interval (bias-corrected and accelerated)"
	}
	pairs.note("diff: mean of A less B over the n pairs of runs, with its 95% %s. p_bonferroni: adjusted for the %s pairs tested.", word(interval), word(fmt.Sprint(t.Tests)))
	blocks := []Block{pairs.block()}
	for _, w := range t.Warnings {
		blocks = append(blocks, Note{Warning, phrase(t.Metric + " in " + string(t.Mode) + ", " + strings.TrimSuffix(w, ".") + ".")})
	}
	return blocks
}

// maxParadoxFigures is how many paradoxes are drawn; the tables have them all.
const maxParadoxFigures = 4

func paradoxSection(d *data) []Block {
	list := d.singleRuns().Paradoxes
	if len(list) == 0 {
		if len(d.measuredBackends()) < 2 {
			return []Block{Note{Remark, phrase(noPair)}}
		}
		return []Block{para("A paradox is a pair of backends whose order by the mean is another by the median, p95 or p99. There is none in latency or time to the first token.")}
	}
	blocks := []Block{para("A paradox is a pair of backends whose order by the mean is another by the median, p95 or p99. Which is right depends on the question: a bill and a batch follow the mean, the typical request the median, a promise to users a high percentile. Whether it is more than noise is asked by drawing the runs of every scenario again, or where there are several sessions these as wholes."),
		d.paradoxTable(list), d.crossingTable(list)}
	var items []Line
	for _, p := range list {
		items = append(items, phrase(p.Sentence))
	}
	blocks = append(blocks, List{Items: items})
	order := slices.Clone(list)
	slices.SortStableFunc(order, func(a, b compare.Paradox) int { return drawingRank(&a) - drawingRank(&b) })
	for i := range order[:min(len(order), maxParadoxFigures)] {
		name := fmt.Sprintf("paradox_%d_%s", i+1, strings.TrimSuffix(order[i].Metric, "_ms"))
		if f := d.paradoxFigure(&order[i], name); f != nil {
			blocks = append(blocks, f)
		}
	}
	if len(order) > maxParadoxFigures {
		blocks = append(blocks, Note{Remark, prose("%s of %s paradoxes are drawn: those beyond noise first, then those of the median.", word(fmt.Sprint(maxParadoxFigures)), word(fmt.Sprint(len(order))))})
	}
	return blocks
}

// drawingRank puts the paradoxes that matter most first: beyond noise, then of the median, then of latency.
func drawingRank(p *compare.Paradox) int {
	rank := 0
	if p.WithinNoise {
		rank += 4
	}
	if !slices.Contains(p.Reversed, byP50.name) {
		rank += 2
	}
	if p.Metric != compare.LatencyMS {
		rank++
	}
	return rank
}

func paradoxRow(p *compare.Paradox) string {
	return fmt.Sprintf("runs.paradoxes, mode=%s, metric=%s, a=%s, b=%s", p.Mode, p.Metric, p.A, p.B)
}

// paradoxTable shows each order of each paradox.
func (d *data) paradoxTable(list []compare.Paradox) Block {
	t := newTable("Pairs whose order depends on the statistic", []string{"Mode", "A", "B"}, []string{"a", "b", "share", "paradox_share"})
	t.table.Columns = append(t.table.Columns, Column{Name: "Statistic"}, Column{Name: "Metric"}, Column{Name: "first"}, Column{Name: "pick"})
	for i := range list {
		p := &list[i]
		for _, o := range p.Orders {
			row := paradoxRow(p) + ", statistic=" + o.Statistic
			t.lines([]Line{phrase(string(p.Mode)), phrase(p.A), phrase(p.B), d.statsNumber(&o.A, row, "a").cell(), d.statsNumber(&o.B, row, "b").cell(),
				d.statsNumber(o.Share, row, "share").cell(), d.statsNumber(o.ParadoxShare, row, "paradox_share").cell(), phrase(o.Statistic), phrase(p.Metric), phrase(orElse(o.First, "equal")), phrase(o.Pick)})
		}
	}
	t.note("share: of the resamples, those with this order; paradox_share: those with this order and that of the means at once. pick: the first, or either where fewer than %s of the resamples agree.", word(fmt.Sprintf("%g%%", 100*(1-d.Stats.Alpha))))
	return t.block()
}

// crossingTable lists where the quantile functions of each paradox cross.
func (d *data) crossingTable(list []compare.Paradox) Block {
	t := newTable("Where the distributions cross, and who is lower in between", []string{"Mode", "A", "B"}, []string{"from_percentile", "to_percentile", "mean_gap_ms", "crossing_at_ms"})
	t.table.Columns = append(t.table.Columns, Column{Name: "Lower"}, Column{Name: "Metric"})
	for i := range list {
		p := &list[i]
		for j, s := range p.Stretches {
			row := fmt.Sprintf("%s, stretch %d", paradoxRow(p), j+1)
			var at *float64
			if j < len(p.Crossings) {
				at = &p.Crossings[j].Value
			}
			t.lines([]Line{phrase(string(p.Mode)), phrase(p.A), phrase(p.B), d.statsNumber(&s.From, row, "from").cell(), d.statsNumber(&s.To, row, "to").cell(),
				d.statsNumber(&s.MeanGap, row, "mean_gap").cell(), d.statsNumber(at, row, "crossings.value").cell(), phrase(s.First), phrase(p.Metric)})
		}
	}
	t.note("The quantile functions (type 7) are compared at every percentile at which one of them bends. mean_gap: by how much lower, on average over the range. crossing_at: the value of both where the range ends, where another follows.")
	return t.block()
}

// withinScenarios is the design that compares backends within scenarios, in every mode.
func withinScenarios(d *data, metric, method string) []Block {
	var blocks []Block
	for _, mode := range d.modes {
		a := d.Stats.Find(mode, metric, method)
		if a == nil {
			continue
		}
		key := fmt.Sprintf("mode=%s, metric=%s, method=%s", a.Mode, a.Metric, a.Method)
		if a.Absent != "" {
			blocks = append(blocks, Note{Remark, prose("%s: nothing could be tested: %s.", code(string(mode)), word(strings.TrimSuffix(a.Absent, ".")))})
		}
		for _, b := range d.defaultDesign(a, key) {
			if t, ok := b.(Table); ok { // two metrics stand in this report
				t.Caption = sentenceStart(strings.TrimPrefix(t.Caption, "Default design: "))
				if !strings.Contains(t.Caption, metric) {
					t.Caption += ", by " + metric
				}
				b = t
			}
			blocks = append(blocks, b)
		}
		for _, w := range a.Warnings {
			if strings.HasPrefix(w, "tr119 ") {
				continue // of a design that this report does not show
			}
			blocks = append(blocks, Note{Warning, prose("%s: %s.", code(string(mode)), word(strings.TrimSuffix(w, ".")))})
		}
	}
	return blocks
}
