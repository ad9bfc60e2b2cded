package report

import (
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// reasonsOf lists why runs of a group have no measurement.
func reasonsOf(g group) string {
	var list []string
	for _, c := range g.cells {
		for reason := range strings.SplitSeq(c.Reasons, ",") {
			if reason = strings.TrimSpace(reason); reason != "" && !slices.Contains(list, reason) {
				list = append(list, reason)
			}
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// unmeasured lists the backends without a good run, with the modes where that is not all of them, and the reasons.
func (d *data) unmeasured() string {
	var list []string
	for _, label := range d.backends {
		var modes, reasons []string
		planned := 0
		for _, mode := range d.modes {
			g := d.group(label, mode)
			if len(g.cells) == 0 {
				continue
			}
			planned++
			if !g.measured() {
				modes = append(modes, string(mode))
				if why := reasonsOf(g); why != "" && !slices.Contains(reasons, why) {
					reasons = append(reasons, why)
				}
			}
		}
		if len(modes) == 0 {
			continue
		}
		text := label
		if len(modes) < planned {
			text += " in " + strings.Join(modes, " and ")
		}
		if len(reasons) > 0 {
			text += " (" + strings.Join(reasons, ", ") + ")"
		}
		list = append(list, text)
	}
	return strings.Join(list, "; ")
}

// measuredModes lists the modes in which at least one backend has a good run.
func (d *data) measuredModes() []record.Mode {
	var list []record.Mode
	for _, mode := range d.modes {
		if len(d.measuredIn(mode)) > 0 {
			list = append(list, mode)
		}
	}
	return list
}

// measuredIn lists the groups of a mode with a good run.
func (d *data) measuredIn(mode record.Mode) []group {
	var list []group
	for _, g := range d.groups() {
		if g.mode == mode && g.measured() {
			list = append(list, g)
		}
	}
	return list
}
