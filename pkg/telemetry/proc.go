package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const procName = "proc"

func init() {
	register(member{name: procName, measures: "processor utilisation, clock and throttling; memory in use", open: openProc})
}

// proc reads the utilisation, clock and memory of the whole machine, as device "host". Clock and memory are read once
// per slowEvery and are null in between.
type proc struct {
	env      Environment
	files    fs.FS
	slow     pace
	clocks   []string // files with each processor's clock in kHz
	throttle []string // files that count how often each package throttled
	events   uint64   // their sum at the last sweep
	last     cpuTimes
	lastAt   time.Time
}

var _ Source = (*proc)(nil)

func openProc(env Environment, _ Options) (Source, string, error) {
	p := &proc{env: env, files: env.fsys()}
	t, err := readCPUTimes(p.files)
	if err != nil {
		return nil, "", cannotOpen(err, "no /proc/stat: this is not Linux", "sudo mount -o remount,hidepid=0 /proc")
	}
	p.last, p.lastAt = t, time.Now()
	for _, folder := range cpuFolders(p.files) {
		if name := path.Join(folder, "cpufreq/scaling_cur_freq"); readable(p.files, name) {
			p.clocks = append(p.clocks, name)
		}
	}
	for _, folder := range packageCPUs(p.files) {
		if name := path.Join(folder, "thermal_throttle/package_throttle_count"); readable(p.files, name) {
			p.throttle = append(p.throttle, name)
		}
	}
	if p.events, err = p.throttleEvents(); err != nil {
		return nil, "", err
	}
	return p, p.describe(), nil
}

func readable(files fs.FS, name string) bool {
	_, err := readUint(files, name)
	return err == nil
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
	t, err := readCPUTimes(p.files)
	if err != nil {
		return dst, err
	}
	s := p.env.sample(now, procName, "host")
	s.UtilPct = p.utilisation(now, t)
	events, err := p.throttleEvents()
	if events > p.events {
		s.Throttle = "thermal"
	}
	p.events = max(p.events, events)
	errs := []error{err}
	if p.slow.due(now) {
		s.ClockMHz, err = p.clock()
		errs = append(errs, err)
		s.MemUsedBytes, err = memoryUsed(p.files)
		errs = append(errs, err)
	}
	return append(dst, s), errors.Join(errs...)
}

// utilisation is the busy share of all processors since the last reading that gave one.
func (p *proc) utilisation(now time.Time, t cpuTimes) *units.Percent {
	if now.Sub(p.lastAt) < minRateSpan {
		return nil
	}
	busy, total := t.since(p.last)
	p.last, p.lastAt = t, now
	if total == 0 {
		return nil
	}
	return units.Ptr(units.Percent(100 * float64(busy) / float64(total)))
}

// clock is the mean clock of the processors, nil where the kernel does not tell.
func (p *proc) clock() (*units.Megahertz, error) {
	if len(p.clocks) == 0 {
		return nil, nil
	}
	sum := 0.0
	for _, name := range p.clocks {
		khz, err := readUint(p.files, name)
		if err != nil {
			return nil, err
		}
		sum += float64(khz)
	}
	return units.Ptr(units.Megahertz(sum / float64(len(p.clocks)) / 1000)), nil
}

// throttleEvents counts how often the packages throttled for heat since boot.
func (p *proc) throttleEvents() (uint64, error) {
	var sum uint64
	for _, name := range p.throttle {
		n, err := readUint(p.files, name)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// memoryUsed is what /proc/meminfo says is not available to a new process: MemTotal - MemAvailable.
func memoryUsed(files fs.FS) (*units.Bytes, error) {
	b, err := fs.ReadFile(files, "proc/meminfo")
	if err != nil {
		return nil, err
	}
	var kib [2]int64
	for i, name := range []string{"MemTotal", "MemAvailable"} {
		if kib[i], err = meminfo(b, name); err != nil {
			return nil, err
		}
	}
	return units.Ptr(units.Bytes((kib[0] - kib[1]) * 1024)), nil
}

// meminfo is the value of a line "Name:   1234 kB" of /proc/meminfo.
func meminfo(b []byte, name string) (int64, error) {
	for line := range bytes.Lines(b) {
		fields := strings.Fields(string(line))
		if len(fields) < 2 || fields[0] != name+":" {
			continue
		}
		v, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc/meminfo: field %s: saw %q, want a number", name, fields[1])
		}
		return v, nil
	}
	return 0, fmt.Errorf("proc/meminfo: field %s: saw nothing, want a number", name)
}

// Close implements Source.
func (*proc) Close() error { return nil }
