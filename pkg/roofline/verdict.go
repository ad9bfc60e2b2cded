package roofline

// Bound is what holds a backend back.
type Bound string

// The bounds.
const (
	Throttled   Bound = "throttled"
	MemoryBound Bound = "memory bandwidth"
	Compute     Bound = "compute"
	HostBound   Bound = "host"
	Between     Bound = "no single roof"
	Unknown     Bound = "not known"
)

// The thresholds of Judge, in per cent. They are conventions and not measurements: a roof counts as near from half of it
// on, as kernels of real models seldom pass three quarters of what a benchmark reaches, and as far below a quarter.
const (
	ThrottledPct = 5  // of the window, from which on slowing down for heat or power is the first thing to mend
	NearPct      = 50 // of a roof, from which on it is taken for the bound
	FarPct       = 25 // of both roofs, below which neither is
	ForeignPct   = 5  // of the CPUs' time, used by others, from which on a verdict is one about a machine that was not quiet
	IdleCPUPct   = 80 // of the threads' time, below which the processors waited for something
)

// Evidence is what Judge rests on; nil is not known.
type Evidence struct {
	MBU, MFU     *float64 // per cent
	ThrottledPct *float64
	CPUBusyPct   *float64 // CPU time of the processes over the window, of their threads
	OutsidePct   *float64 // share of the time spent between client and engine: HTTP, waiting
}

// Judge names the bound, and says by which rule. The rules are tried in this order: throttled; the nearer roof, where it is
// near; host, where both roofs are far and time is seen to pass elsewhere; no single roof otherwise.
func Judge(e Evidence) (bound Bound, rule string) {
	if e.ThrottledPct != nil && *e.ThrottledPct > ThrottledPct {
		return Throttled, "throttled in more than 5% of the window"
	}
	if e.MBU == nil || e.MFU == nil {
		return Unknown, "MBU and MFU are not both known"
	}
	near := max(*e.MBU, *e.MFU)
	switch {
	case near >= NearPct && *e.MBU >= *e.MFU:
		return MemoryBound, "MBU of 50% or more, and above MFU"
	case near >= NearPct:
		return Compute, "MFU of 50% or more, and above MBU"
	case near >= FarPct:
		return Between, "the nearer roof is reached by 25% to 50%"
	case e.OutsidePct != nil && *e.OutsidePct >= NearPct:
		return HostBound, "both below 25%, and half of the time or more passes between client and engine"
	case e.CPUBusyPct != nil && *e.CPUBusyPct < IdleCPUPct:
		return HostBound, "both below 25%, and the threads computed in less than 80% of the time"
	}
	return Between, "both below 25%, while the threads were busy or it is not known whether they were"
}
