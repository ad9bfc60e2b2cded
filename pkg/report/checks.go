package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	register(section{placeResults + 60, "Validation and sanity checks", checkTable})
}

// verdictKind is the outcome of a check.
type verdictKind int

// The outcomes, from good to bad.
const (
	pass verdictKind = iota
	warn
	fail
)

func (v verdictKind) String() string { return []string{"PASS", "WARN", "FAIL"}[v] }

// check is a named check: what it saw, and what that means.
type check struct {
	name    string
	outcome verdictKind
	saw     string
}

// checkers are the checks, in the order of the report.
var checkers = []struct {
	name string
	run  func(*data) (verdictKind, string)
}{
	{"Planned runs are good runs", checkRuns},
	{"Every planned cell was run", checkMatrix},
	{"Cells have enough runs", checkRepetitions},
	{"Rows were readable", checkRejected},
	{"Latency intervals stay above zero", checkBelowZero},
	{"Throughput estimators agree within 5%", checkEstimators},
	{"Throughput is tokens over latency", checkThroughput},
	{"Costs follow from the cells", checkCostInputs},
	{"Costs add up", checkCostArithmetic},
	{"Costs use the prices of the price book", checkPrices},
	{"Prices are dated and sourced", checkPriceOrigin},
	{"Backends pay for the hardware they use", checkDevices},
	{"Statistics follow from the costs", checkStatistics},
	{"Energy is known", checkPower},
	{"Energy is measured well", checkGrades},
	{"Runs of a cell give the same tokens", checkOutputs},
	{"Backends give the same tokens", checkAgreement},
	{"No garbage collection in a measured window", checkCollections},
	{"Artifacts are those of the manifest", checkManifest},
}

// checks runs them all.
func (d *data) checks() []check {
	list := make([]check, len(checkers))
	for i, c := range checkers {
		outcome, saw := c.run(d)
		list[i] = check{c.name, outcome, saw}
	}
	return list
}

// overall is the worst outcome.
func overall(list []check) verdictKind {
	worst := pass
	for _, c := range list {
		worst = max(worst, c.outcome)
	}
	return worst
}

func checkTable(d *data) []Block {
	list := d.checks()
	t := newTable("Checks", []string{"Check", "Outcome", "Saw"}, nil)
	for _, c := range list {
		t.lines([]Line{phrase(c.name), {strong(c.outcome.String())}, phrase(c.saw)})
	}
	return []Block{para("Over all: %s. WARN is a limit of the data that a reader must know; FAIL is a contradiction between artifacts, or nothing measured.",
		strong(overall(list).String())), t.block()}
}

// some is what for a count that should be zero: warn or pass.
func some(n int) verdictKind {
	if n > 0 {
		return warn
	}
	return pass
}

// names joins at most five of a list for a table cell.
func names(list []string) string {
	const most = 5
	if len(list) <= most {
		return strings.Join(list, "; ")
	}
	return fmt.Sprintf("%s; and %d more", strings.Join(list[:most], "; "), len(list)-most)
}

func (c cellRow) name() string { return c.label + " " + string(c.Mode) + " " + c.Scenario }
func (r costRow) name() string {
	return strings.Join([]string{r.label, string(r.Mode), r.Scenario, r.Method, r.Provider, string(r.Tier)}, " ")
}

func checkRuns(d *data) (verdictKind, string) {
	var planned, ok, degraded, failed int64
	for _, c := range d.cells {
		planned, ok, degraded, failed = planned+c.Planned(), ok+c.N, degraded+c.NDegraded, failed+c.NError
	}
	saw := fmt.Sprintf("%d planned, %d ok, %d degraded, %d error", planned, ok, degraded, failed)
	switch {
	case ok == 0:
		return fail, saw
	case ok < planned:
		return warn, saw
	}
	return pass, saw
}

func checkMatrix(d *data) (verdictKind, string) {
	if d.Matrix == nil {
		return warn, "no matrix given: what was planned is not known"
	}
	have := map[[3]string]int64{}
	for _, c := range d.cells {
		have[[3]string{c.Backend, string(c.Mode), c.Scenario}] += c.Planned()
	}
	var missing []string
	var cells, absent, short int
	for _, mode := range d.Matrix.Modes {
		var lacking []string
		for _, b := range d.Matrix.Backends {
			for _, s := range d.Matrix.Scenarios {
				cells++
				n := have[[3]string{b.Name, string(mode), s.Name}]
				if n == 0 {
					lacking = append(lacking, b.Name+" "+string(mode)+" "+s.Name)
				} else if n < int64(d.Matrix.Repetitions) {
					short++
				}
			}
		}
		absent += len(lacking)
		if len(lacking) == len(d.Matrix.Backends)*len(d.Matrix.Scenarios) {
			lacking = []string{"all of " + string(mode)}
		}
		missing = append(missing, lacking...)
	}
	saw := fmt.Sprintf("%d of %d cells of the matrix are there; %d with fewer than %d runs", cells-absent, cells, short, d.Matrix.Repetitions)
	return some(absent + short), saw + strings.Replace(colon(names(missing)), ":", "; missing:", 1)
}

func checkRepetitions(d *data) (verdictKind, string) {
	var few []string
	least, most, cells := int64(math.MaxInt64), int64(0), 0
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		cells++
		least, most = min(least, c.N), max(most, c.N)
		if c.N < compare.MinRuns {
			few = append(few, c.name())
		}
	}
	if cells == 0 {
		return fail, "no cell has a good run"
	}
	saw := fmt.Sprintf("%d to %d good runs in %d measured cells", least, most, cells)
	if len(few) > 0 {
		saw += fmt.Sprintf("; fewer than %d: %s", compare.MinRuns, names(few))
	}
	return some(len(few)), saw
}

func checkRejected(d *data) (verdictKind, string) {
	if len(d.Rejected) == 0 {
		return pass, "no row was rejected"
	}
	return warn, names(d.Rejected)
}

func checkBelowZero(d *data) (verdictKind, string) {
	var bad []string
	for _, c := range d.cells {
		if c.LatCILowerMS != nil && *c.LatCILowerMS < 0 {
			bad = append(bad, fmt.Sprintf("%s from %.4g ms", c.name(), float64(*c.LatCILowerMS)))
		}
	}
	if len(bad) == 0 {
		return pass, "all do"
	}
	return warn, "below zero: " + names(bad)
}

func checkEstimators(d *data) (verdictKind, string) {
	var bad []string
	seen := 0
	for _, c := range d.cells {
		if c.ThroughputMeanTokS == nil || c.ThroughputRatioTokS == nil {
			continue
		}
		seen++
		gap := 100 * (float64(*c.ThroughputMeanTokS)/float64(*c.ThroughputRatioTokS) - 1)
		if math.Abs(gap) > compare.EstimatorGapPct {
			bad = append(bad, fmt.Sprintf("%s %+.1f%%", c.name(), gap))
		}
	}
	if seen == 0 {
		return warn, "no cell has both estimators"
	}
	return some(len(bad)), fmt.Sprintf("%d of %d cells differ by more%s", len(bad), seen, colon(names(bad)))
}

// colon puts a list behind a colon, or nothing where it is empty.
func colon(s string) string {
	if s == "" {
		return ""
	}
	return ": " + s
}

// tolerance is the relative difference below which two figures that should be one are taken as one: archived tables have
// four significant digits.
const tolerance = 1e-3

func differ(a, b float64) bool { return math.Abs(a-b) > tolerance*math.Max(math.Abs(a), math.Abs(b)) }

func checkThroughput(d *data) (verdictKind, string) {
	var bad []string
	seen := 0
	for _, c := range d.cells {
		if c.TokensPerRun == nil || c.LatMeanMS == nil || c.ThroughputRatioTokS == nil {
			continue
		}
		seen++
		if differ(*c.TokensPerRun/float64(*c.LatMeanMS)*1e3, float64(*c.ThroughputRatioTokS)) {
			bad = append(bad, c.name())
		}
	}
	switch {
	case len(bad) > 0:
		return fail, fmt.Sprintf("%d of %d cells do not fit: %s", len(bad), seen, names(bad))
	case seen == 0:
		return warn, "no cell has tokens and latency"
	}
	return pass, fmt.Sprintf("%d cells fit within 0.1%%", seen)
}

// checkCostInputs compares throughput and power of every cost row with its cell: a file of costs older than the runs
// shows here.
func checkCostInputs(d *data) (verdictKind, string) {
	cells := map[place]cellRow{}
	for _, c := range d.cells {
		cells[c.place()] = c
	}
	var bad []string
	n := 0
	priced := map[place]bool{}
	for _, method := range d.methods() {
		for _, r := range d.costs[method] {
			n++
			c, ok := cells[r.place()]
			if method == d.Method {
				priced[r.place()] = true
			}
			want := throughputRatio
			if r.Estimator == cost.EstimatorMean {
				want = throughputMean
			}
			if !ok || !same(want.get(c.Cell), float(r.ThroughputTokS)) || !same(float(c.PowerMeanW), float(r.PowerW)) {
				bad = append(bad, r.name())
			}
		}
	}
	for _, c := range d.cells {
		if !priced[c.place()] {
			bad = append(bad, c.name()+" without a row under method "+d.Method)
		}
	}
	if len(bad) > 0 {
		return fail, fmt.Sprintf("%d rows do not: %s", len(bad), names(bad))
	}
	return pass, fmt.Sprintf("%d rows of %s have throughput and power of their cells", n, d.CostsName)
}

// same reports whether two nullable figures are one.
func same(a, b *float64) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return !differ(*a, *b)
}

// methods lists the methods in the file of costs, sorted.
func (d *data) methods() []string {
	var list []string
	for m := range d.costs {
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

func checkStatistics(d *data) (verdictKind, string) {
	var bad []string
	seen := 0
	for _, mode := range d.modes {
		a := d.Stats.Find(mode, compare.TotalUSD, d.Method)
		if a == nil {
			bad = append(bad, fmt.Sprintf("no analysis of %s", mode))
			continue
		}
		want := 0
		for _, g := range d.measuredIn(mode) {
			if d.costMean(d.costRows(g.label, mode, "", a.Tier), costTotal).known() {
				want++
			}
		}
		if want != len(a.Backends) {
			bad = append(bad, fmt.Sprintf("%s: %d backends, want %d", mode, len(a.Backends), want))
		}
		for _, s := range a.Backends {
			seen++
			if !same(d.costMean(d.costRows(s.Backend, mode, "", a.Tier), costTotal).value, s.Mean) {
				bad = append(bad, fmt.Sprintf("%s %s", s.Backend, mode))
			}
		}
	}
	if len(bad) > 0 {
		return fail, "not those of " + d.CostsName + ": " + names(bad)
	}
	return pass, fmt.Sprintf("%d samples of %s have the means of %s", seen, d.StatsName, d.CostsName)
}

func checkOutputs(d *data) (verdictKind, string) {
	var differing []string
	known := 0
	for _, c := range d.cells {
		if c.OutputsDiffer == nil {
			continue
		}
		known++
		if *c.OutputsDiffer {
			differing = append(differing, c.name())
		}
	}
	switch {
	case known == 0:
		return warn, "not recorded"
	case len(differing) > 0:
		return warn, fmt.Sprintf("%d of %d cells differ: %s", len(differing), known, names(differing))
	}
	return pass, fmt.Sprintf("equal within each of %d cells", known)
}

func checkAgreement(d *data) (verdictKind, string) {
	var bad []string
	compared := 0
	for _, key := range d.tasks() {
		byHash := d.Runs.Outputs[key]
		backends := map[string]bool{}
		for _, list := range byHash {
			for _, b := range list {
				backends[b] = true
			}
		}
		if len(backends) < 2 {
			continue
		}
		compared++
		if len(byHash) > 1 {
			bad = append(bad, string(key.Mode)+" "+key.Scenario)
		}
	}
	switch {
	case len(d.Runs.Outputs) == 0:
		return warn, "not recorded"
	case compared == 0:
		return pass, "fewer than two backends have outputs on record: nothing to compare"
	case len(bad) > 0:
		return warn, fmt.Sprintf("%d of %d tasks differ: %s", len(bad), compared, names(bad))
	}
	return pass, fmt.Sprintf("equal in %d tasks", compared)
}

// tasks lists the tasks with outputs on record, in order.
func (d *data) tasks() []OutputKey {
	var list []OutputKey
	for k := range d.Runs.Outputs {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b OutputKey) int {
		return strings.Compare(a.Model+"\x00"+string(a.Mode)+"\x00"+a.Scenario, b.Model+"\x00"+string(b.Mode)+"\x00"+b.Scenario)
	})
	return list
}

func checkCollections(d *data) (verdictKind, string) {
	switch {
	case d.Runs.GCKnown == 0:
		return warn, "not recorded"
	case d.Runs.GCSeen > 0:
		return warn, fmt.Sprintf("%d of %d windows had one", d.Runs.GCSeen, d.Runs.GCKnown)
	}
	return pass, fmt.Sprintf("none in %d windows", d.Runs.GCKnown)
}

func checkManifest(d *data) (verdictKind, string) {
	if d.Manifest == nil {
		return warn, "there is no manifest"
	}
	known := map[string]string{}
	for _, a := range d.Manifest.Artifacts {
		known[a.Path] = a.SHA256
	}
	var bad, unknown []string
	for _, a := range d.Artifacts {
		switch sum, ok := known[a.Path]; {
		case !ok:
			unknown = append(unknown, a.Path)
		case sum != a.SHA256:
			bad = append(bad, a.Path)
		}
	}
	switch {
	case len(bad) > 0:
		return fail, "other content than the manifest says: " + names(bad)
	case len(unknown) > 0:
		return warn, "not in the manifest: " + names(unknown)
	}
	return pass, fmt.Sprintf("%d artifacts have the hashes of the manifest", len(d.Artifacts))
}

// devicesOf is the kind of hardware that each provider of the price book rents out.
func (d *data) devicesOf() map[string]record.Device {
	kinds := map[string]record.Device{}
	for _, p := range d.Book.Providers {
		kinds[p.Name] = p.Device
	}
	return kinds
}
