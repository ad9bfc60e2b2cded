package telemetry

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	hwmonName     = "hwmon"
	amdEnergyName = "amd-energy"
	hwmonGrant    = "sudo chmod a+r /sys/class/hwmon/hwmon*/power*_input /sys/class/hwmon/hwmon*/energy*_input"

	// hwmonEvery is how often a power is read: most drivers ask a chip on a slow bus or a firmware, which takes from
	// tenths of a millisecond to several. Counters are read in every sweep.
	hwmonEvery = 100 * time.Millisecond
	// hwmonDear is how long the first reading may take; a sensor that takes longer is read once per slowEvery.
	hwmonDear = 2 * time.Millisecond
)

func init() {
	register(member{name: hwmonName, measures: "power of AMD and Intel GPUs, boards and power supplies (hwmon)", open: openHwmon})
	register(member{name: amdEnergyName, measures: "processor package energy (hwmon driver amd_energy)",
		cpuPower: true, fallback: true, open: openAMDEnergy})
}

// hwmon reads power sensors and energy counters of the kernel's hardware monitoring (Linux,
// Documentation/hwmon/sysfs-interface.rst). What each is the power of is hwmonDevice's to say.
type hwmon struct {
	env      Environment
	name     string
	channels []*hwmonChannel
}

var (
	_ Source   = (*hwmon)(nil)
	_ Resolver = (*hwmon)(nil)
	_ prompter = (*hwmon)(nil)
)

// hwmonChannel is one sensor. A file that it lacks is nil.
type hwmonChannel struct {
	device         string
	power, average *kept // microwatts: now, and the device's own mean
	energy         *kept // microjoules
	volts, amperes *kept // mV and mA, of chips whose driver does not multiply them
	gpu            *hwmonGPU

	averageFor, powerUpdate, counterUpdate *int64 // ns, where the driver or its documentation tells
	base                                   int64  // of the counter, when the source was opened
	pace                                   every  // of the power
	slow                                   every
}

// hwmonGPU are the files of a GPU beside its power.
type hwmonGPU struct{ limit, busy, used, total, clock, memClock, temp *kept }

// open reads everything once, to know what is there, what it costs and where the counter stands.
func (c *hwmonChannel) open() (err error) {
	begin := time.Now()
	for _, k := range []*kept{c.power, c.average, c.volts, c.amperes} {
		if k != nil {
			if _, err = k.number(); err != nil {
				return err
			}
		}
	}
	c.pace.span, c.slow.span = hwmonEvery, slowEvery
	if time.Since(begin) > hwmonDear {
		c.pace.span = slowEvery
	}
	if c.energy != nil {
		c.base, err = c.energy.number()
	}
	return err
}

// sample reads the sensor; ok is false where it is not its turn.
func (c *hwmonChannel) sample(now time.Time, s *record.Sample) (ok bool, err error) {
	var errs []error
	get := func(k *kept, to func(float64)) {
		if k == nil {
			return
		}
		v, err := k.number()
		if err != nil {
			errs = append(errs, err)
			return
		}
		ok = true
		to(float64(v))
	}
	amount := func(k *kept, to func(float64)) { // of which there is no negative one
		get(k, func(v float64) {
			if v < 0 {
				errs = append(errs, fmt.Errorf("%s: saw %v, want an unsigned number", k.name, v))
				return
			}
			to(v)
		})
	}
	get(c.energy, func(v float64) {
		s.EnergyCounterJoules, s.CounterUpdateNS = units.Ptr(units.Joules(max(0, v-float64(c.base))/1e6)), c.counterUpdate
	})
	if c.pace.due(now) {
		get(c.power, func(v float64) { s.PowerW, s.PowerUpdateNS = units.Ptr(units.Watts(max(0, v)/1e6)), c.powerUpdate })
		get(c.average, func(v float64) { s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(max(0, v)/1e6)), c.averageFor })
		get(c.volts, func(mv float64) {
			get(c.amperes, func(ma float64) {
				s.PowerW, s.PowerUpdateNS = units.Ptr(units.Watts(max(0, mv*ma)/1e6)), c.powerUpdate
			})
		})
	}
	if g := c.gpu; g != nil && c.slow.due(now) {
		amount(g.limit, func(v float64) { s.PowerLimitW = units.Ptr(units.Watts(v / 1e6)) })
		amount(g.busy, func(v float64) { s.UtilPct = units.Ptr(units.Percent(v)) })
		amount(g.used, func(v float64) { s.MemUsedBytes = units.Ptr(units.Bytes(v)) })
		amount(g.total, func(v float64) { s.MemTotalBytes = units.Ptr(units.Bytes(v)) })
		amount(g.clock, func(hz float64) { s.ClockMHz = units.Ptr(units.Megahertz(hz / 1e6)) })
		get(g.temp, func(v float64) { s.TempC = units.Ptr(units.Celsius(v / 1000)) })
		amount(g.memClock, func(hz float64) { s.MemClockMHz = units.Ptr(units.Megahertz(hz / 1e6)) })
	}
	return ok, errors.Join(errs...)
}

// prompt implements prompter. A chip that is dear to read stays at its pace, as the edge of a window would wait for it.
func (h *hwmon) prompt() {
	for _, c := range h.channels {
		if c.pace.span < slowEvery {
			c.pace.last, c.slow.last = time.Time{}, time.Time{}
		}
	}
}

// Name implements Source.
func (h *hwmon) Name() string { return h.name }

// Sample implements Source.
func (h *hwmon) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	watch := startWatch(now)
	var errs []error
	for _, c := range h.channels {
		// A chip on a slow bus would shift the readings of those behind it, so each has its own time: the middle of its own
		// reading, as the chip may have measured at the begin or at the end of it.
		begin := watch()
		s := h.env.sample(begin, h.name, c.device)
		ok, err := c.sample(now, &s)
		if err != nil {
			errs = append(errs, err)
		}
		if ok {
			s.TSUnixNS += int64(watch().Sub(begin) / 2)
			dst = append(dst, s)
		}
	}
	return dst, errors.Join(errs...)
}

// Resolution implements Resolver.
func (h *hwmon) Resolution() map[string]Resolution {
	out := map[string]Resolution{}
	for _, c := range h.channels {
		var r Resolution
		if c.counterUpdate != nil {
			r.Counter = time.Duration(*c.counterUpdate)
		}
		if c.power != nil || c.volts != nil {
			r.Power = c.pace.span
			if c.powerUpdate != nil {
				r.Power = max(r.Power, time.Duration(*c.powerUpdate))
			}
		}
		out[c.device] = r
	}
	return out
}

// describe tells the devices for the doctor.
func (h *hwmon) describe(denied error) string {
	var devices []string
	for _, c := range h.channels {
		device := c.device
		if c.power == nil && c.energy == nil && c.volts == nil {
			device += " (its own mean)"
		}
		devices = append(devices, device)
	}
	if len(devices) > 6 {
		devices = append(devices[:6], fmt.Sprintf("%d more", len(devices)-6))
	}
	detail := strings.Join(devices, ", ")
	if denied != nil {
		detail += "; not readable: " + place(denied)
	}
	return detail
}

// Close implements Source.
func (h *hwmon) Close() error {
	var errs []error
	for _, c := range h.channels {
		errs = append(errs, closeKept(c.power, c.average, c.energy, c.volts, c.amperes))
		if g := c.gpu; g != nil {
			errs = append(errs, closeKept(g.limit, g.busy, g.used, g.total, g.clock, g.memClock, g.temp))
		}
	}
	return errors.Join(errs...)
}
