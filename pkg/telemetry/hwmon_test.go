package telemetry

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// byDevice orders rows by device and fails the test on two of one.
func byDevice(t *testing.T, rows []record.Sample) map[string]record.Sample {
	t.Helper()
	out := map[string]record.Sample{}
	for _, s := range rows {
		if _, twice := out[s.Device]; twice {
			t.Errorf("saw %s twice", s.Device)
		}
		out[s.Device] = s
	}
	return out
}

func TestHwmon(t *testing.T) {
	tree := fixture(t, "workstation")
	src, detail, err := openHwmon(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	want := "gpu:1, gpu:2 (its own mean), board:apu, gpu:3, system (its own mean), board:ina3221/VDD_IN, 2 more"
	if detail != want {
		t.Errorf("detail: saw %q, want %q", detail, want)
	}
	got := byDevice(t, read(t, src, epoch))
	for _, c := range []struct {
		device        string
		power, mean   units.Watts // 0 for null
		meanFor, each time.Duration
	}{
		{"gpu:1", 301, 290, 0, 0}, // behind the one GPU of NVIDIA's, by bus address
		{"gpu:2", 0, 25, 0, 0},
		{"board:apu", 15, 0, 0, 0},
		{"system", 0, 412, time.Second, 0},
		{"board:ina3221/VDD_IN", 7, 0, 0, 0},
		{"board:ina226/power1", 2.5, 0, 0, 140 * time.Millisecond},
		{"board:ina226/power1#2", 3.5, 0, 0, 0},
	} {
		s, ok := got[c.device]
		if !ok {
			t.Errorf("%s: saw no row", c.device)
			continue
		}
		if (s.PowerW == nil) != (c.power == 0) || s.PowerW != nil && *s.PowerW != c.power {
			t.Errorf("%s: saw %v W, want %v", c.device, units.G4Ptr(s.PowerW), c.power)
		}
		if (s.PowerAvgW == nil) != (c.mean == 0) || s.PowerAvgW != nil && *s.PowerAvgW != c.mean {
			t.Errorf("%s: saw a mean of %v W, want %v", c.device, units.G4Ptr(s.PowerAvgW), c.mean)
		}
		if max(deref(s.PowerAvgNS), 0) != int64(c.meanFor) || max(deref(s.PowerUpdateNS), 0) != int64(c.each) {
			t.Errorf("%s: saw a mean over %d ns, updates of %d ns", c.device, deref(s.PowerAvgNS), deref(s.PowerUpdateNS))
		}
	}
	gpu := got["gpu:1"]
	if *gpu.UtilPct != 97 || *gpu.MemUsedBytes != 1e6 || *gpu.MemTotalBytes != 17163091968 || *gpu.PowerLimitW != 327 ||
		*gpu.ClockMHz != 2371 || *gpu.MemClockMHz != 1249 || *gpu.TempC != 66 {
		t.Errorf("gpu:1: saw %+v", gpu)
	}
	if xe := got["gpu:3"]; xe.EnergyCounterJoules == nil || *xe.EnergyCounterJoules != 0 {
		t.Errorf("gpu:3: saw counter %v, want 0 since it was opened", xe.EnergyCounterJoules)
	}
	if len(got) != 8 {
		t.Errorf("saw %d devices, want 8: no processor, no battery, no bare voltage", len(got))
	}
	testHwmonPace(t, src, tree)
}

// Counters are read in every sweep, powers ten times a second, the rest of a GPU once.
func testHwmonPace(t *testing.T, src Source, tree fstest.MapFS) {
	set(tree, "sys/class/hwmon/hwmon8/energy2_input", "3500000")
	got := byDevice(t, read(t, src, epoch.Add(50*time.Millisecond)))
	if xe, ok := got["gpu:3"]; len(got) != 1 || !ok || *xe.EnergyCounterJoules != 2.5 {
		t.Errorf("after 50 ms: saw %+v, want 2.5 J of gpu:3 alone", got)
	}
	got = byDevice(t, read(t, src, epoch.Add(100*time.Millisecond)))
	if s := got["gpu:1"]; len(got) != 8 || s.PowerW == nil || s.UtilPct != nil {
		t.Errorf("after 100 ms: saw %+v, want powers and no utilisation", s)
	}
	if s := byDevice(t, read(t, src, epoch.Add(time.Second)))["gpu:1"]; s.UtilPct == nil {
		t.Errorf("after a second: saw %+v, want utilisation", s)
	}
	src.(prompter).prompt()
	got = byDevice(t, read(t, src, epoch.Add(time.Second+time.Millisecond)))
	if s := got["gpu:1"]; len(got) != 8 || s.PowerW == nil || s.UtilPct == nil {
		t.Errorf("on demand, a millisecond later: saw %d devices, %+v, want all of all", len(got), s)
	}
	resolution := src.(Resolver).Resolution()
	if r := resolution["gpu:1"]; r != (Resolution{Power: hwmonEvery}) {
		t.Errorf("gpu:1: saw resolution %+v", r)
	}
	if r := resolution["board:ina226/power1"]; r.Power != 140*time.Millisecond {
		t.Errorf("ina226: saw resolution %+v", r)
	}
	if r := resolution["gpu:2"]; r != (Resolution{}) {
		t.Errorf("gpu:2 gives a mean alone: saw resolution %+v", r)
	}
	delete(tree, "sys/class/hwmon/hwmon1/power1_input")
	rows, err := src.Sample(epoch.Add(2*time.Second), nil)
	if err == nil || !strings.Contains(err.Error(), "hwmon1/power1_input") || len(rows) != 8 {
		t.Errorf("a sensor gone: saw %d rows and %v, want the others and an error naming it", len(rows), err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

// Where a machine has several meters, none of them is the whole machine's.
func TestHwmonSeveralMeters(t *testing.T) {
	tree := fixture(t, "virtual-machine")
	for _, folder := range []string{"hwmon0", "hwmon1/device"} {
		set(tree, "sys/class/hwmon/"+folder+"/name", "power_meter")
		set(tree, "sys/class/hwmon/"+folder+"/power1_average", "1000000")
	}
	set(tree, "sys/class/hwmon/hwmon1/name", "power_meter") // some versions of Linux have the name twice
	_, detail, err := openHwmon(machine(tree), Options{})
	if want := "board:meter (its own mean), board:meter#2 (its own mean)"; err != nil || detail != want {
		t.Errorf("saw %q, %v, want %q", detail, err, want)
	}
}

func TestAMDEnergy(t *testing.T) {
	tree := fixture(t, "workstation")
	src, detail, err := openAMDEnergy(machine(tree), Options{})
	if err != nil || detail != "cpu:0" {
		t.Fatalf("saw %q, %v", detail, err)
	}
	set(tree, "sys/class/hwmon/hwmon3/energy2_input", "91250000")
	rows := read(t, src, epoch)
	if len(rows) != 1 || rows[0].Device != "cpu:0" || rows[0].Source != amdEnergyName || *rows[0].EnergyCounterJoules != 1.25 ||
		deref(rows[0].CounterUpdateNS) != 1e6 {
		t.Errorf("saw %+v, want 1.25 J of package 0", rows)
	}
	if r := src.(Resolver).Resolution()["cpu:0"]; r.Counter != time.Millisecond {
		t.Errorf("resolution: saw %+v", r)
	}
	set1, err := Open(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set1.Close()
	if f := finding1(t, set1.Findings(), "cpu-estimate"); f.Status != NotRequired {
		t.Errorf("the estimate beside amd_energy: saw %+v", f)
	}
	rapl, err := Open(machine(fixture(t, "desktop")), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rapl.Close()
	if f := finding1(t, rapl.Findings(), amdEnergyName); f.Status != NotRequired {
		t.Errorf("amd_energy beside RAPL, which is the same counter: saw %+v", f)
	}
}

func TestHwmonUnavailable(t *testing.T) {
	tree := fixture(t, "workstation")
	for _, open := range []func(Environment, Options) (Source, string, error){openHwmon, openAMDEnergy} {
		if _, _, err := open(machine(fixture(t, "virtual-machine")), Options{}); !errors.Is(err, ErrAbsent) {
			t.Errorf("no sensors: saw %v, want absent", err)
		}
		_, _, err := open(machine(denied{denied{denied{tree, "_average"}, "_input"}, "in1_input"}), Options{})
		if !errors.Is(err, ErrPermission) || !strings.Contains(err.Error(), "run: sudo chmod a+r") {
			t.Errorf("denied: saw %v, want permission and the command", err)
		}
	}
	_, detail, err := openHwmon(machine(denied{tree, "hwmon1/power1_input"}), Options{})
	if err != nil || !strings.HasSuffix(detail, "; not readable: /sys/class/hwmon/hwmon1/power1_input: permission denied") {
		t.Errorf("one denied: saw %q, %v", detail, err)
	}
}

// slow is a tree on a slow bus.
type slow struct{ fs.FS }

func (s slow) Open(name string) (fs.File, error) {
	if strings.Contains(name, "hwmon6/power") {
		time.Sleep(2 * hwmonDear)
	}
	return s.FS.Open(name)
}

// A sensor that is dear to read is read once per second, and the others ten times.
func TestHwmonDear(t *testing.T) {
	src, _, err := openHwmon(machine(slow{fixture(t, "workstation")}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r := src.(Resolver).Resolution()["board:ina226/power1"]; r.Power != time.Second {
		t.Errorf("saw resolution %+v, want a second", r)
	}
	read(t, src, epoch)
	got := byDevice(t, read(t, src, epoch.Add(500*time.Millisecond)))
	if _, dear := got["board:ina226/power1"]; dear || len(got) != 7 {
		t.Errorf("after half a second: saw %d devices, the dear one %t, want the others", len(got), dear)
	}
	src.(prompter).prompt()
	got = byDevice(t, read(t, src, epoch.Add(501*time.Millisecond)))
	if _, dear := got["board:ina226/power1"]; dear || len(got) != 7 {
		t.Errorf("on demand: saw %d devices, the dear one %t, want the others", len(got), dear)
	}
}
