package report

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

// TestGradesAreThoseOfTheDefinitions: the report and docs/definitions.md say the same of grades and reasons, word for word.
func TestGradesAreThoseOfTheDefinitions(t *testing.T) {
	raw, err := os.ReadFile("../../docs/definitions.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	text = text[strings.Index(text, "**Energy grade.**"):strings.Index(text, "A figure that rests on grade D")]
	var want, saw []string
	for _, m := range regexp.MustCompile(`(?m)^\| (A|B|C|D|null) \| (.*) \|$`).FindAllStringSubmatch(text, -1) {
		want = append(want, m[1]+": "+m[2])
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w*) ?\\| (.*) \\|$").FindAllStringSubmatch(text, -1) {
		want = append(want, m[1]+", "+m[2]+": "+m[3])
	}
	for _, r := range gradeRules {
		saw = append(saw, orElse(string(r.grade), "null")+": "+r.meaning)
	}
	for _, r := range gradeReasons {
		saw = append(saw, r.code+", "+r.most+": "+r.meaning)
	}
	if a, b := strings.Join(saw, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("the report says\n%s\ndocs/definitions.md says\n%s", a, b)
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
