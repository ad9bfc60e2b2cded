//go:build linux && cgo

package telemetry

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// powerAverage is the span of the means that the driver gives.
const powerAverage = time.Second

// powerReading is how the power of a GPU is read, chosen when it is opened. NVIDIA's reference (NVML API Reference Guide,
// nvmlDeviceGetPowerUsage and the field values NVML_FI_DEV_POWER_INSTANT and NVML_FI_DEV_POWER_AVERAGE) says: the usage is
// "averaged over 1 sec interval" on Ampere, except GA100, and newer, and instantaneous on GA100 and older; drivers since
// about 530 tell both by field values. A mean over 1 s is never given as the power of the moment.
//
// Even the instantaneous reading is the sensor's mean over a part of its update period, and not of all of it: on A100 and
// H100 a quarter of the time is looked at (Yang, Adamek, Armour, "Part-time Power Measurements: nvidia-smi's Lack of
// Attention", 2024, arXiv:2312.02741; the same, "Accurate and Convenient Energy Measurements for GPUs", SC24). So power
// integrated over a short window can miss what the counter has.
type powerReading struct {
	instant, average bool // the field values are supported
	usage            bool // the usage is read
	usageIsAverage   bool
}

func (p powerReading) String() string {
	switch {
	case p.instant || p.usage && !p.usageIsAverage:
		return "instantaneous power"
	case p.average || p.usage:
		return "power averaged over 1 s only"
	}
	return "no power"
}

func choosePower(d nvml.Device, has abilities) powerReading {
	var p powerReading
	if has.fields {
		values := powerFields()
		if d.GetFieldValues(values[:]) == nvml.SUCCESS {
			_, ret := milliwatts(&values[0])
			p.instant = ret == nvml.SUCCESS
			_, ret = milliwatts(&values[1])
			p.average = ret == nvml.SUCCESS
		}
	}
	if p.instant {
		return p
	}
	p.usageIsAverage = usageIsAverage(d, has)
	p.usage = !p.usageIsAverage || !p.average
	if p.usage {
		_, ret := d.GetPowerUsage()
		p.usage = ret != nvml.ERROR_NOT_SUPPORTED
	}
	return p
}

// usageIsAverage tells the generations apart by compute capability: 8.0 is GA100, the last that tells instantaneous
// power; the other Ampere GPUs are 8.6 and 8.7, and newer ones higher. A GPU that does not say is taken for a newer one:
// to call an instantaneous reading a mean makes a result look worse than it is, the reverse makes it wrong.
func usageIsAverage(d nvml.Device, has abilities) bool {
	if !has.capability {
		return true
	}
	major, minor, ret := d.GetCudaComputeCapability()
	return ret != nvml.SUCCESS || major > 8 || major == 8 && minor > 0
}

// powerFields asks for the instantaneous and the averaged power of the GPU (scope 0) in one call.
func powerFields() [2]nvml.FieldValue {
	return [2]nvml.FieldValue{{FieldId: nvml.FI_DEV_POWER_INSTANT}, {FieldId: nvml.FI_DEV_POWER_AVERAGE}}
}

// watts reads power as chosen.
func (g *gpus) watts(d *gpu, s *record.Sample, c *calls) {
	p := d.power
	if p.instant || p.average {
		values := powerFields()
		if ret := d.GetFieldValues(values[:]); c.ok("nvmlDeviceGetFieldValues", ret) {
			if mw, ret := milliwatts(&values[0]); p.instant && c.ok("field NVML_FI_DEV_POWER_INSTANT", ret) {
				d.giveInstant(s, c, mw)
			}
			if mw, ret := milliwatts(&values[1]); p.average && c.ok("field NVML_FI_DEV_POWER_AVERAGE", ret) {
				d.giveAverage(s, c, mw)
			}
		}
	}
	if !p.usage || c.lost {
		return
	}
	mw, ret := d.GetPowerUsage()
	switch {
	case !c.ok("nvmlDeviceGetPowerUsage", ret):
	case p.usageIsAverage:
		d.giveAverage(s, c, float64(mw))
	default:
		d.giveInstant(s, c, float64(mw))
	}
}

func (d *gpu) giveInstant(s *record.Sample, c *calls, mw float64) {
	s.PowerW = units.Ptr(units.Watts(mw / 1e3))
	d.powerUpdates.saw(c.at, uint64(mw))
}

// giveAverage fills in the mean. Its updates are the sensor's only where there is no other reading.
func (d *gpu) giveAverage(s *record.Sample, c *calls, mw float64) {
	s.PowerAvgW = units.Ptr(units.Watts(mw / 1e3))
	s.PowerAvgNS = units.Ptr(powerAverage.Nanoseconds())
	if !d.power.instant && !(d.power.usage && !d.power.usageIsAverage) {
		d.powerUpdates.saw(c.at, uint64(mw))
	}
}

// milliwatts is a field value as a number. Each has a return code of its own, and says of which type it is.
func milliwatts(f *nvml.FieldValue) (float64, nvml.Return) {
	if ret := nvml.Return(f.NvmlReturn); ret != nvml.SUCCESS {
		return 0, ret
	}
	bits := binary.NativeEndian.Uint64(f.Value[:])
	low := binary.NativeEndian.Uint32(f.Value[:])
	var v float64
	switch nvml.ValueType(f.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		v = math.Float64frombits(bits)
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		v = float64(low)
	case nvml.VALUE_TYPE_UNSIGNED_LONG, nvml.VALUE_TYPE_UNSIGNED_LONG_LONG:
		v = float64(bits)
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		v = float64(int64(bits))
	case nvml.VALUE_TYPE_SIGNED_INT:
		v = float64(int32(low))
	case nvml.VALUE_TYPE_UNSIGNED_SHORT:
		v = float64(binary.NativeEndian.Uint16(f.Value[:]))
	default:
		return 0, nvml.ERROR_NOT_SUPPORTED
	}
	if !(v >= 0 && v < math.MaxInt64) {
		return 0, nvml.ERROR_UNKNOWN
	}
	return v, nvml.SUCCESS
}
