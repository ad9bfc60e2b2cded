package report

import (
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func TestSessionWords(t *testing.T) {
	d := &data{}
	if got := d.sessionWords(); got != "" {
		t.Errorf("an archive says %q", got)
	}
	for _, c := range []struct {
		sessions []int64
		has, not []string
	}{
		{[]int64{1, 1}, []string{"in one worker process", "sessions: 5"}, []string{"k-1 degrees", "12.7"}},
		{[]int64{2, 2}, []string{"k-1 degrees of freedom", "12.7"}, []string{"in one worker process", "has one session"}},
		{[]int64{5, 4}, []string{"k-1 degrees of freedom"}, []string{"12.7", "has one session"}},
		{[]int64{5, 1}, []string{"k-1 degrees of freedom", "has one session"}, []string{"in one worker process", "12.7"}},
	} {
		d.cells = nil
		for _, n := range c.sessions {
			d.cells = append(d.cells, cellRow{&record.Cell{Sessions: units.Ptr(n)}, "x"})
		}
		got := d.sessionWords()
		for _, want := range c.has {
			if !strings.Contains(got, want) {
				t.Errorf("%v: %q lacks %q", c.sessions, got, want)
			}
		}
		for _, unwanted := range c.not {
			if strings.Contains(got, unwanted) {
				t.Errorf("%v: %q has %q", c.sessions, got, unwanted)
			}
		}
	}
}

// TestTwoSessionsLeaveThingsOpen: the requests of the first two of five sessions have no interval of a median and no verdict
// on a paradox.
func TestTwoSessionsLeaveThingsOpen(t *testing.T) {
	var runs []record.Run
	for _, r := range requestRuns() {
		if r.Session < 2 {
			runs = append(runs, r)
		}
	}
	in := requests(t, runs)
	doc := Build(in)
	if got := doc.table(t, "Latency (ms) over all runs").at(t, "p50_ci_lower", "transformers-gpu"); got != units.Absent {
		t.Errorf("interval of a median from %s", got)
	}
	md := renderedMarkdown(t, in)
	for _, want := range []string{"it is not known for want of sessions", "too few sessions to resample: ", "either (not resampled)",
		"is left out below 5", "a factor of 12.7"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}
