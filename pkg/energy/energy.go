// Package energy turns telemetry samples into the energy and mean power of a run, with a grade that says how far to
// trust them. It takes energy from a hardware counter where one covers the window, else integrates power; it never
// extrapolates: what the samples do not cover is null, with the reason. It reads no sensor and no file.
package energy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The limits of the grades.
const (
	// MinSamples is how many readings a window holds at least for a grade better than C; of power, readings that are new.
	MinSamples = 10
	// MinUpdates is how many updates of a counter a window holds at least for a grade better than C. What happens between two
	// of them is in the counter, so that two are enough where the bound on what the edges leave open is small.
	MinUpdates = 2
	// MaxDisagreement is how far counter and integrated power may differ, relative to the counter, for grade A.
	MaxDisagreement = 0.05
	// MaxContradiction is how far they may differ beyond their bounds for either to be believed.
	MaxContradiction = 0.10
	// MaxRoughness is how large the bound on integrated power may be for it to say anything of the counter.
	MaxRoughness = 0.25
	// MaxMissing is the share of a window that power readings may be missing for at most, beside their usual distance.
	MaxMissing = 0.05
	// MaxBound is how large the error bound may be, relative to the energy, for a grade better than C.
	MaxBound = 0.05
	// maxPower is more than any processor package or GPU draws.
	maxPower units.Watts = 20_000
	// MaxGap is the longest gap between two readings that is accepted without asking how long the window is.
	MaxGap = time.Second
)

// The reasons of a Result: why there is no figure, or no better grade.
const (
	NoSamples     = "no_samples"          // no samples cover the window
	PartlyCovered = "partly_covered"      // samples cover a part of the window only, as those of a recording that began late
	WorkElsewhere = "work_elsewhere"      // a server did the work, perhaps on another machine
	NoPowerSource = "no_power_source"     // samples cover the window, but none has power of the run's device
	DeviceMissing = "device_missing"      // a package or GPU that counts was not read in the window, though at another time
	SeveralMeters = "several_meters"      // of the source that was asked for several devices measure the whole machine
	Disordered    = "disordered"          // samples do not cover the window, and some of about its time came behind later ones
	CounterOnly   = "counter_only"        // no independent power reading to compare the counter with
	PowerOnly     = "power_only"          // no energy counter to compare the integrated power with
	PowerAveraged = "power_averaged"      // only moving averages of power, which could not be taken apart for this window
	CounterReset  = "counter_reset"       // the counter fell inside the window, so power was integrated instead
	Stuck         = "stuck"               // the counter did not rise in the window, or power was 0 all the time: the sensor is not working
	Implausible   = "implausible"         // more than MostPower: the readings cannot be of this device
	Disagree      = "disagree"            // counter and integrated power differ by more than MaxDisagreement
	Contradict    = "contradict"          // counter and integrated power differ by more than MaxContradiction beyond their bounds: one of them is wrong
	Unchanged     = "unchanged"           // all readings of power in the window are the same, as those of a sensor that stands still are
	ErrorBound    = "error_bound"         // the bound on the error of sampling is more than MaxBound of the energy
	UnderSampled  = "under_sampled"       // fewer than MinSamples readings of power in the window, or than MinUpdates of a counter
	Gap           = "gap"                 // readings are missing for a tenth of the window and more than MaxGap, of power for a twentieth, or a counter stood still
	Throttled     = "throttled"           // the device slowed down for heat or power
	Shared        = "shared"              // another process or another run used the device
	SeveralGPUs   = "several_gpus"        // power of several GPUs is summed, whichever did the work
	NotOnGPU      = "not_on_gpu"          // the measured processes held no memory on any GPU that is read, as those on one in MIG mode
	ClockStep     = "clock_step"          // the wall clock was set near the window, or its time came twice or never
	Pauses        = "pauses"              // energy is a share by time: the window holds work that is no part of an iteration
	LongPauses    = "long_pauses"         // that work is more than a twentieth of the window
	IdleBusy      = "idle_busy"           // others worked whenever the machine was to be idle, so that marginal energy is not known
	Estimated     = "estimated"           // modelled, not measured
	CPUEstimated  = "cpu_power_estimated" // in a GPU run: cpu_power_mean_w is modelled, not measured

	IdleUnderSampled = "idle_under_sampled" // too little was read while the machine was idle, so that marginal energy is not known
)

// The shares of a window that iterations fill.
const (
	whole = 0.99 // less is told, and energy is shared out by time
	most  = 0.95 // less says little of the iterations' own power
)

// Window is what a run's energy is integrated over.
type Window struct {
	Start, End int64         // unix nanoseconds
	Iterations int64         // repetitions inside the window; 0 counts as 1
	Device     record.Device // what did the work
	Host       string        // whose samples count; "" takes all
	Source     string        // telemetry source, or device, to take energy from, whatever it measures; "" for the device's own
	Shared     bool          // the caller knows that something else used the device
}

// Length is the duration of the window.
func (w Window) Length() time.Duration { return time.Duration(w.End - w.Start) }

// Result is the energy of a window. A nil pointer is a value that the samples do not give; Reasons then says why.
type Result struct {
	Joules    *units.Joules  // of the whole window, on the device that did the work
	Error     *units.Joules  // half-width of the 95% bound on what sampling adds to Joules
	MeanPower *units.Watts   // Joules / length of the window
	Peak      *units.Watts   // the highest reading of power
	Throttled *units.Percent // share of the window in which the device slowed down for heat or power
	Samples   int64          // updates of Source inside the window; of the least sampled device where it has several
	Source    string         // telemetry source that Joules comes from; "" where there is none
	Grade     record.Grade   // "" where nothing is known
	Reasons   []string       // why not a better grade

	IdleBefore, IdleAfter *units.Watts // mean power of the same devices, left alone

	GPUPower, CPUPower *units.Watts   // mean power of either device, whichever did the work
	GPUTemp            *units.Celsius // time-weighted mean, as the ones below; mean of the GPUs
	GPUMem, GPUMemPeak *units.Bytes   // sum of the GPUs
	GPUUtil            *units.Percent // mean of the GPUs
	MemMean, MemPeak   *units.Bytes   // of the measured processes
	CPUTime            *int64         // of the measured processes, in the whole window, nanoseconds

	group []sensor // whose energy Joules is
}

// doubt adds a reason, and takes from the grade what it costs.
func (r *Result) doubt(reason string) {
	if slices.Contains(r.Reasons, reason) {
		return
	}
	r.Reasons = append(r.Reasons, reason)
	if reason == ClockStep { // where the window lies among the samples is not sure, which no reading bounds
		r.Error = nil
	}
	if r.Joules != nil {
		r.Grade = GradeOf(r.Reasons)
	}
}

// Apply fills the energy columns of a run with status ok from the samples of its host; they are per iteration where the
// column is. A run that is not ok is left alone: it has no window.
func Apply(run *record.Run, samples []record.Sample) {
	j := NewJoiner()
	if err := j.Add(run); err != nil { // only after the first sample
		panic(err)
	}
	if j.sum.OK == 0 {
		return
	}
	j.start()
	order := make([]*record.Sample, 0, len(samples))
	for i := range samples {
		if s := &samples[i]; run.Host == "" || s.Host == run.Host {
			order = append(order, s)
		}
	}
	slices.SortStableFunc(order, func(a, b *record.Sample) int { return cmp.Compare(a.TSUnixNS, b.TSUnixNS) })
	for _, s := range order {
		j.hosts[run.Host].sample(s)
	}
	j.Finish()
}

// windowOf is the window of an ok run.
func windowOf(run *record.Run) (Window, bool) {
	if run.Status != record.OK || run.StartUnixNS == nil || run.EndUnixNS == nil || *run.EndUnixNS <= *run.StartUnixNS {
		return Window{}, false
	}
	w := Window{Start: *run.StartUnixNS, End: *run.EndUnixNS, Iterations: 1, Device: run.Device, Host: run.Host,
		Shared: run.Device == record.CPU && run.Flagged(record.FlagForeignLoad)}
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
	share := iterating(run, w)
	if r.Joules != nil && share < whole {
		r.doubt(Pauses)
		if share < most {
			r.doubt(LongPauses)
		}
	}
	each := w.Length().Seconds() * share / float64(w.Iterations) // seconds of the window that are one iteration's
	run.EnergyJoules, run.EnergyErrorJoules, run.PowerSamples = nil, nil, nil
	if r.Joules != nil {
		part := units.Joules(each / w.Length().Seconds())
		run.EnergyJoules = units.Ptr(*r.Joules * part)
		run.PowerSamples = units.Ptr(r.Samples)
		if r.Error != nil && r.Grade != record.GradeD { // beside what a model is off by, that of sampling says nothing
			run.EnergyErrorJoules = units.Ptr(*r.Error * part)
		}
	}
	run.PowerMeanW, run.PowerPeakW, run.ThrottledPct = r.MeanPower, r.Peak, r.Throttled
	run.PowerSource = r.Source
	run.EnergyGrade = r.Grade
	run.EnergyReasons = strings.Join(r.Reasons, ",")
	run.GPUPowerMeanW, run.CPUPowerMeanW = r.GPUPower, r.CPUPower
	run.GPUTempMeanC, run.GPUUtilMeanPct = r.GPUTemp, r.GPUUtil
	run.GPUMemMeanBytes, run.GPUMemPeakBytes = r.GPUMem, r.GPUMemPeak
	run.MemMeanBytes, run.MemPeakBytes = r.MemMean, r.MemPeak
	run.CPUTimeNS = nil
	if r.CPUTime != nil {
		run.CPUTimeNS = units.Ptr(int64(float64(*r.CPUTime) * share / float64(w.Iterations)))
	}
	marginal(run, r, each)
	efficiency(run)
}

// iterating is the share of the window that its iterations fill: less than one where something was done between them that
// is not measured, as emptying a server's cache.
func iterating(run *record.Run, w Window) float64 {
	sum := int64(0)
	for _, ns := range run.IterationNS {
		sum += ns
	}
	share := float64(sum) / float64(w.End-w.Start)
	if int64(len(run.IterationNS)) != w.Iterations || share >= whole {
		return 1
	}
	return share
}

// marginal is the energy of an iteration less what the same devices draw idle in its time.
func marginal(run *record.Run, r Result, seconds float64) {
	run.IdleBeforeW, run.IdleAfterW, run.EnergyMarginalJoules = r.IdleBefore, r.IdleAfter, nil
	idle, n := units.Watts(0), units.Watts(0)
	for _, w := range []*units.Watts{r.IdleBefore, r.IdleAfter} {
		if w != nil {
			idle, n = idle+*w, n+1
		}
	}
	if n > 0 && run.EnergyJoules != nil {
		run.EnergyMarginalJoules = units.Ptr(*run.EnergyJoules - units.Joules(float64(idle/n)*seconds))
	}
}

// efficiency is energy per token and tokens per energy, of the tokens that throughput counts.
func efficiency(run *record.Run) {
	run.JoulesPerToken, run.TokensPerKWh = nil, nil
	tokens := run.Tokens()
	if tokens == nil || *tokens <= 0 || run.EnergyJoules == nil {
		return
	}
	run.JoulesPerToken = units.Ptr(units.JoulesPerToken(float64(*run.EnergyJoules) / float64(*tokens)))
	if *run.EnergyJoules > 0 {
		run.TokensPerKWh = units.Ptr(units.TokensPerKWh(float64(*tokens) / float64(run.EnergyJoules.KWh())))
	}
}
