package report

import (
	"cmp"
	"image/color"
	"slices"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

// subject is a backend as it was set up: what stands in one row of a table.
type subject struct {
	experiment, host, backend, model, precision string
	device                                      record.Device
	settings                                    string
	threads                                     int64 // -1: not recorded
}

func subjectOfCell(c *record.Cell) subject {
	return subject{c.Experiment, c.Host, c.Backend, c.Model, c.Precision, c.Device, c.Settings, orMinusOne(c.Threads)}
}

func subjectOfRun(r *record.Run) subject {
	return subject{r.Experiment, r.Host, r.Backend, r.Model, r.Precision, r.Device, r.Settings, r.Threads}
}

func subjectOfCost(r *record.Cost) subject {
	return subject{r.Experiment, r.Host, r.Backend, r.Model, r.Precision, r.Device, r.Settings, orMinusOne(r.Threads)}
}

func subjectOf(s cost.Subject) subject {
	return subject{s.Experiment, s.Host, s.Backend, s.Model, s.Precision, s.Device, s.Settings, orMinusOne(s.Threads)}
}

func orMinusOne(p *int64) int64 {
	if p == nil {
		return -1
	}
	return *p
}

// labelSubjects names each subject: its backend, with what tells it apart where one backend stands there twice.
func labelSubjects(subjects []subject) map[subject]string {
	byBackend := map[string][]subject{}
	for _, s := range subjects {
		if !slices.Contains(byBackend[s.backend], s) {
			byBackend[s.backend] = append(byBackend[s.backend], s)
		}
	}
	labels := map[subject]string{}
	for backend, alike := range byBackend {
		for _, s := range alike {
			labels[s] = backend + differences(s, alike)
		}
	}
	return labels
}

// factors are what tells subjects of one backend apart, in the words and in the order of package compare's labels, so that
// the statistics and the tables name a backend alike.
var factors = []struct {
	name string
	of   func(subject) string
}{
	{"model", func(s subject) string { return s.model }},
	{"precision", func(s subject) string { return s.precision }},
	{"device", func(s subject) string { return string(s.device) }},
	{"threads", func(s subject) string {
		if s.threads < 0 {
			return "unknown"
		}
		return strconv.FormatInt(s.threads, 10)
	}},
	{"settings", func(s subject) string { return s.settings }},
	{"host", func(s subject) string { return s.host }},
	{"experiment", func(s subject) string { return s.experiment }},
}

// differences lists the factors in which the subjects of a backend differ, with the values of s, as " (threads=2)".
func differences(s subject, alike []subject) string {
	var parts []string
	for _, f := range factors {
		if slices.ContainsFunc(alike, func(o subject) bool { return f.of(o) != f.of(s) }) {
			parts = append(parts, f.name+"="+orElse(f.of(s), "none"))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// cellRow is a cell with the name of its backend.
type cellRow struct {
	*record.Cell
	label string
}

// costRow is a cost record with the name of its backend.
type costRow struct {
	*record.Cost
	label string
}

// place is where a row stands in the tables.
type place struct {
	label    string
	mode     record.Mode
	scenario string
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(modeOrder(a.mode), modeOrder(b.mode)), cmp.Compare(a.scenario, b.scenario))
}

func modeOrder(m record.Mode) int { return slices.Index(record.Modes(), m) }

func (c cellRow) place() place { return place{c.label, c.Mode, c.Scenario} }
func (r costRow) place() place { return place{r.label, r.Mode, r.Scenario} }

// data is the inputs sorted and indexed for the sections.
type data struct {
	*Inputs
	labels    map[subject]string
	backends  []string                 // labels, sorted
	devices   map[string]record.Device // by label
	modes     []record.Mode            // planned ones, in the order of record.Modes
	scenarios []string                 // sorted
	cells     []cellRow                // by label, mode, scenario
	costs     map[string][]costRow     // by method; by label, mode, scenario, then as in the file
	estimator string                   // throughput estimator of the method shown
	colors    map[string]color.NRGBA   // of the backends in the figures, by label
}

// newData sorts and indexes the inputs.
func newData(in *Inputs) *data {
	own := *in
	if own.Profile == "" {
		own.Profile = DefaultProfile
	}
	d := &data{Inputs: &own, devices: map[string]record.Device{}, costs: map[string][]costRow{}}
	var subjects []subject
	for i := range in.Cells {
		subjects = append(subjects, subjectOfCell(&in.Cells[i]))
	}
	for i := range in.Costs {
		subjects = append(subjects, subjectOfCost(&in.Costs[i]))
	}
	d.labels = labelSubjects(subjects)
	d.addCells()
	d.addCosts()
	d.colors = colors(d.backends)
	return d
}

func (d *data) addCells() {
	for i := range d.Cells {
		c := &d.Cells[i]
		label := d.labels[subjectOfCell(c)]
		d.cells = append(d.cells, cellRow{c, label})
		d.devices[label] = c.Device
		d.backends, d.modes, d.scenarios = append(d.backends, label), append(d.modes, c.Mode), append(d.scenarios, c.Scenario)
	}
	slices.SortStableFunc(d.cells, func(a, b cellRow) int { return comparePlaces(a.place(), b.place()) })
	slices.Sort(d.backends)
	slices.Sort(d.scenarios)
	slices.SortFunc(d.modes, func(a, b record.Mode) int { return cmp.Compare(modeOrder(a), modeOrder(b)) })
	d.backends, d.modes, d.scenarios = slices.Compact(d.backends), slices.Compact(d.modes), slices.Compact(d.scenarios)
}

func (d *data) addCosts() {
	for i := range d.Costs {
		r := &d.Costs[i]
		d.costs[r.Method] = append(d.costs[r.Method], costRow{r, d.labels[subjectOfCost(r)]})
		if r.Method == d.Method {
			d.estimator = r.Estimator
		}
	}
	for _, rows := range d.costs {
		slices.SortStableFunc(rows, func(a, b costRow) int { return comparePlaces(a.place(), b.place()) })
	}
}

// group is the cells of one backend in one mode.
type group struct {
	label string
	mode  record.Mode
	cells []cellRow
}

// measured reports whether a cell of the group has a good run.
func (g group) measured() bool {
	return slices.ContainsFunc(g.cells, func(c cellRow) bool { return c.N > 0 })
}

// groups lists backends and modes in the order of the tables.
func (d *data) groups() []group {
	var list []group
	for _, c := range d.cells {
		if n := len(list); n == 0 || list[n-1].label != c.label || list[n-1].mode != c.Mode {
			list = append(list, group{label: c.label, mode: c.Mode})
		}
		g := &list[len(list)-1]
		g.cells = append(g.cells, c)
	}
	return list
}

// group is the cells of a backend in a mode.
func (d *data) group(label string, mode record.Mode) group {
	for _, g := range d.groups() {
		if g.label == label && g.mode == mode {
			return g
		}
	}
	return group{label: label, mode: mode}
}

// costRows selects rows of the method shown: the scenarios of a backend in a mode under a provider and a tier. An empty
// provider is the default one.
func (d *data) costRows(label string, mode record.Mode, provider string, tier record.Tier) []costRow {
	return d.costRowsOf(d.Method, label, mode, provider, tier)
}

func (d *data) costRowsOf(method, label string, mode record.Mode, provider string, tier record.Tier) []costRow {
	rows := d.costs[method]
	from, _ := slices.BinarySearchFunc(rows, place{label, mode, ""}, func(r costRow, p place) int { return comparePlaces(r.place(), p) })
	var list []costRow
	for _, r := range rows[from:] {
		if r.label != label || r.Mode != mode {
			break
		}
		if r.Tier == tier && (provider == "" && r.Default || provider == r.Provider) {
			list = append(list, r)
		}
	}
	return list
}

// energyRows are the rows that columns without a price are read from: on demand at the default provider, or on-prem
// where the price book has no provider for the device.
func (d *data) energyRows(label string, mode record.Mode) []costRow {
	if rows := d.costRows(label, mode, "", record.OnDemand); len(rows) > 0 {
		return rows
	}
	return d.costRows(label, mode, "", record.OnPrem)
}

// inScenario is the row of a scenario, or nil.
func inScenario(rows []costRow, scenario string) *costRow {
	for i := range rows {
		if rows[i].Scenario == scenario {
			return &rows[i]
		}
	}
	return nil
}

// measuredBackends lists the backends with a good run in some mode.
func (d *data) measuredBackends() []string {
	var list []string
	for _, g := range d.groups() {
		if g.measured() && !slices.Contains(list, g.label) {
			list = append(list, g.label)
		}
	}
	return list
}

// throughput is the column of cells that the method shown prices.
func (d *data) throughput() cellColumn {
	if d.estimator == cost.EstimatorMean {
		return throughputMean
	}
	return throughputRatio
}
