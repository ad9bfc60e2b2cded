package report

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

// gradedRuns are good runs of two backends with energy of grade B; change makes of some what a test wants.
func gradedRuns(tb testing.TB, method cost.Method, change func(*record.Run)) *Inputs {
	tb.Helper()
	noise := rand.New(rand.NewPCG(1, 2))
	b := cell.NewBuilder()
	var facts RunFacts
	for _, r := range cpuOnlyRuns(3) {
		if r.Backend == "transformers-cpu" {
			measure(&r, noise)
			*r.LatencyNS, *r.ThroughputTokS = *r.LatencyNS*2, *r.ThroughputTokS/2
		}
		if r.Status == record.OK {
			r.EnergyGrade, r.EnergyReasons, r.PowerSource = record.GradeB, "counter_only", "rapl"
			change(&r)
		}
		facts.add(&r)
		b.AddRun(&r)
	}
	cells, err := b.Cells()
	if err != nil {
		tb.Fatal(err)
	}
	in := finish(tb, cells, cost.MethodDefault.Name)
	in.FromRuns, in.Runs, in.Method = true, facts, method.Name
	if in.Costs, err = cost.Price(cells, in.Book, method); err != nil {
		tb.Fatal(err)
	}
	if in.Stats, err = compare.Analyse(cells, in.Costs, compare.DefaultOptions()); err != nil {
		tb.Fatal(err)
	}
	return in
}

// someLack makes the energy of the first repetition of prefill C, and takes it from one run.
func someLack(r *record.Run) {
	if r.Backend != "onnxruntime-cpu" || r.Mode != record.Prefill || r.Repetition != 0 {
		return
	}
	r.EnergyGrade, r.EnergyReasons = record.GradeC, "shared"
	if r.Scenario == "single_short" {
		r.PowerMeanW, r.EnergyJoules, r.CPUPowerMeanW, r.PowerSource, r.EnergyGrade, r.EnergyReasons = nil, nil, nil, "", "", "no_samples"
	}
}

// TestHeadlinesHaveGrades: every finding, decision and answer that rests on energy says how well that is known: the worst grade
// of what went in, and how many runs had none.
func TestHeadlinesHaveGrades(t *testing.T) {
	d := newData(gradedRuns(t, cost.MethodDefault, someLack))
	lines := d.findings()
	for _, build := range []func(*data) []Block{abstract, executiveSummary, answers, levers, recommendations, carbonComparison, energyRanking, deepDives} {
		lines = append(lines, statements(build(d))...)
	}
	seen := 0
	for _, line := range lines {
		text := line.plain()
		rests := strings.Contains(text, " USD") || strings.Contains(text, "gCO2e per 1M tokens") && !strings.Contains(text, "turned into") ||
			strings.Contains(text, "per kWh") || strings.Contains(text, "lowest total cost") || strings.Contains(text, "cost of a token") || strings.Contains(text, " W; energy is")
		if !rests || strings.HasPrefix(text, "How sure that is") {
			continue
		}
		seen++
		if !strings.Contains(text, "Energy grade ") {
			t.Errorf("no grade: %s", text)
		}
	}
	if seen < 30 {
		t.Errorf("saw %d statements that rest on energy, want at least 30", seen)
	}
	text := strings.Join(keyFindings(d.Inputs), "\n")
	for _, want := range []string{
		"gCO2e per 1M tokens, mean over all modes and scenarios (separated from transformers-cpu within 15 cells, p = ",
		"Energy grade C; 1 of 45 runs without energy.", // of one backend
		"Energy grade C; 1 of 30 runs without energy.", // both in prefill
		"Energy grade C; 1 of 15 runs without energy.", // the best of them
		"below its on-demand cost. Energy grade B.",    // of another mode
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the findings lack %q:\n%s", want, text)
		}
	}
}

func deepDives(d *data) []Block {
	var blocks []Block
	for _, mode := range d.modes {
		blocks = append(blocks, deepDive(d, mode)...)
	}
	return blocks
}

// statements are the items and paragraphs of blocks.
func statements(blocks []Block) []Line {
	var lines []Line
	for _, b := range blocks {
		switch v := b.(type) {
		case Paragraph:
			lines = append(lines, v.Text)
		case List:
			lines = append(lines, v.Items...)
		}
	}
	return lines
}

// TestGradesOfCostsWithoutEnergy: what leaves energy out has no grade of it; carbon has.
func TestGradesOfCostsWithoutEnergy(t *testing.T) {
	for _, text := range keyFindings(gradedRuns(t, cost.MethodDefault.WithoutEnergy(), someLack)) {
		want := strings.Contains(text, "gCO2e") || strings.Contains(text, "kWh")
		if got := strings.Contains(text, "nergy grade"); got != want {
			t.Errorf("has a grade: %v, want %v: %s", got, want, text)
		}
	}
}

// TestGradeOfARequestReport: the costs of TR117 have grades too.
func TestGradeOfARequestReport(t *testing.T) {
	in := gradedRuns(t, cost.MethodDefault, someLack)
	in.Profile = TR117
	d := newData(in)
	if got := d.costFinding117(record.Prefill).plain(); !strings.HasSuffix(got, " Energy grade C; 1 of 15 runs without energy.") {
		t.Errorf("saw %q", got)
	}
	if got := d.criteria(record.Prefill)[1]; got.name != "Lowest cost" || !strings.HasSuffix(got.doubt, "after Holm; energy grade C; 1 of 30 runs without energy") {
		t.Errorf("saw %+v", got)
	}
}

func TestBriefGrades(t *testing.T) {
	for _, c := range []struct {
		g    graded
		want string
	}{
		{graded{what: "run"}, "no energy"},
		{graded{what: "run", all: 3, powered: 3, worst: record.GradeA}, "energy grade A"},
		{graded{what: "run", all: 3, powered: 2, worst: record.GradeD}, "energy grade D; 1 of 3 runs without energy"},
		{graded{what: "measured cell", all: 3, powered: 3, ungraded: 3}, "energy without a grade"},
		{graded{what: "measured cell", all: 3, powered: 3, ungraded: 1, worst: record.GradeB}, "energy grade B; 1 of 3 measured cells without a grade"},
	} {
		if got := c.g.brief(); got != c.want {
			t.Errorf("saw %q, want %q", got, c.want)
		}
	}
}
