package report

import (
	"fmt"
	"strings"
)

// knownRuns counts the good runs of a backend in a mode that have a column, and all of them.
func (d *data) knownRuns(g group, col *resourceColumn) (n, all int) {
	for _, c := range g.cells {
		if s := d.resources(c); s != nil {
			n, all = n+s.sums[col.index].n, all+s.runs
		}
	}
	return n, all
}

// ofRuns says of how many runs a figure is where that is not all: " (2 of 3 runs)".
func ofRuns(n, all int) string {
	if n == 0 || n == all {
		return ""
	}
	return fmt.Sprintf(" (%d of %s)", n, count(int64(all), "run"))
}

// noteRuns says below a table which of its figures are over fewer runs than there are.
func (d *data) noteRuns(t *tableBuilder, groups []group, names []string, columns []*resourceColumn) {
	var parts []string
	for _, g := range groups {
		by := map[string][]string{}
		var order []string
		for i, col := range columns {
			few := strings.Trim(ofRuns(d.knownRuns(g, col)), " ()")
			if few == "" {
				continue
			}
			if by[few] == nil {
				order = append(order, few)
			}
			by[few] = append(by[few], names[i])
		}
		for _, few := range order {
			parts = append(parts, fmt.Sprintf("%s in %s of %s %s", few, strings.Join(by[few], ", "), g.label, g.mode))
		}
	}
	if len(parts) > 0 {
		t.note("Over the runs that have the figure, not all: %s.", word(strings.Join(parts, "; ")))
	}
}
