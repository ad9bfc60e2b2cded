package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
)

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
	want := int64(d.Matrix.Repetitions) * int64(max(d.Matrix.Sessions, 1))
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
				} else if n < want {
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
	saw := fmt.Sprintf("%d of %d cells of the matrix are there; %d with fewer than %d runs", cells-absent, cells, short, want)
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

// maxSpreadPct is the coefficient of variation above which a cell's latencies are called unlike: on an idle machine runs of
// the same work differ by a few per cent, so more than this says that something else was running.
const maxSpreadPct = 20

// noisyCells lists the cells whose runs are unlike, and counts those that have a standard deviation.
func (d *data) noisyCells() (bad []string, seen int) {
	for _, c := range d.cells {
		if c.LatSDMS == nil || c.LatMeanMS == nil {
			continue
		}
		seen++
		if pct := 100 * float64(*c.LatSDMS) / float64(*c.LatMeanMS); pct > maxSpreadPct {
			bad = append(bad, fmt.Sprintf("%s %.1f%%", c.name(), pct))
		}
	}
	return bad, seen
}

func checkSpread(d *data) (verdictKind, string) {
	bad, seen := d.noisyCells()
	switch {
	case seen == 0:
		return warn, "no cell has a standard deviation"
	case len(bad) > 0:
		return warn, fmt.Sprintf("%d of %d cells have a standard deviation above %d%% of their mean, as where other work ran beside the measurement: %s",
			len(bad), seen, maxSpreadPct, names(bad))
	}
	return pass, fmt.Sprintf("the standard deviation is at most %d%% of the mean in %d cells", maxSpreadPct, seen)
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
		return skipped, "fewer than two backends have outputs on record"
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
