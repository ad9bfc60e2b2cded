package telemetry

import (
	"strings"
	"testing"
)

func TestParseCPUTimes(t *testing.T) {
	for _, c := range []struct {
		name, stat string
		want       cpuTimes
		err        string
	}{
		{"all fields", "cpu  1 2 4 8 16 32 64 128 1 1\ncpu0 1 2 4 8 16 32 64 128 1 1\nintr 5\n",
			cpuTimes{cpus: 1, busy: 1 + 2 + 4 + 32 + 64, total: 255}, ""},
		{"old kernel", "cpu 10 0 5 85\ncpu0 5 0 2 43\ncpu1 5 0 3 42\n", cpuTimes{cpus: 2, busy: 15, total: 100}, ""},
		{"a processor offline", "cpu 10 0 0 90\ncpu0 5 0 0 45\ncpu3 5 0 0 45\n", cpuTimes{cpus: 2, busy: 10, total: 100}, ""},
		{"empty", "", cpuTimes{}, "no processor times"},
		{"no processors", "cpu 1 2 3 4\n", cpuTimes{}, "no processor times"},
		{"not a number", "cpu 1 two 3 4\ncpu0 1 2 3 4\n", cpuTimes{}, `field 2 of line cpu: saw "two"`},
		{"negative", "cpu -1 2 3 4\ncpu0 1 2 3 4\n", cpuTimes{}, `field 1 of line cpu: saw "-1"`},
	} {
		got, err := parseCPUTimes([]byte(c.stat))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: saw error %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%s: saw %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

func FuzzParseCPUTimes(f *testing.F) {
	f.Add([]byte("cpu  1 2 4 8 16 32 64 128 1 1\ncpu0 1 2 4 8 16 32 64 128 1 1\nintr 5\n"))
	f.Add([]byte("cpu 18446744073709551615 1\ncpu0\n"))
	f.Add([]byte("cpu"))
	f.Fuzz(func(t *testing.T, stat []byte) {
		got, err := parseCPUTimes(stat)
		if err == nil && (got.cpus == 0 || got.total == 0) {
			t.Errorf("saw %+v without an error", got)
		}
	})
}

func TestCPUTimesSince(t *testing.T) {
	a := cpuTimes{cpus: 2, busy: 100, total: 1000}
	for _, c := range []struct {
		later       cpuTimes
		busy, total uint64
	}{
		{cpuTimes{busy: 150, total: 1100}, 50, 100},
		{a, 0, 0},
		{cpuTimes{busy: 90, total: 1100}, 0, 0}, // a processor went offline and took its time along
		{cpuTimes{busy: 110, total: 999}, 0, 0},
	} {
		if busy, total := c.later.since(a); busy != c.busy || total != c.total {
			t.Errorf("%+v since %+v: saw %d of %d, want %d of %d", c.later, a, busy, total, c.busy, c.total)
		}
	}
}

func TestTopology(t *testing.T) {
	for _, c := range []struct {
		tree              string
		folders, packages int
		virtual           bool
	}{{"desktop", 2, 1, false}, {"two-sockets", 4, 2, false}, {"virtual-machine", 2, 1, true}} {
		tree := fixture(t, c.tree)
		if got := len(cpuFolders(tree)); got != c.folders {
			t.Errorf("%s: saw %d processors, want %d", c.tree, got, c.folders)
		}
		if got := len(packageCPUs(tree)); got != c.packages {
			t.Errorf("%s: saw %d packages, want %d", c.tree, got, c.packages)
		}
		if got := virtualMachine(tree); got != c.virtual {
			t.Errorf("%s: saw virtual %t, want %t", c.tree, got, c.virtual)
		}
	}
}
