package telemetry

import (
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
)

const energyFile0 = "sys/class/powercap/intel-rapl:0/energy_uj"

// onDisk writes a tree into a folder and returns its name.
func onDisk(t testing.TB, tree fstest.MapFS) string {
	t.Helper()
	root := t.TempDir()
	for name, f := range tree {
		write(t, root, name, string(f.Data))
	}
	return root
}

func write(t testing.TB, root, name, content string) {
	t.Helper()
	file := filepath.Join(root, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// counters are the energy counters of a reading, by device.
func counters(rows []record.Sample) map[string]float64 {
	out := map[string]float64{}
	for i := range rows {
		if j := rows[i].EnergyCounterJoules; j != nil {
			out[rows[i].Device] = float64(*j)
		}
	}
	return out
}

func TestRAPLZones(t *testing.T) {
	dies := fstest.MapFS{}
	for zone, name := range map[string]string{
		"intel-rapl:0": "package-0-die-0", "intel-rapl:0:0": "dram", "intel-rapl:1": "package-0-die-1", "intel-rapl:1:0": "dram",
		"intel-rapl:2": "psys", "intel-rapl:3": "psys-1", "intel-rapl:4": "dram", "intel-rapl:5": "unheard-of", "intel-rapl:5:0": "core",
	} {
		set(dies, path.Join(raplFolder, zone, "name"), name)
		set(dies, path.Join(raplFolder, zone, "energy_uj"), "5")
		set(dies, path.Join(raplFolder, zone, "max_energy_range_uj"), "1000000")
	}
	dies[path.Join(raplFolder, "intel-rapl:4/name")].Data = []byte("reserved\n")
	twice := fixture(t, "two-sockets")
	set(twice, path.Join(raplFolder, "intel-rapl:1/name"), "package-0")
	set(twice, path.Join(raplFolder, "intel-rapl:1:0/name"), "uncore")
	for _, c := range []struct {
		name, detail string
		files        fs.FS
		devices      []string
	}{
		{"two zones of one name", "1 package with dram, uncore, a counter wraps after 1 J; left out: cpu:0 (a second zone of that name)", twice,
			[]string{"cpu:0", "dram:0", "uncore:0"}},
		{"desktop", "1 package with core, psys, uncore, a counter wraps after 262143 J", fixture(t, "desktop"),
			[]string{"core:0", "cpu:0", "psys", "uncore:0"}}, // and no mmio
		{"server", "2 packages with dram, a counter wraps after 1 J", fixture(t, "two-sockets"),
			[]string{"cpu:0", "cpu:1", "dram:0", "dram:1"}},
		{"AMD", "1 package, a counter wraps after 65533 J; left out: core:0 (on AMD the counter of a single core)", fixture(t, "amd"),
			[]string{"cpu:0"}},
		{"dies", "2 packages with dram, psys, a counter wraps after 1 J", dies,
			[]string{"cpu:0-die-0", "cpu:0-die-1", "dram:0-die-0", "dram:0-die-1", "psys", "psys:1"}},
		{"part denied", "2 packages with dram, a counter wraps after 1 J; left out: dram:1 (not readable)",
			denied{fixture(t, "two-sockets"), "intel-rapl:1:0/energy_uj"}, []string{"cpu:0", "cpu:1", "dram:0"}},
		{"part without a range", "2 packages with dram, a counter wraps after 1 J; left out: dram:1 (no max_energy_range_uj)",
			lessFile(t, "intel-rapl:1:0/max_energy_range_uj"), []string{"cpu:0", "cpu:1", "dram:0"}},
		{"part without a name", "2 packages with dram, a counter wraps after 1 J; left out: intel-rapl:1:0 (no name)",
			lessFile(t, "intel-rapl:1:0/name"), []string{"cpu:0", "cpu:1", "dram:0"}},
	} {
		src, detail, err := openRAPL(machine(c.files), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if detail != c.detail {
			t.Errorf("%s: saw detail %q, want %q", c.name, detail, c.detail)
		}
		if got := slices.Sorted(maps.Keys(counters(read(t, src, epoch)))); !slices.Equal(got, c.devices) {
			t.Errorf("%s: saw devices %v, want %v", c.name, got, c.devices)
		}
		if err := src.Close(); err != nil {
			t.Errorf("%s: close: %v", c.name, err)
		}
	}
}

// lessFile is the machine of two packages without one file.
func lessFile(t *testing.T, file string) fstest.MapFS {
	tree := fixture(t, "two-sockets")
	delete(tree, path.Join(raplFolder, file))
	return tree
}

func TestRAPLReading(t *testing.T) {
	tree := fixture(t, "desktop")
	src, _, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range read(t, src, epoch) {
		if *s.EnergyCounterJoules != 0 || s.PowerW != nil {
			t.Errorf("%s: saw %v J and power %v, want 0 J and no power: it would be the counter over again",
				s.Device, *s.EnergyCounterJoules, s.PowerW)
		}
		// More than a millisecond where the test was held up while it read; of the platform no document says.
		if got := deref(s.CounterUpdateNS); s.Device == "psys" && got != -1 || s.Device != "psys" && got < 1e6 {
			t.Errorf("%s: saw counter_update_ns %d", s.Device, got)
		}
	}
	want := map[string]Resolution{"cpu:0": {Counter: raplUpdate}, "core:0": {Counter: raplUpdate}, "uncore:0": {Counter: raplUpdate}, "psys": {}}
	if got := src.(Resolver).Resolution(); !maps.Equal(got, want) {
		t.Errorf("saw resolution %v, want %v", got, want)
	}
	set(tree, energyFile0, "7500000")
	set(tree, "sys/class/powercap/intel-rapl:1/energy_uj", "91000000")
	rows := read(t, src, epoch.Add(slowEvery/2))
	if got, want := counters(rows), map[string]float64{"cpu:0": 2.5, "core:0": 0, "uncore:0": 0, "psys": 1}; !maps.Equal(got, want) {
		t.Errorf("saw %v, want %v", got, want)
	}
	if got := deref(rows[0].CounterUpdateNS); got != -1 && got <= int64(raplUpdate+prompt) {
		t.Error("saw counter_update_ns before its turn")
	}
}

// The tree on disk is read through files that stay open.
func TestRAPLOnDisk(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the names of powercap have colons, which Windows takes for streams of a file")
	}
	root := onDisk(t, fixture(t, "two-sockets"))
	src, _, err := openRAPL(Environment{Host: "testhost", Root: root}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, energyFile0, "2600\n")
	if got := counters(read(t, src, epoch))["cpu:0"]; got != 0.0025 {
		t.Errorf("saw %v J, want 0.0025", got)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	for _, z := range src.(*rapl).zones {
		if z.counter.open != nil {
			t.Errorf("%s: still open", z.device)
		}
	}
}

func TestRAPLWrapsPerZone(t *testing.T) {
	tree := fixture(t, "two-sockets")
	src, _, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		cpu0, cpu1, dram1             string
		wantCPU0, wantCPU1, wantDRAM1 float64
	}{
		{"200", "999950", "1900", 100e-6, 50e-6, 1300e-6},
		{"300", "50", "1900", 200e-6, 150e-6, 1300e-6},           // the second package wraps at 1e6
		{"150", "60", "100", 200e-6 + 0.99985, 160e-6, 1500e-6},  // and now the first, and the memory at 2000
		{"150", "60", "99", 200e-6 + 0.99985, 160e-6, 3499e-6},   // nearly a whole round
		{"150", "60", "2000", 200e-6 + 0.99985, 160e-6, 5400e-6}, // its highest value
		{"150", "60", "2000", 200e-6 + 0.99985, 160e-6, 5400e-6}, // two readings within one update
	} {
		set(tree, energyFile0, step.cpu0)
		set(tree, "sys/class/powercap/intel-rapl:1/energy_uj", step.cpu1)
		set(tree, "sys/class/powercap/intel-rapl:1:0/energy_uj", step.dram1)
		got := counters(read(t, src, epoch))
		want := map[string]float64{"cpu:0": step.wantCPU0, "cpu:1": step.wantCPU1, "dram:0": 0, "dram:1": step.wantDRAM1}
		for device, w := range want {
			if v, ok := got[device]; !ok || math.Abs(v-w) > 1e-12 {
				t.Errorf("%s after %+v: saw %v J, want %v", device, step, v, w)
			}
		}
	}
}

// A counter that began again (the machine was suspended) did not wrap: no energy is made up, it is told of, and the recording
// shows that the counter fell.
func TestRAPLCounterBeginsAgain(t *testing.T) {
	tree := fixture(t, "desktop")
	src, _, err := openRAPL(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	set(tree, energyFile0, "9000000")
	read(t, src, epoch)
	set(tree, energyFile0, "3000000")
	rows, err := src.Sample(epoch.Add(50*time.Millisecond), nil)
	if err == nil || !strings.Contains(err.Error(), "intel-rapl:0/energy_uj: the counter began again, from 9000000 to 3000000 uJ") {
		t.Errorf("saw %v", err)
	}
	if got, ok := counters(rows)["cpu:0"]; !ok || got != 0 || len(rows) != 4 {
		t.Errorf("saw %v, want 0 of the counter and the three other zones", counters(rows))
	}
	set(tree, energyFile0, "3500000")
	if got := counters(read(t, src, epoch.Add(100*time.Millisecond)))["cpu:0"]; got != 0.5 {
		t.Errorf("saw %v J, want 0.5", got)
	}
}

// What no package draws from one reading to the next is no rise, nor is one that may have wrapped while nothing was read.
func TestRAPLRiseThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrap  string
		after time.Duration
		to    string
		want  float64
		told  string
	}{
		{"a fall far from the end", "262143328850", 50 * time.Millisecond, "100000", 0, "began again, from 9000000 to 100000 uJ"},
		{"300 J within 50 ms", "262143328850", 50 * time.Millisecond, "309000000", 0, "began again, from 9000000 to 309000000 uJ"},
		{"the same within a second", "262143328850", time.Second, "309000000", 308, ""},
		{"a wrap", "10000000", 50 * time.Millisecond, "1000000", 10, ""},
		{"the same after 1.5 s without a reading", "10000000", 1500 * time.Millisecond, "1000000", 0, "not read for 1.5 s, in which a counter that wraps after 10 J"},
		{"15 s without a reading", "262143328850", 15 * time.Second, "409000000", 408, ""},
		{"a minute", "262143328850", time.Minute, "409000000", 0, "may have wrapped unseen"},
	} {
		tree := fixture(t, "desktop")
		set(tree, "sys/class/powercap/intel-rapl:0/max_energy_range_uj", c.wrap)
		set(tree, energyFile0, "1000000")
		src, _, err := openRAPL(machine(tree), Options{})
		if err != nil {
			t.Fatal(err)
		}
		set(tree, energyFile0, "9000000")
		read(t, src, epoch)
		set(tree, energyFile0, c.to)
		rows, err := src.Sample(epoch.Add(c.after), nil)
		if c.told == "" && err != nil || c.told != "" && (err == nil || !strings.Contains(err.Error(), c.told)) {
			t.Errorf("%s: saw %v, want %q", c.name, err, c.told)
		}
		if got, ok := counters(rows)["cpu:0"]; !ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: saw %v J, want %v", c.name, got, c.want)
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
	part := fixture(t, "desktop")
	delete(part, "sys/class/powercap/intel-rapl:0/name")
	garbled := fixture(t, "desktop")
	set(garbled, energyFile0, "many")
	negative := fixture(t, "desktop")
	set(negative, energyFile0, "-5")
	for _, c := range []struct {
		name string
		env  Environment
		is   error
		text string
	}{
		{"no permission", machine(denied{fixture(t, "desktop"), "energy_uj"}), ErrPermission, "run: " + raplGrant},
		{"no permission for the folder", machine(denied{fixture(t, "desktop"), "powercap"}), ErrPermission, "run: " + raplGrant},
		{"no driver", machine(without(fixture(t, "desktop"), "powercap")), ErrAbsent, "run: " + raplLoad},
		{"no package domain", machine(without(fixture(t, "desktop"), "intel-rapl:0")), ErrAbsent, "no RAPL package"},
		{"virtual machine", machine(fixture(t, "virtual-machine")), ErrAbsent, "hypervisor"},
		{"not Linux", machine(fstest.MapFS{}), ErrAbsent, "not Linux"},
		{"no counter", machine(without(fixture(t, "desktop"), "energy_uj")), nil,
			"/sys/class/powercap/intel-rapl:0 has no energy_uj"},
		{"no range", machine(without(fixture(t, "desktop"), "max_energy_range_uj")), nil,
			"/sys/class/powercap/intel-rapl:0 has no max_energy_range_uj, without which nobody knows where its counter wraps"},
		{"one of two without a range", machine(lessFile(t, "intel-rapl:1/max_energy_range_uj")), nil,
			"its counter wraps; it is one of 2 packages, and as the others' energy would pass for that of all, none is read"},
		{"no name", machine(part), ErrAbsent, "has no name"},
		{"second package denied", machine(denied{fixture(t, "two-sockets"), "intel-rapl:1/energy_uj"}), ErrPermission, "run: " + raplGrant},
		{"garbled", machine(garbled), nil, `saw "many", want a number`},
		{"negative", machine(negative), nil, "saw -5, want an unsigned number"},
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
	if _, ok := counters(got)["cpu:1"]; !ok || len(got) != 3 {
		t.Errorf("saw %v, want the other package's reading", counters(got))
	}
}
