package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// recoverOptions are the settings of recover.
type recoverOptions struct {
	Recording string // the output that the recording was to become
	Output    string // where to write it; "" is Recording
	Format    store.Format
}

// find is what there is to recover, and reports settings that cannot be meant.
func (o recoverOptions) find(ctx context.Context) (leftover, error) {
	if o.Recording == "" {
		return leftover{}, cli.BadInputf("recover: no recording given, want the FILE that it was to become")
	}
	left, _, err := findLeftover(ctx, o.Recording)
	switch {
	case err != nil:
		return left, err
	case left == leftover{}:
		return left, cli.BadInputf("recover: nothing to recover: %s is not cut off, and there is no %s",
			o.Recording, telemetry.JournalName(o.Recording))
	case left.grown == o.target():
		return left, nil // it is replaced by what it should have become
	}
	if _, err := os.Stat(o.target()); err == nil {
		return left, cli.BadInputf("recover: %s exists, give the recovered recording another name with -o", o.target())
	}
	return left, nil
}

func (o recoverOptions) target() string {
	if o.Output != "" {
		return o.Output
	}
	return o.Recording
}

func recoverCommand(args []string, s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "recover",
		Usage:     "save a recording that a crash cut off",
		ArgsUsage: "RECORDING",
		Description: "RECORDING is the file that the recording was to become; its journal stands beside it. A Parquet file that\n" +
			"was cut off is completed in place, up to the last half second, and the journal goes. With -o they both stay as\n" +
			"they are, and what they hold is written to another file.",
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, DefaultText: "RECORDING itself",
				Usage: "write `FILE` (.parquet .arrow .jsonl .csv)"},
			formatFlag(),
		},
		Action: func(c *urfave.Context) error {
			if c.NArg() > 1 {
				return cli.BadInputf("recover: saw %d operands, want one recording", c.NArg())
			}
			opt := recoverOptions{Recording: c.Args().First(), Output: c.String("output"), Format: store.Format(c.String("format"))}
			if target, err := atomicfile.Target(opt.Recording); err == nil && opt.Recording != "" {
				opt.Recording = target // its journal stands beside that
			}
			left, err := opt.find(c.Context)
			if err != nil {
				return err
			}
			return recoverRecording(c.Context, left, opt, args, func(format string, a ...any) {
				fmt.Fprintf(s.Err, tool+": "+format+"\n", a...)
			})
		},
	}
}

// recoverRecording makes what a recording left behind when it was cut off a whole file.
func recoverRecording(ctx context.Context, left leftover, opt recoverOptions, args []string, note noteFunc) error {
	format := opt.Format
	if format == "" && left.grown == opt.target() {
		format = store.Parquet
	}
	save := left.moveTo
	if opt.target() != opt.Recording {
		save = left.copyTo
	}
	sum, err := save(ctx, opt.target(), format)
	if err != nil {
		return err
	}
	if sum.Read == 0 {
		note("it was cut off before its first sample")
		return nil
	}
	note("recovered %d samples into %s", sum.Read-sum.Rejected, opt.target())
	if previous := PreviousName(opt.Recording); fileExists(previous) {
		note("the recording before it is in %s", previous)
	}
	return errors.Join(manifest.Record(opt.target(), tool, args, nil), sum.Err())
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
