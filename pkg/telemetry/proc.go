package telemetry

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const procName = "proc"

func init() {
	register(member{name: procName, measures: "processor utilisation, clock and throttling; memory and swap in use", open: openProc})
}

// proc reads the utilisation, clock and memory of the whole machine, as device "host". Utilisation is read once per
// minRateSpan, clock and memory once per slowEvery; they are null in between, and a sweep with nothing new has no row.
type proc struct {
	env      Environment
	slow     pace
	stat     *kept
	meminfo  *kept
	clocks   []*kept // each processor's clock in kHz
	throttle []*kept // how often each package throttled
	events   uint64  // their sum at the last sweep
	last     cpuTimes
	lastAt   time.Time
}

var _ Source = (*proc)(nil)

func openProc(env Environment, _ Options) (Source, string, error) {
	p := &proc{env: env}
	files := env.fsys()
	var err error
	if p.stat, p.last, err = openCPUTimes(files); err != nil {
		return nil, "", procAbsent(err)
	}
	p.lastAt = time.Now()
	p.meminfo = keep(files, "proc/meminfo")
	p.clocks = keepReadable(files, below(cpuFolders(files), "cpufreq/scaling_cur_freq")...)
	p.throttle = keepReadable(files, below(packageCPUs(files), "thermal_throttle/package_throttle_count")...)
	if p.events, err = sum(p.throttle); err != nil {
		return nil, "", errors.Join(err, p.Close())
	}
	return p, p.describe(), nil
}

// procAbsent is what an error of the first reading of /proc/stat means.
func procAbsent(err error) error {
	return cannotOpen(err, "no /proc/stat: this is not Linux", "sudo mount -o remount,hidepid=0 /proc")
}

// below is a file in each of several folders.
func below(folders []string, name string) []string {
	out := make([]string, len(folders))
	for i, folder := range folders {
		out[i] = path.Join(folder, name)
	}
	return out
}

func (p *proc) describe() string {
	parts := []string{count(p.last.cpus, "processor")}
	if len(p.clocks) == 0 {
		parts = append(parts, "no clock (the kernel scales no frequency here)")
	}
	if len(p.throttle) == 0 {
		parts = append(parts, "no throttle counter")
	}
	return strings.Join(parts, ", ")
}

// Name implements Source.
func (*proc) Name() string { return procName }

// Sample implements Source.
func (p *proc) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	s := p.env.sample(now, procName, "host")
	var errs [4]error
	var used bool
	if now.Sub(p.lastAt) >= minRateSpan {
		used = true
		s.UtilPct, errs[0] = p.utilisation(now)
		s.Throttle, errs[1] = p.throttled()
	}
	if p.slow.due(now) {
		used = true
		s.ClockMHz, errs[2] = p.clock()
		errs[3] = p.memory(&s)
	}
	if !used || errs[0] != nil {
		return dst, errors.Join(errs[:]...)
	}
	return append(dst, s), errors.Join(errs[:]...)
}

// utilisation is the busy share of all processors since the last reading that gave one.
func (p *proc) utilisation(now time.Time) (*units.Percent, error) {
	t, err := readCPUTimes(p.stat)
	if err != nil {
		return nil, err
	}
	busy, total := t.since(p.last)
	p.last, p.lastAt = t, now
	if total == 0 {
		return nil, nil
	}
	return units.Ptr(units.Percent(100 * float64(busy) / float64(total))), nil
}

// throttled is "thermal" where a package throttled since the last reading.
func (p *proc) throttled() (string, error) {
	events, err := sum(p.throttle)
	if err != nil || events <= p.events {
		return "", err
	}
	p.events = events
	return "thermal", nil
}

// clock is the mean clock of the processors, nil where the kernel does not tell.
func (p *proc) clock() (*units.Megahertz, error) {
	khz, err := sum(p.clocks)
	if err != nil || len(p.clocks) == 0 {
		return nil, err
	}
	return units.Ptr(units.Megahertz(float64(khz) / float64(len(p.clocks)) / 1000)), nil
}

// sum adds up the numbers that files hold.
func sum(files []*kept) (uint64, error) {
	var all uint64
	for _, a := range files {
		v, err := a.number()
		if err != nil {
			return 0, err
		}
		all += uint64(v)
	}
	return all, nil
}

// memory fills in what /proc/meminfo says: in use is what is not available to a new process, MemTotal - MemAvailable.
func (p *proc) memory(s *record.Sample) error {
	b, err := p.meminfo.read()
	if err != nil {
		return err
	}
	var kib [4]units.Bytes
	for i, key := range [...]string{"MemTotal:", "MemAvailable:", "SwapTotal:", "SwapFree:"} {
		v, ok := keyed(b, key)
		if !ok && i < 2 { // a kernel without swap leaves out its lines
			return fmt.Errorf("proc/meminfo: line %s saw no number, want one in kB", key)
		}
		kib[i] = units.Bytes(v)
	}
	s.MemTotalBytes = units.Ptr(kib[0] * 1024)
	s.MemUsedBytes = units.Ptr((kib[0] - kib[1]) * 1024)
	s.SwapUsedBytes = units.Ptr((kib[2] - kib[3]) * 1024)
	return nil
}

// Close implements Source.
func (p *proc) Close() error {
	return errors.Join(closeKept(p.stat, p.meminfo), closeKept(p.clocks...), closeKept(p.throttle...))
}
