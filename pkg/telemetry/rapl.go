package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	raplName   = "rapl"
	raplFolder = "sys/class/powercap"
	// raplGrant lets everybody read the counters of all zones until the next boot. The kernel keeps them to root since
	// they were shown to leak secrets (Lipp et al., "PLATYPUS: Software-based Power Side-Channel Attacks on x86", 2021).
	raplGrant = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
	// raplLoad loads the driver of Intel and AMD processors.
	raplLoad = "sudo modprobe intel_rapl_msr"

	// raplUpdate is the time between two updates of the counters of a package and its parts: about 1 ms (Intel, "Software
	// Developer's Manual", volume 3B, section 15.10, of MSR_PKG_ENERGY_STATUS and its likes; Hähnel, Döbel, Völp, Härtig,
	// "Measuring Energy Consumption for Short Code Paths Using RAPL", 2012, section 3, measured it and its jitter; for AMD,
	// Linux, Documentation/hwmon/amd_energy.rst). Two readings within one update are equal: a reading tells where the
	// counter stood up to an update ago, which is the error of each end of a window.
	raplUpdate = time.Millisecond

	// raplMost is more than any zone draws. A counter that would have had to rise faster than that, from one reading to the
	// next or to wrap, did not: it began again, as it does when the machine was suspended, or is another machine's now.
	raplMost units.Watts = 5000
	// raplSlack is how much older than its reading a value may be all the same.
	raplSlack = 5 * time.Millisecond
	// raplPause is how long no reading is taken at least for the counter to be suspected of having wrapped unseen, where it
	// could have at raplMost.
	raplPause = 500 * time.Millisecond
)

// errRiseUnknown says that how far a counter rose since the last reading is not known.
var errRiseUnknown = errors.New("what was drawn in between is not known")

func init() {
	register(member{name: raplName, measures: "processor package energy and its parts (RAPL through powercap)", cpuPower: true,
		open: openRAPL})
}

// rapl reads the energy counters of the processor packages ("cpu:0") and, as devices of their own that are never added to
// them, of their parts ("core:0", "uncore:0", "dram:0") and of the platform that they are a part of ("psys"). It gives no
// power column: a power derived from the counter would agree with it always and prove nothing.
type rapl struct {
	env   Environment
	slow  pace
	zones []raplZone
}

var (
	_ Source   = (*rapl)(nil)
	_ Resolver = (*rapl)(nil)
)

// raplZone is one counter.
type raplZone struct {
	device    string
	update    time.Duration // between two updates of the counter, 0 where that is not documented
	counter   *kept
	last      uint64    // microjoules, at the last reading
	wrap, sum uint64    // microjoules: highest value of the counter, total since opened or since the rise was not known
	began, at time.Time // of the last reading: begin and end
	delay     delay
}

// openRAPL takes the zones of the control type intel-rapl, which AMD processors share. The control type intel-rapl-mmio
// is left out: it is the counter of the package read another way. A package that cannot be read makes the source
// unavailable, as the others' sum would pass for the machine's; of parts that are left out it is told, with why.
func openRAPL(env Environment, _ Options) (Source, string, error) {
	files := env.fsys()
	names, err := raplZones(files)
	if err != nil {
		return nil, "", cannotOpen(err, "no /"+raplFolder, raplGrant)
	}
	r := &rapl{env: env}
	oneCore := madeByAMD(files)
	var packages int
	var parts, left []string
	for _, zone := range names {
		device, err := raplDevice(files, zone)
		if err != nil && strings.Count(zone, ":") > 1 { // a part of another zone
			left = append(left, zone+" ("+lacking(err)+")")
			continue
		}
		if err != nil {
			return nil, "", errors.Join(cannotOpen(err, "/"+path.Join(raplFolder, zone)+" has no name", raplGrant), r.Close())
		}
		if device == "" {
			continue
		}
		kind, _, _ := strings.Cut(device, ":")
		if kind == "core" && oneCore {
			left = append(left, device+" (on AMD the counter of a single core)")
			continue
		}
		if slices.ContainsFunc(r.zones, func(z raplZone) bool { return z.device == device }) {
			left = append(left, device+" (a second zone of that name)") // two counters in one device would be neither
			continue
		}
		z, err := openRAPLZone(files, path.Join(raplFolder, zone), device)
		switch {
		case err == nil && kind == "cpu":
			packages++
		case err == nil:
			parts = append(parts, kind)
		case kind == "cpu":
			return nil, "", errors.Join(packageFails(err, files, names, zone), r.Close())
		default:
			left = append(left, device+" ("+lacking(err)+")")
			continue
		}
		r.zones = append(r.zones, z)
	}
	if packages == 0 {
		return nil, "", errors.Join(raplAbsent(files), r.Close())
	}
	return r, r.describe(packages, parts, left), nil
}

// madeByAMD reports whether the processor is AMD's, or Hygon's after AMD's design. Their counter of the zone "core" is of one
// core each (MSR_AMD_CORE_ENERGY_STATUS, "core-level power reporting" in Linux, Documentation/hwmon/amd_energy.rst), and
// powercap reads that of one core per package: it is not what the cores of the package drew.
func madeByAMD(files fs.FS) bool {
	info, err := fs.ReadFile(files, "proc/cpuinfo")
	if err != nil {
		return false
	}
	for line := range bytes.Lines(info) {
		if name, vendor, _ := bytes.Cut(line, []byte(":")); bytes.Equal(bytes.TrimSpace(name), []byte("vendor_id")) {
			return bytes.Contains(vendor, []byte("AuthenticAMD")) || bytes.Contains(vendor, []byte("HygonGenuine"))
		}
	}
	return false
}

// raplZones lists the zones of intel-rapl, each before its parts.
func raplZones(files fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(files, raplFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var zones []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "intel-rapl:") {
			zones = append(zones, e.Name())
		}
	}
	return zones, nil
}

// raplDevice is the device that a zone is, "" for one that is not known: "intel-rapl:1" of name "package-1" is "cpu:1",
// its part "intel-rapl:1:0" of name "dram" is "dram:1". A package of several dies has a zone for each, of name
// "package-1-die-0", and they are "cpu:1-die-0" and so on. The platform is "psys", and "psys-1" where there are more.
func raplDevice(files fs.FS, zone string) (string, error) {
	name, err := readName(files, path.Join(raplFolder, zone, "name"))
	if err != nil {
		return "", err
	}
	if platform, ok := strings.CutPrefix(name, "psys"); ok {
		return "psys" + strings.Replace(platform, "-", ":", 1), nil
	}
	switch name {
	case "core", "uncore", "dram":
		parent, err := readName(files, path.Join(raplFolder, zone[:strings.LastIndexByte(zone, ':')], "name"))
		if err != nil {
			return "", err
		}
		if number, ok := strings.CutPrefix(parent, "package-"); ok {
			return name + ":" + number, nil
		}
		return "", nil
	}
	if number, ok := strings.CutPrefix(name, "package-"); ok {
		return "cpu:" + number, nil
	}
	return "", nil
}

func openRAPLZone(files fs.FS, folder, device string) (raplZone, error) {
	z := raplZone{device: device}
	if !strings.HasPrefix(device, "psys") {
		z.update = raplUpdate
	}
	var err error
	if z.wrap, err = readUint(files, path.Join(folder, raplRange)); err != nil {
		return z, err
	}
	z.counter = keep(files, path.Join(folder, "energy_uj"))
	if z.last, err = unsigned(z.counter); err != nil {
		return z, errors.Join(err, z.counter.close())
	}
	return z, nil
}

// raplRange is the file that says where a zone's counter wraps.
const raplRange = "max_energy_range_uj"

// lacking is what a zone is without, in a word, by the error of opening it.
func lacking(err error) string {
	if p := (*fs.PathError)(nil); errors.Is(err, fs.ErrNotExist) && errors.As(err, &p) {
		return "no " + path.Base(p.Path)
	}
	return "not readable"
}

// packageFails says why a package, by the error of opening its zone, makes the whole source unavailable. A zone that lacks
// something is not absent but broken.
func packageFails(err error, files fs.FS, zones []string, zone string) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return cannotOpen(err, "", raplGrant)
	}
	text := fmt.Sprintf("/%s has %s", path.Join(raplFolder, zone), lacking(err))
	if strings.HasSuffix(text, raplRange) {
		text += ", without which nobody knows where its counter wraps"
	}
	packages := 0
	for _, z := range zones {
		if device, err := raplDevice(files, z); err == nil && strings.HasPrefix(device, "cpu:") {
			packages++
		}
	}
	if packages > 1 {
		text += fmt.Sprintf("; it is one of %d packages, and as the others' energy would pass for that of all, none is read", packages)
	}
	return errors.New(text)
}

func (r *rapl) describe(packages int, parts, left []string) string {
	text := count(packages, "package")
	slices.Sort(parts)
	if parts = slices.Compact(parts); len(parts) > 0 {
		text += " with " + strings.Join(parts, ", ")
	}
	i := slices.IndexFunc(r.zones, func(z raplZone) bool { return strings.HasPrefix(z.device, "cpu:") })
	text += fmt.Sprintf(", a counter wraps after %.0f J", float64(r.zones[i].wrap)/1e6)
	if len(left) > 0 {
		text += "; left out: " + strings.Join(left, ", ")
	}
	return text
}

func raplAbsent(files fs.FS) error {
	if virtualMachine(files) {
		return &unavailable{kind: ErrAbsent, why: "a virtual machine whose hypervisor passes no RAPL counters through"}
	}
	if _, err := fs.Stat(files, procStat); err != nil {
		return &unavailable{kind: ErrAbsent, why: "no /sys/class/powercap: this is not Linux"}
	}
	return &unavailable{kind: ErrAbsent, why: "the kernel shows no RAPL package in /sys/class/powercap", fix: raplLoad}
}

// Name implements Source.
func (*rapl) Name() string { return raplName }

// Sample implements Source.
func (r *rapl) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	var errs []error
	slow, watch := r.slow.due(now), startWatch(now)
	for i := range r.zones {
		z := &r.zones[i]
		if err := z.read(watch); err != nil {
			errs = append(errs, err)
			if !errors.Is(err, errRiseUnknown) {
				continue
			}
		}
		s := r.env.sample(z.at, raplName, z.device)
		s.EnergyCounterJoules = units.Ptr(microjoules(z.sum))
		if z.update > 0 {
			s.CounterUpdateNS = z.delay.update(z.update, slow)
		}
		dst = append(dst, s)
	}
	return dst, errors.Join(errs...)
}

// read brings sum up to date, and at to the end of the reading. Where the rise is not known sum begins again at 0, so that it
// shows in the recording: no energy is taken over a fall.
func (z *raplZone) read(watch stopwatch) error {
	begin := watch()
	v, now, err := z.delay.read(watch, func() (uint64, error) { return unsigned(z.counter) })
	if err != nil {
		return err
	}
	last, first, span := z.last, z.at.IsZero(), max(now.Sub(z.began), 0)
	z.last, z.began, z.at = v, begin, now
	rose := rise(last, v, z.wrap)
	z.sum += rose
	switch {
	case first:
		return nil
	case microjoules(rose) > raplMost.For(span+raplSlack):
		z.sum = 0
		return fmt.Errorf("%s: the counter began again, from %d to %d uJ: %w", z.counter.name, last, v, errRiseUnknown)
	case span >= raplPause && microjoules(z.wrap) < raplMost.For(span):
		z.sum = 0
		return fmt.Errorf("%s: not read for %.3g s, in which a counter that wraps after %.4g J may have wrapped unseen: %w",
			z.counter.name, span.Seconds(), float64(microjoules(z.wrap)), errRiseUnknown)
	}
	return nil
}

func microjoules(v uint64) units.Joules { return units.Joules(float64(v) / 1e6) }

// rise is how much a counter that falls to 0 after wrap rose from last to now, if it wrapped at most once in between
// (at 200 W a package takes some 20 minutes to wrap).
func rise(last, now, wrap uint64) uint64 {
	if now >= last {
		return now - last
	}
	return wrap - min(last, wrap) + now
}

// Resolution implements Resolver.
func (r *rapl) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for _, z := range r.zones {
		out[z.device] = Resolution{Counter: z.update}
	}
	return out
}

// Close implements Source.
func (r *rapl) Close() error {
	var errs []error
	for _, z := range r.zones {
		errs = append(errs, z.counter.close())
	}
	return errors.Join(errs...)
}
