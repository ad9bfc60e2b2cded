package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

// scenarioRuns are three runs of prefill of two backends in each of three scenarios; factors is how much more time and energy
// the second takes in each of them.
func scenarioRuns(factors [3]float64, grade record.Grade) []record.Run {
	var runs []record.Run
	for i, factor := range factors {
		for k := range int64(3) {
			for b, name := range []string{"a", "b"} {
				r := resourceRun(name, record.Prefill, int64(18*i)+6*int64(b)+k)
				r.Scenario, r.EnergyGrade, r.Repetition, r.RunID = fmt.Sprint("s", i), grade, k, fmt.Sprint(name, i, k)
				if name == "b" {
					latency := int64(float64(*r.LatencyNS) * factor)
					r.LatencyNS, r.EnergyJoules = &latency, units.Ptr(units.Joules(float64(*r.EnergyJoules)*factor))
					r.EnergyMarginalJoules = nil
					r.ThroughputTokS = units.Ptr(units.TokensPerSecond(100 / (float64(latency) / 1e9)))
				}
				runs = append(runs, r)
			}
		}
	}
	return runs
}

// TestSummaryOfEnergyRestsOnTheTest: the summary says of a factor between two energies what section 5 tests, however far their
// intervals are apart.
func TestSummaryOfEnergyRestsOnTheTest(t *testing.T) {
	const open, sure = "not separated from b within 3 scenarios, p = 0.19 after Holm", "separated from b within 3 scenarios, p = 0.00"
	for _, c := range []struct {
		factors [3]float64
		grade   record.Grade
		want    string
		section string // of the table of energy
	}{
		{[3]float64{1.1, 2, 4}, record.GradeB, open, "no"},
		{[3]float64{2, 2.1, 2.2}, record.GradeB, sure, "yes"},
		{[3]float64{1.1, 2, 4}, record.GradeD, "power is an estimate, so that the latencies decide: " + open, "not tested: power is an estimate, see latency"},
	} {
		in := resourcesOf(t, scenarioRuns(c.factors, c.grade))
		d := newData(in)
		for what, text := range map[string]string{"finding": d.energyFinding(record.Prefill).plain(), "answer": d.leastEnergyAnswer().plain()} {
			if !strings.Contains(text, c.want) || strings.Contains(text, "overlap") {
				t.Errorf("%v, %s: saw %q, want %q", c.factors, what, text, c.want)
			}
		}
		low, high := d.resourceInterval(d.group("a", record.Prefill), resPerToken)
		other, _ := d.resourceInterval(d.group("b", record.Prefill), resPerToken)
		if !low.known() || *high.value > *other.value {
			t.Errorf("%v: the intervals should be apart, or this shows nothing: %v, %v", c.factors, high.value, other.value)
		}
		table := Build(in).table(t, "Ratios within scenarios, prefill, by energy per token")
		if got := table.at(t, "significant", "a", "b"); got != c.section {
			t.Errorf("%v: section 5 says %q, want %q", c.factors, got, c.section)
		}
		if c.grade != record.GradeB {
			continue
		}
		want := fmt.Sprintf("p = %.2g after Holm", table.number(t, "p_holm", "a", "b"))
		if got := d.energyFinding(record.Prefill).plain(); !strings.Contains(got, want) {
			t.Errorf("%v: section 5 has %q, the summary %q", c.factors, want, got)
		}
	}
}

// TestPairTests: p values are Holm's over the pairs tested, and a pair that cannot be tested says why.
func TestPairTests(t *testing.T) {
	of := func(label string, values ...float64) measuredBy {
		m := measuredBy{label, map[place]number{}}
		for i, v := range values {
			m.values[place{scenario: fmt.Sprint(i)}] = number{value: ptr(v)}
		}
		return m
	}
	a, b, c, e := of("a", 1, 2, 3), of("b", 2, 5, 6), of("c", 9, 30, 20), of("e", 1)
	d := newData(cpuOnly(t))
	list := d.pairTests([]measuredBy{a, b, c, e}, "scenario", false)
	var raw []float64
	for _, p := range list {
		if p.p != nil {
			raw = append(raw, *p.p)
		}
	}
	want, err := stats.Holm(raw)
	if err != nil || len(raw) != 3 || len(list) != 6 {
		t.Fatalf("saw %d tests of %d pairs, want 3 of 6: %v", len(raw), len(list), err)
	}
	k := 0
	for _, p := range list {
		if p.b == "e" {
			if p.pHolm != nil || !strings.Contains(p.absent, "too few") {
				t.Errorf("%s against e: saw %v, %q", p.a, p.pHolm, p.absent)
			}
			continue
		}
		if *p.pHolm != want[k] {
			t.Errorf("%s against %s: p = %v after Holm, want %v", p.a, p.b, *p.pHolm, want[k])
		}
		k++
	}
	said := func(first, other string) string { return standingWords([]standing{standingIn(list, first, other)}) }
	if got := said("a", "c"); !strings.HasPrefix(got, "separated from c within 3 scenarios, p = ") {
		t.Errorf("saw %q", got)
	}
	if got := said("c", "a"); !strings.HasPrefix(got, "a is the lower one within 3 scenarios, p = ") {
		t.Errorf("saw %q", got)
	}
	list[1].firstIsHighest = true
	if got := said("c", "a"); !strings.HasPrefix(got, "separated from a within") {
		t.Errorf("ranked by the highest: saw %q", got)
	}
	if got := said("a", "c"); !strings.HasPrefix(got, "c is the higher one within") {
		t.Errorf("ranked by the highest: saw %q", got)
	}
	if got := said("a", "x"); got != "not tested against x" {
		t.Errorf("saw %q", got)
	}
}
