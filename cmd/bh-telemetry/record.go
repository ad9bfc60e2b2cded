package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// recordOptions are the settings of record.
type recordOptions struct {
	Output   string        // file; "" streams to standard output, and so does "-" on the command line
	Format   store.Format  // "" by the extension of Output, JSON-lines on standard output
	Interval time.Duration // between two sweeps of all sensors; default telemetry.DefaultInterval
	Duration time.Duration // 0 records until interrupted, or until Command ends
	Command  []string      // program and arguments to run meanwhile; empty for none
	Idle     time.Duration // before and after Command, to measure idle power; 0 for none
	Metrics  string        // [HOST]:PORT to serve OpenMetrics at; "" for none
	Quiet    bool
	Env      telemetry.Environment
	Sensors  telemetry.Options
}

// Validate reports settings that cannot be meant.
func (o recordOptions) Validate() error {
	switch {
	case o.Interval < telemetry.MinInterval || o.Interval > telemetry.MaxInterval:
		return badInterval("record", o.Interval)
	case o.Duration < 0:
		return cli.BadInputf("record: --duration: saw %v, want a time of at least 0", o.Duration)
	case o.Duration > 0 && len(o.Command) > 0:
		return cli.BadInputf("record: saw --duration and a command, want one of them: the command's end ends the recording")
	case o.Output == "" && o.Metrics == "" && len(o.Command) > 0:
		return cli.BadInputf("record: a command without -o FILE: standard output is the command's")
	case o.Idle < 0:
		return cli.BadInputf("record: --idle: saw %v, want a time of at least 0", o.Idle)
	case o.Idle > 0 && len(o.Command) == 0:
		return cli.BadInputf("record: --idle without a command, want one: idle power is measured before and after it")
	}
	if err := checkRoot("record", o.Env.Root); err != nil {
		return err
	}
	if err := o.Env.Validate(); err != nil {
		return cli.BadInputf("record: --%w", err)
	}
	if err := o.checkOutput(); err != nil {
		return err
	}
	if err := o.checkFormat(); err != nil {
		return err
	}
	return cli.BadInput(o.Sensors.Validate())
}

// checkFormat refuses a recording that no tool could read.
func (o recordOptions) checkFormat() (err error) {
	if o.Output == "" {
		return nil
	}
	if o.Format != "" {
		err = store.CheckReadable(o.Format)
	} else {
		_, err = store.ReadableFormatOf(o.Output)
	}
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	return nil
}

// checkOutput refuses an output that cannot be a file, before anything is recorded for it.
func (o recordOptions) checkOutput() error {
	if o.Output == "" {
		return nil
	}
	if info, err := os.Stat(o.Output); err == nil && info.IsDir() {
		return cli.BadInputf("record: -o: %s is a folder, want a file", o.Output)
	}
	target, err := atomicfile.Target(o.Output)
	if err != nil {
		return cli.BadInputf("record: -o: %w", err)
	}
	if info, err := os.Stat(filepath.Dir(target)); err != nil || !info.IsDir() {
		where := ""
		if target != o.Output {
			where = ", which it is a link into"
		}
		return cli.BadInputf("record: -o %s: there is no folder %s%s", o.Output, filepath.Dir(target), where)
	}
	return nil
}

func recordCommand(args []string, s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "record",
		Usage:     "sample the sensors, until Ctrl-C or while a command runs",
		ArgsUsage: cli.CommandOperand,
		Description: "With a command, its exit code is passed through. Without one and without --duration, Ctrl-C is the normal\n" +
			"end of a recording and gives exit code 0; so are SIGTERM, SIGQUIT (Ctrl-\\) and SIGHUP, as of a closed terminal. A Parquet file can be read while it grows, and after kill -9; what it\n" +
			"replaces stays as FILE.previous until the recording is finished.",
		Flags: append([]urfave.Flag{
			outputFlag(), formatFlag(),
			intervalFlag(telemetry.DefaultInterval),
			&urfave.DurationFlag{Name: "duration", DefaultText: "until Ctrl-C", Usage: "`TIME` to record for; 0s is until Ctrl-C too"},
			&urfave.DurationFlag{Name: "idle", DefaultText: "none",
				Usage: "`TIME` to leave the machine idle before and after the command, to know its idle power"},
			&urfave.StringFlag{Name: "prometheus", Usage: "serve OpenMetrics at `[HOST]:PORT`/metrics meanwhile; :0 chooses a port"},
			&urfave.StringFlag{Name: "host", DefaultText: "a pseudonym of this machine",
				Usage: "`NAME` that the samples carry; join matches it with the runs'"},
			&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"},
		}, sensorFlags()...),
		Action: func(c *urfave.Context) error {
			opt, err := recordOptionsOf(c)
			if err != nil {
				return err
			}
			return newRecording(opt, args, s).run(c.Context)
		},
	}
}

func recordOptionsOf(c *urfave.Context) (recordOptions, error) {
	sensors, err := sensorOptions(c)
	if err != nil {
		return recordOptions{}, err
	}
	output := c.String("output")
	if output == "-" {
		output = ""
	}
	opt := recordOptions{
		Output: output, Format: store.Format(c.String("format")),
		Interval: c.Duration("interval"), Duration: c.Duration("duration"),
		Command: c.Args().Slice(), Idle: c.Duration("idle"), Metrics: c.String("prometheus"), Quiet: c.Bool("quiet"),
		Env: environment(c), Sensors: sensors,
	}
	return opt, opt.Validate()
}
