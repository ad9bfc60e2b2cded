package main

import (
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/store"
)

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
