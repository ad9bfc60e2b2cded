package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/docs"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

// TestGradesAreThoseOfTheDefinitions: every row of the two tables of docs/definitions.md is found, and each reason is of a grade.
func TestGradesAreThoseOfTheDefinitions(t *testing.T) {
	rules, reasons := gradeTables()
	var grades strings.Builder
	for _, r := range rules {
		grades.WriteString(r.grade + " ")
	}
	if got := grades.String(); got != "A B C D null " {
		t.Errorf("saw the grades %s", got)
	}
	left := 0
	for _, line := range strings.Split(docs.Definitions, "\n") {
		if code, rest, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` |"); ok && slices.ContainsFunc(reasons, func(r gradeReason) bool { return r.code == code && strings.Contains(rest, r.meaning) }) {
			left++
		}
	}
	if left != len(reasons) || left < 26 {
		t.Errorf("saw %d reasons of %d", left, len(reasons))
	}
	for _, most := range []string{"B", "C", "D", "null"} {
		if len(reasonsLeaving(most)) == 0 {
			t.Errorf("no reason leaves %s", most)
		}
	}
}

// TestGradeDefinitionsInTheReport: the page has the rule as it is, names every reason of C, and says what those mean that runs
// have.
func TestGradeDefinitionsInTheReport(t *testing.T) {
	md := renderedMarkdown(t, gradedRuns(t, cost.MethodDefault, func(r *record.Run) { someLack(r) }))
	for _, want := range []string{"(2.5% of power alone", "`contradict`", "`unchanged`", "`several_gpus`", "`long_pauses`",
		"- `shared`, a reason: other processes (`foreign_processes`", "- `no_samples`, a reason: no samples cover the window."} {
		if !strings.Contains(md, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	if strings.Contains(md, "`throttled`, a reason") {
		t.Error("no run was throttled")
	}
}
