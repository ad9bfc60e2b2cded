package main

import (
	"context"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/store"
)

// toolName is how the manifest knows this tool.
const toolName = "bh-stats"

// call is what a command gets of the process besides its options.
type call struct {
	args []string // the command line
	cli.Streams
}

// run is bh-stats.
func run(ctx context.Context, args []string, s cli.Streams) int {
	k := call{args: args, Streams: s}
	app := &urfave.App{
		Name:     toolName,
		Usage:    "describe, compare and test measurements",
		Commands: []*urfave.Command{describeCommand(k), compareCommand(k), analyseCommand(k), metricsCommand(k)},
		Action: func(c *urfave.Context) error {
			if c.Args().Present() {
				return cli.BadInputf("unknown command %q, want describe, compare, analyse or metrics", c.Args().First())
			}
			return cli.BadInputf("no command, want describe, compare, analyse or metrics; see %s --help", toolName)
		},
	}
	return cli.Run(ctx, app, args, s)
}

// note records the output file and what it was made from in the manifest beside it; standard output is no artifact.
func (k call) note(output string, inputs ...string) error {
	if onStdout(output) {
		return nil
	}
	return manifest.Record(output, toolName, k.args, inputs)
}

// onStdout reports whether output names standard output.
func onStdout(output string) bool { return output == "" || output == "-" }

// The flags that several commands have. Each command gets its own: urfave keeps state in them.

func fromFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "from", Usage: "`FORMAT` of the inputs: parquet, arrow, jsonl, csv (default: by extension)"}
}

func outputFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE` instead of standard output"}
}

func formatFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "format", Usage: "`FORMAT` of the output (default: by extension; a table on a terminal, JSON-lines in a pipe)"}
}

func quietFlag() urfave.Flag {
	return &urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "no notes on standard error"}
}

func alphaFlag() urfave.Flag {
	return &urfave.Float64Flag{Name: "alpha", Value: compare.DefaultAlpha, Usage: "`LEVEL` of the tests; intervals have confidence 1-alpha"}
}

func inputOf(c *urfave.Context) store.Input {
	return store.Input{Paths: c.Args().Slice(), From: store.Format(c.String("from"))}
}

// checkAlpha is here and not left to package compare, to which 0 means the default.
func checkAlpha(alpha float64) error {
	if !(alpha > 0 && alpha <= compare.MaxAlpha) {
		return cli.BadInputf("--alpha: saw %v, want a number above 0 and at most %v", alpha, compare.MaxAlpha)
	}
	return nil
}
