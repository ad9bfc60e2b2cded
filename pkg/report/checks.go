package report

import (
	"fmt"
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

// checkers are the checks, in the order of the report.
var checkers = []struct {
	name string
	run  func(*data) (verdictKind, string)
}{
	{"Planned runs are good runs", checkRuns},
	{"Every planned cell is on record", checkMatrix},
	{"Cells have enough runs", checkRepetitions},
	{"Rows were readable", checkRejected},
	{"Latency intervals stay above zero", checkBelowZero},
	{"Latencies of a cell are alike", checkSpread},
	{"Sessions are enough for their intervals", checkSessions},
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
