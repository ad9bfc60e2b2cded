package energy

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The energy is that of the GPU that the run was on, as far as that is told: in the window, or before and after it alike. Where it
// moved meanwhile, or may have, it is graded C, and both GPUs count.
func TestTheGPUThatTheRunWasOn(t *testing.T) {
	type told map[int64][2]int64 // ms: whether the run's processes hold memory of gpu:0 and gpu:1
	for _, c := range []struct {
		name  string
		told  told
		watts float64 // gpu:0 draws 100 W, gpu:1 200 W
		grade record.Grade

		elsewhere bool // where gpu:0 is the only one that is read, the run was on none
	}{
		{"the same before and after", told{9000: {1, 0}, 11_000: {1, 0}}, 100, record.GradeA, false},
		{"in the window, another before", told{9000: {1, 0}, 10_300: {0, 1}}, 200, record.GradeA, true},
		{"in the window, another after", told{9000: {1, 0}, 10_300: {1, 0}, 11_000: {0, 1}}, 100, record.GradeA, false},
		{"both, in the window", told{10_300: {1, 0}, 10_400: {0, 1}}, 300, record.GradeA, false},
		{"moved", told{9000: {1, 0}, 11_000: {0, 1}}, 300, record.GradeC, false},
		{"gone", told{9000: {1, 0}, 11_000: {0, 0}}, 100, record.GradeC, false},
		{"come", told{9000: {0, 0}, 11_000: {0, 1}}, 200, record.GradeC, true},
		{"nothing told after", told{9000: {0, 1}}, 200, record.GradeC, false},
		{"nothing told soon after", told{9000: {0, 1}, 20_000: {0, 1}}, 200, record.GradeC, false},
		{"on neither", told{9000: {0, 0}, 11_000: {0, 0}}, 300, record.GradeC, true},
	} {
		var samples []record.Sample
		for i, device := range []string{"gpu:0", "gpu:1"} {
			watts := float64(100 * (i + 1))
			samples = append(samples, every(20*ms, 0, 30_000*ms, "nvml", device, func(s *record.Sample) {
				both(counterAt(func(s float64) float64 { return watts * s }), powerAt(func(float64) float64 { return watts }))(s)
				if own, ok := c.told[(s.TSUnixNS-t0)/ms]; ok {
					s.MemOwnBytes = units.Ptr(units.Bytes(own[i]))
				}
			})...)
		}
		run := okRun("1", record.GPU, 10_000*ms, 10_900*ms, 1)
		joinAll(t, samples, run)
		wantNear(t, c.name, run.PowerMeanW, c.watts)
		if doubted := strings.Contains(run.EnergyReasons, SeveralGPUs); run.EnergyGrade != c.grade || doubted != (c.grade == record.GradeC) {
			t.Errorf("%s: saw %s, %s, want %s", c.name, run.EnergyGrade, run.EnergyReasons, c.grade)
		}
		one := slices.DeleteFunc(samples, func(s record.Sample) bool { return s.Device == "gpu:1" })
		r := Of(one, must(windowOf(run)))
		if slices.Contains(r.Reasons, SeveralGPUs) || slices.Contains(r.Reasons, NotOnGPU) != c.elsewhere {
			t.Errorf("%s: saw %v of the only GPU", c.name, r.Reasons)
		}
	}
}
