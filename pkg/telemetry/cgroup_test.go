package telemetry

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func cgroupTree(t *testing.T, files ...string) fstest.MapFS {
	tree := fixture(t, "virtual-machine")
	for i := 0; i < len(files); i += 2 {
		set(tree, files[i], files[i+1])
	}
	return tree
}

func TestCgroup(t *testing.T) {
	const v2, v1 = "sys/fs/cgroup/app/job/", "sys/fs/cgroup/"
	for _, c := range []struct {
		name, detail          string
		files                 []string
		later                 []string // what is read 100 ms later
		memory, limit, cpu    int64    // -1 for null
		throttled, laterQuota string
	}{
		{"version 2", "version 2, memory limit 2 GiB, a quota of processor time",
			[]string{"proc/self/cgroup", "0::/app/job", v2 + "memory.current", "1000", v2 + "memory.max", "2147483648",
				v2 + "cpu.max", "50000 100000", v2 + "cpu.stat", "usage_usec 500\nnr_throttled 2\nthrottled_usec 70"},
			[]string{v2 + "cpu.stat", "usage_usec 530\nnr_throttled 3\nthrottled_usec 71"},
			1000, 2147483648, 30_000, "", "cgroup_quota"},
		{"version 2, limit and quota of the group around", "version 2, memory limit 1 GiB, a quota of processor time",
			[]string{"proc/self/cgroup", "0::/app/job", v2 + "memory.current", "1000", v2 + "memory.max", "2147483648",
				v1 + "app/memory.max", "1073741824", v1 + "memory.max", "max", v2 + "cpu.max", "max 100000",
				v1 + "app/cpu.max", "50000 100000", v1 + "app/cpu.stat", "usage_usec 900\nthrottled_usec 5",
				v2 + "cpu.stat", "usage_usec 500\nthrottled_usec 0"},
			[]string{v1 + "app/cpu.stat", "usage_usec 990\nthrottled_usec 6", v2 + "cpu.stat", "usage_usec 510\nthrottled_usec 0"},
			1000, 1 << 30, 10_000, "", "cgroup_quota"},
		{"version 2, no limit and no quota", "version 2, no memory limit",
			[]string{"proc/self/cgroup", "0::/app/job", v2 + "memory.current", "1000", v2 + "memory.max", "max",
				v2 + "cpu.stat", "usage_usec 500"},
			[]string{v2 + "cpu.stat", "usage_usec 500"}, 1000, -1, 0, "", ""},
		{"version 2, the host's path seen from a container", "version 2, no memory limit",
			[]string{"proc/self/cgroup", "0::/../../host", v1 + "memory.current", "1000"}, nil, 1000, -1, -1, "", ""},
		{"version 1", "version 1, memory limit 1 GiB, a quota of processor time",
			[]string{"proc/self/cgroup", "4:memory:/box\n3:cpu,cpuacct:/box\n1:name=systemd:/\n0::/",
				v1 + "memory/box/memory.usage_in_bytes", "1000", v1 + "memory/box/memory.limit_in_bytes", "1073741824",
				v1 + "cpu/box/cpu.cfs_quota_us", "50000", v1 + "cpu/cpu.cfs_quota_us", "-1",
				v1 + "cpu/box/cpu.stat", "nr_throttled 0\nthrottled_time 5", v1 + "cpuacct/box/cpuacct.usage", "900"},
			[]string{v1 + "cpu/box/cpu.stat", "throttled_time 6", v1 + "cpuacct/box/cpuacct.usage", "1000"},
			1000, 1 << 30, 100, "", "cgroup_quota"},
		{"version 1, no limit", "version 1, no memory limit",
			[]string{"proc/self/cgroup", "4:memory:/", v1 + "memory/memory.usage_in_bytes", "1000",
				v1 + "memory/memory.limit_in_bytes", "9223372036854771712"}, nil, 1000, -1, -1, "", ""},
	} {
		tree := cgroupTree(t, c.files...)
		src, detail, err := openCgroup(machine(tree), Options{})
		if err != nil || detail != c.detail {
			t.Errorf("%s: saw %q and %v, want %q", c.name, detail, err, c.detail)
			continue
		}
		if s := read(t, src, epoch)[0]; s.Throttle != c.throttled {
			t.Errorf("%s: throttle: saw %q, want %q", c.name, s.Throttle, c.throttled)
		}
		if got := read(t, src, epoch.Add(50*time.Millisecond)); len(got) != 0 {
			t.Errorf("%s: saw %d rows after 50 ms, want none", c.name, len(got))
		}
		for i := 0; i < len(c.later); i += 2 {
			set(tree, c.later[i], c.later[i+1])
		}
		s := read(t, src, epoch.Add(100*time.Millisecond))[0]
		if s.Device != "cgroup" || deref(s.MemUsedBytes) != c.memory || deref(s.MemTotalBytes) != c.limit ||
			deref(s.CPUTimeNS) != c.cpu || s.Throttle != c.laterQuota {
			t.Errorf("%s: saw memory %d of %d, cpu %d, throttle %q, want %d of %d, %d, %q", c.name, deref(s.MemUsedBytes),
				deref(s.MemTotalBytes), deref(s.CPUTimeNS), s.Throttle, c.memory, c.limit, c.cpu, c.laterQuota)
		}
	}
}

// deref is the value, -1 for null.
func deref[T ~int64](v *T) int64 {
	if v == nil {
		return -1
	}
	return int64(*v)
}

func TestCgroupUnavailable(t *testing.T) {
	for _, files := range [][]string{nil, {"proc/self/cgroup", "0::/"}, {"proc/self/cgroup", "nonsense"}} {
		_, _, err := openCgroup(machine(cgroupTree(t, files...)), Options{})
		if !errors.Is(err, ErrAbsent) {
			t.Errorf("%q: saw %v, want absent", files, err)
		}
	}
	tree := cgroupTree(t, "proc/self/cgroup", "0::/", "sys/fs/cgroup/memory.current", "10")
	if _, _, err := openCgroup(machine(denied{tree, "self/cgroup"}), Options{}); !errors.Is(err, ErrPermission) {
		t.Errorf("denied: saw %v, want permission", err)
	}
	src, _, err := openCgroup(machine(tree), Options{})
	if err != nil {
		t.Fatal(err)
	}
	set(tree, "sys/fs/cgroup/memory.current", "much")
	got, err := src.Sample(epoch, nil)
	if err == nil || !strings.Contains(err.Error(), `memory.current: saw "much"`) || len(got) != 1 || got[0].MemUsedBytes != nil {
		t.Errorf("saw %+v, %v", got, err)
	}
}
