package telemetry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	perfName     = "perf"
	perfFolder   = "sys/bus/event_source/devices/power"
	perfParanoid = "proc/sys/kernel/perf_event_paranoid"
	// perfGrant lets everybody count events of whole processors until the next boot. The other way is to give the tool
	// alone the capability, sudo setcap cap_perfmon+ep, which is lost with each build of it.
	perfGrant = "sudo sysctl kernel.perf_event_paranoid=0"
)

func init() {
	register(member{name: perfName, measures: "processor package energy and its parts (RAPL through perf)", cpuPower: true,
		fallback: true, rank: 1, open: openPerf})
}

// perfEvents are the kernel's energy events and the devices that they are (Linux, arch/x86/events/rapl.c).
var perfEvents = []struct{ event, device string }{
	{"energy-pkg", "cpu"},
	{"energy-cores", "core"},
	{"energy-gpu", "uncore"}, // the integrated GPU, which powercap calls uncore
	{"energy-ram", "dram"},
	{"energy-psys", "psys"},
}

// perf reads the counters that rapl reads, through perf's energy events, where powercap keeps them to root or the kernel
// lacks it. The kernel removes their wrap-around. The devices are named as those of rapl.
type perf struct {
	env    Environment
	slow   pace
	events []perfEvent
}

var (
	_ Source   = (*perf)(nil)
	_ Resolver = (*perf)(nil)
)

// perfEvent is one energy event, opened on one processor of a package.
type perfEvent struct {
	device      string
	scale       float64 // joules for each count
	first, last uint64
	counter     perfCounter
	delay       delay
}

// perfCounter is an open event.
type perfCounter interface {
	count() (uint64, error)
	close() error
}

// perfOpener opens the event config of the unit kind on one processor, for all processes.
type perfOpener func(kind uint32, config uint64, cpu int) (perfCounter, error)

// perfUnit is the power unit of the processor as the kernel shows it.
type perfUnit struct {
	kind uint32
	cpus []perfCPU
}

// perfCPU is the processor that the events of a package are opened on.
type perfCPU struct {
	cpu  int
	name string // of the package: "0", or "0-die-1" where a package has several
}

// openPerf opens every event on one processor of each package. The event of the platform, which contains the packages,
// is opened once. A package that cannot be opened makes the source unavailable; of the other events it is told.
func openPerf(env Environment, _ Options) (Source, string, error) {
	files := env.fsys()
	unit, err := readPerfUnit(files)
	if err != nil {
		return nil, "", cannotOpen(err, perfLacks(files, err), perfGrant)
	}
	open := env.perf
	if open == nil {
		open = openPerfEvent
	}
	p := &perf{env: env}
	var found, left []string
	for _, e := range perfEvents {
		err := p.open(files, open, unit, e.event, e.device)
		switch {
		case err == nil:
			found = append(found, e.device)
		case e.device == "cpu":
			return nil, "", errors.Join(perfUnavailable(files, err), p.Close())
		case !errors.Is(err, fs.ErrNotExist):
			left = append(left, e.device)
		}
	}
	detail := fmt.Sprintf("%s, %s", count(len(unit.cpus), "package"), strings.Join(found, ", "))
	if len(left) > 0 {
		detail += "; not readable and left out: " + strings.Join(left, ", ")
	}
	return p, detail, nil
}

// perfLacks is what the power unit is without, by the error of reading it.
func perfLacks(files fs.FS, err error) string {
	if _, missing := fs.Stat(files, perfFolder); missing != nil {
		return "no /" + perfFolder + ": the kernel has no energy events here"
	}
	text := place(err)
	if strings.Contains(text, "/topology/") {
		text += ": which package the processor of an energy event is in is not known"
	}
	return text
}

// perfUnavailable says why the event of the packages could not be opened.
func perfUnavailable(files fs.FS, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		level, readErr := readText(files, perfParanoid)
		if readErr != nil {
			level = "not known"
		}
		return &unavailable{kind: ErrPermission, fix: perfGrant,
			why: "energy events count all processes, which kernel.perf_event_paranoid (" + level + ") keeps from this user"}
	case errors.Is(err, fs.ErrNotExist):
		why := "the kernel shows no event energy-pkg in /" + perfFolder
		if p := (*fs.PathError)(nil); errors.As(err, &p) && path.Ext(p.Path) != "" { // its .unit or .scale
			why = place(err)
		}
		return &unavailable{kind: ErrAbsent, why: why}
	case errors.Is(err, errors.ErrUnsupported):
		return &unavailable{kind: ErrAbsent, why: "the kernel or its container refuses perf_event_open"}
	}
	return err
}

// open opens one event on the processors of unit, on all or none.
func (p *perf) open(files fs.FS, open perfOpener, unit perfUnit, event, device string) error {
	config, scale, err := readPerfEvent(files, event)
	if err != nil {
		return err
	}
	cpus := unit.cpus
	if device == "psys" {
		cpus = cpus[:1]
	}
	var opened []perfEvent
	for _, c := range cpus {
		e := perfEvent{device: device + ":" + c.name, scale: scale}
		if device == "psys" {
			e.device = device
		}
		if e.counter, err = open(unit.kind, config, c.cpu); err == nil {
			e.first, err = e.counter.count()
			opened = append(opened, e)
		}
		if err != nil {
			err = fmt.Errorf("event %s on processor %d: %w", event, c.cpu, err)
			return errors.Join(err, (&perf{events: opened}).Close())
		}
		opened[len(opened)-1].last = e.first
	}
	p.events = append(p.events, opened...)
	return nil
}

// readPerfUnit reads the number of the power unit and which processor stands for each package.
func readPerfUnit(files fs.FS) (perfUnit, error) {
	kind, err := readUint(files, path.Join(perfFolder, "type"))
	if err != nil {
		return perfUnit{}, err
	}
	mask, err := readText(files, path.Join(perfFolder, "cpumask"))
	if err != nil {
		return perfUnit{}, err
	}
	cpus, ok := cpuList(mask)
	if !ok {
		return perfUnit{}, fmt.Errorf("%s/cpumask: saw %q, want a list of processors", perfFolder, mask)
	}
	u := perfUnit{kind: uint32(kind)}
	dies := map[string]int{}
	for _, cpu := range cpus {
		name, err := readName(files, path.Join(cpuFolder, fmt.Sprintf("cpu%d", cpu), "topology/physical_package_id"))
		if err != nil {
			return perfUnit{}, err
		}
		dies[name]++
		u.cpus = append(u.cpus, perfCPU{cpu, name})
	}
	for i, c := range u.cpus {
		if dies[c.name] < 2 {
			continue
		}
		die, err := readName(files, path.Join(cpuFolder, fmt.Sprintf("cpu%d", c.cpu), "topology/die_id"))
		if err != nil {
			return perfUnit{}, err
		}
		u.cpus[i].name += "-die-" + die
	}
	return u, nil
}

// readPerfEvent reads how an event is asked for ("event=0x02") and what one count of it is.
func readPerfEvent(files fs.FS, event string) (config uint64, scale float64, err error) {
	file := path.Join(perfFolder, "events", event)
	text, err := readText(files, file)
	if err != nil {
		return 0, 0, err
	}
	code, ok := strings.CutPrefix(text, "event=")
	if config, err = strconv.ParseUint(code, 0, 64); !ok || err != nil {
		return 0, 0, fmt.Errorf("%s: saw %q, want event=NUMBER", file, text)
	}
	if text, err = readText(files, file+".unit"); err != nil || text != "Joules" {
		return 0, 0, cmp.Or(err, fmt.Errorf("%s.unit: saw %q, want Joules", file, text))
	}
	if text, err = readText(files, file+".scale"); err != nil {
		return 0, 0, err
	}
	if scale, err = strconv.ParseFloat(text, 64); err != nil || !(scale > 0) {
		return 0, 0, fmt.Errorf("%s.scale: saw %q, want a positive number", file, text)
	}
	return config, scale, nil
}

// cpuList is the processors of a list like "0,18-19" in order; ok is false where it is none.
func cpuList(text string) (cpus []int, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && isRange {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 0 || b < a || b-a > 1<<16 {
			return nil, false
		}
		for i := a; i <= b; i++ {
			cpus = append(cpus, i)
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), true
}

// Name implements Source.
func (*perf) Name() string { return perfName }

// Sample implements Source.
func (p *perf) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	var errs []error
	slow, watch := p.slow.due(now), startWatch(now)
	for i := range p.events {
		e := &p.events[i]
		v, at, err := e.delay.read(watch, e.counter.count)
		if err == nil && v < e.last {
			err = fmt.Errorf("the counter fell from %d to %d", e.last, v)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", e.device, err))
			continue
		}
		e.last = v
		s := p.env.sample(at, perfName, e.device)
		s.EnergyCounterJoules = units.Ptr(units.Joules(float64(v-e.first) * e.scale))
		if update := e.update(); update > 0 {
			s.CounterUpdateNS = e.delay.update(update, slow)
		}
		dst = append(dst, s)
	}
	return dst, errors.Join(errs...)
}

// update is the time between two updates of the counter, 0 where that is not documented.
func (e *perfEvent) update() time.Duration {
	if e.device == "psys" {
		return 0
	}
	return raplUpdate
}

// Resolution implements Resolver.
func (p *perf) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for i := range p.events {
		out[p.events[i].device] = Resolution{Counter: p.events[i].update()}
	}
	return out
}

// Close implements Source.
func (p *perf) Close() error {
	var errs []error
	for i := range p.events {
		errs = append(errs, p.events[i].counter.close())
	}
	return errors.Join(errs...)
}
