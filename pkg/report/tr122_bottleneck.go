package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	registerFor(TR122, section{placeResults + 10, "How near the roofs", roofTable})
	registerFor(TR122, section{placeResults + 11, "What holds each backend back", bottleneckSection})
}

func roofTable(d *data) []Block {
	t := newTable("Model bandwidth and FLOPs utilisation, per backend and scenario", byBackendScenario,
		[]string{"step_ms", "mib_per_step", "gflop_per_step", "mbu_pct", "mbu_ci_lower", "mbu_ci_upper", "mfu_pct", "mfu_ci_lower", "mfu_ci_upper"})
	reasons := map[string][]string{}
	var order []string
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		r := d.roofsOf(c)
		t.row([]string{c.label, string(c.Mode), c.Scenario}, r.stepMS, r.bytes.times(1.0/mebi, "in MiB"), r.flop.times(1e-9, "in GFLOP"),
			r.mbu, r.mbuLow, r.mbuHigh, r.mfu, r.mfuLow, r.mfuHigh)
		if r.absent != "" {
			if reasons[r.absent] == nil {
				order = append(order, r.absent)
			}
			if !slices.Contains(reasons[r.absent], c.label) {
				reasons[r.absent] = append(reasons[r.absent], c.label)
			}
		}
	}
	for _, why := range order {
		t.note("Not known of %s: %s.", word(strings.Join(reasons[why], ", ")), word(why))
	}
	t.note("Definitions in section 2. The intervals are from repeating the runs; how far the roofs themselves vary is in section 3, calibration.")
	blocks := append([]Block{Paragraph{d.calibrated()}}, d.orNothing(t)...)
	if above := d.aboveRoof(); above != "" {
		blocks = append(blocks, Note{Remark, prose("Above 100%: %s. %s.", word(above), word(sentenceStart(aboveWhy)))})
	}
	return blocks
}

// aboveRoof names the cells that are above a roof.
func (d *data) aboveRoof() string {
	var list []string
	for _, c := range d.cells {
		if r := d.roofsOf(c); aboveAll(r.mbu) || aboveAll(r.mfu) {
			list = append(list, c.name())
		}
	}
	if len(list) == 0 {
		return ""
	}
	return names(list)
}

// bottleneck is what holds a backend back in a mode, with what that rests on.
type bottleneck struct {
	group
	bound     roofline.Bound
	rule      string
	why       string // what the rule says of no backend in particular, where nothing is known
	evidence  []Line // numbers
	scenarios map[roofline.Bound][]string
	intervals bool   // there are any
	above     bool   // a utilisation is above 100%
	foreign   number // of the CPUs' time, used by others beside the backend's runs; per cent
}

// bottlenecks judges every measured backend in each of its modes.
func (d *data) bottlenecks() []bottleneck {
	var list []bottleneck
	for _, mode := range d.measuredModes() {
		for _, g := range d.measuredIn(mode) {
			list = append(list, d.bottleneck(g))
		}
	}
	return list
}

// bottleneck judges the mean over the scenarios, and each of them.
func (d *data) bottleneck(g group) bottleneck {
	b := bottleneck{group: g, scenarios: map[roofline.Bound][]string{}}
	outside := d.outside(g)
	var cells []roofs
	for _, c := range g.cells {
		if c.N == 0 {
			continue
		}
		r := d.roofsOf(c)
		cells = append(cells, r)
		bound, _ := roofline.Judge(roofline.Evidence{MBU: r.mbu.value, MFU: r.mfu.value, ThrottledPct: d.resourceNumber(c, resThrottled).value,
			CPUBusyPct: d.resourceNumber(c, resCPUBusy).value, OutsidePct: outside.value})
		b.scenarios[bound] = append(b.scenarios[bound], c.Scenario)
	}
	of := func(get func(roofs) number) number {
		var list []number
		for _, r := range cells {
			list = append(list, get(r))
		}
		n := mean(list, Source{Artifact: d.CellsName, Row: "backend=" + g.label + ", mode=" + string(g.mode), Column: list[0].source.Column})
		if !n.known() {
			n.source.How = list[0].source.How
		}
		return n
	}
	mbu, mfu := of(func(r roofs) number { return r.mbu }), of(func(r roofs) number { return r.mfu })
	throttled, busy := d.resourceMean(g, resThrottled), d.resourceMean(g, resCPUBusy)
	e := roofline.Evidence{MBU: mbu.value, MFU: mfu.value, ThrottledPct: throttled.value, CPUBusyPct: busy.value, OutsidePct: outside.value}
	b.bound, b.rule = roofline.Judge(e)
	b.above = aboveAll(mbu) || aboveAll(mfu)
	if b.bound == roofline.Unknown {
		b.rule = absentWords(mbu, mfu)
		b.why = b.rule
	}
	replicated := d.replicatesOf(g.cells, resStepMS)
	mbuLow, mbuHigh, ok := utilisationInterval(cells, func(r roofs) (n, low, high number) { return r.mbu, r.mbuLow, r.mbuHigh })
	mfuLow, mfuHigh, both := utilisationInterval(cells, func(r roofs) (n, low, high number) { return r.mfu, r.mfuLow, r.mfuHigh })
	b.evidence = []Line{
		utilisationWords("MBU", mbu, mbuLow, mbuHigh, ok, replicated), utilisationWords("MFU", mfu, mfuLow, mfuHigh, both, replicated),
		prose("threads busy %s", busy.suffixed("%")), prose("throttled %s", throttled.suffixed("%")),
	}
	if b.foreign = d.foreign(g); b.foreign.known() {
		b.evidence = append(b.evidence, prose("other processes on the CPUs %s", b.foreign.suffixed("%")))
	}
	if outside.known() {
		b.evidence = append(b.evidence, prose("between client and engine %s of the time", outside.suffixed("%")))
	}
	if b.intervals = ok && both; b.intervals {
		b.within(e, [2]float64{mbuLow, mbuHigh}, [2]float64{mfuLow, mfuHigh}, replicated)
	}
	if b.bound != roofline.Unknown && b.foreign.known() && *b.foreign.value > roofline.ForeignPct {
		b.bound = roofline.Unknown
		b.rule = fmt.Sprintf("other processes used %s%% of the CPUs beside its runs, more than %d%%: it may be those that held it back",
			units.G4(*b.foreign.value), roofline.ForeignPct)
		b.why = fmt.Sprintf("other processes used more than %d%% of the CPUs beside the runs", roofline.ForeignPct)
	}
	return b
}

// within judges at the corners of the intervals: where they cover more than one verdict, none is known.
func (b *bottleneck) within(e roofline.Evidence, mbu, mfu [2]float64, r replicates) {
	meanMBU, meanMFU := *e.MBU, *e.MFU
	open := []roofline.Bound{b.bound}
	for _, x := range mbu {
		for _, y := range mfu {
			e.MBU, e.MFU = &x, &y
			if other, _ := roofline.Judge(e); !slices.Contains(open, other) {
				open = append(open, other)
			}
		}
	}
	if len(open) == 1 {
		return
	}
	parts := make([]string, len(open))
	for i, o := range open {
		parts[i] = string(o)
	}
	b.bound, b.why = roofline.Unknown, "the 95% intervals cover more than one verdict"
	if why := cmp.Or(r.doubt(meanMBU, mbu[0], mbu[1]), r.doubt(meanMFU, mfu[0], mfu[1])); why != "" {
		b.why = why
		b.rule = why + ", so that more than one verdict is left: " + strings.Join(parts, ", ")
		return
	}
	b.rule = fmt.Sprintf("the 95%% intervals (MBU %s to %s%%, MFU %s to %s%%) cover more than one verdict: %s",
		units.G4(mbu[0]), units.G4(mbu[1]), units.G4(mfu[0]), units.G4(mfu[1]), strings.Join(parts, ", "))
}

// absentWords says which of the two utilisations are not known, and why.
func absentWords(mbu, mfu number) string {
	var parts []string
	for _, u := range []struct {
		name string
		number
	}{{"MBU", mbu}, {"MFU", mfu}} {
		if why := strings.TrimPrefix(u.source.How, "absent: "); !u.known() && !slices.Contains(parts, why) {
			parts = append(parts, why)
		}
	}
	return strings.Join(parts, "; ")
}

// aboveWhy is how more than all of a roof can be reached.
const aboveWhy = "the roof was measured too low, as where other work slowed the calibration down or a better kernel exists, or the weights fit a cache"

func aboveAll(n number) bool { return n.known() && *n.value > 100 }

// utilisationInterval is that of the mean over cells.
func utilisationInterval(cells []roofs, get func(roofs) (n, low, high number)) (low, high float64, ok bool) {
	var list []bounded
	for _, r := range cells {
		n, l, h := get(r)
		if n.known() && l.known() && h.known() {
			list = append(list, bounded{value: *n.value, low: *l.value, high: *h.value})
		}
	}
	return meanInterval(list, len(cells))
}

func utilisationWords(name string, n number, low, high float64, ok bool, r replicates) Line {
	line := prose(name+" %s", n.suffixed("%"))
	if !ok || !n.known() {
		return line
	}
	l, h := number{value: &low, source: n.source}, number{value: &high, source: n.source}
	return append(line, intervalWords(n, l, h, r)...)
}

// outside is the share of a server's latency that passed outside its engine, per cent.
func (d *data) outside(g group) number {
	for _, s := range d.singleRuns().Servers {
		if s.Backend == g.label && s.Mode == g.mode {
			return d.statsNumber(&s.OverheadPct, fmt.Sprintf("runs.servers, backend=%s, mode=%s", s.Backend, s.Mode), "overhead_pct")
		}
	}
	return number{}
}

// foreign is the share of the CPUs' time that others used beside the runs of a backend, in all its modes.
func (d *data) foreign(g group) number {
	for _, i := range d.singleRuns().Isolation {
		if i.Backend == g.label {
			return d.statsNumber(i.ForeignMeanPct, "runs.isolation, backend="+i.Backend, "foreign_cpu_mean_pct")
		}
	}
	return number{}
}

// short is the verdict with the two utilisations.
func (b *bottleneck) short() Line {
	line := prose("What holds %s back in %s: %s (", strong(b.label), code(string(b.mode)), strong(string(b.bound)))
	line = joined(line, b.evidence[:2], ", ")
	if b.bound == roofline.Unknown {
		line = append(line, word("; "+b.rule))
	}
	if b.above {
		line = append(line, word("; above 100%: "+aboveWhy))
	}
	return append(line, word(")."))
}

// noneKnown is the one line that is left to say where none of several verdicts is known; nil where one is.
func noneKnown(list []bottleneck) Line {
	by := map[string][]string{}
	var order []string
	for _, b := range list {
		if b.bound != roofline.Unknown {
			return nil
		}
		if by[b.why] == nil {
			order = append(order, b.why)
		}
		by[b.why] = append(by[b.why], fmt.Sprintf("%s in %s", b.label, b.mode))
	}
	if len(list) < 2 {
		return nil
	}
	line := prose("What holds the backends back: %s of any, as ", strong(string(roofline.Unknown)))
	if len(order) == 1 {
		return append(line, word(order[0]+"."))
	}
	parts := make([]string, len(order))
	for i, why := range order {
		parts[i] = why + " (" + strings.Join(by[why], ", ") + ")"
	}
	return append(line, word(strings.Join(parts, "; ")+"."))
}

// full is the verdict with all that it rests on and how sure it is.
func (b *bottleneck) full() Line {
	line := prose("%s in %s: %s, as %s. ", strong(b.label), code(string(b.mode)), strong(string(b.bound)), word(b.rule))
	line = append(joined(line, b.evidence, ", "), word("."))
	if b.bound != roofline.Unknown {
		line = append(line, word(" "+b.sureness()))
	}
	if b.above {
		line = append(line, word(" Above 100%: "+aboveWhy+"."))
	}
	return line
}

// sureness says in how many scenarios the verdict is the same, and whether there are intervals to say more.
func (b *bottleneck) sureness() string {
	n := 0
	var others []string
	for _, bound := range []roofline.Bound{roofline.Throttled, roofline.MemoryBound, roofline.Compute, roofline.HostBound, roofline.Between, roofline.Unknown} {
		list := b.scenarios[bound]
		n += len(list)
		if bound != b.bound && len(list) > 0 {
			others = append(others, fmt.Sprintf("%s in %s", bound, strings.Join(list, ", ")))
		}
	}
	text := fmt.Sprintf("So it is in %d of %d scenarios", len(b.scenarios[b.bound]), n)
	if len(others) > 0 {
		text += " (" + strings.Join(others, "; ") + ")"
	}
	switch {
	case b.bound == roofline.Throttled:
		return text + "."
	case !b.intervals:
		return text + "; without intervals how sure it is cannot be said."
	}
	return text + "; it is the same throughout the 95% intervals."
}

func bottleneckSection(d *data) []Block {
	var items []Line
	for _, b := range d.bottlenecks() {
		items = append(items, b.full())
	}
	if len(items) == 0 {
		return []Block{Note{Remark, phrase("No backend has a good run, so there is nothing to judge.")}}
	}
	blocks := []Block{para("By the rules of section 2, over the means of the scenarios:"), List{Items: items}}
	if missing := d.unmeasured(); missing != "" {
		blocks = append(blocks, para("Not measured, hence not judged: %s.", word(missing)))
	}
	return blocks
}

// verdicts lists what holds the backends back in a mode.
func verdicts(list []bottleneck, mode record.Mode) string {
	by := map[string][]string{}
	var order []string
	for _, b := range list {
		if b.mode != mode {
			continue
		}
		bound := string(b.bound)
		if b.bound == roofline.Unknown {
			bound += ", as " + b.rule
		}
		if by[bound] == nil {
			order = append(order, bound)
		}
		by[bound] = append(by[bound], b.label)
	}
	parts := make([]string, len(order))
	for i, bound := range order {
		parts[i] = bound + " (" + strings.Join(by[bound], ", ") + ")"
	}
	return strings.Join(parts, "; ")
}
