package report

import (
	"regexp"
	"strings"
	"sync"

	"github.com/banterhearts/bh/docs"
	"github.com/banterhearts/bh/pkg/record"
)

// gradeRule is a row of the table of grades in docs/definitions.md: the report prints its words, as two wordings of a rule are
// two rules.
type gradeRule struct{ grade, meaning string }

// gradeReason is a row of the table of reasons there. most is the best grade that it leaves: empty for any, null for none.
type gradeReason struct{ code, most, meaning string }

// The rows of the two tables.
var (
	gradeRow  = regexp.MustCompile(`(?m)^\| ([A-D]|null) \| (.*) \|$`)
	reasonRow = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w*) ?\\| (.*) \\|$")
)

// gradeTables are both tables.
var gradeTables = sync.OnceValues(func() (rules []gradeRule, reasons []gradeReason) {
	_, text, _ := strings.Cut(docs.Definitions, "\n**Energy grade.**\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for _, m := range gradeRow.FindAllStringSubmatch(text, -1) {
		rules = append(rules, gradeRule{m[1], m[2]})
	}
	for _, m := range reasonRow.FindAllStringSubmatch(text, -1) {
		reasons = append(reasons, gradeReason{m[1], m[2], m[3]})
	}
	return rules, reasons
})

// gradeDefinitions are the grades, which reasons leave no better one, and what those reasons say that runs here have.
func (d *data) gradeDefinitions() []Line {
	var lines []Line
	rules, reasons := gradeTables()
	for _, r := range rules {
		line := append(prose("%s: ", strong("energy grade "+r.grade)), ticked(r.meaning)...)
		if codes := reasonsLeaving(r.grade); len(codes) > 0 {
			line = joined(append(line, word("; reasons that leave no better one: ")), codes, ", ")
		}
		if r.grade == string(record.GradeD) {
			line = append(line, word("; a number that rests on it carries "+EstimateMark))
		}
		lines = append(lines, append(line, word(".")))
	}
	seen := d.gradesOf(of("")).reasons
	for _, r := range reasons {
		if seen[r.code] > 0 {
			lines = append(lines, append(append(prose("%s, a reason: ", code(r.code)), ticked(r.meaning)...), word(".")))
		}
	}
	return lines
}

// reasonsLeaving are the reasons that leave no better grade than one.
func reasonsLeaving(most string) []Line {
	var codes []Line
	_, reasons := gradeTables()
	for _, r := range reasons {
		if r.most == most {
			codes = append(codes, Line{code(r.code)})
		}
	}
	return codes
}

// ticked is text with the words between backticks as code.
func ticked(text string) Line {
	var line Line
	for i, part := range strings.Split(text, "`") {
		switch {
		case part == "":
		case i%2 == 1:
			line = append(line, code(part))
		default:
			line = append(line, word(part))
		}
	}
	return line
}
