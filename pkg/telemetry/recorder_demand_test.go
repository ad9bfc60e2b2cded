//go:build linux && cgo

package telemetry

import (
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// A sweep on demand, as behind a run's window, has the processes and what a GPU is asked for seldom, however short before it
// they were read: else the last run before a worker ends has no memory, processor time or temperature.
func TestRecorderReadsAllOnDemand(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	setProcess(tree, 100, 1, 0, 0, 10, 1)
	gpus, _ := openCards(t, machine(nil), []*card{{}})
	rec := Start(t.Context(), &Set{sources: []Source{openProcessesAt(t, tree), gpus}}, time.Hour)
	defer rec.Stop()
	rec.Track(100)
	for i, demand := range []func(){rec.Now, rec.Now, func() { rec.Mark(record.EventIdleBegin) }} {
		rec.Drain()
		demand()
		seen := map[string]bool{}
		for _, s := range rec.Drain() {
			seen[s.Source] = s.Source == processesName && s.CPUTimeNS != nil ||
				s.TempC != nil && s.UtilPct != nil && s.MemUsedBytes != nil
		}
		if !seen[processesName] || !seen[nvmlName] {
			t.Errorf("demand %d: saw all of processes: %t, of the GPU: %t, want both", i, seen[processesName], seen[nvmlName])
		}
	}
	rec.Drain()
	rec.sweep(true, "")
	for _, s := range rec.Drain() {
		if s.Source == processesName || s.TempC != nil {
			t.Errorf("a sweep by the plan right behind: saw %+v, want what is due only", s)
		}
	}
}
