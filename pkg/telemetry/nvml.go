//go:build linux && cgo

package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

func init() {
	register(member{name: nvmlName, measures: nvmlMeasures, open: func(env Environment, _ Options) (Source, string, error) {
		return openNVML(env, nvml.New())
	}})
}

// gpus reads NVIDIA GPUs through the driver's library, one device per GPU ("gpu:0", NVML's own numbering, which is by
// bus address). Power and energy counter are two readings of the driver, so they can be held against each other.
type gpus struct {
	env  Environment
	lib  nvml.Interface
	gpus []gpu
}

var _ Source = (*gpus)(nil)

type gpu struct {
	nvml.Device
	device string // "gpu:0"
	base   uint64 // energy counter when the source was opened, in millijoules
}

// openNVML loads the driver's library and finds the GPUs.
func openNVML(env Environment, lib nvml.Interface) (Source, string, error) {
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return nil, "", nvmlAbsent(ret)
	}
	g := &gpus{env: env, lib: lib}
	err := g.find()
	if err != nil {
		return nil, "", errors.Join(err, g.Close())
	}
	if len(g.gpus) == 0 {
		if err := g.Close(); err != nil {
			return nil, "", err
		}
		return nil, "", &unavailable{kind: ErrAbsent, why: "the NVIDIA driver shows no GPU"}
	}
	return g, g.describe(), nil
}

// nvmlAbsent says why the library could not be initialised.
func nvmlAbsent(ret nvml.Return) error {
	switch ret {
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return &unavailable{kind: ErrAbsent, why: "libnvidia-ml.so.1 not found: no NVIDIA driver is installed"}
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return &unavailable{kind: ErrAbsent, why: "the NVIDIA driver is not loaded", fix: "sudo modprobe nvidia"}
	case nvml.ERROR_NO_PERMISSION:
		return &unavailable{kind: ErrPermission, why: "the NVIDIA driver refuses this user",
			fix: "sudo chmod a+rw /dev/nvidiactl /dev/nvidia[0-9]*"}
	}
	return nvmlError("nvmlInit", ret)
}

func nvmlError(call string, ret nvml.Return) error {
	return fmt.Errorf("%s: %s (code %d)", call, ret, int32(ret))
}

// find lists the GPUs and notes where their counters stand.
func (g *gpus) find() error {
	n, ret := g.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nvmlError("nvmlDeviceGetCount", ret)
	}
	for i := range n {
		d, ret := g.lib.DeviceGetHandleByIndex(i)
		if ret != nvml.SUCCESS {
			return fmt.Errorf("gpu:%d: %w", i, nvmlError("nvmlDeviceGetHandleByIndex", ret))
		}
		base, ret := d.GetTotalEnergyConsumption()
		if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED { // there is none before Volta
			return fmt.Errorf("gpu:%d: %w", i, nvmlError("nvmlDeviceGetTotalEnergyConsumption", ret))
		}
		g.gpus = append(g.gpus, gpu{Device: d, device: fmt.Sprintf("gpu:%d", i), base: base})
	}
	return nil
}

func (g *gpus) describe() string {
	parts := make([]string, 0, len(g.gpus)+1)
	for i := range g.gpus {
		name, ret := g.gpus[i].GetName()
		if ret != nvml.SUCCESS {
			name = "unnamed"
		}
		parts = append(parts, g.gpus[i].device+" "+name)
	}
	if version, ret := g.lib.SystemGetDriverVersion(); ret == nvml.SUCCESS {
		parts = append(parts, "driver "+version)
	}
	return strings.Join(parts, ", ")
}

// Name implements Source.
func (*gpus) Name() string { return nvmlName }

// Sample implements Source. What a GPU does not support is null; what fails is null and reported.
func (g *gpus) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	begin := time.Now()
	var errs []error
	for i := range g.gpus {
		// Every call takes the driver's lock and some take milliseconds, so each GPU has its own time.
		s := g.env.sample(now.Add(time.Since(begin)), nvmlName, g.gpus[i].device)
		if err := g.gpus[i].read(&s); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.Device, err))
		}
		dst = append(dst, s)
	}
	return dst, errors.Join(errs...)
}

// read fills s, energy and power first, as they are what the time stamp is for.
func (d *gpu) read(s *record.Sample) error {
	var c calls
	if mj, ret := d.GetTotalEnergyConsumption(); c.ok("nvmlDeviceGetTotalEnergyConsumption", ret) && mj >= d.base {
		s.EnergyCounterJoules = units.Ptr(units.Joules(float64(mj-d.base) / 1e3))
	}
	if mw, ret := d.GetPowerUsage(); c.ok("nvmlDeviceGetPowerUsage", ret) {
		s.PowerW = units.Ptr(units.Watts(float64(mw) / 1e3))
	}
	if t, ret := d.GetTemperature(nvml.TEMPERATURE_GPU); c.ok("nvmlDeviceGetTemperature", ret) {
		s.TempC = units.Ptr(units.Celsius(t))
	}
	if u, ret := d.GetUtilizationRates(); c.ok("nvmlDeviceGetUtilizationRates", ret) {
		s.UtilPct = units.Ptr(units.Percent(u.Gpu))
	}
	if m, ret := d.GetMemoryInfo(); c.ok("nvmlDeviceGetMemoryInfo", ret) {
		s.MemUsedBytes = units.Ptr(units.Bytes(m.Used))
	}
	if mhz, ret := d.GetClockInfo(nvml.CLOCK_SM); c.ok("nvmlDeviceGetClockInfo", ret) {
		s.ClockMHz = units.Ptr(units.Megahertz(mhz))
	}
	// The older name of nvmlDeviceGetCurrentClocksEventReasons: drivers before 535 have only this one, and calling a
	// function that the library lacks ends the process.
	if bits, ret := d.GetCurrentClocksThrottleReasons(); c.ok("nvmlDeviceGetCurrentClocksThrottleReasons", ret) {
		s.Throttle = throttleReasons(bits)
	}
	if p, ret := d.GetComputeRunningProcesses(); c.ok("nvmlDeviceGetComputeRunningProcesses", ret) {
		s.Processes = units.Ptr(int64(len(p)))
	}
	return errors.Join(c.errs...)
}

// calls collects the failures of NVML calls.
type calls struct{ errs []error }

// ok reports whether a call gave a value. A reading that the GPU does not support is no failure.
func (c *calls) ok(call string, ret nvml.Return) bool {
	if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
		c.errs = append(c.errs, nvmlError(call, ret))
	}
	return ret == nvml.SUCCESS
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

// Close implements Source.
func (g *gpus) Close() error {
	if ret := g.lib.Shutdown(); ret != nvml.SUCCESS {
		return nvmlError("nvmlShutdown", ret)
	}
	return nil
}
