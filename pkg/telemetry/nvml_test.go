//go:build linux && cgo

package telemetry

import (
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// card is a GPU under test: readings that a test changes, and what the driver answers to the call named fails.
type card struct {
	millijoules, throttle uint64
	mig                   int
	capability            [2]int // of the chip; 8.9 where it is not set
	fields                func([]nvml.FieldValue) nvml.Return
	running               []nvml.ProcessInfo
	fails                 string
	ret                   nvml.Return
	asked                 []string
}

// answer is what the driver returns to a call.
func (c *card) answer(call string) nvml.Return {
	c.asked = append(c.asked, call)
	if c.fails == call || c.fails == "all" {
		return c.ret
	}
	return nvml.SUCCESS
}

func (c *card) device() *mock.Device {
	if c.capability == [2]int{} {
		c.capability = [2]int{8, 9}
	}
	return &mock.Device{
		GetNameFunc:                   func() (string, nvml.Return) { return "Test GPU", c.answer("name") },
		GetMigModeFunc:                func() (int, int, nvml.Return) { return c.mig, c.mig, c.answer("mig") },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { return c.millijoules, c.answer("energy") },
		GetPowerUsageFunc:             func() (uint32, nvml.Return) { return 111000, c.answer("usage") },
		GetCudaComputeCapabilityFunc: func() (int, int, nvml.Return) {
			return c.capability[0], c.capability[1], c.answer("capability")
		},
		GetFieldValuesFunc: func(v []nvml.FieldValue) nvml.Return {
			if ret := c.answer("fields"); ret != nvml.SUCCESS {
				return ret
			}
			return c.fields(v)
		},
		GetTemperatureFunc: func(s nvml.TemperatureSensors) (uint32, nvml.Return) {
			if s != nvml.TEMPERATURE_GPU {
				return 0, nvml.ERROR_INVALID_ARGUMENT
			}
			return 65, c.answer("temperature")
		},
		GetUtilizationRatesFunc: func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: 87, Memory: 12}, c.answer("utilisation")
		},
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) {
			return nvml.Memory{Used: 2 << 30, Total: 8 << 30}, c.answer("memory")
		},
		GetClockInfoFunc: func(which nvml.ClockType) (uint32, nvml.Return) {
			if which == nvml.CLOCK_MEM {
				return 9501, c.answer("memory clock")
			}
			if which != nvml.CLOCK_SM {
				return 0, nvml.ERROR_INVALID_ARGUMENT
			}
			return 1710, c.answer("clock")
		},
		GetEnforcedPowerLimitFunc:           func() (uint32, nvml.Return) { return 450000, c.answer("limit") },
		GetCurrentClocksThrottleReasonsFunc: func() (uint64, nvml.Return) { return c.throttle, c.answer("throttle") },
		GetCurrentClocksEventReasonsFunc:    func() (uint64, nvml.Return) { return c.throttle, c.answer("events") },
		GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) {
			return c.running, c.answer("processes")
		},
	}
}

// field is a field value of unsigned type.
func field(v *nvml.FieldValue, mw uint32) {
	v.NvmlReturn, v.ValueType = uint32(nvml.SUCCESS), uint32(nvml.VALUE_TYPE_UNSIGNED_INT)
	binary.NativeEndian.PutUint32(v.Value[:], mw)
}

// powers answers both power fields, as drivers since 530 do on GPUs since Ampere.
func powers(values []nvml.FieldValue) nvml.Return {
	for i := range values {
		switch values[i].FieldId {
		case nvml.FI_DEV_POWER_INSTANT:
			field(&values[i], 123456)
		case nvml.FI_DEV_POWER_AVERAGE:
			field(&values[i], 100000)
		default:
			values[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
		}
	}
	return nvml.SUCCESS
}

// noPowers is a driver that knows neither field.
func noPowers(values []nvml.FieldValue) nvml.Return {
	for i := range values {
		values[i].NvmlReturn = uint32(nvml.ERROR_NOT_SUPPORTED)
	}
	return nvml.SUCCESS
}

// driver is a library with every function but those named.
func driver(cards []*card, lacks ...string) *mock.Interface {
	for _, c := range cards {
		if c.fields == nil {
			c.fields = powers
		}
	}
	return &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return len(cards), nvml.SUCCESS },
		SystemGetDriverVersionFunc: func() (string, nvml.Return) { return "555.42", nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) {
			return cards[i].device(), cards[i].answer("handle")
		},
		ExtensionsFunc: func() nvml.ExtendedInterface {
			return &mock.ExtendedInterface{LookupSymbolFunc: func(symbol string) error {
				if slices.Contains(lacks, symbol) {
					return errors.New("undefined symbol: " + symbol)
				}
				return nil
			}}
		},
	}
}

// openCards opens a source over cards and forgets what opening asked of them.
func openCards(t *testing.T, env Environment, cards []*card, lacks ...string) (*gpus, string) {
	t.Helper()
	src, detail, err := openNVML(env, driver(cards, lacks...))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cards {
		c.asked = nil
	}
	return src.(*gpus), detail
}

func TestNVML(t *testing.T) {
	a, b := &card{millijoules: 5_000_000, running: make([]nvml.ProcessInfo, 2)}, &card{millijoules: 100}
	src, detail := openCards(t, machine(fixture(t, "desktop")), []*card{a, b})
	if want := "gpu:0 to gpu:1 Test GPU (energy counter, instantaneous power), driver 555.42"; detail != want {
		t.Errorf("detail: saw %q, want %q", detail, want)
	}
	a.millijoules += 2500
	a.throttle = nvml.ClocksThrottleReasonGpuIdle | nvml.ClocksThrottleReasonSwPowerCap | nvml.ClocksThrottleReasonHwThermalSlowdown
	got := read(t, src, epoch)
	if len(got) != 2 || got[1].Device != "gpu:1" || *got[1].EnergyCounterJoules != 0 || got[1].Throttle != "" {
		t.Fatalf("saw %+v", got)
	}
	want := record.Sample{
		Schema: record.SchemaSample, Host: "testhost", TSUnixNS: got[0].TSUnixNS, Source: "nvml", Device: "gpu:0",
		PowerW: units.Ptr(units.Watts(123.456)), EnergyCounterJoules: units.Ptr(units.Joules(2.5)),
		PowerAvgW: units.Ptr(units.Watts(100)), PowerAvgNS: units.Ptr(int64(1e9)), PowerLimitW: units.Ptr(units.Watts(450)),
		TempC: units.Ptr(units.Celsius(65)), UtilPct: units.Ptr(units.Percent(87)), MemUtilPct: units.Ptr(units.Percent(12)),
		MemUsedBytes: units.Ptr(units.Bytes(2 << 30)), MemTotalBytes: units.Ptr(units.Bytes(8 << 30)),
		ClockMHz: units.Ptr(units.Megahertz(1710)), MemClockMHz: units.Ptr(units.Megahertz(9501)),
		Processes: units.Ptr(int64(2)), Throttle: "sw_power_cap,hw_thermal",
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("saw %+v, want %+v", got[0], want)
	}
	if err := got[0].Validate(); err != nil {
		t.Error(err)
	}
	if got[0].TSUnixNS < epoch.UnixNano() || got[0].TSUnixNS > got[1].TSUnixNS {
		t.Errorf("times: saw %d and %d, want them in order from %d", got[0].TSUnixNS, got[1].TSUnixNS, epoch.UnixNano())
	}
	lib := src.lib.(*mock.Interface)
	if err := src.Close(); err != nil || len(lib.ShutdownCalls()) != 1 {
		t.Errorf("close: saw %v and %d shutdowns, want one", err, len(lib.ShutdownCalls()))
	}
	lib.ShutdownFunc = func() nvml.Return { return nvml.ERROR_UNINITIALIZED }
	if err := src.Close(); err == nil || !strings.Contains(err.Error(), "nvmlShutdown") {
		t.Errorf("close twice: saw %v", err)
	}
}

// What changes slowly is asked for once per second, utilisation and memory ten times, and the rest in every sweep.
func TestNVMLPace(t *testing.T) {
	c := &card{}
	src, _ := openCards(t, machine(nil), []*card{c})
	all := []string{"energy", "fields", "clock", "throttle", "utilisation", "memory", "temperature", "memory clock", "limit", "processes"}
	fast := all[:4]
	for _, step := range []struct {
		at   time.Duration
		want []string
	}{
		{0, all}, {10 * time.Millisecond, fast}, {usageEvery, all[:6]}, {usageEvery + 99*time.Millisecond, fast}, {slowEvery, all},
	} {
		c.asked = nil
		s := read(t, src, epoch.Add(step.at))[0]
		if !slices.Equal(c.asked, step.want) {
			t.Errorf("at %v: saw %v asked for, want %v", step.at, c.asked, step.want)
		}
		if got, want := s.TempC != nil, len(step.want) == len(all); got != want {
			t.Errorf("at %v: temperature given: saw %t", step.at, got)
		}
	}
}

// A reading that the GPU does not support is null without an error; one that fails is null with an error; the others
// stay either way.
func TestNVMLSingleReadings(t *testing.T) {
	columns := map[string]func(*record.Sample) bool{
		"energy":       func(s *record.Sample) bool { return s.EnergyCounterJoules == nil },
		"fields":       func(s *record.Sample) bool { return s.PowerW == nil && s.PowerAvgW == nil && s.PowerAvgNS == nil },
		"temperature":  func(s *record.Sample) bool { return s.TempC == nil },
		"utilisation":  func(s *record.Sample) bool { return s.UtilPct == nil && s.MemUtilPct == nil },
		"memory":       func(s *record.Sample) bool { return s.MemUsedBytes == nil && s.MemTotalBytes == nil },
		"clock":        func(s *record.Sample) bool { return s.ClockMHz == nil },
		"memory clock": func(s *record.Sample) bool { return s.MemClockMHz == nil },
		"limit":        func(s *record.Sample) bool { return s.PowerLimitW == nil },
		"processes":    func(s *record.Sample) bool { return s.Processes == nil },
		"throttle":     func(s *record.Sample) bool { return s.Throttle == "" },
	}
	for call := range columns {
		for _, ret := range []nvml.Return{nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_UNKNOWN} {
			c := &card{throttle: nvml.ClocksThrottleReasonSwPowerCap}
			src, _ := openCards(t, machine(nil), []*card{c})
			c.fails, c.ret = call, ret
			got, err := src.Sample(epoch, nil)
			if (err != nil) != (ret == nvml.ERROR_UNKNOWN) {
				t.Errorf("%s, code %d: saw error %v", call, ret, err)
			}
			if err != nil && !strings.Contains(err.Error(), "gpu:0: nvmlDeviceGet") {
				t.Errorf("%s: saw error %v, want the GPU and the call named", call, err)
			}
			for name, isNull := range columns {
				if isNull(&got[0]) != (name == call) {
					t.Errorf("%s, code %d: column %s null: saw %t", call, ret, name, isNull(&got[0]))
				}
			}
		}
	}
}

// A GPU that falls off the bus is told of and asked nothing more; the others go on.
func TestNVMLGPULost(t *testing.T) {
	for _, call := range []string{"energy", "fields", "usage", "throttle", "limit"} {
		a, b := &card{fields: func(v []nvml.FieldValue) nvml.Return { noPowers(v); return nvml.SUCCESS }}, &card{}
		if call == "fields" {
			a.fields = nil
		}
		src, _ := openCards(t, machine(nil), []*card{a, b})
		a.fails, a.ret = call, nvml.ERROR_GPU_IS_LOST
		got, err := src.Sample(epoch, nil)
		if err == nil || !strings.Contains(err.Error(), "gpu:0: nvmlDeviceGet") || strings.Contains(err.Error(), "gpu:1") {
			t.Errorf("%s: saw %v, want an error of gpu:0", call, err)
		}
		if len(got) != 1 || got[0].Device != "gpu:1" || got[0].EnergyCounterJoules == nil {
			t.Errorf("%s: saw %+v, want the other GPU's row", call, got)
		}
		if a.asked[len(a.asked)-1] != call {
			t.Errorf("%s: saw %v asked of a lost GPU", call, a.asked)
		}
	}
}

func TestNVMLCounterFalls(t *testing.T) {
	c := &card{millijoules: 5000}
	src, _ := openCards(t, machine(nil), []*card{c})
	for _, step := range []struct {
		mj   uint64
		want *units.Joules
	}{
		{7000, units.Ptr(units.Joules(2))}, {100, nil}, {1100, units.Ptr(units.Joules(3))},
	} {
		c.millijoules = step.mj
		got, err := src.Sample(epoch, nil)
		if !reflect.DeepEqual(got[0].EnergyCounterJoules, step.want) || got[0].PowerW == nil {
			t.Errorf("at %d mJ: saw %v, want %v and the power", step.mj, got[0].EnergyCounterJoules, step.want)
		}
		if (err != nil) != (step.want == nil) || err != nil && err.Error() != "gpu:0: the energy counter fell from 7000 to 100 mJ" {
			t.Errorf("at %d mJ: saw error %v", step.mj, err)
		}
	}
}

func TestNVMLUnavailable(t *testing.T) {
	initFails := func(ret nvml.Return) *mock.Interface {
		lib := driver(nil)
		lib.InitFunc = func() nvml.Return { return ret }
		return lib
	}
	noCount := driver(nil)
	noCount.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_UNKNOWN }
	mig := func() *card { return &card{mig: nvml.DEVICE_MIG_ENABLE} }
	failing := func(call string) *mock.Interface { return driver([]*card{{fails: call, ret: nvml.ERROR_UNKNOWN}}) }
	for _, c := range []struct {
		name, text string
		lib        *mock.Interface
		is         error
		shutdowns  int
	}{
		{"no library", "no NVIDIA driver is installed", initFails(nvml.ERROR_LIBRARY_NOT_FOUND), ErrAbsent, 0},
		{"not loaded", "run: sudo modprobe nvidia", initFails(nvml.ERROR_DRIVER_NOT_LOADED), ErrAbsent, 0},
		{"no permission", "run: sudo chmod a+rw /dev/nvidiactl", initFails(nvml.ERROR_NO_PERMISSION), ErrPermission, 0},
		{"no GPU", "shows no GPU", driver(nil), ErrAbsent, 1},
		{"all in MIG mode", "every GPU is in MIG mode: NVML tells power and energy of the whole GPU only, not of one of its instances; " +
			"run: sudo nvidia-smi -i 0,1 -mig 0", driver([]*card{mig(), mig()}), ErrAbsent, 1},
		{"one in MIG mode, one broken", "gpu:1: nvmlDeviceGetHandleByIndex",
			driver([]*card{mig(), {fails: "handle", ret: nvml.ERROR_UNKNOWN}}), nil, 1},
		{"mismatch", "nvmlInit: ", initFails(nvml.ERROR_LIB_RM_VERSION_MISMATCH), nil, 0},
		{"GPU lost", "gpu:0: nvmlDeviceGetHandleByIndex", failing("handle"), nil, 1},
		{"no count", "nvmlDeviceGetCount", noCount, nil, 1},
		{"counter fails", "gpu:0: nvmlDeviceGetTotalEnergyConsumption", failing("energy"), nil, 1},
		{"MIG mode not known", "gpu:0: nvmlDeviceGetMigMode", failing("mig"), nil, 1},
	} {
		_, _, err := openNVML(machine(nil), c.lib)
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: saw %v, want an error with %q", c.name, err, c.text)
		}
		if c.is != nil && !errors.Is(err, c.is) || c.is == nil && (errors.Is(err, ErrAbsent) || errors.Is(err, ErrPermission)) {
			t.Errorf("%s: saw %v, want errors.Is %v", c.name, err, c.is)
		}
		if n := len(c.lib.ShutdownCalls()); n != c.shutdowns {
			t.Errorf("%s: saw %d shutdowns, want %d", c.name, n, c.shutdowns)
		}
	}
}

// GPUs that cannot be sampled are left out and named; the others keep their numbers.
func TestNVMLLeavesOut(t *testing.T) {
	src, detail := openCards(t, machine(nil), []*card{
		{mig: nvml.DEVICE_MIG_ENABLE}, {fails: "name", ret: nvml.ERROR_UNKNOWN}, {fails: "handle", ret: nvml.ERROR_GPU_IS_LOST},
		{fails: "mig", ret: nvml.ERROR_NOT_SUPPORTED},
	})
	for _, want := range []string{
		"gpu:1 unnamed (", "gpu:3 Test GPU (", "left out: gpu:0: in MIG mode, and NVML tells power and energy of the whole GPU only",
		"run: sudo nvidia-smi -i 0 -mig 0", "left out: gpu:2: nvmlDeviceGetHandleByIndex",
	} {
		if !strings.Contains(detail, want) {
			t.Errorf("saw %q, want %q in it", detail, want)
		}
	}
	rows := read(t, src, epoch)
	if len(rows) != 2 || rows[0].Device != "gpu:1" || rows[1].Device != "gpu:3" {
		t.Errorf("saw %+v, want gpu:1 and gpu:3", rows)
	}
}

// A GPU from before Volta has no energy counter, and is sampled all the same.
func TestNVMLWithoutCounter(t *testing.T) {
	src, detail := openCards(t, machine(nil), []*card{{fails: "energy", ret: nvml.ERROR_NOT_SUPPORTED}})
	if s := read(t, src, time.Now())[0]; s.EnergyCounterJoules != nil || s.PowerW == nil {
		t.Errorf("saw %+v, want power and no counter", s)
	}
	if want := "gpu:0 Test GPU (instantaneous power), driver 555.42"; detail != want {
		t.Errorf("saw %q, want %q", detail, want)
	}
}

// What the library lacks is not called: that would end the process.
func TestNVMLOldLibrary(t *testing.T) {
	lacks := []string{
		"nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetFieldValues", "nvmlDeviceGetMigMode", "nvmlDeviceGetCudaComputeCapability",
		"nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetCurrentClocksThrottleReasons", "nvmlDeviceGetCurrentClocksEventReasons",
	}
	c := &card{mig: nvml.DEVICE_MIG_ENABLE, throttle: nvml.ClocksThrottleReasonHwSlowdown}
	src, _, err := openNVML(machine(nil), driver([]*card{c}, lacks...))
	if err != nil {
		t.Fatal(err)
	}
	s := read(t, src, epoch)[0]
	for _, call := range []string{"energy", "fields", "mig", "capability", "limit", "throttle", "events"} {
		if slices.Contains(c.asked, call) {
			t.Errorf("saw %s called, which the library lacks", call)
		}
	}
	if s.TempC == nil || s.UtilPct == nil || s.PowerAvgW == nil || s.PowerW != nil || s.Throttle != "" {
		t.Errorf("saw %+v, want what is left, and power taken for a mean", s)
	}
	// The newer name of the throttle reasons alone.
	src, _ = openCards(t, machine(nil), []*card{c}, lacks[2], lacks[5])
	if s := read(t, src, epoch)[0]; s.Throttle != "hw_slowdown" || !slices.Contains(c.asked, "events") {
		t.Errorf("saw throttle %q, want hw_slowdown by the newer name", s.Throttle)
	}
	c.fails, c.ret = "events", nvml.ERROR_UNKNOWN
	if _, err := src.Sample(epoch, nil); err == nil || !strings.Contains(err.Error(), "nvmlDeviceGetCurrentClocksEventReasons") {
		t.Errorf("saw %v, want the call named", err)
	}
}
