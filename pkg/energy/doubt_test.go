package energy

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

// Readings that no working sensor gives: what they say is not energy, or is told.
func TestReadingsThatCannotBe(t *testing.T) {
	steady := powerAt(func(float64) float64 { return 100 })
	still := counterAt(func(float64) float64 { return 7 })
	none := powerAt(func(float64) float64 { return 0 })
	half := counterAt(func(s float64) float64 { return 100 * min(s, 4) }) // stands still from 4 s on
	jump := counterAt(func(s float64) float64 {
		if s > 5 {
			return 100*s + 262143
		}
		return 100 * s
	})
	for _, c := range []struct {
		name    string
		edit    func(*record.Sample)
		joules  float64 // 0: none
		grade   record.Grade
		reasons string
	}{
		{"a counter that stands still", still, 0, "", Stuck},
		{"the same beside power", both(still, steady), 800, record.GradeB, Stuck},
		{"power of 0 all the time", none, 0, "", Stuck},
		{"the same beside a counter", both(none, counterAt(func(s float64) float64 { return 100 * s })), 800, record.GradeB, CounterOnly},
		{"both", both(still, none), 0, "", Stuck},
		{"a counter that stands still half of the time", half, 300, record.GradeC, CounterOnly + "," + Gap},
		{"a counter that jumps", jump, 0, "", Implausible},
		{"the same beside power", both(jump, steady), 800, record.GradeB, Implausible},
		{"power beyond reason", powerAt(func(float64) float64 { return 1e300 }), 0, "", Implausible},
	} {
		r := Of(every(10*ms, 0, 10_000*ms, "nvml", "gpu:0", c.edit), window(record.GPU, 1000*ms, 9000*ms))
		if r.Grade != c.grade || strings.Join(r.Reasons, ",") != c.reasons {
			t.Errorf("%s: saw %s, %v, want %s, %s", c.name, r.Grade, r.Reasons, c.grade, c.reasons)
		}
		if c.joules == 0 && r.Joules != nil {
			t.Errorf("%s: saw %v J, want none", c.name, *r.Joules)
		} else if c.joules != 0 {
			wantNear(t, c.name, r.Joules, c.joules)
		}
	}
}

// Of what was not read no reading shows how much it was.
func TestPowerWithAGapHasNoBound(t *testing.T) {
	samples := slices.DeleteFunc(every(10*ms, 0, 10_000*ms, "nvml", "gpu:0", powerAt(func(float64) float64 { return 100 })),
		func(s record.Sample) bool { return s.TSUnixNS > t0+3000*ms && s.TSUnixNS < t0+7000*ms })
	if r := Of(samples, window(record.GPU, 1000*ms, 9000*ms)); r.Error != nil || r.Grade != record.GradeC {
		t.Errorf("saw %+v", r)
	}
}
