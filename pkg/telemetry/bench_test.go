//go:build linux && cgo

package telemetry

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

// serverCPUs are the processors of the server under test, in two sockets.
const serverCPUs = 128

// server is the tree of a machine with two sockets and 128 processors: the fixture two-sockets, and what each source reads
// on such a machine, in the kernel's formats and at their sizes.
func server(t testing.TB) fstest.MapFS {
	tree := fixture(t, "two-sockets")
	var stat, per strings.Builder
	for i := range serverCPUs {
		fmt.Fprintf(&per, "cpu%d 123456 789 23456 9876543 1234 0 567 0 0 0\n", i)
		folder := fmt.Sprintf("%s/cpu%d/", cpuFolder, i)
		set(tree, folder+"topology/physical_package_id", fmt.Sprint(2*i/serverCPUs))
		set(tree, folder+"cpufreq/scaling_cur_freq", "2900123")
		set(tree, folder+"thermal_throttle/package_throttle_count", "0")
		if core := i % (serverCPUs / 2); core < serverCPUs/4 {
			chip := fmt.Sprintf("sys/class/hwmon/hwmon%d/", 2*i/serverCPUs)
			set(tree, chip+"name", "coretemp")
			set(tree, fmt.Sprintf("%stemp%d_input", chip, core+1), "51000")
			set(tree, fmt.Sprintf("%stemp%d_label", chip, core+1), fmt.Sprintf("Core %d", core))
		}
	}
	stat.WriteString("cpu  15802368 100992 3002368 1264197504 157952 0 72576 0 0 0\n" + per.String())
	stat.WriteString("intr 1234567890" + strings.Repeat(" 0 12345", 1500) + "\nctxt 99999\nbtime 1700000000\n")
	set(tree, procStat, stat.String())
	for _, name := range []string{"cpu", "memory", "io"} {
		line := " avg10=0.12 avg60=0.10 avg300=0.05 total=123456789\n"
		set(tree, "proc/pressure/"+name, "some"+line+"full"+line)
	}
	set(tree, "proc/self/cgroup", "0::/user.slice")
	set(tree, "sys/fs/cgroup/user.slice/memory.current", "123456789")
	set(tree, "sys/fs/cgroup/user.slice/cpu.stat", "usage_usec 123456\nuser_usec 1\nsystem_usec 2\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0")
	set(tree, "sys/class/hwmon/hwmon7/device/name", "power_meter")
	set(tree, "sys/class/hwmon/hwmon7/device/power1_average", "5120000000")
	set(tree, "sys/class/hwmon/hwmon7/device/power1_average_interval", "1000")
	for pid := 1000; pid < 1008; pid++ {
		set(tree, fmt.Sprintf("proc/%d/stat", pid), fmt.Sprintf("%d (python3) S %d%s", pid, pid-1, strings.Repeat(" 7", 48)))
	}
	set(tree, "proc/self/stat", "1 (bh-telemetry) S 0"+strings.Repeat(" 7", 48))
	return tree
}

// quickCard answers at once and remembers nothing, unlike the mock.
type quickCard struct {
	nvml.Device
	millijoules uint64
}

func (c *quickCard) GetMigMode() (int, int, nvml.Return) { return 0, 0, nvml.ERROR_NOT_SUPPORTED }
func (c *quickCard) GetName() (string, nvml.Return)      { return "Test GPU", nvml.SUCCESS }
func (c *quickCard) GetTotalEnergyConsumption() (uint64, nvml.Return) {
	c.millijoules += 3000
	return c.millijoules, nvml.SUCCESS
}
func (c *quickCard) GetFieldValues(v []nvml.FieldValue) nvml.Return { return powers(v) }
func (c *quickCard) GetClockInfo(nvml.ClockType) (uint32, nvml.Return) {
	return 1980, nvml.SUCCESS
}
func (c *quickCard) GetUtilizationRates() (nvml.Utilization, nvml.Return) {
	return nvml.Utilization{Gpu: 99, Memory: 50}, nvml.SUCCESS
}
func (c *quickCard) GetCurrentClocksThrottleReasons() (uint64, nvml.Return) { return 0, nvml.SUCCESS }
func (c *quickCard) GetMemoryInfo() (nvml.Memory, nvml.Return) {
	return nvml.Memory{Total: 80 << 30, Used: 70 << 30}, nvml.SUCCESS
}
func (c *quickCard) GetTemperature(nvml.TemperatureSensors) (uint32, nvml.Return) {
	return 60, nvml.SUCCESS
}
func (c *quickCard) GetEnforcedPowerLimit() (uint32, nvml.Return) { return 700000, nvml.SUCCESS }
func (c *quickCard) GetComputeRunningProcesses() ([]nvml.ProcessInfo, nvml.Return) {
	return []nvml.ProcessInfo{{Pid: 1001, UsedGpuMemory: 70 << 30}}, nvml.SUCCESS
}

// openServer opens every source over the server on disk and eight GPUs, as Open does.
func openServer(t testing.TB, gpus int) *Set {
	t.Helper()
	env := Environment{Host: "testhost", Root: onDisk(t, server(t))}
	lib := &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return gpus, nvml.SUCCESS },
		SystemGetDriverVersionFunc: func() (string, nvml.Return) { return "555.42", nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(int) (nvml.Device, nvml.Return) { return &quickCard{}, nvml.SUCCESS },
		ExtensionsFunc:             driver(nil).ExtensionsFunc,
	}
	s := &Set{}
	for _, m := range members {
		open := m.open
		if m.name == nvmlName {
			open = func(env Environment, _ Options) (Source, string, error) { return openNVML(env, lib) }
		}
		if m.fallback {
			continue
		}
		src, detail, err := open(env, Options{})
		if s.findings = append(s.findings, finding(m, detail, err)); err == nil {
			s.sources = append(s.sources, src)
		}
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	s.Track([]int{1000})
	return s
}

// benchmarkSweep sweeps as a recorder at 100 Hz does, only without waiting: what is read once per second is read in every
// hundredth sweep. Processor time is that of the whole process, garbage collection included.
func benchmarkSweep(b *testing.B, set *Set) {
	now, rows, sweeps := time.Now().Round(0), 0, 0 // without the monotonic clock, which stays behind a time that runs ahead
	before := processorTime(b)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(10 * time.Millisecond)
		got, err := set.Sample(now)
		if err != nil {
			b.Fatal(err)
		}
		rows += len(got)
		sweeps++
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(sweeps)/1e3, "cpu-µs/sweep")
	b.ReportMetric(float64(rows)/float64(sweeps), "rows/sweep")
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkSweep is one sweep of the sensors of the machine that runs it, read from its kernel.
func BenchmarkSweep(b *testing.B) {
	set, err := Open(Environment{Host: "testhost"}, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer set.Close()
	set.Track([]int{os.Getpid()})
	benchmarkSweep(b, set)
}

// BenchmarkSweepServer is one sweep of all sources of a machine with two sockets and eight GPUs, from a tree on disk and
// a driver that answers at once: what this package costs, without what the kernel and the driver take to answer. At 100 Hz,
// 100 µs of processor time are 1% of a core.
func BenchmarkSweepServer(b *testing.B) { benchmarkSweep(b, openServer(b, 8)) }

// BenchmarkSweepSource is the share of each source in it.
func BenchmarkSweepSource(b *testing.B) {
	for i, name := range openServer(b, 8).Sources() {
		b.Run(name, func(b *testing.B) { // opened anew: the sources of the run before are ahead of the clock
			benchmarkSweep(b, &Set{sources: openServer(b, 8).sources[i : i+1]})
		})
	}
}

// BenchmarkAt100Hz is the share of a core that sampling the same machine takes in real time, with caches that went cold
// in between, and beside it what a process takes that only wakes up as often.
func BenchmarkAt100Hz(b *testing.B) {
	set := openServer(b, 8)
	for _, c := range []struct {
		name  string
		sweep func() error
	}{
		{"waking", func() error { return nil }},
		{"sampling", func() error { _, err := set.Sample(time.Now()); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before, begin := processorTime(b), time.Now()
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for b.Loop() {
				<-tick.C
				if err := c.sweep(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(100*float64(processorTime(b)-before)/float64(time.Since(begin)), "%core")
		})
	}
}

// The server of the benchmark has what its name says: a benchmark of sources that are absent would be fast.
func TestServerHasAllSources(t *testing.T) {
	set := openServer(t, 8)
	rows, err := set.Sample(time.Now())
	if err != nil {
		t.Error(err)
	}
	devices := map[string]int{}
	for i := range rows {
		kind, _, _ := strings.Cut(rows[i].Device, ":")
		devices[rows[i].Source+" "+kind]++
	}
	for device, want := range map[string]int{
		"rapl cpu": 2, "rapl dram": 2, "nvml gpu": 8, "proc host": 1, "thermal thermal": serverCPUs / 2,
		"cgroup cgroup": 1, "processes processes": 1, "hwmon system": 1,
	} {
		if devices[device] != want {
			t.Errorf("saw %d rows of %s, want %d: %v", devices[device], device, want, set.Findings())
		}
	}
}
