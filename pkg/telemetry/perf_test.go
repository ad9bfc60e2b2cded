package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// powerUnit is the kernel's part of perf's energy events under test: it remembers which were asked for, as
// "kind/config@cpu", and gives them the counts that a test sets.
type powerUnit struct {
	counts  map[string]uint64
	fails   map[string]error // on opening
	silent  map[string]error // on reading
	opened  []string
	closed  int
	closing error
}

type powerEvent struct {
	unit *powerUnit
	key  string
}

func (u *powerUnit) open(kind uint32, config uint64, cpu int) (perfCounter, error) {
	key := fmt.Sprintf("%d/%d@%d", kind, config, cpu)
	if err := u.fails[key]; err != nil {
		return nil, err
	}
	u.opened = append(u.opened, key)
	return &powerEvent{u, key}, nil
}

func (e *powerEvent) count() (uint64, error) { return e.unit.counts[e.key], e.unit.silent[e.key] }

func (e *powerEvent) close() error {
	e.unit.closed++
	return e.unit.closing
}

// perfTree is the laptop with the processors of cpumask, each of a package and a die.
func perfTree(t *testing.T, mask string, topology map[int][2]string) fstest.MapFS {
	tree := fixture(t, "laptop")
	set(tree, perfFolder+"/cpumask", mask)
	for cpu, id := range topology {
		set(tree, fmt.Sprintf("%s/cpu%d/topology/physical_package_id", cpuFolder, cpu), id[0])
		set(tree, fmt.Sprintf("%s/cpu%d/topology/die_id", cpuFolder, cpu), id[1])
	}
	return tree
}

func TestPerf(t *testing.T) {
	const pkg0, pkg1, psys = "23/2@0", "23/2@18", "23/5@0"
	unit := &powerUnit{counts: map[string]uint64{pkg0: 1 << 14, psys: 7}}
	env := machine(perfTree(t, "0,18", map[int][2]string{0: {"0", "0"}, 18: {"1", "0"}}))
	env.perf = unit.open
	src, detail, err := openPerf(env, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "2 packages, cpu, core, uncore, psys"; detail != want {
		t.Errorf("saw detail %q, want %q", detail, want)
	}
	if want := []string{pkg0, pkg1, "23/1@0", "23/1@18", "23/4@0", "23/4@18", psys}; !slices.Equal(unit.opened, want) {
		t.Errorf("saw %v opened, want %v", unit.opened, want)
	}
	unit.counts[pkg0] += 3 << 14
	unit.counts[pkg1] += 1 << 13
	rows := read(t, src, epoch)
	want := map[string]float64{"cpu:0": 3, "cpu:1": 0.5, "core:0": 0, "core:1": 0, "uncore:0": 0, "uncore:1": 0, "psys": 0}
	if got := counters(rows); !maps.Equal(got, want) {
		t.Errorf("saw %v, want %v", got, want)
	}
	for _, s := range rows {
		known := deref(s.CounterUpdateNS) >= int64(raplUpdate) // more where the test was held up while it read
		if known != (s.Device != "psys") || s.PowerW != nil || s.Source != "perf" {
			t.Errorf("saw %+v", s)
		}
	}
	if got := deref(read(t, src, epoch.Add(time.Millisecond))[0].CounterUpdateNS); got != -1 && got <= int64(raplUpdate+prompt) {
		t.Error("saw counter_update_ns before its turn")
	}
	resolution := src.(Resolver).Resolution()
	if resolution["cpu:1"] != (Resolution{Counter: raplUpdate}) || resolution["psys"] != (Resolution{}) || len(resolution) != 7 {
		t.Errorf("saw resolution %v", resolution)
	}
	if err := src.Close(); err != nil || unit.closed != len(unit.opened) {
		t.Errorf("close: saw %v and %d closed, want %d", err, unit.closed, len(unit.opened))
	}
}

func TestPerfDies(t *testing.T) {
	env := machine(perfTree(t, "0-1", map[int][2]string{0: {"0", "0"}, 1: {"0", "1"}}))
	src, _, err := openPerf(env, Options{})
	if err != nil {
		t.Fatal(err)
	}
	devices := slices.Sorted(maps.Keys(counters(read(t, src, epoch))))
	want := []string{"core:0-die-0", "core:0-die-1", "cpu:0-die-0", "cpu:0-die-1", "psys", "uncore:0-die-0", "uncore:0-die-1"}
	if !slices.Equal(devices, want) {
		t.Errorf("saw %v, want %v as rapl has them", devices, want)
	}
}

// An event that fails, or falls, is left out of the sweep and told of; the others go on.
func TestPerfReadingFails(t *testing.T) {
	unit := &powerUnit{counts: map[string]uint64{"23/1@0": 5}, silent: map[string]error{}}
	env := machine(fixture(t, "laptop"))
	env.perf = unit.open
	src, _, err := openPerf(env, Options{})
	if err != nil {
		t.Fatal(err)
	}
	unit.silent["23/2@0"], unit.counts["23/1@0"] = syscall.EIO, 4
	rows, err := src.Sample(epoch, nil)
	if err == nil || !strings.Contains(err.Error(), "cpu:0: ") || !strings.Contains(err.Error(), "core:0: the counter fell from 5 to 4") {
		t.Errorf("saw %v", err)
	}
	if got, want := counters(rows), map[string]float64{"uncore:0": 0, "psys": 0}; !maps.Equal(got, want) {
		t.Errorf("saw %v, want %v", got, want)
	}
	unit.closing = syscall.EBADF
	if err := src.Close(); !errors.Is(err, syscall.EBADF) {
		t.Errorf("close: saw %v", err)
	}
}

func TestPerfUnavailable(t *testing.T) {
	with := func(name, content string) fstest.MapFS {
		tree := fixture(t, "laptop")
		set(tree, name, content)
		return tree
	}
	without := func(name string) fstest.MapFS {
		tree := fixture(t, "laptop")
		delete(tree, name)
		return tree
	}
	const pkg = perfFolder + "/events/energy-pkg"
	topology := cpuFolder + "/cpu0/topology/physical_package_id"
	for _, c := range []struct {
		name  string
		files fs.FS
		fails error // of the event of the package
		is    error
		text  string
	}{
		{"nothing", fstest.MapFS{}, nil, ErrAbsent, "no energy events here"},
		{"paranoid", fixture(t, "laptop"), syscall.EACCES, ErrPermission, "perf_event_paranoid (2) keeps from this user; run: " + perfGrant},
		{"not permitted", without(perfParanoid), syscall.EPERM, ErrPermission, "(not known)"},
		{"refused", fixture(t, "laptop"), syscall.ENOSYS, ErrAbsent, "refuses perf_event_open"},
		{"no device", fixture(t, "laptop"), syscall.ENODEV, nil, "event energy-pkg on processor 0"},
		{"no event of the package", without(pkg), nil, ErrAbsent, "no event energy-pkg"},
		{"files denied", denied{fixture(t, "laptop"), "/type"}, nil, ErrPermission, perfGrant},
		{"no mask", without(perfFolder + "/cpumask"), nil, ErrAbsent, "/" + perfFolder + "/cpumask: file does not exist"},
		{"no topology", without(topology), nil, ErrAbsent, "/" + topology + ": file does not exist: which package"},
		{"no dies", perfTree(t, "0,1", nil), nil, ErrAbsent, "cpu0/topology/die_id: file does not exist: which package"},
		{"garbled type", with(perfFolder+"/type", "x"), nil, nil, "want an unsigned number"},
		{"garbled mask", with(perfFolder+"/cpumask", "0-"), nil, nil, `saw "0-", want a list of processors`},
		{"garbled event", with(pkg, "umask=1"), nil, nil, `saw "umask=1", want event=NUMBER`},
		{"garbled code", with(pkg, "event=x"), nil, nil, `saw "event=x", want event=NUMBER`},
		{"another unit", with(pkg+".unit", "Watts"), nil, nil, `saw "Watts", want Joules`},
		{"no unit", without(pkg + ".unit"), nil, ErrAbsent, "/" + pkg + ".unit: file does not exist"},
		{"no scale", without(pkg + ".scale"), nil, ErrAbsent, "/" + pkg + ".scale: file does not exist"},
		{"garbled scale", with(pkg+".scale", "-1"), nil, nil, `saw "-1", want a positive number`},
	} {
		unit := &powerUnit{fails: map[string]error{"23/2@0": c.fails}}
		env := machine(c.files)
		env.perf = unit.open
		_, _, err := openPerf(env, Options{})
		if err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: saw %v, want an error with %q", c.name, err, c.text)
		}
		if c.is != nil && !errors.Is(err, c.is) || c.is == nil && (errors.Is(err, ErrAbsent) || errors.Is(err, ErrPermission)) {
			t.Errorf("%s: saw %v, want errors.Is %v", c.name, err, c.is)
		}
		if unit.closed != len(unit.opened) {
			t.Errorf("%s: saw %d of %d events closed", c.name, unit.closed, len(unit.opened))
		}
	}
}

// All packages or none, and the parts that cannot be opened are named.
func TestPerfAllOrNone(t *testing.T) {
	unit := &powerUnit{fails: map[string]error{"23/2@18": syscall.EACCES}}
	env := machine(perfTree(t, "0,18", map[int][2]string{0: {"0", "0"}, 18: {"1", "0"}}))
	env.perf = unit.open
	if _, _, err := openPerf(env, Options{}); !errors.Is(err, ErrPermission) || unit.closed != 1 {
		t.Errorf("saw %v and %d closed, want no permission and the other package's closed", err, unit.closed)
	}
	unit = &powerUnit{fails: map[string]error{"23/1@18": syscall.EINVAL}, silent: map[string]error{"23/5@0": syscall.EIO}}
	env.perf = unit.open
	src, detail, err := openPerf(env, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "2 packages, cpu, uncore; not readable and left out: core, psys"; detail != want {
		t.Errorf("saw %q, want %q", detail, want)
	}
	if err := src.Close(); err != nil || unit.closed != len(unit.opened) {
		t.Errorf("close: saw %v and %d of %d closed", err, unit.closed, len(unit.opened))
	}
}

// rapl, then perf, then the estimate: the first that can be read is the only one.
func TestFallbacksInOrder(t *testing.T) {
	both := fixture(t, "desktop")
	maps.Copy(both, fixture(t, "laptop"))
	refused := machine(denied{both, "energy_uj"})
	refused.perf = (&powerUnit{fails: map[string]error{"23/2@0": syscall.EACCES}}).open
	for _, c := range []struct {
		name string
		env  Environment
		want map[string]Status
	}{
		{"powercap", machine(both), map[string]Status{"rapl": Present, "perf": NotRequired, "cpu-estimate": NotRequired}},
		{"perf", machine(denied{both, "energy_uj"}), map[string]Status{"rapl": NoAccess, "perf": Present, "cpu-estimate": NotRequired}},
		{"neither", refused, map[string]Status{"rapl": NoAccess, "perf": NoAccess, "cpu-estimate": Present}},
	} {
		set, err := Open(c.env, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]Status{}
		for name := range c.want {
			got[name] = finding1(t, set.Findings(), name).Status
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: saw %v, want %v", c.name, got, c.want)
		}
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	}
	set, err := Open(machine(both), Options{CPUIdleWatts: units.Ptr(units.Watts(1)), CPUMaxWatts: units.Ptr(units.Watts(2))})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := finding1(t, set.Findings(), "perf").Detail, "rapl measures processor power here"; got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
}

func TestCPUList(t *testing.T) {
	for text, want := range map[string][]int{
		"0": {0}, "0,18": {0, 18}, "0-2,1,7": {0, 1, 2, 7}, "18,0": {0, 18},
		"": nil, "a": nil, "3-1": nil, "-1": nil, "1,": nil, "0-999999999": nil,
	} {
		got, ok := cpuList(text)
		if !slices.Equal(got, want) || ok != (want != nil) {
			t.Errorf("%q: saw %v, %t, want %v", text, got, ok, want)
		}
	}
}

// What is taken for a list of processors is in order and has each once, and says the same when it is written out.
func FuzzCPUList(f *testing.F) {
	for _, text := range []string{"0", "0,18", "0-2,1,7", "", "3-1", "1,", "0-70000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cpus, ok := cpuList(text)
		if ok == (len(cpus) == 0) {
			t.Fatalf("%q: saw %d processors and %t", text, len(cpus), ok)
		}
		var parts []string
		for i, cpu := range cpus {
			if cpu < 0 || i > 0 && cpu <= cpus[i-1] {
				t.Fatalf("%q: saw %d after %v", text, cpu, cpus[:i])
			}
			parts = append(parts, fmt.Sprint(cpu))
		}
		if again, _ := cpuList(strings.Join(parts, ",")); !slices.Equal(again, cpus) {
			t.Fatalf("%q: saw %v, and %v when written out", text, cpus, again)
		}
	})
}
