package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
)

// counted lists names with their counts, the most frequent first: a 3, b 1.
func counted(counts map[string]int) string {
	order := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), strings.Compare(a, b))
	})
	parts := make([]string, len(order))
	for i, name := range order {
		parts[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return strings.Join(parts, ", ")
}

// graded is how well the energy of some runs is known: runs by grade, and the reasons for no better one.
type graded struct {
	what    string // run, or measured cell where there are no runs
	grades  map[record.Grade]int
	reasons map[string]int
	sources map[string]int // of those with energy

	all, powered, ungraded int          // of what, with energy, and of those without a grade
	worst                  record.Grade // of those with energy
}

// gradesOf sums up the cells that are wanted.
func (d *data) gradesOf(wanted func(cellRow) bool) graded {
	g := graded{what: "run", grades: map[record.Grade]int{}, reasons: map[string]int{}, sources: map[string]int{}}
	if !d.FromRuns {
		g.what = "measured cell"
	}
	for _, c := range d.cells {
		if c.N == 0 || !wanted(c) {
			continue
		}
		s := d.resources(c)
		if s == nil {
			g.grades[c.EnergyGrade]++
			g.all++
			if c.PowerMeanW != nil {
				g.sources[c.PowerSource]++
				g.power(c.EnergyGrade, 1)
			}
			continue
		}
		g.all += s.runs
		for grade, n := range s.powered {
			g.power(grade, n)
		}
		for grade, n := range s.grades {
			g.grades[grade] += n
		}
		for reason, n := range s.reasons {
			g.reasons[reason] += n
		}
		for source, n := range s.sources {
			if source != "" {
				g.sources[source] += n
			}
		}
	}
	return g
}

// power takes in n of what that have energy of a grade.
func (g *graded) power(grade record.Grade, n int) {
	g.powered += n
	g.worst = cell.WorseGrade(g.worst, grade)
	if grade == "" {
		g.ungraded += n
	}
}

// brief is the worst grade of what went in, and how many have no grade or no energy where others have.
func (g graded) brief() string {
	var parts []string
	switch {
	case g.powered == 0:
		return "no energy"
	case g.worst == "":
		parts = append(parts, "energy without a grade")
	default:
		parts = append(parts, "energy grade "+string(g.worst))
		if g.ungraded > 0 {
			parts = append(parts, fmt.Sprintf("%d of %s without a grade", g.ungraded, count(int64(g.all), g.what)))
		}
	}
	if none := g.all - g.powered; none > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s without energy", none, count(int64(g.all), g.what)))
	}
	return strings.Join(parts, "; ")
}

// of selects the cells of a mode, or of all where it is empty, of some backends, or of all where none is named.
func of(mode record.Mode, labels ...string) func(cellRow) bool {
	return func(c cellRow) bool {
		return (mode == "" || c.Mode == mode) && (len(labels) == 0 || slices.Contains(labels, c.label))
	}
}

// cellsOf are the cells that are wanted.
func (d *data) cellsOf(wanted func(cellRow) bool) []cellRow {
	var list []cellRow
	for _, c := range d.cells {
		if wanted(c) {
			list = append(list, c)
		}
	}
	return list
}

// onEnergy adds to a statement that rests on energy how well that is known.
func (d *data) onEnergy(line Line, wanted func(cellRow) bool) Line {
	return append(line, word(" "+sentenceStart(d.gradesOf(wanted).brief())+"."))
}

// onCost is onEnergy of a statement about a total cost, where energy is in it.
func (d *data) onCost(line Line, wanted func(cellRow) bool) Line {
	if !d.chargesEnergy() {
		return line
	}
	return d.onEnergy(line, wanted)
}

// words is a sentence about the grades and their reasons.
func (g graded) words() string {
	var parts []string
	for _, grade := range []record.Grade{record.GradeA, record.GradeB, record.GradeC, record.GradeD} {
		if n := g.grades[grade]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s in %s", grade, count(int64(n), g.what)))
		}
	}
	if n := g.grades[""]; n > 0 {
		parts = append(parts, "none in "+count(int64(n), g.what))
	}
	if len(parts) == 0 {
		return "Energy grades: no good run."
	}
	text := "Energy grades: " + strings.Join(parts, ", ")
	if why := counted(g.reasons); why != "" {
		text += "; why not better: " + why
	}
	return text + "."
}

// gradeWords is the sentence about the energy of a mode; of all modes where it is empty.
func (d *data) gradeWords(mode record.Mode) string {
	return d.gradesOf(of(mode)).words()
}

// withGrades adds the grades of a mode to the caption of a figure that rests on energy.
func (d *data) withGrades(f *Figure, why string, mode record.Mode) (*Figure, string) {
	if f != nil {
		f.Caption = append(f.Caption, word(" "+d.gradeWords(mode)))
	}
	return f, why
}

// withCharge is withGrades of a figure of costs, where energy is in them.
func (d *data) withCharge(f *Figure, why string, mode record.Mode) (*Figure, string) {
	if !d.chargesEnergy() {
		return f, why
	}
	return d.withGrades(f, why, mode)
}

// noteCharge adds the grades of a mode, or of all, to a table of costs where energy is in them.
func (d *data) noteCharge(t *tableBuilder, mode record.Mode) {
	if d.chargesEnergy() {
		t.note("%s", word(d.gradeWords(mode)))
	}
}

// noteTested adds the grades of a mode to a table of statistics about costs with energy in them.
func (d *data) noteTested(t *tableBuilder, a *compare.ModeAnalysis) {
	if a.Metric != compare.LatencyMS && !strings.HasSuffix(a.Method, cost.InfraOnlySuffix) {
		t.note("%s", word(d.gradeWords(a.Mode)))
	}
}

// chargesEnergy reports whether a total cost of the method shown has energy in it.
func (d *data) chargesEnergy() bool { return !strings.HasSuffix(d.Method, cost.InfraOnlySuffix) }

// unpowered are the telemetry sources that read other things than power.
var unpowered = []string{"proc", "thermal", record.SourceRecorder, "processes", "pressure", "cgroup", "memory", "frequency"}

// energyNote is energyStatement without the list of what is missing.
func energyNote(d *data) []Block { return energyStatement(d)[:1] }

// energyStatement says, at the head of a section about energy, how energy was measured: from what, how well, and, on a
// machine without a sensor of power, what is missing.
func energyStatement(d *data) []Block {
	g := d.gradesOf(of(""))
	measured, estimated := 0, g.sources[record.SourceCPUEstimate]
	for _, n := range g.sources {
		measured += n
	}
	measured -= estimated
	switch {
	case !d.FromRuns:
		return []Block{Note{Remark, prose("How energy was measured: %s. %s", word("power from "+d.powerSources()), word(g.words()))}}
	case measured > 0:
		return []Block{Note{Remark, prose("How energy was measured: power from %s. %s", word(counted(g.sources)+" runs"), word(g.words()))}}
	}
	if d.switchedOff() {
		return []Block{Note{Warning, prose("Telemetry was switched off (%s): no sensor was read, and every energy figure is %s. %s", code("bh-run --no-telemetry"), word(absentOr(estimated)), word(g.words()))}}
	}
	line := prose("No sensor measures power here: every energy figure is %s. %s", word(absentOr(estimated)), word(g.words()))
	missing := d.missingSensors()
	if len(missing) == 0 {
		return []Block{Note{Warning, append(line, word(" Which sensors were looked for is not on record."))}}
	}
	return []Block{Note{Warning, line}, para("The sensors of power that are missing, and why:"), List{Items: missing}}
}

// switchedOff reports whether the runs were made without telemetry.
func (d *data) switchedOff() bool {
	return d.Manifest != nil && len(d.Manifest.Sensors) == 0 && flagGiven(d.Manifest, "no-telemetry")
}

func absentOr(estimated int) string {
	if estimated == 0 {
		return "absent"
	}
	return "an estimate (grade D), or absent"
}

// missingSensors are the sources of power that the manifest names as not there.
func (d *data) missingSensors() []Line {
	if d.Manifest == nil {
		return nil
	}
	var items []Line
	for _, s := range d.Manifest.Sensors {
		if s.Status == "present" || slices.Contains(unpowered, s.Source) || s.Source == record.SourceCPUEstimate {
			continue
		}
		items = append(items, missingWords(s))
	}
	return items
}

func missingWords(s manifest.Sensor) Line {
	line := prose("%s (%s): %s", code(s.Source), word(s.Status), word(orElse(s.Detail, "no reason recorded")))
	if s.Fix != "" {
		line = append(line, prose("; try: %s", code(s.Fix))...)
	}
	return line
}
