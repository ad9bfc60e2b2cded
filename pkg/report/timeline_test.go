package report

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// TestHistogramQuantiles: within a hundredth of the value at that rank.
func TestHistogramQuantiles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(1, 1e10), 1, 200).Draw(t, "values")
		var h histogram
		for _, v := range values {
			h.add(v)
		}
		for _, share := range []float64{0.01, 0.5, 0.99, 1} {
			got := *h.quantile(share)
			below, near := 0, 0
			for _, v := range values {
				if v <= got*1.011 {
					near++
				}
				if v < got/1.011 {
					below++
				}
			}
			want := int(math.Ceil(share * float64(len(values))))
			if near < want || below >= want {
				t.Fatalf("share %v of %v: saw %v, with %d below and %d up to it", share, values, got, below, near)
			}
		}
	})
	if (&histogram{}).quantile(0.5) != nil {
		t.Error("a quantile of nothing")
	}
}

// TestTimelineIsBounded: a million samples take as many bins as a thousand.
func TestTimelineIsBounded(t *testing.T) {
	const a, b = 1, 2
	windows := map[string][]span{"h": {{began, began + 10e9, a}, {began + 10e9 + 1, began + 20e9, b}}}
	line := newTimeline(windows)
	const n = 1_000_000
	for i := range int64(n) {
		line.add(&record.Sample{Host: "h", TSUnixNS: began + i*20e9/n, Source: "s", Device: "d", PowerW: units.Ptr(units.Watts(float64(i)))})
	}
	line.add(&record.Sample{Host: "other", TSUnixNS: began, Source: "s", Device: "d", PowerW: units.Ptr(units.Watts(-5))})
	line.add(&record.Sample{Host: "h", TSUnixNS: began - int64(aroundRuns) - 1, Source: "s", Device: "d", PowerW: units.Ptr(units.Watts(-5))})
	bins := line.series[seriesKey{"s", "d", "power", false}].bins
	low, high := math.Inf(1), math.Inf(-1)
	for key, x := range bins {
		low, high = math.Min(low, x.low), math.Max(high, x.high)
		if middle := timelineBins / 2; key.at < middle && key.subject != a || key.at > middle && key.subject != b {
			t.Errorf("bin %d is of %d", key.at, key.subject)
		}
	}
	if len(bins) > timelineBins+1 || low != 0 || high != n-1 {
		t.Errorf("saw %d bins from %v to %v", len(bins), low, high)
	}
}

// TestTimeWithoutRunsIsCut: two experiments a day apart stand side by side.
func TestTimeWithoutRunsIsCut(t *testing.T) {
	const day = int64(86400e9)
	line := newTimeline(map[string][]span{"h": {{began, began + 1e9, 1}, {began + day, began + day + 1e9, 1}}})
	if len(line.shown) != 2 || line.length != 2*(1e9+2*int64(aroundRuns)) {
		t.Fatalf("saw %+v", line.shown)
	}
	if at, ok := line.place(began + day); !ok || at != 1e9+3*int64(aroundRuns) {
		t.Errorf("the second day: saw %d, %v", at, ok)
	}
	if _, ok := line.place(began + day/2); ok {
		t.Error("the night is shown")
	}
}

// TestRecorderRestarts: counters that begin anew and the time between two recorders are nobody's cost.
func TestRecorderRestarts(t *testing.T) {
	var f recorderFacts
	for _, start := range []int64{0, 1000e9} {
		for i := range int64(11) {
			f.add(&record.Sample{Host: "h", Source: record.SourceRecorder, TSUnixNS: began + start + i*1e9, LateNS: units.Ptr(int64(5)), CPUTimeNS: units.Ptr(i * 1e7), Wakeups: units.Ptr(i)})
		}
	}
	// Resumed within seconds: the counters fall, and the first sweep's lateness is nobody's.
	var resumed recorderFacts
	for _, start := range []int64{0, 20e9} {
		for i := range int64(11) {
			late := int64(5)
			if start > 0 && i == 0 {
				late = 7e9
			}
			resumed.add(&record.Sample{Host: "h", Source: record.SourceRecorder, TSUnixNS: began + start + i*1e9, LateNS: &late, CPUTimeNS: units.Ptr(i * 1e7), Wakeups: units.Ptr(i)})
		}
	}
	if resumed.interval.largest != 1e9 || resumed.late.largest != 5 || resumed.sweeps != 22 || resumed.interruptedWords() != "2 recordings, as the run was interrupted" {
		t.Errorf("resumed: saw %+v", resumed)
	}
	if f.sweeps != 22 || f.cpuNS != 2e8 || f.overNS != 20e9 || f.wakeups != 20 || f.interval.largest != 1e9 {
		t.Errorf("saw %+v", f)
	}
}
