//go:build linux && cgo

package telemetry

import (
	"fmt"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// usageEvery is how often utilisation and memory in use are read, as each call takes the driver's lock: utilisation is the
// driver's mean over a sixth of a second or more (NVML API Reference Guide, nvmlDeviceGetUtilizationRates), and memory is
// taken in steps and kept.
const usageEvery = 100 * time.Millisecond

// gpuReading reads one or a few columns of a GPU.
type gpuReading func(*gpus, *gpu, *record.Sample, *calls)

// The readings by pace. Energy and power come first, as they are what the time stamp is for.
var (
	fastReadings = []gpuReading{(*gpus).energy, (*gpus).watts, (*gpus).clock, (*gpus).throttle}

	usageReadings = []gpuReading{(*gpus).utilisation, (*gpus).memoryUsed}

	slowReadings = []gpuReading{(*gpus).temperature, (*gpus).memoryClock, (*gpus).limit, (*gpus).processes, (*gpus).resolution}
)

// calls collects the failures of the calls to one GPU.
type calls struct {
	at   time.Time // of the reading
	errs []error
	lost bool // the GPU has fallen off the bus: nothing more can be asked
}

// ok reports whether a call gave a value. A reading that the GPU does not support is no failure.
func (c *calls) ok(call string, ret nvml.Return) bool {
	if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
		c.errs = append(c.errs, nvmlError(call, ret))
	}
	c.lost = c.lost || ret == nvml.ERROR_GPU_IS_LOST
	return ret == nvml.SUCCESS
}

func (g *gpus) read(d *gpu, readings []gpuReading, s *record.Sample, c *calls) {
	for _, r := range readings {
		if !c.lost {
			r(g, d, s, c)
		}
	}
}

// energy reads the counter. One that falls (the driver was loaded again) has no value in this sweep and counts on from
// where it is: what was drawn in between is not known.
func (g *gpus) energy(d *gpu, s *record.Sample, c *calls) {
	if !d.counts {
		return
	}
	mj, ret := d.GetTotalEnergyConsumption()
	if !c.ok("nvmlDeviceGetTotalEnergyConsumption", ret) {
		return
	}
	last := d.last
	d.last = mj
	if mj < last {
		c.errs = append(c.errs, fmt.Errorf("the energy counter fell from %d to %d mJ", last, mj))
		return
	}
	d.sum += mj - last
	d.counterUpdates.saw(c.at, mj)
	s.EnergyCounterJoules = units.Ptr(units.Joules(float64(d.sum) / 1e3))
}

func (g *gpus) clock(d *gpu, s *record.Sample, c *calls) {
	if mhz, ret := d.GetClockInfo(nvml.CLOCK_SM); c.ok("nvmlDeviceGetClockInfo", ret) {
		s.ClockMHz = units.Ptr(units.Megahertz(mhz))
	}
}

func (g *gpus) utilisation(d *gpu, s *record.Sample, c *calls) {
	if u, ret := d.GetUtilizationRates(); c.ok("nvmlDeviceGetUtilizationRates", ret) {
		s.UtilPct = units.Ptr(units.Percent(u.Gpu))
		s.MemUtilPct = units.Ptr(units.Percent(u.Memory))
	}
}

// throttle asks by the older name of the call where the library has it, as drivers before 535 have only that one.
func (g *gpus) throttle(d *gpu, s *record.Sample, c *calls) {
	switch {
	case g.has.throttle:
		if bits, ret := d.GetCurrentClocksThrottleReasons(); c.ok("nvmlDeviceGetCurrentClocksThrottleReasons", ret) {
			s.Throttle = throttleReasons(bits)
		}
	case g.has.events:
		if bits, ret := d.GetCurrentClocksEventReasons(); c.ok("nvmlDeviceGetCurrentClocksEventReasons", ret) {
			s.Throttle = throttleReasons(bits)
		}
	}
}

// throttleNames are the bits of NVML that mean slower than the workload could run. Left out are being idle, clocks that
// somebody set and clocks that follow another GPU or a display: they slow nothing down unasked.
var throttleNames = []struct {
	bit  uint64
	name string
}{
	{nvml.ClocksThrottleReasonSwPowerCap, "sw_power_cap"},
	{nvml.ClocksThrottleReasonHwSlowdown, "hw_slowdown"},
	{nvml.ClocksThrottleReasonSwThermalSlowdown, "sw_thermal"},
	{nvml.ClocksThrottleReasonHwThermalSlowdown, "hw_thermal"},
	{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "hw_power_brake"},
}

func throttleReasons(bits uint64) string {
	var names []string
	for _, t := range throttleNames {
		if bits&t.bit != 0 {
			names = append(names, t.name)
		}
	}
	return strings.Join(names, ",")
}

func (g *gpus) memoryUsed(d *gpu, s *record.Sample, c *calls) {
	if m, ret := d.GetMemoryInfo(); c.ok("nvmlDeviceGetMemoryInfo", ret) {
		s.MemUsedBytes = units.Ptr(units.Bytes(m.Used))
		s.MemTotalBytes = units.Ptr(units.Bytes(m.Total))
	}
}

func (g *gpus) temperature(d *gpu, s *record.Sample, c *calls) {
	if t, ret := d.GetTemperature(nvml.TEMPERATURE_GPU); c.ok("nvmlDeviceGetTemperature", ret) {
		s.TempC = units.Ptr(units.Celsius(t))
	}
}

func (g *gpus) memoryClock(d *gpu, s *record.Sample, c *calls) {
	if mhz, ret := d.GetClockInfo(nvml.CLOCK_MEM); c.ok("nvmlDeviceGetClockInfo", ret) {
		s.MemClockMHz = units.Ptr(units.Megahertz(mhz))
	}
}

// limit reads the limit in force, which is the least of all that were set.
func (g *gpus) limit(d *gpu, s *record.Sample, c *calls) {
	if !g.has.limit {
		return
	}
	if mw, ret := d.GetEnforcedPowerLimit(); c.ok("nvmlDeviceGetEnforcedPowerLimit", ret) {
		s.PowerLimitW = units.Ptr(units.Watts(float64(mw) / 1e3))
	}
}

// resolution gives what sampling has shown of the update periods.
func (g *gpus) resolution(d *gpu, s *record.Sample, _ *calls) {
	if p := d.counterUpdates.period; p > 0 {
		s.CounterUpdateNS = units.Ptr(p.Nanoseconds())
	}
	if p := d.powerUpdates.period; p > 0 {
		s.PowerUpdateNS = units.Ptr(p.Nanoseconds())
	}
}
