package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/telemetry"
	"github.com/banterhearts/bh/pkg/units"
)

const tool = "bh-telemetry"

// run is the whole tool.
func run(ctx context.Context, args []string, s cli.Streams) int {
	return cli.Run(ctx, newApp(args, s), args, s)
}

// newApp is the tool's commands; args is the command line as it was given, for the manifest.
func newApp(args []string, s cli.Streams) *urfave.App {
	return &urfave.App{
		Name:  tool,
		Usage: "sample power and other sensors, and join energy to measured runs",
		Description: "Records what this machine's sensors say, as files of samples, and integrates them over the windows\n" +
			"of measured runs. doctor says which sensors work here and what to do about the others.",
		DisableSliceFlagSeparator: true, // a file name may hold a comma
		Commands: []*urfave.Command{
			recordCommand(args, s), topCommand(s), joinCommand(args, s), summaryCommand(s), recoverCommand(args, s), doctorCommand(s),
		},
	}
}

// The flags that several commands have.

func rootFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "root", Value: "/",
		Usage: "read /proc and /sys below `FOLDER`: in a container, where the host's are mounted"}
}

func intervalFlag(usual time.Duration) urfave.Flag {
	return &urfave.DurationFlag{Name: "interval", Value: usual,
		Usage: fmt.Sprintf("`TIME` between two sweeps of the sensors, %v to %v", telemetry.MinInterval, telemetry.MaxInterval)}
}

func badInterval(command string, saw time.Duration) error {
	return cli.BadInputf("%s: --interval: saw %v, want %v to %v", command, saw, telemetry.MinInterval, telemetry.MaxInterval)
}

// sensorFlags are the flags of commands that read sensors.
func sensorFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.Float64Flag{Name: "cpu-idle-watts", DefaultText: "published figures",
			Usage: "`WATTS` of one idle processor package, for the estimate where no sensor measures processor power"},
		&urfave.Float64Flag{Name: "cpu-max-watts", DefaultText: "published figures", Usage: "the same `WATTS` under full load"},
		&urfave.StringSliceFlag{Name: "meter", DefaultText: "none",
			Usage: "read an external meter too: `NAME=METER`, a command that prints watts, or " +
				"http://HOST:PORT/metrics#METRIC; may be given several times"},
		&urfave.DurationFlag{Name: "meter-interval", Value: telemetry.DefaultMeterInterval,
			Usage: "`TIME` between two readings of a meter that does not go on by itself"},
		rootFlag(),
	}
}

// sensorOptions is what they say.
func sensorOptions(c *urfave.Context) (telemetry.Options, error) {
	opt := telemetry.Options{Meters: c.StringSlice("meter"), MeterInterval: c.Duration("meter-interval")}
	for name, to := range map[string]**units.Watts{
		"cpu-idle-watts": &opt.CPUIdleWatts, "cpu-max-watts": &opt.CPUMaxWatts,
	} {
		if c.IsSet(name) {
			*to = units.Ptr(units.Watts(c.Float64(name)))
		}
	}
	if opt.MeterInterval <= 0 {
		return opt, cli.BadInputf("%s: --meter-interval: saw %v, want more than 0", c.Command.Name, opt.MeterInterval)
	}
	return opt, nil
}

// meterSource is the source of external meters.
const meterSource = "meter"

// checkRoot reports a --root that is no folder, whose sensors would all be absent.
func checkRoot(command, root string) error {
	if info, err := os.Stat(root); err != nil || !info.IsDir() {
		return cli.BadInputf("%s: --root: saw %q, want a folder", command, root)
	}
	return nil
}

// openSensors opens what the machine has, and notes what is there but of no use as it is. A meter that was asked for and does
// not work is an error, and so is a machine without any sensor.
func openSensors(env telemetry.Environment, opt telemetry.Options, note noteFunc) (*telemetry.Set, error) {
	set, err := telemetry.Open(env, opt)
	if err != nil {
		return nil, err
	}
	if len(opt.Meters) > 0 && !slices.Contains(set.Sources(), meterSource) {
		for _, f := range set.Findings() {
			if f.Source == meterSource {
				err = fmt.Errorf("--meter: %s", f.Detail)
			}
		}
		return nil, errors.Join(err, set.Close())
	}
	if len(set.Sources()) == 0 {
		return nil, errors.Join(errors.New("no sensor works on this machine; see bh-telemetry doctor"), set.Close())
	}
	noteUnusable(set.Findings(), note)
	return set, nil
}

// noteUnusable says which sources are there but cannot be read, and what mends that: what would measure may be passed over for
// an estimate.
func noteUnusable(findings []telemetry.Finding, note noteFunc) {
	for _, f := range findings {
		if f.Status != telemetry.NoAccess && f.Status != telemetry.Broken {
			continue
		}
		text := fmt.Sprintf("warning: source %s is there but is not recorded (%s): %s", f.Source, f.Status, f.Detail)
		if f.Fix != "" {
			text += "; try: " + f.Fix
		}
		note("%s", text)
	}
}

func outputFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, DefaultText: "standard output",
		Usage: "write `FILE` (.parquet .arrow .jsonl .csv); - is standard output"}
}

func formatFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "format", DefaultText: "by the extension of the output",
		Usage: "write as `FORMAT`: parquet, arrow, jsonl, csv"}
}

// environment is the machine that the flags name; without a name it has the pseudonym that bh-run gives it, so that the
// samples of one fit the runs of the other.
func environment(c *urfave.Context) telemetry.Environment {
	env := telemetry.Environment{Root: c.String("root"), Host: c.String("host")}
	if env.Host == "" {
		env.Host = manifest.Pseudonym(env.Root)
	}
	return env
}
