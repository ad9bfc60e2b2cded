//go:build linux && cgo

package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	register(member{name: nvmlName, measures: nvmlMeasures, open: func(env Environment, _ Options) (Source, string, error) {
		return openNVML(env, nvml.New())
	}})
}

// gpus reads NVIDIA GPUs through the driver's library, one device per GPU ("gpu:0", NVML's own numbering, which is by
// bus address). Power and energy counter are two readings of the driver, so they can be held against each other.
type gpus struct {
	env    Environment
	lib    nvml.Interface
	has    abilities
	slow   pace
	usage  every
	family family
	gpus   []gpu
	left   []error // why a GPU was left out, each naming it
}

var (
	_ Source   = (*gpus)(nil)
	_ Tracker  = (*gpus)(nil)
	_ Resolver = (*gpus)(nil)
	_ prompter = (*gpus)(nil)
)

// gpu is one GPU that is sampled.
type gpu struct {
	nvml.Device
	device    string // "gpu:0"
	counts    bool   // has an energy counter
	last, sum uint64 // millijoules: the counter at the last reading, what it rose since the source was opened
	power     powerReading

	counterUpdates, powerUpdates updates
}

// abilities says which functions the driver's library has. Older drivers lack some, newer ones drop deprecated ones, and
// calling a function that the library lacks ends the process.
type abilities struct{ energy, fields, mig, capability, limit, throttle, events bool }

func abilitiesOf(lib nvml.Interface) abilities {
	symbols := lib.Extensions()
	has := func(symbol string) bool { return symbols.LookupSymbol(symbol) == nil }
	return abilities{
		energy:     has("nvmlDeviceGetTotalEnergyConsumption"),
		fields:     has("nvmlDeviceGetFieldValues"),
		mig:        has("nvmlDeviceGetMigMode"),
		capability: has("nvmlDeviceGetCudaComputeCapability"),
		limit:      has("nvmlDeviceGetEnforcedPowerLimit"),
		throttle:   has("nvmlDeviceGetCurrentClocksThrottleReasons"),
		events:     has("nvmlDeviceGetCurrentClocksEventReasons"),
	}
}

// openNVML loads the driver's library and finds the GPUs. A GPU that cannot be sampled is left out and told of.
func openNVML(env Environment, lib nvml.Interface) (Source, string, error) {
	if ret := lib.Init(); ret != nvml.SUCCESS {
		return nil, "", nvmlAbsent(ret)
	}
	g := &gpus{env: env, lib: lib, has: abilitiesOf(lib), usage: every{span: usageEvery}, family: newFamily(env.fsys())}
	err := g.find()
	if err == nil && len(g.gpus) == 0 {
		err = noGPU(g.left)
	}
	if err != nil {
		return nil, "", errors.Join(err, g.Close())
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

// noGPU says why none of the GPUs can be sampled.
func noGPU(left []error) error {
	if len(left) == 0 {
		return &unavailable{kind: ErrAbsent, why: "the NVIDIA driver shows no GPU"}
	}
	var partitioned []string
	for _, err := range left {
		if m := (*migError)(nil); errors.As(err, &m) {
			partitioned = append(partitioned, fmt.Sprint(m.index))
		}
	}
	if len(partitioned) < len(left) {
		return errors.Join(left...)
	}
	return &unavailable{kind: ErrAbsent, why: "every GPU is in MIG mode: " + migWhy, fix: migEnd(strings.Join(partitioned, ","))}
}

// migError says that a GPU is divided into instances (MIG). It is refused: what it drew cannot be told apart by instance,
// and to give what the whole of it drew as an instance's would be wrong.
type migError struct{ index int }

const migWhy = "NVML tells power and energy of the whole GPU only, not of one of its instances"

func migEnd(gpus string) string { return "sudo nvidia-smi -i " + gpus + " -mig 0" }

func (m *migError) Error() string {
	return fmt.Sprintf("gpu:%d: in MIG mode, and %s; run: %s", m.index, migWhy, migEnd(fmt.Sprint(m.index)))
}

// find lists the GPUs and notes where their counters stand.
func (g *gpus) find() error {
	n, ret := g.lib.DeviceGetCount()
	if ret != nvml.SUCCESS {
		return nvmlError("nvmlDeviceGetCount", ret)
	}
	for i := range n {
		d, err := g.open(i)
		if err != nil {
			g.left = append(g.left, err)
			continue
		}
		g.gpus = append(g.gpus, d)
	}
	return nil
}

func (g *gpus) open(i int) (gpu, error) {
	d := gpu{device: fmt.Sprintf("gpu:%d", i)}
	fails := func(call string, ret nvml.Return) (gpu, error) {
		return d, fmt.Errorf("%s: %w", d.device, nvmlError(call, ret))
	}
	var ret nvml.Return
	if d.Device, ret = g.lib.DeviceGetHandleByIndex(i); ret != nvml.SUCCESS {
		return fails("nvmlDeviceGetHandleByIndex", ret)
	}
	if g.has.mig {
		current, _, ret := d.GetMigMode()
		if ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
			return fails("nvmlDeviceGetMigMode", ret)
		}
		if ret == nvml.SUCCESS && current == nvml.DEVICE_MIG_ENABLE {
			return d, &migError{i}
		}
	}
	if g.has.energy {
		if d.last, ret = d.GetTotalEnergyConsumption(); ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
			return fails("nvmlDeviceGetTotalEnergyConsumption", ret)
		}
		d.counts = ret == nvml.SUCCESS // there is none before Volta
	}
	d.power = choosePower(d.Device, g.has)
	return d, nil
}

func (g *gpus) describe() string {
	var parts []string
	for i := 0; i < len(g.gpus); {
		text, first := g.gpus[i].describe(), g.gpus[i].device
		last := first
		for i++; i < len(g.gpus) && g.gpus[i].describe() == text; i++ {
			last = g.gpus[i].device
		}
		if last != first {
			first += " to " + last
		}
		parts = append(parts, first+" "+text)
	}
	if version, ret := g.lib.SystemGetDriverVersion(); ret == nvml.SUCCESS {
		parts = append(parts, "driver "+version)
	}
	for _, err := range g.left {
		parts = append(parts, "left out: "+err.Error())
	}
	return strings.Join(parts, ", ")
}

func (d *gpu) describe() string {
	name, ret := d.GetName()
	if ret != nvml.SUCCESS {
		name = "unnamed"
	}
	counter := ""
	if d.counts {
		counter = "energy counter, "
	}
	return fmt.Sprintf("%s (%s%s)", name, counter, d.power)
}

// Name implements Source.
func (*gpus) Name() string { return nvmlName }

// Sample implements Source. What a GPU does not support is null; what fails is null and reported; a GPU that is lost is
// reported and has no row.
func (g *gpus) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	watch := startWatch(now)
	slow, usage := g.slow.due(now), g.usage.due(now)
	var errs []error
	for i := range g.gpus {
		d := &g.gpus[i]
		// Every call takes the driver's lock and some take milliseconds, so each GPU has its own time.
		at := watch()
		s := g.env.sample(at, nvmlName, d.device)
		c := calls{at: at}
		g.read(d, fastReadings, &s, &c)
		if usage {
			g.read(d, usageReadings, &s, &c)
		}
		if slow {
			g.read(d, slowReadings, &s, &c)
		}
		if err := errors.Join(c.errs...); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", d.device, err))
		}
		if !c.lost {
			dst = append(dst, s)
		}
	}
	return dst, errors.Join(errs...)
}

// Track implements Tracker. The next sweep tells of the processes, as a run may be over before their turn.
func (g *gpus) Track(pids []int) {
	g.family.track(pids)
	g.slow = pace{}
}

// prompt implements prompter.
func (g *gpus) prompt() { g.slow, g.usage.last = pace{}, time.Time{} }

// Resolution implements Resolver: what sampling has shown so far.
func (g *gpus) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for i := range g.gpus {
		d := &g.gpus[i]
		out[d.device] = Resolution{Counter: d.counterUpdates.period, Power: d.powerUpdates.period}
	}
	return out
}

// Close implements Source.
func (g *gpus) Close() error {
	if ret := g.lib.Shutdown(); ret != nvml.SUCCESS {
		return nvmlError("nvmlShutdown", ret)
	}
	return nil
}
