package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
	"github.com/banterhearts/bh/pkg/units"
)

// FlushEvery is how often samples go to disk: what a kill -9 can lose.
const FlushEvery = 500 * time.Millisecond

// recordOptions are the settings of record.
type recordOptions struct {
	Output   string        // file; "" streams to standard output
	Format   store.Format  // "" by the extension of Output, JSON-lines on standard output
	Interval time.Duration // between two sweeps of all sensors; default telemetry.DefaultInterval
	Duration time.Duration // 0 records until interrupted, or until Command ends
	Command  []string      // program and arguments to run meanwhile; empty for none
	Quiet    bool
	Env      telemetry.Environment
	Sensors  telemetry.Options
}

// Validate reports settings that cannot be meant.
func (o recordOptions) Validate() error {
	switch {
	case o.Interval < telemetry.MinInterval:
		return cli.BadInputf("record: --interval: saw %v, want at least %v", o.Interval, telemetry.MinInterval)
	case o.Duration < 0:
		return cli.BadInputf("record: --duration: saw %v, want a time of at least 0", o.Duration)
	case o.Duration > 0 && len(o.Command) > 0:
		return cli.BadInputf("record: saw --duration and a command, want one of them: the command's end ends the recording")
	case o.Output == "" && len(o.Command) > 0:
		return cli.BadInputf("record: a command without -o FILE: standard output is the command's")
	}
	if o.Output != "" && o.Format == "" {
		if _, err := store.FormatOf(o.Output); err != nil {
			return err
		}
	}
	return cli.BadInput(o.Sensors.Validate())
}

func recordCommand(args []string, s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "record",
		Usage:     "sample the sensors, until Ctrl-C or while a command runs",
		ArgsUsage: cli.CommandOperand,
		Description: "With a command, its exit code is passed through. Without one and without --duration, Ctrl-C is the normal\n" +
			"end of a recording and gives exit code 0.",
		Flags: []urfave.Flag{
			outputFlag(), formatFlag(),
			&urfave.DurationFlag{Name: "interval", Value: telemetry.DefaultInterval, Usage: "`TIME` between two sweeps of the sensors"},
			&urfave.DurationFlag{Name: "duration", DefaultText: "until Ctrl-C", Usage: "`TIME` to record for"},
			&urfave.Float64Flag{Name: "cpu-idle-watts", DefaultText: "published averages",
				Usage: "`WATTS` of one idle processor package, for the estimate where no sensor measures processor power"},
			&urfave.Float64Flag{Name: "cpu-max-watts", DefaultText: "published averages", Usage: "the same `WATTS` under full load"},
			rootFlag(),
			&urfave.StringFlag{Name: "host", DefaultText: "a pseudonym of this machine",
				Usage: "`NAME` that the samples carry; join matches it with the runs'"},
			&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "say nothing but errors"},
		},
		Action: func(c *urfave.Context) error {
			opt, err := recordOptionsOf(c)
			if err != nil {
				return err
			}
			return sample(c.Context, opt, args, s)
		},
	}
}

func recordOptionsOf(c *urfave.Context) (recordOptions, error) {
	opt := recordOptions{
		Output: c.String("output"), Format: store.Format(c.String("format")),
		Interval: c.Duration("interval"), Duration: c.Duration("duration"),
		Command: c.Args().Slice(), Quiet: c.Bool("quiet"),
	}
	for name, to := range map[string]**units.Watts{
		"cpu-idle-watts": &opt.Sensors.CPUIdleWatts, "cpu-max-watts": &opt.Sensors.CPUMaxWatts,
	} {
		if c.IsSet(name) {
			*to = units.Ptr(units.Watts(c.Float64(name)))
		}
	}
	opt.Env = environment(c)
	return opt, opt.Validate()
}

// sample runs a recording from end to end.
func sample(ctx context.Context, opt recordOptions, args []string, s cli.Streams) error {
	if err := lookUp(opt.Command); err != nil {
		return err
	}
	set, err := telemetry.Open(opt.Env, opt.Sensors)
	if err != nil {
		return err
	}
	if len(set.Sources()) == 0 {
		return errors.New("no sensor works on this machine; see bh-telemetry doctor")
	}
	note := func(format string, a ...any) {
		if !opt.Quiet {
			fmt.Fprintf(s.Err, tool+": "+format+"\n", a...)
		}
	}
	out, err := newTarget(ctx, opt, args, s.Out, note)
	if err != nil {
		return errors.Join(err, set.Close())
	}
	note("sampling %v every %v", set.Sources(), opt.Interval)
	rec := telemetry.Start(context.WithoutCancel(ctx), set, opt.Interval)
	ended := keepWhile(ctx, opt, s, rec, out)
	for _, f := range rec.Stop() {
		note("warning: %v", f)
	}
	err = errors.Join(out.append(rec.Drain()), set.Close(), out.finish(context.WithoutCancel(ctx)))
	return firstOf(ended, err)
}

// firstOf is the command's exit code before a failure of the recording, but both are told.
func firstOf(ended, failed error) error {
	var coded *cli.Error
	if failed != nil && errors.As(ended, &coded) {
		return &cli.Error{Code: coded.Code, Err: errors.Join(ended, failed)}
	}
	return errors.Join(ended, failed)
}

// target is where samples go as they come.
type target interface {
	append([]record.Sample) error
	finish(context.Context) error // makes the output whole
}

func newTarget(ctx context.Context, opt recordOptions, args []string, stdout io.Writer, note noteFunc) (target, error) {
	if opt.Output != "" {
		return newFileTarget(ctx, opt.Output, opt.Format, args, note)
	}
	format := opt.Format
	if format == "" {
		format = store.JSONL
	}
	w, err := store.NewWriter[record.Sample](stdout, format)
	if err != nil {
		return nil, err
	}
	return stream{w}, nil
}

// stream is samples on standard output.
type stream struct{ w *store.Writer[record.Sample] }

func (t stream) append(samples []record.Sample) error {
	for i := range samples {
		if err := t.w.Write(&samples[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t stream) finish(context.Context) error { return t.w.Close() }

// keepWhile passes samples on until the recording ends: with the command, whose failure it returns; after the duration;
// or with the first interrupt, which is an error only where it cut the duration short. A target that fails ends the
// recording, but never the command.
func keepWhile(ctx context.Context, opt recordOptions, s cli.Streams, rec *telemetry.Recorder, out target) error {
	var command <-chan error
	interrupted, failed := ctx.Done(), error(nil)
	if len(opt.Command) > 0 {
		var err error
		if command, err = startCommand(opt.Command, s); err != nil {
			return err
		}
		interrupted = nil // the command gets the signal, and its end ends the recording
	}
	var over <-chan time.Time
	if opt.Duration > 0 {
		over = time.After(opt.Duration)
	}
	flush := time.NewTicker(FlushEvery)
	defer flush.Stop()
	for {
		select {
		case <-flush.C:
			if samples := rec.Drain(); failed == nil {
				failed = out.append(samples)
			}
			if failed != nil && command == nil {
				return failed
			}
		case err := <-command:
			return firstOf(err, failed)
		case <-over:
			return nil
		case <-interrupted:
			if opt.Duration > 0 {
				return fmt.Errorf("interrupted before the duration was over: %w", ctx.Err())
			}
			return nil
		}
	}
}
