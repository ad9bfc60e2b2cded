//go:build linux && cgo

package telemetry

import (
	"errors"
	"reflect"
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
	millijoules uint64
	throttle    uint64
	fails       string
	ret         nvml.Return
}

func (c *card) device() *mock.Device {
	ret := func(call string) nvml.Return {
		if c.fails == call || c.fails == "all" {
			return c.ret
		}
		return nvml.SUCCESS
	}
	return &mock.Device{
		GetNameFunc:                   func() (string, nvml.Return) { return "Test GPU", ret("name") },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) { return c.millijoules, ret("energy") },
		GetPowerUsageFunc:             func() (uint32, nvml.Return) { return 123456, ret("power") },
		GetTemperatureFunc: func(s nvml.TemperatureSensors) (uint32, nvml.Return) {
			if s != nvml.TEMPERATURE_GPU {
				return 0, nvml.ERROR_INVALID_ARGUMENT
			}
			return 65, ret("temperature")
		},
		GetUtilizationRatesFunc: func() (nvml.Utilization, nvml.Return) {
			return nvml.Utilization{Gpu: 87, Memory: 12}, ret("utilisation")
		},
		GetMemoryInfoFunc: func() (nvml.Memory, nvml.Return) { return nvml.Memory{Used: 2 << 30, Total: 8 << 30}, ret("memory") },
		GetClockInfoFunc: func(c nvml.ClockType) (uint32, nvml.Return) {
			if c != nvml.CLOCK_SM {
				return 0, nvml.ERROR_INVALID_ARGUMENT
			}
			return 1710, ret("clock")
		},
		GetCurrentClocksThrottleReasonsFunc: func() (uint64, nvml.Return) { return c.throttle, ret("throttle") },
		GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) {
			return make([]nvml.ProcessInfo, 2), ret("processes")
		},
	}
}

func driver(cards ...*card) *mock.Interface {
	return &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return len(cards), nvml.SUCCESS },
		SystemGetDriverVersionFunc: func() (string, nvml.Return) { return "555.42", nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) { return cards[i].device(), nvml.SUCCESS },
	}
}

func TestNVML(t *testing.T) {
	a, b := &card{millijoules: 5_000_000}, &card{millijoules: 100}
	lib := driver(a, b)
	src, detail, err := openNVML(machine(nil), lib)
	if err != nil {
		t.Fatal(err)
	}
	if want := "gpu:0 Test GPU, gpu:1 Test GPU, driver 555.42"; detail != want {
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
		TempC: units.Ptr(units.Celsius(65)), UtilPct: units.Ptr(units.Percent(87)),
		MemUsedBytes: units.Ptr(units.Bytes(2 << 30)), ClockMHz: units.Ptr(units.Megahertz(1710)),
		Processes: units.Ptr(int64(2)), Throttle: "sw_power_cap,hw_thermal",
	}
	if !reflect.DeepEqual(got[0], want) {
		t.Errorf("saw %+v, want %+v", got[0], want)
	}
	if got[0].TSUnixNS < epoch.UnixNano() || got[0].TSUnixNS > got[1].TSUnixNS {
		t.Errorf("times: saw %d and %d, want them in order from %d", got[0].TSUnixNS, got[1].TSUnixNS, epoch.UnixNano())
	}
	if err := src.Close(); err != nil || len(lib.ShutdownCalls()) != 1 {
		t.Errorf("close: saw %v and %d shutdowns, want one", err, len(lib.ShutdownCalls()))
	}
}

// A reading that the GPU does not support is null without an error; one that fails is null with an error; the others
// stay either way.
func TestNVMLSingleReadings(t *testing.T) {
	columns := map[string]func(*record.Sample) bool{
		"energy":      func(s *record.Sample) bool { return s.EnergyCounterJoules == nil },
		"power":       func(s *record.Sample) bool { return s.PowerW == nil },
		"temperature": func(s *record.Sample) bool { return s.TempC == nil },
		"utilisation": func(s *record.Sample) bool { return s.UtilPct == nil },
		"memory":      func(s *record.Sample) bool { return s.MemUsedBytes == nil },
		"clock":       func(s *record.Sample) bool { return s.ClockMHz == nil },
		"processes":   func(s *record.Sample) bool { return s.Processes == nil },
		"throttle":    func(s *record.Sample) bool { return s.Throttle == "" },
	}
	for call := range columns {
		for _, ret := range []nvml.Return{nvml.ERROR_NOT_SUPPORTED, nvml.ERROR_GPU_IS_LOST} {
			c := &card{throttle: nvml.ClocksThrottleReasonSwPowerCap}
			src, _, err := openNVML(machine(nil), driver(c))
			if err != nil {
				t.Fatal(err)
			}
			c.fails, c.ret = call, ret
			got, err := src.Sample(epoch, nil)
			if (err != nil) != (ret == nvml.ERROR_GPU_IS_LOST) {
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

func TestNVMLUnavailable(t *testing.T) {
	initFails := func(ret nvml.Return) *mock.Interface {
		lib := driver()
		lib.InitFunc = func() nvml.Return { return ret }
		return lib
	}
	lost := driver(&card{})
	lost.DeviceGetHandleByIndexFunc = func(int) (nvml.Device, nvml.Return) { return nil, nvml.ERROR_GPU_IS_LOST }
	noCount := driver()
	noCount.DeviceGetCountFunc = func() (int, nvml.Return) { return 0, nvml.ERROR_UNKNOWN }
	for _, c := range []struct {
		name, text string
		lib        *mock.Interface
		is         error
		shutdowns  int
	}{
		{"no library", "no NVIDIA driver is installed", initFails(nvml.ERROR_LIBRARY_NOT_FOUND), ErrAbsent, 0},
		{"not loaded", "run: sudo modprobe nvidia", initFails(nvml.ERROR_DRIVER_NOT_LOADED), ErrAbsent, 0},
		{"no permission", "run: sudo chmod a+rw /dev/nvidiactl", initFails(nvml.ERROR_NO_PERMISSION), ErrPermission, 0},
		{"no GPU", "shows no GPU", driver(), ErrAbsent, 1},
		{"mismatch", "nvmlInit: ", initFails(nvml.ERROR_LIB_RM_VERSION_MISMATCH), nil, 0},
		{"GPU lost", "gpu:0: nvmlDeviceGetHandleByIndex", lost, nil, 1},
		{"no count", "nvmlDeviceGetCount", noCount, nil, 1},
		{"counter fails", "gpu:0: nvmlDeviceGetTotalEnergyConsumption",
			driver(&card{fails: "energy", ret: nvml.ERROR_UNKNOWN}), nil, 1},
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

// A GPU from before Volta has no energy counter, and is sampled all the same.
func TestNVMLWithoutCounter(t *testing.T) {
	src, _, err := openNVML(machine(nil), driver(&card{fails: "energy", ret: nvml.ERROR_NOT_SUPPORTED}))
	if err != nil {
		t.Fatal(err)
	}
	if s := read(t, src, time.Now())[0]; s.EnergyCounterJoules != nil || s.PowerW == nil {
		t.Errorf("saw %+v, want power and no counter", s)
	}
}
