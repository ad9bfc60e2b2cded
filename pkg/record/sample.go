package record

import "github.com/banterhearts/bh/pkg/units"

// SourceCPUEstimate is the telemetry source that models processor power instead of measuring it. Whoever shows a number
// that came from it marks the number as an estimate.
const SourceCPUEstimate = "cpu-estimate"

// Sample is one reading of one device by one telemetry source at one moment. A column that the source does not have is
// null.
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
	return c.err()
}
