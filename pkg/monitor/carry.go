package monitor

import "github.com/banterhearts/bh/pkg/record"

// carry takes the columns that have a value: one that changes slowly is not in every sample.
func carry(to, s *record.Sample) {
	to.Schema, to.Host, to.TSUnixNS, to.Source, to.Device, to.Throttle = s.Schema, s.Host, s.TSUnixNS, s.Source, s.Device, s.Throttle
	last(&to.PowerW, s.PowerW)
	last(&to.EnergyCounterJoules, s.EnergyCounterJoules)
	last(&to.TempC, s.TempC)
	last(&to.UtilPct, s.UtilPct)
	last(&to.MemUsedBytes, s.MemUsedBytes)
	last(&to.ClockMHz, s.ClockMHz)
	last(&to.Processes, s.Processes)
	last(&to.PowerAvgW, s.PowerAvgW)
	last(&to.PowerLimitW, s.PowerLimitW)
	last(&to.MemClockMHz, s.MemClockMHz)
	last(&to.MemUtilPct, s.MemUtilPct)
	last(&to.MemTotalBytes, s.MemTotalBytes)
	last(&to.MemOwnBytes, s.MemOwnBytes)
	last(&to.SwapUsedBytes, s.SwapUsedBytes)
	last(&to.ForeignProcesses, s.ForeignProcesses)
	last(&to.CPUTimeNS, s.CPUTimeNS)
	last(&to.PressureCPUPct, s.PressureCPUPct)
	last(&to.PressureMemPct, s.PressureMemPct)
	last(&to.PressureIOPct, s.PressureIOPct)
}

func last[T any](to **T, v *T) {
	if v != nil {
		*to = v
	}
}
