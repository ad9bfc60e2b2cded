package record

import "github.com/banterhearts/bh/pkg/units"

// SourceCPUEstimate is the telemetry source that models processor power instead of measuring it. Whoever shows a number
// that came from it marks the number as an estimate.
const SourceCPUEstimate = "cpu-estimate"

// SourceRecorder is the source of the rows in which a recorder tells of itself, one for each sweep of the sensors, with
// device RecorderDevice: how late the sweep began, what the recorder cost, where the wall clock stood, and events.
const (
	SourceRecorder = "recorder"
	RecorderDevice = "timeline"
)

// The events of a recorder's rows. Between the two the machine was left alone on purpose, so that what it drew then is its
// idle power.
const (
	EventIdleBegin = "idle_begin"
	EventIdleEnd   = "idle_end"
)

// MaxMeterPower is more than any meter has behind it, a whole data hall included: 1 GW. What is above it is a bad reading.
const MaxMeterPower units.Watts = 1e9

// DeviceProcesses is the device of the rows that sum up the process trees that are measured.
const DeviceProcesses = "processes"

// Sample is one reading of one device by one telemetry source at one moment. A column that the source does not have is
// null, and so is one that changes slowly in the rows between two readings of it.
//
// TSUnixNS is on one timeline: the wall clock when the recorder began plus the monotonic time since. WallOffsetNS of the
// recorder's rows says how far the wall clock has moved away from it.
type Sample struct {
	Schema              Schema           `json:"schema"`
	Host                string           `json:"host"`
	TSUnixNS            int64            `json:"ts_unix_ns"`
	Source              string           `json:"source"` // the registry name: rapl, nvml, cpu-estimate, proc, thermal
	Device              string           `json:"device"` // cpu:0 (package 0), gpu:0, host, thermal:NAME
	PowerW              *units.Watts     `json:"power_w"`
	EnergyCounterJoules *units.Joules    `json:"energy_counter_joules"` // monotonic since the recorder began, wrap-around removed
	TempC               *units.Celsius   `json:"temp_c"`
	UtilPct             *units.Percent   `json:"util_pct"`
	MemUsedBytes        *units.Bytes     `json:"mem_used_bytes"`
	ClockMHz            *units.Megahertz `json:"clock_mhz"`
	Processes           *int64           `json:"processes"` // processes that compute on the device, where the source can tell
	Throttle            string           `json:"throttle"`  // reasons, comma-separated; empty when none is known

	PowerAvgW        *units.Watts     `json:"power_avg_w"`         // the device's own mean over the power_avg_ns before the reading
	PowerAvgNS       *int64           `json:"power_avg_ns"`        // span of that mean
	PowerLimitW      *units.Watts     `json:"power_limit_w"`       // what the device keeps itself below
	CounterUpdateNS  *int64           `json:"counter_update_ns"`   // time between two updates of the energy counter, measured or documented
	PowerUpdateNS    *int64           `json:"power_update_ns"`     // the same of the power reading
	MemClockMHz      *units.Megahertz `json:"mem_clock_mhz"`       //
	MemUtilPct       *units.Percent   `json:"mem_util_pct"`        // share of the time in which the device's memory was read or written
	MemTotalBytes    *units.Bytes     `json:"mem_total_bytes"`     //
	MemOwnBytes      *units.Bytes     `json:"mem_own_bytes"`       // of mem_used_bytes, that of the processes measured
	SwapUsedBytes    *units.Bytes     `json:"swap_used_bytes"`     //
	ForeignProcesses *int64           `json:"foreign_processes"`   // of processes, those that are not the ones measured
	CPUTimeNS        *int64           `json:"cpu_time_ns"`         // CPU time of the processes since the recorder began
	PressureCPUPct   *units.Percent   `json:"pressure_cpu_pct"`    // share of the time in which some task waited for a processor (PSI)
	PressureMemPct   *units.Percent   `json:"pressure_memory_pct"` // the same, for memory
	PressureIOPct    *units.Percent   `json:"pressure_io_pct"`     // the same, for input and output
	LateNS           *int64           `json:"late_ns"`             // recorder: how much later than planned the sweep began
	SweepNS          *int64           `json:"sweep_ns"`            // recorder: how long the sweep before this one took
	Missed           *int64           `json:"missed"`              // recorder: planned sweeps that did not happen before this one
	Wakeups          *int64           `json:"wakeups"`             // recorder: how often its process was put on a processor since it began
	WallOffsetNS     *int64           `json:"wall_offset_ns"`      // recorder: wall clock minus ts_unix_ns
	Event            string           `json:"event"`               // recorder: what began or ended here
}

var _ Record = (*Sample)(nil)

// Kind is SchemaSample.
func (*Sample) Kind() Schema { return SchemaSample }

// Validate implements Record.
func (s *Sample) Validate() error {
	c := new(checker)
	c.schema(s.Schema, SchemaSample)
	atLeast(c, "ts_unix_ns", s.TSUnixNS, 1)
	required(c, "source", s.Source)
	required(c, "device", s.Device)
	nonNegative(c, "power_w", s.PowerW)
	nonNegative(c, "energy_counter_joules", s.EnergyCounterJoules)
	finite(c, "temp_c", s.TempC)
	nonNegative(c, "util_pct", s.UtilPct)
	nonNegative(c, "mem_used_bytes", s.MemUsedBytes)
	nonNegative(c, "clock_mhz", s.ClockMHz)
	nonNegative(c, "processes", s.Processes)
	s.validateMore(c)
	return c.err()
}

// validateMore checks the columns that few sources have.
func (s *Sample) validateMore(c *checker) {
	nonNegative(c, "power_avg_w", s.PowerAvgW)
	nonNegative(c, "power_limit_w", s.PowerLimitW)
	nonNegative(c, "mem_clock_mhz", s.MemClockMHz)
	nonNegative(c, "mem_util_pct", s.MemUtilPct)
	for name, v := range map[string]*units.Bytes{
		"mem_total_bytes": s.MemTotalBytes, "mem_own_bytes": s.MemOwnBytes, "swap_used_bytes": s.SwapUsedBytes,
	} {
		nonNegative(c, name, v)
	}
	for name, v := range map[string]*units.Percent{
		"pressure_cpu_pct": s.PressureCPUPct, "pressure_memory_pct": s.PressureMemPct, "pressure_io_pct": s.PressureIOPct,
	} {
		nonNegative(c, name, v)
	}
	for name, v := range map[string]*int64{"foreign_processes": s.ForeignProcesses, "cpu_time_ns": s.CPUTimeNS,
		"sweep_ns": s.SweepNS, "missed": s.Missed, "wakeups": s.Wakeups} {
		nonNegative(c, name, v)
	}
	for name, v := range map[string]*int64{
		"power_avg_ns": s.PowerAvgNS, "counter_update_ns": s.CounterUpdateNS, "power_update_ns": s.PowerUpdateNS,
	} {
		positive(c, name, v)
	}
}
