// Package telemetry samples the sensors of one machine: processor and graphics power and energy counters, temperature,
// utilisation, clocks and memory. Each sensor family is one Source in one file and registers itself; a Set is what of
// them the machine has, and a Recorder sweeps a Set at an interval. The package reads and never interprets: integrating
// samples over the window of a run, and grading the result, is package energy's.
//
// A sensor that the machine lacks is absent (ErrAbsent) and yields no samples; nothing is ever filled in for it. The one
// source that models instead of measuring, cpu-estimate, says so in its name and is opened only where no other source
// measures processor power.
package telemetry

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// ErrAbsent says that the machine lacks the sensor.
var ErrAbsent = errors.New("absent")

// ErrPermission says that the sensor is present but not readable by this user; the error's text names the command that
// grants it.
var ErrPermission = errors.New("present, but not readable")

// Source reads one family of sensors. Sample is called by one goroutine at a time.
type Source interface {
	// Name is the registry name, and the `source` column of its samples.
	Name() string
	// Sample appends one row per device to dst. now is the time of the reading and carries Go's monotonic clock, from
	// which rates are computed. On an error the rows read so far are still returned.
	Sample(now time.Time, dst []record.Sample) ([]record.Sample, error)
	// Close releases what the source holds.
	Close() error
}

// Tracker is a Source that tells the processes which are measured from others.
type Tracker interface {
	// Track makes the given processes and their descendants, from now on, the ones that are measured; none ends it.
	Track(pids []int)
}

// prompter is a Source that passes over sweeps, or reads less in them, where they follow too soon upon one another.
type prompter interface {
	// prompt makes everything due at the next sweep.
	prompt()
}

// Resolution is how often a device updates what a source reads; 0 where that is not known or there is no such reading.
type Resolution struct{ Counter, Power time.Duration }

// Resolver is a Source that knows the resolution of its devices, by name ("gpu:0").
type Resolver interface{ Resolution() map[string]Resolution }

// Environment is the machine to read.
type Environment struct {
	Root string // folder that /proc and /sys are read below; "" means "/". A container's view of its host, or a fixture.
	Host string // the `host` column of every sample

	files fs.FS      // replaces Root in tests, so that a permission error can be injected whoever runs them
	perf  perfOpener // replaces the system call of the source perf in tests
}

// Validate reports a host that is no text, which no file of samples could hold.
func (e Environment) Validate() error {
	if clean(e.Host) != e.Host {
		return fmt.Errorf("host: saw %q, want text without control characters", e.Host)
	}
	return nil
}

// fsys is the file tree that sensors are read from, with paths like "sys/class/powercap".
func (e Environment) fsys() fs.FS {
	if e.files != nil {
		return e.files
	}
	return os.DirFS(cmp.Or(e.Root, "/"))
}

// sample starts a row: what every row of every source has.
func (e Environment) sample(now time.Time, source, device string) record.Sample {
	return record.Sample{
		Schema: record.SchemaSample, Host: e.Host, TSUnixNS: now.UnixNano(), Source: source, Device: device,
	}
}

// Options are the settings of sources. The zero value is the default.
type Options struct {
	// CPUIdleWatts and CPUMaxWatts replace the coefficients of cpu-estimate: the power of one processor package, idle and
	// under full load. Both or neither; nil means the published coefficients (DefaultIdleWattsPerCPU and
	// DefaultMaxWattsPerCPU).
	CPUIdleWatts, CPUMaxWatts *units.Watts

	// Meters are external meters to read besides the machine's own sensors, each "NAME=COMMAND", a command of the system's
	// shell that prints watts, or "NAME=http://host:port/metrics#metric{label=\"value\"}", a gauge in watts. None by default.
	Meters []string
	// MeterInterval is how often a meter is read that does not go on by itself; 0 means DefaultMeterInterval.
	MeterInterval time.Duration
}

// Validate reports settings that cannot be meant.
func (o Options) Validate() error {
	if _, err := o.parseMeters(); err != nil {
		return err
	}
	if (o.CPUIdleWatts == nil) != (o.CPUMaxWatts == nil) {
		return errors.New("idle and full-load watts of the processor: saw one of them, want both or neither")
	}
	if o.CPUIdleWatts == nil {
		return nil
	}
	if *o.CPUIdleWatts < 0 || !(*o.CPUMaxWatts > *o.CPUIdleWatts) || math.IsInf(float64(*o.CPUMaxWatts), 0) {
		return fmt.Errorf("watts of the processor: saw idle %v and full load %v, want 0 <= idle < full load",
			*o.CPUIdleWatts, *o.CPUMaxWatts)
	}
	return nil
}

// Status is what became of a source on this machine.
type Status string

// The statuses of a Finding.
const (
	Present     Status = "present"    // opened, and a reading succeeded
	NoAccess    Status = "permission" // there, but this user may not read it
	Absent      Status = "absent"     // the machine lacks it
	Broken      Status = "broken"     // there, but what it says cannot be read
	NotRequired Status = "unused"     // a fallback that a better source makes unnecessary
)

// Finding is one line of the doctor: what became of one source, why, and what to do.
type Finding struct {
	Source   string `json:"source"`
	Measures string `json:"measures"`
	Status   Status `json:"status"`
	Detail   string `json:"detail"` // what was found, or why nothing was
	Fix      string `json:"fix"`    // what makes it available; empty where nothing can or need be done
}

// unavailable is the error of a source that cannot be opened: kind is ErrAbsent or ErrPermission.
type unavailable struct {
	kind     error
	why, fix string
}

func (u *unavailable) Error() string {
	msg := u.kind.Error() + ": " + u.why
	if u.fix != "" {
		msg += "; run: " + u.fix
	}
	return msg
}

// Unwrap gives errors.Is the sentinel.
func (u *unavailable) Unwrap() error { return u.kind }

// member is a registered source.
type member struct {
	name     string
	measures string
	cpuPower bool // measures processor power
	fallback bool // opened only where no other member measures processor power
	rank     int  // of fallbacks, that of the higher rank is tried first
	// open returns the source and what it found, for the doctor; or an error that wraps ErrAbsent or ErrPermission.
	open func(Environment, Options) (Source, string, error)
}

// members are the registered sources. Fallbacks come last, so that what they replace has been tried by then.
var members []member

// register adds a source to the registry. It is called from the init function of the source's own file.
func register(m member) {
	members = append(members, m)
	slices.SortFunc(members, func(a, b member) int {
		if a.fallback != b.fallback {
			if a.fallback {
				return 1
			}
			return -1
		}
		return cmp.Or(cmp.Compare(b.rank, a.rank), cmp.Compare(a.name, b.name))
	})
}
