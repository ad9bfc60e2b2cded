package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	registerFor(TR117, section{10, "Abstract", abstract117})
	registerFor(TR117, section{30, "Executive summary", summary117})
	registerFor(TR117, section{placeIntroduction, "Introduction", introduction117})
	registerFor(TR117, section{placeIntroduction + 1, "Research questions", questions117})
}

func abstract117(d *data) []Block {
	ok, planned := d.runCounts()
	blocks := []Block{para("How do inference backends compare on one model, %s, when single requests count: which is fastest on average, in the typical request and in the slow ones, how steady is it, what does it cost, and do the backends compute the same? %s runs of %s planned, of %s backends (%s with results) in %s scenarios.",
		strong(d.modelWords()), ok, planned, word(fmt.Sprint(len(d.backends))),
		word(fmt.Sprint(len(d.measuredBackends()))), word(fmt.Sprint(len(d.scenarios))))}
	if len(d.measuredModes()) == 0 {
		return append(blocks, Note{Warning, phrase("No backend has a good run: this report has no results.")})
	}
	blocks = append(blocks, d.disturbed()...)
	return append(blocks, List{Items: d.choices117()}, para("Validation over all: %s (section 4, validation and sanity checks).", strong(overall(d.checks()).String())))
}

func summary117(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return d.nothing()
	}
	blocks := d.keyFindings(para("%s:", strong("Key findings")))
	return append(blocks, para("%s:", strong("Key decision")), List{Items: d.choices117()})
}

func introduction117(*data) []Block {
	return []Block{para("A mean hides what single requests look like: two backends can change places between the mean, the median and the slow end. This report measures the backends request by request on one set of weights, describes the distributions, tests which differences are real, looks for places where two statistics contradict each other, and holds the tokens that come out against each other. Every number comes from an artifact beside this report: in the HTML page, point at it or focus it to see the file, row and column.")}
}

func questions117(*data) []Block {
	return []Block{List{Ordered: true, Items: []Line{
		phrase("Which backend is fastest: on average, in the typical request, and in the slow ones?"),
		phrase("Which of the differences are more than noise?"),
		phrase("Do mean and median rank the backends alike, and if not, who should believe which?"),
		phrase("What do a million tokens cost on each?"),
		phrase("Do the backends give the same tokens?"),
	}}, para("Section 6 answers them.")}
}

// findings117 are the key findings of TR117.
func (d *data) findings117() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		lines = append(lines, d.speedFindings(mode)...)
		lines = append(lines, d.costFinding117(mode))
	}
	return append(append(append(lines, d.paradoxFindings()...), d.agreementFinding()), d.runFindings()...)
}

// statistic117 is a number of a distribution by which backends are ranked.
type statistic117 struct {
	name   string // in the statistics document
	words  string
	metric string
	of     func(*compare.Distribution) *float64
}

var (
	byMean = statistic117{"mean", "mean latency", compare.LatencyMS, func(m *compare.Distribution) *float64 { return &m.Mean }}
	byP50  = statistic117{"p50", "median latency", compare.LatencyMS, func(m *compare.Distribution) *float64 { return &m.P50 }}
	byP95  = statistic117{"p95", "p95 latency", compare.LatencyMS, func(m *compare.Distribution) *float64 { return &m.P95 }}
	byCV   = statistic117{"cv_within_pct", "variation of the latency within a scenario", compare.LatencyMS,
		func(m *compare.Distribution) *float64 { return m.CVWithinPct }}
	byTTFT = statistic117{"mean", "mean time to the first token", compare.TTFTMS, func(m *compare.Distribution) *float64 { return &m.Mean }}
)

// rankRuns ranks the backends of a mode by a statistic of their runs, lowest first; of a device, or all where it is empty.
func (d *data) rankRuns(mode record.Mode, s statistic117, device record.Device) []ranked {
	var list []ranked
	for i := range d.singleRuns().Backends {
		b := &d.singleRuns().Backends[i]
		if b.Mode != mode || device != "" && d.devices[b.Backend] != device {
			continue
		}
		n := number{source: Source{Artifact: d.StatsName, Column: s.name, How: "absent: not recorded"}}
		if m := b.Metric(s.metric); m != nil {
			n = d.statsNumber(s.of(m), distributionRow(b, m), s.name)
		}
		list = append(list, ranked{b.Backend, n})
	}
	return rank(list, true)
}

// distributionRow names a distribution in the statistics document.
func distributionRow(b *compare.BackendRuns, m *compare.Distribution) string {
	return fmt.Sprintf("runs.backends, backend=%s, mode=%s, metric=%s", b.Backend, b.Mode, m.Metric)
}

// speedFindings are who is first by mean, median and time to the first token.
func (d *data) speedFindings(mode record.Mode) []Line {
	var lines []Line
	for _, s := range []statistic117{byMean, byP50, byTTFT} {
		order := d.rankRuns(mode, s, "")
		if len(order) == 0 {
			continue
		}
		line := prose("Lowest %s, %s: %s, %s ms", word(s.words), code(string(mode)), strong(order[0].label), order[0].span())
		if len(order) > 1 {
			high := last(order)
			line = append(line, prose("; highest%s %s, %s ms, a factor of %s", word(amongComplete(order)), strong(high.label), high.span(), high.over(order[0].number, "highest over lowest").span())...)
		}
		lines = append(lines, append(line, word(".")))
	}
	return lines
}

// costFinding117 is the cheapest backend.
func (d *data) costFinding117(mode record.Mode) Line {
	order := d.rankMode(mode, costTotal, true)
	if len(order) == 0 {
		return prose("Cost, %s: no total cost is known (%s).", code(string(mode)), word(d.noTotal(mode)))
	}
	line := prose("Lowest cost, %s: %s, %s USD per 1M tokens", code(string(mode)), strong(order[0].label), order[0].span())
	line = append(line, d.costInterval(order[0].label, mode)...)
	return d.onCost(append(line, prose(", at the default provider (%s).", word(d.defaultProviders()))...), of(mode, order[0].label))
}

// noPair is said where no two backends have results.
const noPair = "Mean and median: fewer than two backends have results, so there is no pair to order."

// paradoxFindings tell the paradoxes that are more than noise, and count the others.
func (d *data) paradoxFindings() []Line {
	if len(d.measuredBackends()) < 2 {
		return []Line{phrase(noPair)}
	}
	var lines []Line
	noise := map[record.Mode]int{}
	open := 0
	for _, p := range d.singleRuns().Paradoxes {
		if p.ResamplingAbsent != "" {
			open++
			continue
		}
		if p.WithinNoise {
			noise[p.Mode]++
			continue
		}
		lines = append(lines, prose("Paradox: %s", word(p.Sentence)))
	}
	var counts []string
	for _, mode := range d.measuredModes() {
		if noise[mode] > 0 {
			counts = append(counts, fmt.Sprintf("%d in %s", noise[mode], mode))
		}
	}
	if open > 0 {
		lines = append(lines, prose("Contradictions between the mean and the median, p95 or p99 of which it is not known whether they are noise, as there are too few sessions to resample: %s.", word(fmt.Sprint(open))))
	}
	switch {
	case len(counts) > 0:
		lines = append(lines, prose("Contradictions between the mean and the median, p95 or p99 that are within noise: %s.", word(strings.Join(counts, ", "))))
	case len(lines) == 0:
		lines = append(lines, phrase("No pair of backends is ordered otherwise by mean and by median, p95 or p99."))
	}
	return lines
}

// agreementFinding says how far the backends give the reference's tokens.
func (d *data) agreementFinding() Line {
	var parts []Line
	for _, a := range d.singleRuns().Agreement {
		if a.Compared == 0 || a.Backend == a.Reference {
			continue
		}
		if d.drawsItsOwn(&a) {
			parts = append(parts, prose("%s in %s not comparable: draws with its own random numbers", strong(a.Backend), code(string(a.Mode))))
			continue
		}
		row := fmt.Sprintf("runs.agreement, backend=%s, mode=%s", a.Backend, a.Mode)
		parts = append(parts, prose("%s in %s %s", strong(a.Backend), code(string(a.Mode)), d.statsNumber(a.Share, row, "token_share").times(100, "per cent").suffixed("%")))
	}
	if len(parts) == 0 {
		return phrase("Token agreement: no two backends have tokens of the same tasks on record.")
	}
	line := prose("Tokens that are those of %s, position by position: ", word(strings.Join(d.references(), ", ")))
	for i, p := range parts {
		if i > 0 {
			line = append(line, word(", "))
		}
		line = append(line, p...)
	}
	return append(line, word("."))
}

// references are the backends whose tokens are the measure.
func (d *data) references() []string {
	var list []string
	for _, a := range d.singleRuns().Agreement {
		if a.Reference != "" && !slices.Contains(list, a.Reference) {
			list = append(list, a.Reference)
		}
	}
	return list
}

// choices117 are the decisions that the measurements support, in each mode.
func (d *data) choices117() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		for _, c := range d.criteria(mode) {
			if c.leader == "" {
				lines = append(lines, prose("%s, %s: %s", word(c.name), code(string(mode)), word(c.doubt)))
				continue
			}
			lines = append(lines, prose("%s, %s: %s (%s).", word(c.name), code(string(mode)), strong(c.leader), word(c.doubt)))
		}
	}
	return lines
}
