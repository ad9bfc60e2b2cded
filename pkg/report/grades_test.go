package report

import (
	"slices"
	"strings"
	"testing"
)

// TestTablesWithEnergyHaveGrades: every table of TR119 with a number that energy is in says how well energy is known.
func TestTablesWithEnergyHaveGrades(t *testing.T) {
	seen := 0
	for _, b := range Build(cpuOnly(t)).Blocks {
		table, ok := b.(Table)
		if !ok || strings.HasPrefix(table.Caption, "Instances") {
			continue
		}
		priced := strings.Contains(table.Caption, "Samples of total_usd") || strings.HasPrefix(table.Caption, "Design tr119") || strings.HasPrefix(table.Caption, "Default design")
		for _, c := range table.Columns {
			priced = priced || c.Numeric && (strings.Contains(c.Name, "usd") || strings.Contains(c.Name, "kwh") || strings.Contains(c.Name, "gco2e") || strings.Contains(c.Name, "power"))
		}
		if !priced {
			continue
		}
		seen++
		if !slices.ContainsFunc(table.Notes, func(l Line) bool { return strings.Contains(l.plain(), "Energy grades: ") }) {
			t.Errorf("%s: no line of grades", table.Caption)
		}
	}
	if seen < 20 {
		t.Errorf("saw %d tables with energy in them, want at least 20", seen)
	}
}
