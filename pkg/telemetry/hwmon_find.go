package telemetry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

const hwmonChips = "sys/class/hwmon/hwmon*"

// openHwmon finds all power sensors but those of processor packages, which are openAMDEnergy's and RAPL's, and those of
// batteries, which are the source battery's.
func openHwmon(env Environment, _ Options) (Source, string, error) {
	h := &hwmon{env: env, name: hwmonName}
	files := env.fsys()
	chips, _ := fs.Glob(files, hwmonChips) // the pattern is valid
	var gpus []hwmonChip
	var found []*hwmonChannel
	for _, folder := range chips {
		if exists(files, path.Join(folder, "device/type")) {
			continue // a power supply has a type, a chip has none
		}
		folder = hwmonSensors(files, folder)
		chip, err := readName(files, path.Join(folder, "name"))
		switch {
		case err != nil, chip == "amd_energy":
		case chip == "amdgpu", chip == "i915", chip == "xe":
			gpus = append(gpus, hwmonChip{folder: folder, name: chip, slot: pciSlot(files, folder)})
		default:
			found = append(found, hwmonBoard(files, folder, chip)...)
		}
	}
	return h.finish(append(hwmonGPUs(files, gpus), nameApart(found)...), "no power sensor in /sys/class/hwmon")
}

// openAMDEnergy finds the counters of the packages of the driver amd_energy, which Linux had from 5.8 to 5.12 and AMD
// offers since (github.com/amd/amd_energy): "Esocket0" is package 0. Those of the cores are parts of it.
func openAMDEnergy(env Environment, _ Options) (Source, string, error) {
	h := &hwmon{env: env, name: amdEnergyName}
	files := env.fsys()
	labels, _ := fs.Glob(files, hwmonChips+"/energy*_label") // the pattern is valid
	var found []*hwmonChannel
	for _, label := range labels {
		chip, _ := readName(files, path.Join(path.Dir(label), "name"))
		text, _ := readName(files, label)
		if number, ok := strings.CutPrefix(text, "Esocket"); ok && chip == "amd_energy" {
			found = append(found, &hwmonChannel{device: "cpu:" + number, energy: keep(files, strings.TrimSuffix(label, "_label")+"_input"),
				counterUpdate: units.Ptr(int64(time.Millisecond))}) // amd_energy.rst: "These registers are updated every 1ms"
		}
	}
	return h.finish(found, "no driver amd_energy in /sys/class/hwmon")
}

// finish opens the sensors that were found. One that is not connected is left out, and so is one that this user may not
// read, unless that leaves none.
func (h *hwmon) finish(found []*hwmonChannel, absent string) (Source, string, error) {
	var denied error
	for _, c := range found {
		h.channels = append(h.channels, c)
		if err := c.open(); err != nil {
			if errors.Is(err, fs.ErrPermission) {
				denied = err
			}
			h.channels = h.channels[:len(h.channels)-1]
		}
	}
	switch {
	case len(h.channels) > 0:
		return h, h.describe(denied), nil
	case denied != nil:
		return nil, "", &unavailable{kind: ErrPermission, why: place(denied), fix: hwmonGrant}
	}
	return nil, "", &unavailable{kind: ErrAbsent, why: absent}
}

// hwmonSensors is where the sensors of a chip are: in its folder, or in that of its device, where older drivers have them.
// The power meter of ACPI is one (hwmon_device_register in Linux, drivers/hwmon/acpi_power_meter.c), and its folder has a
// name in some versions all the same.
func hwmonSensors(files fs.FS, folder string) string {
	device := path.Join(folder, "device")
	if exists(files, path.Join(device, "name")) &&
		(!exists(files, path.Join(folder, "name")) || exists(files, path.Join(device, "power1_average"))) {
		return device
	}
	return folder
}

var hwmonFile = regexp.MustCompile(`^(power|energy|in)\d+_(input|average)$`)

// hwmonBoard lists the sensors of a chip that is neither a GPU nor a processor.
func hwmonBoard(files fs.FS, folder, chip string) []*hwmonChannel {
	entries, err := fs.ReadDir(files, folder)
	if err != nil {
		return nil
	}
	var board hwmonSensorList
	for _, e := range entries {
		if !hwmonFile.MatchString(e.Name()) {
			continue
		}
		sensor, kind, _ := strings.Cut(e.Name(), "_")
		number := strings.TrimLeft(sensor, "powernergi")
		amperes := path.Join(folder, "curr"+number+"_input")
		if strings.HasPrefix(sensor, "in") && (chip != "ina3221" || !exists(files, amperes)) {
			continue // a voltage; only ina3221 pairs each with a current and leaves the product to the reader
		}
		label, err := readName(files, path.Join(folder, sensor+"_label"))
		device := hwmonDevice(chip, label)
		if err != nil || label == "" {
			device = hwmonDevice(chip, sensor)
		}
		c, fresh := board.of(device, strings.TrimSuffix(sensor, number), number)
		if fresh {
			c.averageFor = milliseconds(files, path.Join(folder, sensor+"_average_interval"))
			c.powerUpdate = milliseconds(files, path.Join(folder, "update_interval"))
		}
		k := keep(files, path.Join(folder, e.Name()))
		switch {
		case strings.HasPrefix(sensor, "in"):
			c.volts, c.amperes = k, keep(files, amperes)
		case strings.HasPrefix(sensor, "energy"):
			c.energy = k
		case kind == "average":
			c.average = k
		default:
			c.power = k
		}
	}
	return board.channels
}

// hwmonSensorList is the sensors of a chip as they are found.
type hwmonSensorList struct {
	channels []*hwmonChannel
	numbers  []map[string]string // of each channel, by kind: power 1, energy 1
}

// of is the channel of a sensor. A power and an energy of one name are one channel; two powers of one name, which a driver may
// give and a name that was cleaned may be, are two.
func (l *hwmonSensorList) of(device, kind, number string) (c *hwmonChannel, fresh bool) {
	for i, c := range l.channels {
		if has, ok := l.numbers[i][kind]; c.device == device && (!ok || has == number) {
			l.numbers[i][kind] = number
			return c, false
		}
	}
	c = &hwmonChannel{device: device}
	l.channels, l.numbers = append(l.channels, c), append(l.numbers, map[string]string{kind: number})
	return c, true
}

// hwmonDevice says whose power a sensor's is. Only those are the whole machine's ("system") of which the driver says so:
// macsmc_hwmon of Apple's machines, ibmpowernv of POWER, corsairpsu for the sum of a power supply's rails, and the meter of
// ACPI 4.0, which measures at the power supplies. All others are a board's: rails, regulators, single supplies.
func hwmonDevice(chip, label string) string {
	switch chip + "/" + label {
	case "macsmc_hwmon/Total System Power", "ibmpowernv/System", "corsairpsu/power total", "power_meter/power1":
		return "system"
	}
	return "board:" + chip + "/" + label
}

// nameApart gives sensors with the same name numbers. Several meters of the whole machine are none of them: each is then
// a part of it.
func nameApart(channels []*hwmonChannel) []*hwmonChannel {
	systems := 0
	for _, c := range channels {
		if c.device == "system" {
			systems++
		}
	}
	seen := names{}
	for _, c := range channels {
		if c.device == "system" && systems > 1 {
			c.device = "board:meter"
		}
		c.device = seen.take(c.device)
	}
	return channels
}

// milliseconds reads a file with a number of milliseconds, as nanoseconds; nil where it has none.
func milliseconds(files fs.FS, name string) *int64 {
	v, err := readInt(files, name)
	if err != nil || v <= 0 {
		return nil
	}
	return units.Ptr(v * int64(time.Millisecond))
}

// hwmonChip is the folder of a chip.
type hwmonChip struct{ folder, name, slot string }

// pciSlot is the bus address of the device that a chip is on, "" where it is on no PCI bus.
func pciSlot(files fs.FS, folder string) string {
	text, _ := readText(files, path.Join(folder, "device/uevent"))
	for line := range strings.Lines(text) {
		if slot, ok := strings.CutPrefix(strings.TrimSpace(line), "PCI_SLOT_NAME="); ok {
			return slot
		}
	}
	return ""
}

// hwmonGPUs lists the GPUs, numbered by bus address after those of NVIDIA's driver, which NVML numbers from 0.
//
// An APU's power is the processor's as well ("On APUs this includes the CPU", Linux, drivers/gpu/drm/amd/pm/amdgpu_pm.c):
// it is a board's, so that no processor counts as a GPU. Only APUs have in1 (vddnb; the same file). Intel's integrated
// GPUs have no chip here.
func hwmonGPUs(files fs.FS, chips []hwmonChip) []*hwmonChannel {
	slices.SortStableFunc(chips, func(a, b hwmonChip) int { return cmp.Compare(a.slot, b.slot) })
	nvidia, _ := fs.ReadDir(files, "proc/driver/nvidia/gpus")
	next := len(nvidia)
	var out []*hwmonChannel
	for _, chip := range chips {
		one := func(name string) *kept {
			if file := path.Join(chip.folder, name); exists(files, file) {
				return keep(files, file)
			}
			return nil
		}
		c := &hwmonChannel{power: one("power1_input"), average: one("power1_average"),
			energy: cmp.Or(one("energy1_input"), one("energy2_input"))} // xe: card, else package
		if c.power == nil && c.average == nil && c.energy == nil {
			continue
		}
		if exists(files, path.Join(chip.folder, "in1_input")) && chip.name == "amdgpu" {
			c.device = "board:apu"
		} else {
			c.device = fmt.Sprintf("gpu:%d", next)
			next++
		}
		c.gpu = &hwmonGPU{limit: one("power1_cap"), busy: one("device/gpu_busy_percent"), used: one("device/mem_info_vram_used"),
			total: one("device/mem_info_vram_total"), clock: one("freq1_input"), memClock: one("freq2_input"),
			temp: one("temp1_input")}
		out = append(out, c)
	}
	return out
}
