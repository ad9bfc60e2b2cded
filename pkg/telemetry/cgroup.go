package telemetry

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	cgroupName  = "cgroup"
	cgroupMount = "sys/fs/cgroup"
	// cgroupEvery is how often the group is read: once per default period of a processor quota (cpu.max, 100 ms), within
	// which a group is held up once at most.
	cgroupEvery = 100 * time.Millisecond
	// cgroupNoLimit is the least that version 1 writes for "no limit": the highest signed number, down to a page.
	cgroupNoLimit = 1 << 62
)

func init() {
	register(member{name: cgroupName, measures: "memory, processor time and quota of this process's control group",
		open: openCgroup})
}

// cgroup reads the control group that this process is in, as device "cgroup": memory in use (page cache included) and its
// limit, processor time since the source was opened, and "cgroup_quota" in throttle where a quota of processor time held
// the group up since the row before. Limit and quota may also be those of a group that this one is in. It knows version 2
// and version 1 (Linux, Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/).
type cgroup struct {
	env   Environment
	pace  every
	files cgroupFiles

	base      time.Duration // processor time when the source was opened
	throttled uint64        // at the last row, in the unit of the version
}

// cgroupFiles are the files of a group, nil where a controller is not there. Version 1 counts time in nanoseconds,
// version 2 in microseconds.
type cgroupFiles struct {
	version              string
	memory, limit        *kept
	stat, usage          *kept   // usage is version 1's file of its own
	quotas               []*kept // the files cpu.stat of this group and of those around it that have a quota
	usageKey, throttling string
	unit                 time.Duration
}

var _ Source = (*cgroup)(nil)

func openCgroup(env Environment, _ Options) (Source, string, error) {
	files := env.fsys()
	text, err := readText(files, "proc/self/cgroup")
	if err != nil {
		return nil, "", cannotOpen(err, "no /proc/self/cgroup: the kernel has no control groups", "sudo mount -o remount,hidepid=0 /proc")
	}
	c := &cgroup{env: env, pace: every{span: cgroupEvery}, files: findCgroup(files, text)}
	if c.files.memory == nil && c.files.stat == nil {
		return nil, "", &unavailable{kind: ErrAbsent, why: "this process is in no control group that counts memory or processor time"}
	}
	if c.base, err = c.cpuTime(); err != nil {
		return nil, "", errors.Join(err, c.Close())
	}
	if c.throttled, err = c.heldUp(); err != nil {
		return nil, "", errors.Join(err, c.Close())
	}
	return c, c.describe(), nil
}

// findCgroup finds the files of the group that /proc/self/cgroup names, by lines "number:controllers:path". Version 2 has
// the number 0 and no controllers. Within a container the path may be the host's, which is not to be seen from inside:
// then the container's own group is the root of the mount.
func findCgroup(files fs.FS, self string) cgroupFiles {
	groups := map[string]string{}
	for line := range strings.Lines(self) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			groups[controller] = parts[2]
		}
	}
	find := func(mount, group, name string) *kept {
		for _, folder := range []string{path.Join(cgroupMount, mount, group), path.Join(cgroupMount, mount)} {
			k := keep(files, path.Join(folder, name))
			if _, err := k.read(); err == nil {
				return k
			}
		}
		return nil
	}
	if group, ok := groups[""]; ok {
		v2 := cgroupFiles{version: "version 2", memory: find("", group, "memory.current"),
			limit: tightest(files, "", group, "memory.max"), stat: find("", group, "cpu.stat"), quotas: withQuota(files, "", group, "cpu.max"),
			usageKey: "usage_usec", throttling: "throttled_usec", unit: time.Microsecond}
		if v2.memory != nil || v2.stat != nil {
			return v2
		}
	}
	return cgroupFiles{version: "version 1", memory: find("memory", groups["memory"], "memory.usage_in_bytes"),
		limit: tightest(files, "memory", groups["memory"], "memory.limit_in_bytes"), stat: find("cpu", groups["cpu"], "cpu.stat"),
		quotas: withQuota(files, "cpu", groups["cpu"], "cpu.cfs_quota_us"),
		usage:  find("cpuacct", groups["cpuacct"], "cpuacct.usage"), throttling: "throttled_time", unit: time.Nanosecond}
}

// outwards lists the folders of a group and of those around it.
func outwards(mount, group string) []string {
	root := path.Join(cgroupMount, mount)
	var out []string
	for folder := path.Join(root, group); strings.HasPrefix(folder, root+"/"); folder = path.Dir(folder) {
		out = append(out, folder)
	}
	return append(out, root)
}

// tightest is the file with the lowest limit that holds for a group, nil where none has a limit.
func tightest(files fs.FS, mount, group, name string) (limit *kept) {
	least := int64(cgroupNoLimit)
	for _, folder := range outwards(mount, group) {
		k := keep(files, path.Join(folder, name))
		if v, err := k.number(); err == nil && v < least {
			limit, least = k, v
		}
	}
	return limit
}

// withQuota lists cpu.stat of the groups around a group, itself included, whose processor time has a quota: "max …" of
// version 2 and -1 of version 1 are none.
func withQuota(files fs.FS, mount, group, quota string) (stats []*kept) {
	for _, folder := range outwards(mount, group) {
		text, err := readText(files, path.Join(folder, quota))
		if err == nil && !strings.HasPrefix(text, "max") && !strings.HasPrefix(text, "-") {
			stats = append(stats, keep(files, path.Join(folder, "cpu.stat")))
		}
	}
	return stats
}

func (c *cgroup) describe() string {
	parts := []string{c.files.version}
	if limit, err := c.limit(); err == nil && limit != nil {
		parts = append(parts, "memory limit "+limit.String())
	} else {
		parts = append(parts, "no memory limit")
	}
	if len(c.files.quotas) > 0 {
		parts = append(parts, "a quota of processor time")
	}
	return strings.Join(parts, ", ")
}

// limit is what the group's memory may be, nil where there is no limit.
func (c *cgroup) limit() (*units.Bytes, error) {
	if c.files.limit == nil {
		return nil, nil
	}
	text, err := c.files.limit.read()
	if err != nil || strings.TrimSpace(string(text)) == "max" { // it was lifted
		return nil, err
	}
	v, err := c.files.limit.number()
	if err != nil {
		return nil, err
	}
	return units.Ptr(units.Bytes(v)), nil
}

// cpuTime is the processor time of the group since it was made, 0 where nobody counts it.
func (c *cgroup) cpuTime() (time.Duration, error) {
	switch {
	case c.files.usage != nil:
		v, err := c.files.usage.number()
		return time.Duration(v), err
	case c.files.stat == nil || c.files.usageKey == "":
		return 0, nil
	}
	text, err := c.files.stat.read()
	v, _ := keyed(text, c.files.usageKey)
	return time.Duration(v) * c.files.unit, err
}

// heldUp is how long quotas have held the group up since it was made.
func (c *cgroup) heldUp() (uint64, error) {
	var all uint64
	for _, stat := range c.files.quotas {
		text, err := stat.read()
		if err != nil {
			return 0, err
		}
		v, _ := keyed(text, c.files.throttling) // a group without the controller cpu has no such line
		all += v
	}
	return all, nil
}

// Name implements Source.
func (*cgroup) Name() string { return cgroupName }

// Sample implements Source.
func (c *cgroup) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	if !c.pace.due(now) {
		return dst, nil
	}
	s := c.env.sample(now, cgroupName, "cgroup")
	var errs [4]error
	if c.files.memory != nil {
		var used int64
		if used, errs[0] = c.files.memory.number(); errs[0] == nil {
			s.MemUsedBytes = units.Ptr(units.Bytes(used))
		}
	}
	s.MemTotalBytes, errs[1] = c.limit()
	spent, err := c.cpuTime()
	if errs[2] = err; err == nil && (c.files.usage != nil || c.files.usageKey != "" && c.files.stat != nil) {
		s.CPUTimeNS = units.Ptr(int64(max(0, spent-c.base)))
	}
	held, err := c.heldUp()
	if errs[3] = err; err == nil {
		if held > c.throttled {
			s.Throttle = "cgroup_quota"
		}
		c.throttled = held
	}
	return append(dst, s), errors.Join(errs[:]...)
}

// Close implements Source.
func (c *cgroup) Close() error {
	return errors.Join(closeKept(c.files.memory, c.files.limit, c.files.stat, c.files.usage), closeKept(c.files.quotas...))
}
