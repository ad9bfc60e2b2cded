package main

import (
	"context"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/telemetry"
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
			recordCommand(args, s), joinCommand(args, s), recoverCommand(args, s), doctorCommand(s),
		},
	}
}

// The flags that several commands have.

func rootFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "root", Value: "/",
		Usage: "read /proc and /sys below `FOLDER`: in a container, where the host's are mounted"}
}

func outputFlag() urfave.Flag {
	return &urfave.StringFlag{Name: "output", Aliases: []string{"o"}, DefaultText: "standard output",
		Usage: "write `FILE` (.parquet .arrow .jsonl .csv)"}
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
