package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	raplName   = "rapl"
	raplFolder = "sys/class/powercap"
	// raplGrant lets everybody read the counters until the next boot. The kernel keeps them to root since they were
	// shown to leak secrets (Lipp et al., "PLATYPUS: Software-based Power Side-Channel Attacks on x86", 2021).
	raplGrant = "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj"
	// raplLoad loads the driver of Intel and AMD processors.
	raplLoad = "sudo modprobe intel_rapl_msr"
)

func init() {
	register(member{name: raplName, measures: "processor package energy (RAPL through powercap)", cpuPower: true, open: openRAPL})
}

// rapl reads the energy counters of the processor packages, one device per package ("cpu:0"). It gives no power column:
// a power derived from the counter would agree with it always and prove nothing.
type rapl struct {
	env   Environment
	files fs.FS
	zones []raplZone
}

var _ Source = (*rapl)(nil)

// raplZone is the counter of one package.
type raplZone struct {
	folder, device  string
	last, wrap, sum uint64 // microjoules: last reading, highest value of the counter, total since opened
}

// openRAPL takes the top-level zones called "package-N" of the control type intel-rapl, which AMD processors share. Left
// out are their sub-zones (core, uncore, dram), which are parts of the package or beside it; psys, which is the platform
// and contains the packages; and intel-rapl-mmio, which is the same counter read another way.
func openRAPL(env Environment, _ Options) (Source, string, error) {
	r := &rapl{env: env, files: env.fsys()}
	entries, err := fs.ReadDir(r.files, raplFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, "", cannotOpen(err, "no /"+raplFolder, raplGrant)
	}
	for _, e := range entries {
		folder := path.Join(raplFolder, e.Name())
		if !strings.HasPrefix(e.Name(), "intel-rapl:") || strings.Count(e.Name(), ":") != 1 {
			continue
		}
		name, err := readText(r.files, path.Join(folder, "name"))
		if err != nil {
			return nil, "", cannotOpen(err, folder+" has no name", raplGrant)
		}
		number, ok := strings.CutPrefix(name, "package-")
		if !ok {
			continue
		}
		z := raplZone{folder: folder, device: "cpu:" + number}
		if err := z.open(r.files); err != nil {
			return nil, "", cannotOpen(err, folder+" has no counter", raplGrant)
		}
		r.zones = append(r.zones, z)
	}
	if len(r.zones) == 0 {
		return nil, "", raplAbsent(r.files)
	}
	return r, fmt.Sprintf("%s, a counter wraps after %.0f J", count(len(r.zones), "package"), float64(r.zones[0].wrap)/1e6), nil
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

func (z *raplZone) open(files fs.FS) (err error) {
	if z.wrap, err = readUint(files, path.Join(z.folder, "max_energy_range_uj")); err != nil {
		return err
	}
	z.last, err = readUint(files, path.Join(z.folder, "energy_uj"))
	return err
}

// Name implements Source.
func (*rapl) Name() string { return raplName }

// Sample implements Source.
func (r *rapl) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	var errs []error
	for i := range r.zones {
		z := &r.zones[i]
		v, err := readUint(r.files, path.Join(z.folder, "energy_uj"))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		z.sum += rise(z.last, v, z.wrap)
		z.last = v
		s := r.env.sample(now, raplName, z.device)
		s.EnergyCounterJoules = units.Ptr(units.Joules(float64(z.sum) / 1e6))
		dst = append(dst, s)
	}
	return dst, errors.Join(errs...)
}

// rise is how much a counter that falls to 0 after wrap rose from last to now, if it wrapped at most once in between
// (at 200 W a package takes some 20 minutes to wrap).
func rise(last, now, wrap uint64) uint64 {
	if now >= last {
		return now - last
	}
	return wrap - min(last, wrap) + now
}

// Close implements Source.
func (*rapl) Close() error { return nil }
