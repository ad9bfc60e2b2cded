package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
)

// TestTelemetrySwitchedOff: that nobody looked for sensors is no finding about the machine.
func TestTelemetrySwitchedOff(t *testing.T) {
	o := resourceFolder(t, nil)
	if err := os.Remove(filepath.Join(o.Dir, SamplesFile)); err != nil {
		t.Fatal(err)
	}
	in := loaded(t, o)
	in.Manifest.Sensors, in.Manifest.Invocations = nil, []manifest.Invocation{{Command: []string{"bh-run", "--no-telemetry"}}}
	for _, s := range in.Runs.resources {
		s.sources, s.grades = map[string]int{}, map[record.Grade]int{"": 3}
	}
	md := renderedMarkdown(t, in)
	for _, want := range []string{"Telemetry was switched off (`bh-run --no-telemetry`)", "Recording: there are no samples, as telemetry was switched off"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	for _, unwanted := range []string{"No sensor measures power here", "the samples have no rows of the recorder", "\\`"} {
		if strings.Contains(md, unwanted) {
			t.Errorf("report.md has %q", unwanted)
		}
	}
}

// TestFactorOfEnergyIsQualified: a factor between two energies says whether the runs tell them apart.
func TestFactorOfEnergyIsQualified(t *testing.T) {
	in := loaded(t, resourceFolder(t, nil))
	for key, s := range in.Runs.resources {
		if key.subject.backend == "ollama" {
			for _, joules := range []float64{0.1, 0.2, 0.3} {
				s.sums[resPerToken.index].add(joules)
				s.values[resPerToken.index], s.sessions[resPerToken.index] = append(s.values[resPerToken.index], joules), append(s.sessions[resPerToken.index], 0)
			}
		}
	}
	finding := newData(in).energyFinding(record.Prefill).plain()
	if !strings.Contains(finding, "a factor of 3.918 (the 95% intervals do not overlap)") {
		t.Errorf("saw %q", finding)
	}
	for _, c := range []struct {
		high, low *float64
		want      string
	}{{ptr(2), ptr(1), "not told apart by these runs"}, {ptr(1), ptr(2), "do not overlap"}, {nil, ptr(1), "it is not known"}} {
		if got := toldApart(number{value: c.high}, number{value: c.low}); !strings.Contains(got, c.want) {
			t.Errorf("saw %q, want %q", got, c.want)
		}
	}
}
