//go:build integration

package energy

import (
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
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

// One window of three hours at 100 Hz: its readings are held, as docs/definitions.md says, and looked at once.
func TestSlowJoinerLongWindow(t *testing.T) {
	const hours, length = 3, 3 * 3_600_000 * ms
	run, j := okRun("1", record.CPU, 20_000*ms, length-20_000*ms, 1), NewJoiner()
	if err := j.Add(run); err != nil {
		t.Fatal(err)
	}
	begin, live := time.Now(), []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(live)
	before := live[0].Value.Uint64()
	counter := counterAt(func(s float64) float64 { return 40 * s })
	for at := int64(0); at < length; at += 10 * ms {
		s := reading("rapl", "cpu:0", at, counter)
		j.Sample(&s)
	}
	runtime.GC()
	metrics.Read(live)
	hour := float64(live[0].Value.Uint64()-before) / hours
	j.Finish()
	t.Logf("%d readings: %.0f s, %.1f MiB an hour", j.sum.Samples, time.Since(begin).Seconds(), hour/(1<<20))
	wantNear(t, "power", run.PowerMeanW, 40)
	if limit := 360_000 * 16 * 1.5; hour > limit {
		t.Errorf("held %.0f bytes an hour, want %.0f at most", hour, limit)
	}
}
