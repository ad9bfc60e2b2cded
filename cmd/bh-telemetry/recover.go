package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	urfave "github.com/urfave/cli/v2"

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

// Validate reports settings that cannot be meant.
func (o recoverOptions) Validate() error {
	if o.Recording == "" {
		return cli.BadInputf("recover: no recording given, want the FILE that it was to become")
	}
	journal := telemetry.JournalName(o.Recording)
	if _, err := os.Stat(journal); err != nil {
		return cli.BadInputf("recover: nothing to recover: %w", err)
	}
	if _, err := os.Stat(o.target()); err == nil {
		return cli.BadInputf("recover: %s exists, give the recovered recording another name with -o", o.target())
	}
	return nil
}

func (o recoverOptions) target() string {
	if o.Output != "" {
		return o.Output
	}
	return o.Recording
}

func recoverCommand(args []string, s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:        "recover",
		Usage:       "save a recording that a crash cut off",
		ArgsUsage:   "RECORDING",
		Description: "RECORDING is the file that the recording was to become; its journal stands beside it.",
		Flags:       []urfave.Flag{outputFlag(), formatFlag()},
		Action: func(c *urfave.Context) error {
			if c.NArg() > 1 {
				return cli.BadInputf("recover: saw %d operands, want one recording", c.NArg())
			}
			opt := recoverOptions{Recording: c.Args().First(), Output: c.String("output"), Format: store.Format(c.String("format"))}
			if err := opt.Validate(); err != nil {
				return err
			}
			return recoverRecording(c.Context, opt, args, func(format string, a ...any) {
				fmt.Fprintf(s.Err, tool+": "+format+"\n", a...)
			})
		},
	}
}

// recoverRecording turns the journal of a recording that was cut off into a file.
func recoverRecording(ctx context.Context, opt recoverOptions, args []string, note noteFunc) error {
	sum, err := convert(ctx, telemetry.JournalName(opt.Recording), opt.target(), opt.Format)
	if err != nil {
		return err
	}
	note("recovered %d samples into %s", sum.Read-sum.Rejected, opt.target())
	return errors.Join(manifest.Record(opt.target(), tool, args, nil), sum.Err())
}
