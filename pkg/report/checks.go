package report

import (
	"fmt"
	"slices"
	"strings"
)

func init() {
	register(section{placeResults + 60, "Validation and sanity checks", checkTable})
}

// verdictKind is the outcome of a check.
type verdictKind int

// The outcomes, from good to bad.
const (
	skipped verdictKind = iota // there was nothing to check
	pass
	warn
	fail
)

func (v verdictKind) String() string { return []string{"n/a", "PASS", "WARN", "FAIL"}[v] }

// check is a named check: what it saw, and what that means.
type check struct {
	name    string
	outcome verdictKind
	saw     string
}

// checkers are the checks, in the order of the report, and the profiles that have them; none: all have.
var checkers = []struct {
	name string
	run  func(*data) (verdictKind, string)
	in   []Profile
}{
	{"Planned runs are good runs", checkRuns, nil},
	{"Every planned cell is on record", checkMatrix, nil},
	{"Cells have enough runs", checkRepetitions, nil},
	{"Rows were readable", checkRejected, nil},
	{"Latency intervals stay above zero", checkBelowZero, nil},
	{"Latencies of a cell are alike", checkSpread, nil},
	{"Sessions are enough for their intervals", checkSessions, nil},
	{"Throughput estimators agree within 5%", checkEstimators, pricedReports},
	{"Throughput is tokens over latency", checkThroughput, nil},
	{"Costs follow from the cells", checkCostInputs, pricedReports},
	{"Costs add up", checkCostArithmetic, pricedReports},
	{"Costs use the prices of the price book", checkPrices, pricedReports},
	{"Prices are dated and sourced", checkPriceOrigin, pricedReports},
	{"Backends pay for the hardware they use", checkDevices, pricedReports},
	{"Statistics follow from the costs", checkStatistics, pricedReports},
	{"Energy is known", checkPower, nil},
	{"Energy is measured well", checkGrades, nil},
	{"The recording is whole", checkRecording, []Profile{TR122}},
	{"The roofs were measured on this machine", checkCalibration, []Profile{TR122}},
	{"Runs of a cell give the same tokens", checkOutputs, nil},
	{"Backends give the same tokens", checkAgreement, nil},
	{"No garbage collection in a measured window", checkCollections, nil},
	{"Artifacts are those of the manifest", checkManifest, nil},
}

// checks runs them all.
func (d *data) checks() []check {
	var list []check
	for _, c := range checkers {
		if len(c.in) > 0 && !slices.Contains(c.in, d.Profile) {
			continue
		}
		outcome, saw := c.run(d)
		list = append(list, check{c.name, outcome, saw})
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
	return []Block{para("Over all: %s. WARN is a limit of the data that a reader must know; n/a is a check that had nothing to check; FAIL is a contradiction between artifacts, or nothing measured.",
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
