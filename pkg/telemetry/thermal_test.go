package telemetry

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestThermal(t *testing.T) {
	tree := fixture(t, "desktop")
	src, detail, err := openThermal(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "6 sensors, first thermal:acpitz/temp1"; detail != want {
		t.Errorf("detail: saw %q, want %q", detail, want)
	}
	want := []struct {
		device string
		temp   float64
	}{
		{"thermal:acpitz/temp1", 27.8}, // and not once more as a thermal zone
		{"thermal:coretemp/Package id 0", 61},
		{"thermal:coretemp/temp2", 58.5},
		{"thermal:board/temp2", -4.5}, // its temp1 is not connected
		{"thermal:soc", 50},
		{"thermal:soc#2", 51},
	}
	got := read(t, src, epoch)
	if len(got) != len(want) {
		t.Fatalf("saw %d rows, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if got[i].Device != w.device || float64(*got[i].TempC) != w.temp {
			t.Errorf("row %d: saw %s %v, want %s %v", i, got[i].Device, *got[i].TempC, w.device, w.temp)
		}
	}
	if got := read(t, src, epoch.Add(900*time.Millisecond)); len(got) != 0 {
		t.Errorf("within a second: saw %d rows, want none", len(got))
	}
	delete(tree, "sys/class/thermal/thermal_zone1/temp")
	later, err := src.Sample(epoch.Add(time.Second), nil)
	if err == nil || !strings.Contains(err.Error(), "thermal_zone1/temp") || len(later) != len(want)-1 {
		t.Errorf("one sensor gone: saw %d rows and %v, want the others and an error naming it", len(later), err)
	}
}

func TestThermalUnavailable(t *testing.T) {
	_, _, err := openThermal(machine(fixture(t, "virtual-machine")), Options{})
	if !errors.Is(err, ErrAbsent) {
		t.Errorf("no sensors: saw %v, want absent", err)
	}
	tree := fixture(t, "desktop")
	for name := range tree {
		if strings.HasPrefix(name, "sys/class/hwmon") {
			delete(tree, name)
		}
	}
	_, _, err = openThermal(machine(denied{tree, "/temp"}), Options{})
	if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "run: sudo chmod a+r") {
		t.Errorf("denied: saw %v, want permission and the command", err)
	}
}
