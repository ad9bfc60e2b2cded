package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
)

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
