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

const thermalName = "thermal"

func init() {
	register(member{name: thermalName, measures: "temperatures (hwmon and thermal zones)", open: openThermal})
}

// thermal reads temperatures once per slowEvery, one device per sensor ("thermal:coretemp/Package id 0").
type thermal struct {
	env     Environment
	files   fs.FS
	slow    pace
	sensors []thermalSensor
}

var _ Source = (*thermal)(nil)

// thermalSensor is a file with a temperature in thousandths of a degree Celsius.
type thermalSensor struct{ file, device string }

func openThermal(env Environment, _ Options) (Source, string, error) {
	t := &thermal{env: env, files: env.fsys()}
	seen := names{}
	chips := map[string]bool{}
	var denied error
	add := func(file, name string) {
		if _, err := readInt(t.files, file); err != nil { // a sensor that is not connected fails with ENODATA or EIO
			if errors.Is(err, fs.ErrPermission) {
				denied = err
			}
			return
		}
		t.sensors = append(t.sensors, thermalSensor{file, "thermal:" + seen.take(name)})
	}
	addHwmon(t.files, chips, add)
	addZones(t.files, chips, add)
	switch {
	case len(t.sensors) > 0:
		return t, count(len(t.sensors), "sensor") + ", first " + t.sensors[0].device, nil
	case denied != nil:
		return nil, "", &unavailable{kind: ErrPermission, why: place(denied),
			fix: "sudo chmod a+r /sys/class/hwmon/hwmon*/temp*_input /sys/class/thermal/thermal_zone*/temp"}
	}
	return nil, "", &unavailable{kind: ErrAbsent, why: "no temperature sensor in /sys/class/hwmon and /sys/class/thermal"}
}

// addHwmon adds the sensors of all hwmon chips but disks, which reading would wake up or interrupt.
func addHwmon(files fs.FS, chips map[string]bool, add func(file, name string)) {
	inputs, _ := fs.Glob(files, "sys/class/hwmon/hwmon*/temp*_input") // the pattern is valid
	for _, file := range inputs {
		chip, err := readName(files, path.Join(path.Dir(file), "name"))
		if err != nil || chip == "nvme" || chip == "drivetemp" {
			continue
		}
		chips[chip] = true
		sensor := strings.TrimSuffix(path.Base(file), "_input")
		if label, err := readName(files, strings.TrimSuffix(file, "_input")+"_label"); err == nil && label != "" {
			sensor = label
		}
		add(file, chip+"/"+sensor)
	}
}

// addZones adds the thermal zones that are not a hwmon chip as well.
func addZones(files fs.FS, chips map[string]bool, add func(file, name string)) {
	temps, _ := fs.Glob(files, "sys/class/thermal/thermal_zone*/temp") // the pattern is valid
	for _, file := range temps {
		if zone, err := readName(files, path.Join(path.Dir(file), "type")); err == nil && !chips[zone] {
			add(file, zone)
		}
	}
}

// Name implements Source.
func (*thermal) Name() string { return thermalName }

// Sample implements Source.
func (t *thermal) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	if !t.slow.due(now) {
		return dst, nil
	}
	var errs []error
	for _, sensor := range t.sensors {
		v, err := readInt(t.files, sensor.file)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s := t.env.sample(now, thermalName, sensor.device)
		s.TempC = units.Ptr(units.Celsius(float64(v) / 1000))
		dst = append(dst, s)
	}
	return dst, errors.Join(errs...)
}

// Close implements Source.
func (*thermal) Close() error { return nil }
