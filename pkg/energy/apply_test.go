package energy

import (
	"reflect"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// okRun is a good run of one prefill over a window.
func okRun(id string, device record.Device, from, to, iterations int64) *record.Run {
	return &record.Run{
		Schema: record.SchemaRun, Experiment: "e", RunID: id, Host: "h", Backend: "b", Model: "m", Device: device,
		Scenario: "s", Mode: record.Prefill, BatchSize: 1, PromptTokens: 8, Status: record.OK,
		StartUnixNS: units.Ptr(t0 + from), EndUnixNS: units.Ptr(t0 + to), Iterations: &iterations,
		LatencyNS: units.Ptr((to - from) / iterations), TokensProcessed: units.Ptr(units.Tokens(8)),
		ThroughputTokS: units.Ptr(units.TokensPerSecond(100)),
	}
}

func TestApply(t *testing.T) {
	samples := every(50*ms, 0, 3000*ms, record.SourceCPUEstimate, "cpu", counterAt(func(s float64) float64 { return 40 * s }))
	run := okRun("1", record.CPU, 1000*ms, 2000*ms, 8)
	Apply(run, samples)
	if err := run.Validate(); err != nil {
		t.Error(err)
	}
	if run.EnergyJoules == nil || float64(*run.EnergyJoules) < 5-1e-9 || float64(*run.EnergyJoules) > 5+1e-9 {
		t.Errorf("saw %s J, want 5 for each of 8 iterations", units.G4Ptr(run.EnergyJoules))
	}
	if run.PowerMeanW == nil || float64(*run.PowerMeanW) < 40-1e-9 || float64(*run.PowerMeanW) > 40+1e-9 {
		t.Errorf("saw %s W, want 40", units.G4Ptr(run.PowerMeanW))
	}
	if run.EnergyErrorJoules != nil {
		t.Errorf("saw a bound of %s J beside an estimate", units.G4Ptr(run.EnergyErrorJoules))
	}
	if run.PowerSource != record.SourceCPUEstimate || run.EnergyGrade != record.GradeD || run.EnergyReasons != "estimated" ||
		run.PowerSamples == nil || *run.PowerSamples != 21 || run.CPUPowerMeanW == nil || run.GPUPowerMeanW != nil {
		t.Errorf("saw %+v", run)
	}
}

// Joining anew replaces what was there, also with nothing.
func TestApplyReplaces(t *testing.T) {
	run := okRun("1", record.CPU, 1000*ms, 2000*ms, 1)
	fresh := *run
	Apply(run, every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s })))
	if run.EnergyJoules == nil {
		t.Fatal("saw no energy")
	}
	Apply(run, nil)
	fresh.EnergyReasons = NoSamples
	if !reflect.DeepEqual(*run, fresh) {
		t.Errorf("saw %+v, want %+v", *run, fresh)
	}
}

func TestApplyLeavesOthersAlone(t *testing.T) {
	samples := every(50*ms, 0, 3000*ms, "rapl", "cpu:0", counterAt(func(s float64) float64 { return 40 * s }))
	for _, edit := range []func(*record.Run){
		func(r *record.Run) { r.Status = record.Degraded },
		func(r *record.Run) { r.Status = record.Failed },
		func(r *record.Run) { r.StartUnixNS = nil },
		func(r *record.Run) { r.EndUnixNS = nil },
		func(r *record.Run) { r.EndUnixNS = r.StartUnixNS },
	} {
		run := okRun("1", record.CPU, 1000*ms, 2000*ms, 1)
		edit(run)
		before := *run
		Apply(run, samples)
		if !reflect.DeepEqual(*run, before) {
			t.Errorf("saw %+v, want it as it was", run)
		}
	}
}

// TestWorkElsewhereHasNoEnergy: the power of this machine is not that of a server whose processes are not known.
func TestWorkElsewhereHasNoEnergy(t *testing.T) {
	samples := every(50*ms, 0, 3000*ms, record.SourceCPUEstimate, "cpu", counterAt(func(s float64) float64 { return 40 * s }))
	run := okRun("1", record.CPU, 1000*ms, 2000*ms, 8)
	run.Flags = "prompt_cached," + record.FlagWorkElsewhere
	Apply(run, samples)
	if run.EnergyJoules != nil || run.PowerMeanW != nil || run.CPUPowerMeanW != nil || run.EnergyGrade != "" || run.EnergyReasons != WorkElsewhere {
		t.Errorf("saw %+v, want no energy, and why", run)
	}
}
