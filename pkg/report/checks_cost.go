package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// checkCostArithmetic computes every cost row again from its throughput, power and prices.
func checkCostArithmetic(d *data) (verdictKind, string) {
	var bad []string
	n := 0
	for _, method := range d.methods() {
		for _, r := range d.costs[method] {
			n++
			if !addsUp(r) {
				bad = append(bad, r.name())
			}
		}
	}
	if len(bad) > 0 {
		return fail, fmt.Sprintf("%d of %d rows do not: %s", len(bad), n, names(bad))
	}
	return pass, fmt.Sprintf("%d rows of %s follow from throughput, power and prices", n, d.CostsName)
}

// addsUp holds one row against the definitions: hours = 1e6/(throughput·3600), kWh = power·hours/1000, and so on. A null
// passes: what must not be null is another check's.
func addsUp(r costRow) bool {
	if r.ThroughputTokS == nil {
		return r.TotalUSDPer1M == nil && r.EnergyKWhPer1M == nil
	}
	hours := units.TokensPer1M / (float64(*r.ThroughputTokS) * 3600)
	fits := func(v *float64, want float64) bool { return v == nil || !differ(*v, want) }
	ok := fits(float(r.HoursPer1M), hours)
	if r.USDPerHour != nil {
		ok = ok && fits(float(r.InfraUSDPer1M), hours*float64(*r.USDPerHour))
	}
	if r.PowerW != nil {
		kwh := float64(*r.PowerW) * hours / 1e3
		ok = ok && fits(float(r.EnergyKWhPer1M), kwh) && fits(float(r.EnergyUSDPer1M), kwh*float64(r.USDPerKWh)) &&
			fits(float(r.CarbonGPer1M), kwh*float64(r.GCO2ePerKWh))
	}
	var total float64
	for _, part := range []*units.USD{r.InfraUSDPer1M, r.EnergyUSDPer1M} {
		if part != nil {
			total += float64(*part)
		}
	}
	return ok && fits(float(r.TotalUSDPer1M), total)
}

// checkPrices holds the prices in the cost rows against the price book: a file of costs older than the book shows here.
func checkPrices(d *data) (verdictKind, string) {
	var bad []string
	n := 0
	for _, r := range d.costs[d.Method] {
		n++
		if !pricedBy(r, d.Book) {
			bad = append(bad, r.name())
		}
	}
	if len(bad) > 0 {
		return fail, fmt.Sprintf("%d of %d rows have other prices than %s: %s", len(bad), n, d.BookName, names(bad))
	}
	return pass, fmt.Sprintf("%d rows have the prices of %s", n, d.BookName)
}

func pricedBy(r costRow, b *cost.Book) bool {
	if r.USDPerKWh != b.Energy.USDPerKWh || r.GCO2ePerKWh != b.Carbon.GCO2ePerKWh {
		return false
	}
	if r.Provider == cost.OnPremProvider {
		return same(float(r.USDPerHour), float(b.OnPrem.USDPerHour()))
	}
	p, err := b.Provider(r.Provider)
	if err != nil {
		return false
	}
	price, ok := p.USDPerHour[r.Tier]
	if !ok {
		return r.USDPerHour == nil
	}
	return r.USDPerHour != nil && *r.USDPerHour == price
}

func checkPriceOrigin(d *data) (verdictKind, string) {
	var dates, unplaced, original []string
	for _, p := range d.Book.Providers {
		dates = append(dates, p.Date)
		if p.Region == "not stated" {
			unplaced = append(unplaced, p.Name)
		}
		if p.Original {
			original = append(original, p.Name)
		}
	}
	slices.Sort(dates)
	saw := fmt.Sprintf("%d providers, dated %s to %s, each with a source", len(dates), dates[0], dates[len(dates)-1])
	if len(unplaced) > 0 {
		saw += "; no region stated: " + names(unplaced)
	}
	if len(original) > 0 {
		saw += "; the original report's inputs, not checked against a price list: " + names(original)
	}
	return some(len(unplaced) + len(original)), saw
}

func checkDevices(d *data) (verdictKind, string) {
	kinds := d.devicesOf()
	var bad []string
	for _, r := range d.costs[d.Method] {
		if kind := kinds[r.Provider]; r.Default && kind != "" && r.Device != "" && kind != r.Device && r.TotalUSDPer1M != nil && !slices.Contains(bad, r.label) {
			bad = append(bad, r.label)
		}
	}
	if len(bad) > 0 {
		return warn, fmt.Sprintf("method %s prices %s at instances of another kind", d.Method, strings.Join(bad, ", "))
	}
	return pass, fmt.Sprintf("under method %s every backend is priced on its own kind of instance", d.Method)
}

func checkPower(d *data) (verdictKind, string) {
	var without []string
	seen := 0
	for _, c := range d.cells {
		if c.N == 0 {
			continue
		}
		seen++
		if c.PowerMeanW == nil {
			without = append(without, c.name())
		}
	}
	saw := fmt.Sprintf("%d of %d measured cells have a power figure", seen-len(without), seen)
	if len(without) > 0 {
		saw += "; without: " + names(without)
	}
	return some(len(without)), saw
}

func checkGrades(d *data) (verdictKind, string) {
	grades := d.grades()
	var parts []string
	weak := 0
	for _, g := range append([]record.Grade{}, record.GradeA, record.GradeB, record.GradeC, record.GradeD, "") {
		n := grades[g]
		if n == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%d %s", n, gradeWords(g)))
		if g != record.GradeA && g != record.GradeB {
			weak += n
		}
	}
	if len(parts) == 0 {
		return warn, "no cell has a power figure"
	}
	return some(weak), "cells with power: " + strings.Join(parts, ", ")
}

// grades counts the measured cells with power by energy grade.
func (d *data) grades() map[record.Grade]int {
	n := map[record.Grade]int{}
	for _, c := range d.cells {
		if c.N > 0 && c.PowerMeanW != nil {
			n[c.EnergyGrade]++
		}
	}
	return n
}

func gradeWords(g record.Grade) string {
	switch g {
	case record.GradeA:
		return "grade A (counter and power agree)"
	case record.GradeB:
		return "grade B (one of them, well sampled)"
	case record.GradeC:
		return "grade C (under-sampled, throttled, shared or with a gap)"
	case record.GradeD:
		return "grade D (estimated from a model of the processor)"
	}
	return "without a grade (nothing is known of the sampling)"
}
