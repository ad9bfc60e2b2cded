package report

import (
	"fmt"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
)

func init() {
	registerFor(TR122, section{10, "Abstract", abstract122})
	registerFor(TR122, section{30, "Executive summary", summary122})
	registerFor(TR122, section{placeIntroduction, "Introduction", introduction122})
	registerFor(TR122, section{placeIntroduction + 1, "Research questions", questions122})
}

func abstract122(d *data) []Block {
	ok, planned := d.runCounts()
	blocks := []Block{para("What do inference backends take from this machine to run one model, %s: how much power and energy, memory and processor time; how hot and how fast does it run; and which of its limits holds each of them back? %s runs of %s planned, of %s backends (%s with results) in %s modes and %s scenarios.",
		strong(d.modelWords()), ok, planned, word(fmt.Sprint(len(d.backends))),
		word(fmt.Sprint(len(d.measuredBackends()))), word(fmt.Sprint(len(d.modes))), word(fmt.Sprint(len(d.scenarios))))}
	if len(d.measuredModes()) == 0 {
		return append(blocks, Note{Warning, phrase("No backend has a good run: this report has no results.")})
	}
	blocks = append(append(blocks, d.disturbed()...), energyNote(d)...)
	return append(blocks, para("Validation over all: %s (section 4, validation and sanity checks).", strong(overall(d.checks()).String())))
}

func summary122(d *data) []Block {
	if len(d.measuredModes()) == 0 {
		return d.nothing()
	}
	return d.keyFindings(para("%s:", strong("Key findings")))
}

func introduction122(*data) []Block {
	return []Block{para("A throughput says how fast a backend is, and neither what it took nor how much faster it could be. This report measures what the backends take from the machine while they work, and holds their speed against what the machine can reach: the bandwidth of its memory and its floating point operations per second, measured with as many threads. Every number comes from an artifact beside this report: in the HTML page, point at it or focus it to see the file, row and column.")}
}

func questions122(*data) []Block {
	return []Block{List{Ordered: true, Items: []Line{
		phrase("Which backend takes the least energy per token, and how well is that known?"),
		phrase("What does it draw at most, and how much of it would the machine draw anyway?"),
		phrase("How much memory and processor time does it need?"),
		phrase("Which limit of the machine holds it back: memory bandwidth, compute, heat, or the host?"),
		phrase("How far can the recording be believed?"),
	}}, para("Section 6 answers them.")}
}

// findings122 are the key findings of TR122.
func (d *data) findings122() []Line {
	var lines []Line
	for _, mode := range d.measuredModes() {
		lines = append(lines, d.energyFinding(mode))
	}
	lines = append(lines, d.memoryFinding())
	list := d.bottlenecks()
	if nothing := noneKnown(list); nothing != nil {
		lines, list = append(lines, nothing), nil
	}
	for _, b := range list {
		lines = append(lines, b.short())
	}
	return append(append(lines, d.recordingFinding()), d.runFindings()...)
}

// rankResource ranks the backends of a mode by a column, lowest first.
func (d *data) rankResource(mode record.Mode, col *resourceColumn) []ranked {
	var list []ranked
	for _, g := range d.measuredIn(mode) {
		list = append(list, ranked{g.label, d.resourceMean(g, col)})
	}
	return rank(list, true)
}

// energyFinding is the lowest and the highest energy per token.
func (d *data) energyFinding(mode record.Mode) Line {
	grades := word(strings.TrimSuffix(d.gradeWords(mode), "."))
	order := d.rankResource(mode, resPerToken)
	if len(order) == 0 {
		return prose("Energy, %s: not known. %s.", code(string(mode)), grades)
	}
	best := d.group(order[0].label, mode)
	low, high := d.resourceInterval(best, resPerToken)
	line := prose("Energy, %s: lowest %s, %s J per token", code(string(mode)), strong(order[0].label), order[0].span())
	line = append(line, intervalWords(order[0].number, low, high, d.replicatesOf(best.cells, resPerToken))...)
	if len(order) > 1 {
		end := last(order)
		line = append(line, prose("; highest%s %s, %s J, a factor of %s (the lowest: %s)", word(amongComplete(order)), strong(end.label), end.span(),
			end.over(order[0].number, "highest over lowest").span(), word(d.energyDoubt(mode, order)))...)
	}
	return append(line, prose(". %s.", grades)...)
}

// memoryFinding is the largest resident memory of each backend.
func (d *data) memoryFinding() Line {
	var parts []Line
	for _, label := range d.measuredBackends() {
		if n, of := d.largestMemory(label); n.known() {
			parts = append(parts, prose("%s %s%s", strong(label), n.suffixed(" MiB"), word(of)))
		}
	}
	if len(parts) == 0 {
		return phrase("Memory: not known, as no run has a figure.")
	}
	return append(joined(prose("Largest resident memory: "), parts, ", "), word("."))
}

// largestMemory is the peak of a backend over its modes, and of how many runs where not all have one: of its process tree, or
// where that was not recorded of its worker.
func (d *data) largestMemory(label string) (best number, of string) {
	for _, col := range []*resourceColumn{resMemPeak, resRSSPeak} {
		known, all := 0, 0
		for _, mode := range d.modes {
			g := d.group(label, mode)
			n, m := d.knownRuns(g, col)
			known, all = known+n, all+m
			if n := d.resourceMean(g, col); n.known() && (!best.known() || *n.value > *best.value) {
				best = n
			}
		}
		if best.known() {
			return best, ofRuns(known, all)
		}
	}
	return best, ""
}

// joined appends lines to a beginning, with a separator between them.
func joined(line Line, parts []Line, between string) Line {
	for i, p := range parts {
		if i > 0 {
			line = append(line, word(between))
		}
		line = append(line, p...)
	}
	return line
}

// recordingFinding says how well telemetry kept its time.
func (d *data) recordingFinding() Line {
	f := &d.Recorder
	if f.sweeps == 0 {
		return prose("Recording: %s, so that its lateness is not known.", word(d.noRecorder()))
	}
	of := ""
	if interrupted := f.interruptedWords(); interrupted != "" {
		of = " (" + interrupted + ")"
	}
	return prose("Recording: %s sweeps of the sensors%s, %s missed; the median sweep was %s ms late, the latest %s ms.",
		d.recorderNumber(ptr(float64(f.sweeps)), "late_ns", "count").integer(), word(of), d.recorderNumber(ptr(float64(f.missed)), "missed", "sum").integer(),
		d.recorderMS(f.late.quantile(0.5), "late_ns", "median").span(), d.recorderMS(&f.late.largest, "late_ns", "largest").span())
}

// calibrated says in words what the roofs are.
func (d *data) calibrated() Line {
	k := d.Calibration
	if k == nil {
		return prose("No %s beside the runs: the roofs of this machine are not known, and with them neither MBU nor MFU. %s measures them.",
			code(roofline.FileName), code("bh-run doctor --calibrate -o "+roofline.FileName))
	}
	line := prose("Memory bandwidth: %s GB/s", d.calibrationNumber(k.BandwidthBytesPerS, "bandwidth_bytes_per_s", k.BandwidthAbsent).times(1e-9, "in GB/s").span())
	if k.BandwidthBytesPerS != nil {
		line = append(line, prose(" (%s)", word(k.BandwidthMethod))...)
	}
	line = append(line, prose("; FLOP rate: %s GFLOP/s", d.calibrationNumber(k.FLOPPerS, "flop_per_s", k.FLOPAbsent).times(1e-9, "in GFLOP/s").span())...)
	if k.FLOPPerS != nil {
		return append(line, prose(" in %s (%s).", word(k.FLOPPrecision), word(k.FLOPMethod))...)
	}
	return append(line, prose(" (%s).", word(k.FLOPAbsent))...)
}

// calibrationNumber is a number of the calibration.
func (d *data) calibrationNumber(v *float64, field, absent string) number {
	n := number{value: v, source: Source{Artifact: roofline.FileName, Column: field}}
	if v == nil {
		n.source.How = "absent: " + absent
	}
	return n
}
