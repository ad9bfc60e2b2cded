package telemetry

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestEnergyMeterDevice(t *testing.T) {
	for instance, want := range map[string]string{
		"RAPL_Package0_PKG": "cpu:0", "rapl_package1_pkg": "cpu:1", "RAPL_Package0_PP0": "core:0", "RAPL_Package0_PP1": "uncore:0",
		"RAPL_Package0_DRAM": "dram:0", "RAPL_Package0_Core3_CORE": "", "_Total": "", "SYS": "board:SYS",
		"CPU_CLUSTER_0": "board:CPU_CLUSTER_0", "RAPL_Package0_PSYS": "board:RAPL_Package0_PSYS",
	} {
		if got := energyMeterDevice(instance); got != want {
			t.Errorf("%s: saw %q, want %q", instance, got, want)
		}
	}
}

// One second of 5.19e9 pWh was 18.7 J on the machine of those who found the unit out: 18.684 to five digits.
func TestPicowattHours(t *testing.T) {
	if got := picowattHours(5.19e9).joules(); math.Abs(float64(got)-18.684) > 1e-9 {
		t.Errorf("saw %v J, want 18.684", got)
	}
}

// fakeEnergyQuery gives what a machine would.
type fakeEnergyQuery struct {
	values map[string]picowattHours
	err    error
	closed bool
}

func (f *fakeEnergyQuery) read() (map[string]picowattHours, error) { return f.values, f.err }
func (f *fakeEnergyQuery) close() error                            { f.closed = true; return nil }

func TestEnergyMeter(t *testing.T) {
	q := &fakeEnergyQuery{values: map[string]picowattHours{"RAPL_Package0_PKG": 1e15, "RAPL_Package0_PP0": 5e14,
		"RAPL_Package0_DRAM": 0, "RAPL_Package0_Core0_CORE": 1e12, "_Total": 2e15}}
	src, detail, err := openEnergyMeter(Environment{Host: "testhost"}, q)
	if err != nil || detail != "1 package, 1 other rail" {
		t.Fatalf("saw %q, %v", detail, err)
	}
	if src.Name() != energyMeterName {
		t.Errorf("saw name %q", src.Name())
	}
	for _, step := range []struct {
		counter picowattHours
		joules  float64
	}{{1e15, 0}, {1e15 + 1e9, 3.6}, {7, 3.6}, {7 + 1e9, 7.2}} { // it began again at 7
		q.values["RAPL_Package0_PKG"] = step.counter
		rows := read(t, src, epoch.Add(time.Second))
		if len(rows) != 2 || rows[0].Device != "cpu:0" || rows[1].Device != "core:0" || rows[0].PowerW != nil ||
			math.Abs(float64(*rows[0].EnergyCounterJoules)-step.joules) > 1e-9 {
			t.Errorf("counter %d: saw %+v, want %v J of cpu:0", step.counter, rows, step.joules)
		}
	}
	q.err = errors.New("code 0xc0000bc6")
	if rows, err := src.Sample(epoch, nil); !errors.Is(err, q.err) || len(rows) != 0 {
		t.Errorf("saw %v, %v", rows, err)
	}
	if err := src.Close(); err != nil || !q.closed {
		t.Errorf("close: saw %v, closed %t", err, q.closed)
	}
}

func TestEnergyMeterUnavailable(t *testing.T) {
	q := &fakeEnergyQuery{values: map[string]picowattHours{"SYS": 5, "RAPL_Package0_PKG": 0}}
	if _, _, err := openEnergyMeter(Environment{}, q); !errors.Is(err, ErrAbsent) {
		t.Errorf("no package that counts: saw %v, want absent", err)
	}
	q.err = &unavailable{kind: ErrPermission, why: "denied"}
	if _, _, err := openEnergyMeter(Environment{}, q); !errors.Is(err, ErrPermission) {
		t.Errorf("denied: saw %v", err)
	}
}
