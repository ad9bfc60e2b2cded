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
	batteryName   = "battery"
	batteryFolder = "sys/class/power_supply"
)

func init() {
	register(member{name: batteryName, measures: "power of the whole machine while it runs on its battery", open: openBatteries})
}

// batteries reads what the machine draws from its batteries once per slowEvery, one device per battery ("battery:BAT0"),
// and only while it discharges: on the mains a battery's power is what it is charged with. What its gauge calls the energy
// that is left is the gauge's estimate and no counter (Linux, Documentation/ABI/testing/sysfs-class-power).
type batteries struct {
	env   Environment
	slow  every
	cells []battery
}

var (
	_ Source   = (*batteries)(nil)
	_ Resolver = (*batteries)(nil)
)

// battery is one battery: microwatts, or microamperes and microvolts.
type battery struct {
	device                        string
	status, power, current, volts *kept
}

func openBatteries(env Environment, _ Options) (Source, string, error) {
	b := &batteries{env: env, slow: every{span: slowEvery}}
	files := env.fsys()
	entries, _ := fs.ReadDir(files, batteryFolder)
	var said []string
	seen := names{}
	for _, e := range entries {
		folder := path.Join(batteryFolder, e.Name())
		kind, _ := readText(files, path.Join(folder, "type"))
		scope, _ := readText(files, path.Join(folder, "scope"))
		if kind != "Battery" || scope == "Device" { // that of a mouse
			continue
		}
		file := func(name string) *kept { return keep(files, path.Join(folder, name)) }
		name := seen.take(clean(e.Name()))
		one := battery{device: "battery:" + name, status: file("status"), power: file("power_now"),
			current: file("current_now"), volts: file("voltage_now")}
		discharging, err := one.discharging()
		if err == nil {
			_, err = one.watts()
		}
		if err != nil {
			return nil, "", errors.Join(batteryUnavailable(err), b.Close())
		}
		b.cells = append(b.cells, one)
		if discharging {
			said = append(said, name+" discharges now")
		} else {
			said = append(said, name+" does not discharge now, so it gives no readings")
		}
	}
	if len(b.cells) == 0 {
		return nil, "", &unavailable{kind: ErrAbsent, why: "no battery in /sys/class/power_supply"}
	}
	return b, strings.Join(said, ", "), nil
}

func batteryUnavailable(err error) error {
	return cannotOpen(err, fmt.Sprintf("a battery that does not tell its power (%s)", place(err)),
		"sudo chmod a+r /sys/class/power_supply/*/*_now")
}

func (b *battery) discharging() (bool, error) {
	text, err := b.status.read()
	return strings.TrimSpace(string(text)) == "Discharging", err
}

// watts is what flows now. Some drivers give what flows out a minus sign.
func (b *battery) watts() (units.Watts, error) {
	uw, err := b.power.number()
	if err == nil {
		return units.Watts(max(uw, -uw)) / 1e6, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	ua, err := b.current.number()
	if err != nil {
		return 0, err
	}
	uv, err := unsigned(b.volts)
	return units.Watts(max(ua, -ua)) * units.Watts(uv) / 1e12, err
}

// Name implements Source.
func (*batteries) Name() string { return batteryName }

// Sample implements Source.
func (b *batteries) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	if !b.slow.due(now) {
		return dst, nil
	}
	watch := startWatch(now)
	var errs []error
	for i := range b.cells {
		one := &b.cells[i]
		s := b.env.sample(watch(), batteryName, one.device)
		discharging, err := one.discharging()
		if err == nil && discharging {
			var w units.Watts
			if w, err = one.watts(); err == nil {
				s.PowerW = &w
				dst = append(dst, s)
			}
		}
		errs = append(errs, err)
	}
	return dst, errors.Join(errs...)
}

// Resolution implements Resolver.
func (b *batteries) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for _, one := range b.cells {
		out[one.device] = Resolution{Power: slowEvery}
	}
	return out
}

// Close implements Source.
func (b *batteries) Close() error {
	var errs []error
	for _, one := range b.cells {
		errs = append(errs, closeKept(one.status, one.power, one.current, one.volts))
	}
	return errors.Join(errs...)
}
