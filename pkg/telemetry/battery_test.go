package telemetry

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestBattery(t *testing.T) {
	tree := fixture(t, "workstation")
	src, detail, err := openBatteries(machine(tree), Options{})
	if want := "BAT0 discharges now, BAT1 does not discharge now, so it gives no readings"; err != nil || detail != want {
		t.Fatalf("saw %q, %v, want %q", detail, err, want)
	}
	rows := read(t, src, epoch)
	if len(rows) != 1 || rows[0].Device != "battery:BAT0" || *rows[0].PowerW != 8.25 || rows[0].EnergyCounterJoules != nil {
		t.Errorf("saw %+v, want 8.25 W of BAT0 alone", rows)
	}
	if rows := read(t, src, epoch.Add(900*time.Millisecond)); len(rows) != 0 {
		t.Errorf("within a second: saw %+v", rows)
	}
	set(tree, "sys/class/power_supply/BAT1/status", "Discharging")
	set(tree, "sys/class/power_supply/BAT0/status", "Charging")
	rows = read(t, src, epoch.Add(time.Second))
	if len(rows) != 1 || rows[0].Device != "battery:BAT1" || *rows[0].PowerW != 6 {
		t.Errorf("saw %+v, want 0.5 A at 12 V of BAT1", rows)
	}
	set(tree, "sys/class/power_supply/BAT1/current_now", "unknown")
	rows, err = src.Sample(epoch.Add(2*time.Second), nil)
	if err == nil || !strings.Contains(err.Error(), `BAT1/current_now: saw "unknown"`) || len(rows) != 0 {
		t.Errorf("saw %v, %v", rows, err)
	}
	if r := src.(Resolver).Resolution()["battery:BAT0"]; r.Power != time.Second {
		t.Errorf("resolution: saw %+v", r)
	}
}

func TestBatteryUnavailable(t *testing.T) {
	if _, _, err := openBatteries(machine(fixture(t, "desktop")), Options{}); !errors.Is(err, ErrAbsent) {
		t.Errorf("no battery: saw %v, want absent", err)
	}
	tree := fixture(t, "workstation")
	if _, _, err := openBatteries(machine(denied{tree, "power_now"}), Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("denied: saw %v, want permission", err)
	}
	delete(tree, "sys/class/power_supply/BAT0/power_now")
	if _, _, err := openBatteries(machine(tree), Options{}); !errors.Is(err, ErrAbsent) ||
		!strings.Contains(err.Error(), "does not tell its power (/sys/class/power_supply/BAT0/current_now") {
		t.Errorf("a battery without a gauge: saw %v, want absent", err)
	}
}
