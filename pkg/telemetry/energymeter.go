package telemetry

import (
	"regexp"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	energyMeterName     = "energy-meter"
	energyMeterMeasures = "processor package energy and other rails (Windows Energy Meter)"
	// energyMeterPath names the performance counters. Beside "Energy" the object has "Power", which Windows derives from
	// it and which would agree with it always and prove nothing.
	energyMeterPath = `\Energy Meter(*)\Energy`
)

// picowattHours is the unit of the counter: "In EMI_VERSION_V1, the only supported unit is picowatt-hours" (Microsoft,
// emi.h, EMI_CHANNEL_MEASUREMENT_DATA and EMI_MEASUREMENT_UNIT, learn.microsoft.com/windows/win32/api/emi). The
// performance counters show these meters, one instance per rail. 1 pWh is 3600 * 1e-12 J.
type picowattHours int64

func (p picowattHours) joules() units.Joules { return units.Joules(float64(p) * 3.6e-9) }

// energyMeterDevice says which device an instance of the object Energy Meter is, "" for one that is left out. The driver
// of Intel's processors names them after RAPL's domains, "RAPL_Package0_PKG", PP0 the cores, PP1 the rest of the package
// with its graphics, DRAM; others are the maker's, as "CPU_CLUSTER_0" or "SYS", and a board's. Left out are the single
// cores ("RAPL_Package0_Core3_CORE"), which are parts of PP0, and the sum of all instances, which counts parts twice.
func energyMeterDevice(instance string) string {
	if m := raplInstance.FindStringSubmatch(instance); m != nil {
		return map[string]string{"pkg": "cpu:", "pp0": "core:", "pp1": "uncore:", "dram": "dram:"}[strings.ToLower(m[2])] + m[1]
	}
	if strings.EqualFold(instance, "_Total") || raplCore.MatchString(instance) {
		return ""
	}
	return "board:" + instance
}

var (
	raplInstance = regexp.MustCompile(`(?i)^RAPL_Package(\d+)_(PKG|PP0|PP1|DRAM)$`)
	raplCore     = regexp.MustCompile(`(?i)^RAPL_Package\d+_Core\d+_CORE$`)
)

// energyMeter reads the counters. It gives no power column, like rapl.
type energyMeter struct {
	env   Environment
	query energyQuery
	rails map[string]*energyRail // by instance
}

// energyQuery reads the counter of every instance.
type energyQuery interface {
	read() (map[string]picowattHours, error)
	close() error
}

// energyRail is the device of one instance, and where its counter stands.
type energyRail struct {
	device    string
	last, sum picowattHours
}

var _ Source = (*energyMeter)(nil)

// openEnergyMeter notes where the counters stand. A counter that is 0 has not counted since the machine was started: its
// rail is not measured (DRAM on most desktops), and it would pass for a device that draws nothing.
func openEnergyMeter(env Environment, query energyQuery) (Source, string, error) {
	now, err := query.read()
	if err != nil {
		return nil, "", err
	}
	m := &energyMeter{env: env, query: query, rails: map[string]*energyRail{}}
	packages, others := 0, 0
	seen := names{}
	for _, instance := range sortedKeys(now) {
		device, v := energyMeterDevice(instance), now[instance]
		if device == "" || v <= 0 {
			continue
		}
		m.rails[instance] = &energyRail{device: seen.take(clean(device)), last: v}
		if strings.HasPrefix(device, "cpu:") {
			packages++
		} else {
			others++
		}
	}
	if packages == 0 {
		return nil, "", &unavailable{kind: ErrAbsent, why: "Windows shows no meter of a processor package (counters of Energy Meter)"}
	}
	return m, count(packages, "package") + ", " + count(others, "other rail"), nil
}

// Name implements Source.
func (*energyMeter) Name() string { return energyMeterName }

// Sample implements Source.
func (m *energyMeter) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	values, err := m.query.read()
	if err != nil {
		return dst, err
	}
	for _, instance := range sortedKeys(values) {
		rail := m.rails[instance]
		if rail == nil {
			continue
		}
		v := values[instance]
		rail.sum += max(0, v-rail.last) // one that fell began again, as after sleep
		rail.last = v
		s := m.env.sample(now, energyMeterName, rail.device)
		s.EnergyCounterJoules = units.Ptr(rail.sum.joules())
		dst = append(dst, s)
	}
	return dst, nil
}

// Close implements Source.
func (m *energyMeter) Close() error { return m.query.close() }
