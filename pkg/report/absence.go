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

// unmeasured lists the backends without a good run, those with the same modes and reasons together.
func (d *data) unmeasured() string {
	backends := map[string][]string{}
	var order []string
	for _, label := range d.backends {
		why := d.absenceOf(label)
		if why == "" {
			continue
		}
		if backends[why] == nil {
			order = append(order, why)
		}
		backends[why] = append(backends[why], label)
	}
	for i, why := range order {
		order[i] = strings.Join(backends[why], ", ") + why
	}
	return strings.Join(order, "; ")
}

// absenceOf says in which modes a backend has no good run, where that is not all of them, and why, as
// " in generate (timeout)"; nothing for a backend that has one in each mode.
func (d *data) absenceOf(label string) string {
	var modes, reasons []string
	planned := 0
	for _, mode := range d.modes {
		g := d.group(label, mode)
		if len(g.cells) == 0 {
			continue
		}
		planned++
		if g.measured() {
			continue
		}
		modes = append(modes, string(mode))
		if why := orElse(reasonsOf(g), "no reason recorded"); !slices.Contains(reasons, why) {
			reasons = append(reasons, why)
		}
	}
	if len(modes) == 0 {
		return ""
	}
	text := ""
	if len(modes) < planned {
		text = " in " + strings.Join(modes, " and ")
	}
	return text + " (" + strings.Join(reasons, ", ") + ")"
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
