// Package energy turns telemetry samples into the energy and mean power of a run, with a grade that says how far to
// trust them. It takes energy from a hardware counter where one covers the window, else integrates power; it never
// extrapolates: what the samples do not cover is null, with the reason. It reads no sensor and no file.
package energy

import (
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The limits of the grades.
const (
	// MinSamples is how many readings a window holds at least for a grade better than C.
	MinSamples = 10
	// MaxDisagreement is how far counter and integrated power may differ, relative to the counter, for grade A.
	MaxDisagreement = 0.05
	// MaxGap is the longest gap between two readings that is accepted without asking how long the window is.
	MaxGap = time.Second
)

// The reasons of a Result: why there is no figure, or no better grade.
const (
	NoSamples     = "no_samples"          // no samples cover the window
	WorkElsewhere = "work_elsewhere"      // a server did the work, perhaps on another machine
	NoPowerSource = "no_power_source"     // samples cover the window, but none has power of the run's device
	CounterOnly   = "counter_only"        // no independent power reading to compare the counter with
	PowerOnly     = "power_only"          // no energy counter to compare the integrated power with
	CounterReset  = "counter_reset"       // the counter fell inside the window, so power was integrated instead
	Disagree      = "disagree"            // counter and integrated power differ by more than MaxDisagreement
	UnderSampled  = "under_sampled"       // fewer than MinSamples readings in the window
	Gap           = "gap"                 // readings are missing for a tenth of the window and more than MaxGap
	Throttled     = "throttled"           // the device slowed down for heat or power
	Shared        = "shared"              // another process or another run used the device
	SeveralGPUs   = "several_gpus"        // power of several GPUs is summed, whichever did the work
	Estimated     = "estimated"           // modelled, not measured
	CPUEstimated  = "cpu_power_estimated" // in a GPU run: cpu_power_mean_w is modelled, not measured
)

// Window is what a run's energy is integrated over.
type Window struct {
	Start, End int64         // unix nanoseconds
	Iterations int64         // repetitions inside the window; 0 counts as 1
	Device     record.Device // what did the work
	Host       string        // whose samples count; "" takes all
	Shared     bool          // the caller knows that something else used the device
}

// Length is the duration of the window.
func (w Window) Length() time.Duration { return time.Duration(w.End - w.Start) }

// Result is the energy of a window. A nil pointer is a value that the samples do not give; Reasons then says why.
type Result struct {
	Joules    *units.Joules // of the whole window, on the device that did the work
	MeanPower *units.Watts  // Joules / length of the window
	Samples   int64         // readings of Source inside the window; of the least sampled device where it has several
	Source    string        // telemetry source that Joules comes from; "" where there is none
	Grade     record.Grade  // "" where nothing is known
	Reasons   []string      // why not a better grade

	GPUPower, CPUPower *units.Watts   // mean power of either device, whichever did the work
	GPUTemp            *units.Celsius // time-weighted mean, as the ones below; mean of the GPUs
	GPUMem             *units.Bytes   // sum of the GPUs
	GPUUtil            *units.Percent // mean of the GPUs
}

// Apply fills the energy columns of a run with status ok from the samples of its host; they are per iteration where the
// column is. A run that is not ok is left alone: it has no window.
func Apply(run *record.Run, samples []record.Sample) {
	w, ok := windowOf(run)
	if !ok {
		return
	}
	fill(run, Of(samples, w), w)
}

// windowOf is the window of an ok run.
func windowOf(run *record.Run) (Window, bool) {
	if run.Status != record.OK || run.StartUnixNS == nil || run.EndUnixNS == nil || *run.EndUnixNS <= *run.StartUnixNS {
		return Window{}, false
	}
	w := Window{Start: *run.StartUnixNS, End: *run.EndUnixNS, Iterations: 1, Device: run.Device, Host: run.Host}
	if run.Iterations != nil {
		w.Iterations = max(*run.Iterations, 1)
	}
	return w, true
}

// fill writes r into the energy columns of run.
func fill(run *record.Run, r Result, w Window) {
	if run.Flagged(record.FlagWorkElsewhere) {
		r = Result{Reasons: []string{WorkElsewhere}}
	}
	run.EnergyJoules = nil
	run.PowerSamples = nil
	if r.Joules != nil {
		run.EnergyJoules = units.Ptr(*r.Joules / units.Joules(max(w.Iterations, 1)))
		run.PowerSamples = units.Ptr(r.Samples)
	}
	run.PowerMeanW = r.MeanPower
	run.PowerSource = r.Source
	run.EnergyGrade = r.Grade
	run.EnergyReasons = strings.Join(r.Reasons, ",")
	run.GPUPowerMeanW, run.CPUPowerMeanW = r.GPUPower, r.CPUPower
	run.GPUTempMeanC, run.GPUMemMeanBytes, run.GPUUtilMeanPct = r.GPUTemp, r.GPUMem, r.GPUUtil
}
