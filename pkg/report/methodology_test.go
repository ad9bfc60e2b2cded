package report

import (
	"strings"
	"testing"
)

// TestMediansAreOfType7: of an even number of runs the median is the mean of the two in the middle, as everywhere else.
func TestMediansAreOfType7(t *testing.T) {
	in := loaded(t, resourceFolder(t, nil))
	in.Runs.PowerSamples, in.Runs.Iterations, in.Runs.ToolGapNS = []int64{92, 23, 87, 621}, []int64{1, 7, 2}, []int64{13_130_000, 11_250_000}
	md := renderedMarkdown(t, in)
	for _, want := range []string{
		"Power readings per measured window: median 89.5, from 23 to 621, in 4 windows.",
		"Repetitions of the work per window: median 2, from 1 to 7.",
		"between two runs of a worker: median 12.19 ms.",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}
