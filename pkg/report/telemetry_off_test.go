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
