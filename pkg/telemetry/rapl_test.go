package telemetry

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"
)

const energyFile0 = "sys/class/powercap/intel-rapl:0/energy_uj"

func TestRAPLCountsPackagesOnly(t *testing.T) {
	tree := fixture(t, "desktop")
	src, detail, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "1 package, a counter wraps after 262143 J"; detail != want {
		t.Errorf("detail: saw %q, want %q", detail, want)
	}
	got := read(t, src, epoch)
	if len(got) != 1 || got[0].Device != "cpu:0" || *got[0].EnergyCounterJoules != 0 {
		t.Fatalf("first reading: saw %+v, want cpu:0 at 0 J alone: no psys, core or mmio", got)
	}
	set(tree, energyFile0, "7500000")
	got = read(t, src, epoch.Add(time.Second))
	if *got[0].EnergyCounterJoules != 2.5 {
		t.Errorf("saw %v J, want 2.5", *got[0].EnergyCounterJoules)
	}
	if got[0].PowerW != nil {
		t.Errorf("saw a power of %v, want none: it would be the counter over again", *got[0].PowerW)
	}
}

func TestRAPLTwoSocketsWrap(t *testing.T) {
	tree := fixture(t, "two-sockets")
	src, _, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		uj0, uj1     string
		want0, want1 float64
	}{
		{"200", "999950", 100e-6, 50e-6},
		{"300", "50", 200e-6, 150e-6},           // the second package wraps at 1e6
		{"150", "60", 200e-6 + 0.99985, 160e-6}, // and now the first,
	} {
		set(tree, energyFile0, step.uj0)
		set(tree, "sys/class/powercap/intel-rapl:1/energy_uj", step.uj1)
		got := read(t, src, epoch)
		if len(got) != 2 || got[0].Device != "cpu:0" || got[1].Device != "cpu:1" {
			t.Fatalf("saw %+v, want cpu:0 and cpu:1", got)
		}
		for i, want := range []float64{step.want0, step.want1} {
			if v := float64(*got[i].EnergyCounterJoules); v < want-1e-12 || v > want+1e-12 {
				t.Errorf("%s after %+v: saw %v J, want %v", got[i].Device, step, v, want)
			}
		}
	}
}

// A counter that wraps any number of times gives back what went into it, as long as it is read once per wrap.
func TestRiseUndoesWrapping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		wrap := rapid.Uint64Range(1, 1<<40).Draw(t, "wrap")
		raw := rapid.Uint64Range(0, wrap-1).Draw(t, "start")
		var sum, want uint64
		for _, step := range rapid.SliceOf(rapid.Uint64Range(0, wrap-1)).Draw(t, "steps") {
			next := (raw + step) % wrap
			sum += rise(raw, next, wrap)
			want += step
			raw = next
		}
		if sum != want {
			t.Fatalf("saw %d, want %d", sum, want)
		}
	})
}

func TestRAPLUnavailable(t *testing.T) {
	without := func(tree fstest.MapFS, part string) fstest.MapFS {
		for name := range tree {
			if strings.Contains(name, part) {
				delete(tree, name)
			}
		}
		return tree
	}
	garbled := fixture(t, "desktop")
	set(garbled, energyFile0, "many")
	for _, c := range []struct {
		name string
		env  Environment
		is   error
		text string
	}{
		{"no permission", machine(denied{fixture(t, "desktop"), "energy_uj"}), ErrPermission, "run: " + raplGrant},
		{"no permission for the folder", machine(denied{fixture(t, "desktop"), "powercap"}), ErrPermission, "run: " + raplGrant},
		{"no driver", machine(without(fixture(t, "desktop"), "powercap")), ErrAbsent, "run: " + raplLoad},
		{"no package domain", machine(without(fixture(t, "desktop"), ":0/")), ErrAbsent, "no RAPL package"},
		{"virtual machine", machine(fixture(t, "virtual-machine")), ErrAbsent, "hypervisor"},
		{"not Linux", machine(fstest.MapFS{}), ErrAbsent, "not Linux"},
		{"no counter", machine(without(fixture(t, "desktop"), "energy_uj")), ErrAbsent, "has no counter"},
		{"garbled", machine(garbled), nil, `saw "many", want an unsigned number`},
	} {
		_, _, err := openRAPL(c.env, Options{})
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: saw %v, want an error with %q", c.name, err, c.text)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: saw %v, want errors.Is %v", c.name, err, c.is)
		}
		if c.is == nil && (errors.Is(err, ErrAbsent) || errors.Is(err, ErrPermission)) {
			t.Errorf("%s: saw %v, want neither absence nor permission", c.name, err)
		}
	}
}

func TestRAPLOnePackageFails(t *testing.T) {
	tree := fixture(t, "two-sockets")
	src, _, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	delete(tree, energyFile0)
	got, err := src.Sample(epoch, nil)
	if err == nil || !strings.Contains(err.Error(), "intel-rapl:0/energy_uj") {
		t.Errorf("saw error %v, want one naming the file", err)
	}
	if len(got) != 1 || got[0].Device != "cpu:1" {
		t.Errorf("saw %+v, want the other package's reading", got)
	}
}
