package report

import (
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TestFiguresOfSomeRunsSaySo: a mean or a peak over fewer runs than there are says over how many.
func TestFiguresOfSomeRunsSaySo(t *testing.T) {
	runs := resourceRuns()
	lacking := 0
	for i := range runs {
		if r := &runs[i]; r.Backend == "onnxruntime-cpu" && r.Mode == record.Prefill && r.Repetition == 1 {
			r.MemMeanBytes, r.MemPeakBytes, r.CPUTimeNS, r.PowerPeakW = nil, nil, nil, nil
			lacking++
		}
	}
	in := resourcesOf(t, runs)
	doc, d := Build(in), newData(in)
	notes := func(caption string) string {
		var parts []string
		for _, n := range doc.table(t, caption).Notes {
			parts = append(parts, n.plain())
		}
		return strings.Join(parts, "\n")
	}
	const few = "2 of 3 runs in "
	for caption, want := range map[string]string{
		"Memory and processor time": few + "mem_mean_mib, mem_peak_mib, cpu_time_ms, cpu_busy_pct of onnxruntime-cpu prefill.",
		"Power and energy":          few + "power_peak_w of onnxruntime-cpu prefill.",
	} {
		if got := notes(caption); lacking != 1 || !strings.Contains(got, want) {
			t.Errorf("%s: the notes lack %q:\n%s", caption, want, got)
		}
	}
	if got := notes("Heat and throttling"); strings.Contains(got, " runs in ") {
		t.Errorf("all runs have the figure, yet: %s", got)
	}
	if got := d.memoryFinding().plain(); !strings.Contains(got, "onnxruntime-cpu 208 MiB (5 of 6 runs)") {
		t.Errorf("saw %q", got)
	}
	if got := d.drawAnswer().plain(); !strings.Contains(got, "onnxruntime-cpu in prefill at most 27 W (2 of 3 runs)") || !strings.Contains(got, " Energy grade B; 6 of 12 runs without energy.") {
		t.Errorf("saw %q", got)
	}
}

// TestPeakPowerIsNotBelowMean: readings miss what a counter's mean has in it.
func TestPeakPowerIsNotBelowMean(t *testing.T) {
	w := func(v float64) *units.Watts { return units.Ptr(units.Watts(v)) }
	for _, c := range []struct{ mean, peak, want *units.Watts }{{w(7.006), w(7), w(7.006)}, {w(5), w(7), w(7)}, {nil, w(7), w(7)}, {w(5), nil, nil}} {
		got := resPeak.get(&record.Run{PowerMeanW: c.mean, PowerPeakW: c.peak})
		if (got == nil) != (c.want == nil) || got != nil && *got != float64(*c.want) {
			t.Errorf("mean %s, peak %s: saw %s", units.G4Ptr(c.mean), units.G4Ptr(c.peak), units.G4Ptr(got))
		}
	}
}

// TestDrawWithoutIdlePower: what no run has is said once, with the reason.
func TestDrawWithoutIdlePower(t *testing.T) {
	for reasons, want := range map[string]string{
		"counter_only":           "How much of it was above idle is not known, as no idle power of the device was measured beside the runs.",
		"counter_only,idle_busy": "How much of it was above idle is not known, as the processors or GPUs were busy, or may have been, whenever the machine was to be idle (idle_busy).",
	} {
		runs := resourceRuns()
		for i := range runs {
			runs[i].EnergyMarginalJoules, runs[i].IdleBeforeW = nil, nil
			if runs[i].EnergyGrade != "" {
				runs[i].EnergyReasons = reasons
			}
		}
		got := newData(resourcesOf(t, runs)).drawAnswer().plain()
		if strings.Contains(got, "n/a") || !strings.Contains(got, want) {
			t.Errorf("%s: saw %q", reasons, got)
		}
	}
}
