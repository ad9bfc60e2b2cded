//go:build integration

package energy

import (
	"testing"
	"time"
)

// An hour and more at 100 Hz, 25 rows a sweep, past a thousand runs.
func TestSlowJoinerHeap(t *testing.T) {
	begin := time.Now()
	sum, heap := joinLong(t, 10*ms, 3_700_000*ms, 3600*ms)
	t.Logf("%d samples past %d runs: %.0f s, %.1f MiB held at most", sum.Samples, sum.Runs, time.Since(begin).Seconds(),
		float64(heap)/(1<<20))
	if sum.Samples < 9_000_000 || sum.Runs < 1000 {
		t.Errorf("saw %+v, want nine million samples and a thousand runs", sum)
	}
	if limit := uint64(64 << 20); heap > limit {
		t.Errorf("held %d bytes, want %d at most", heap, limit)
	}
}
