package report

import (
	"regexp"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

// A phone of 390 px leaves 350 for a table; a letter of its small print is about 6.5 px wide, and a cell has 10 px of padding.
const (
	phoneWidth  = 350
	letterWidth = 6.5
	padding     = 10
	leastLabel  = 50
)

// unbroken are the pieces of a label that a line is not broken within: the page breaks after spaces, hyphens and underscores.
var unbroken = regexp.MustCompile(`[^ _-]+[_-]*`)

func widest(texts ...string) float64 {
	most := 0
	for _, text := range texts {
		for _, piece := range unbroken.FindAllString(text, -1) {
			most = max(most, len(piece))
		}
	}
	return float64(most)*letterWidth + padding
}

// TestTablesShowANumberOnAPhone: the labels of a table leave room for its first number, before anybody scrolls.
func TestTablesShowANumberOnAPhone(t *testing.T) {
	seen := 0
	for _, in := range []*Inputs{cpuOnly(t), archive(t, "default"), requests(t, requestRuns()), resourcesOf(t, scenarioRuns([3]float64{1.1, 2, 4}, record.GradeB))} {
		for _, b := range Build(in).Blocks {
			table, ok := b.(Table)
			if !ok {
				continue
			}
			width, numeric := 0.0, false
			for i, c := range table.Columns {
				texts := []string{c.Name}
				for _, row := range table.Rows {
					texts = append(texts, row[i].plain())
				}
				if numeric = c.Numeric; numeric {
					width += widest(texts...)
					break
				}
				width += max(leastLabel, widest(texts...))
			}
			if !numeric {
				continue
			}
			seen++
			if width > phoneWidth {
				t.Errorf("%s: the first number ends at %.0f px", table.Caption, width)
			}
		}
	}
	if seen < 50 {
		t.Errorf("saw %d tables with numbers, want at least 50", seen)
	}
}

// TestLabelsBreak: the page lets a label break after its underscores, which a name of a scenario is full of.
func TestLabelsBreak(t *testing.T) {
	label := Line{{Text: "single_<short>"}}
	if got, want := htmlCell(Column{}, label), "single_<wbr>&lt;short&gt;"; got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
	for _, rule := range []string{"td:not(.n) { white-space: normal;", "td:first-child { min-width: 0; max-width: 7rem; }", ".drawing svg { min-width: 30rem; }"} {
		if narrow := pageCSS[strings.Index(pageCSS, "@media (max-width: 40rem)"):]; !strings.Contains(narrow, rule) {
			t.Errorf("page.css has no %q for narrow pages", rule)
		}
	}
}
