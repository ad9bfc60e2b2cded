package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/telemetry"
)

const tool = "bh-telemetry"

// run is the whole tool.
func run(ctx context.Context, args []string, s cli.Streams) int {
	app := newApp(args, s)
	return cli.Run(ctx, app, flagsFirst(app, args), s)
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

// flagsFirst moves the operands of join and recover behind their flags, because the flag parser stops at the first
// operand and "join RUNS --samples FILE" is how one says it. The arguments of record stay as they are: what follows its
// flags is a command with flags of its own.
func flagsFirst(app *urfave.App, args []string) []string {
	if len(args) < 2 || (args[1] != "join" && args[1] != "recover") {
		return args
	}
	flags := app.Command(args[1]).Flags
	out, operands := slices.Clone(args[:2]), []string{}
	for rest := args[2:]; len(rest) > 0; rest = rest[1:] {
		arg := rest[0]
		if arg == "--" {
			operands = append(operands, rest[1:]...)
			break
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			operands = append(operands, arg)
			continue
		}
		out = append(out, arg)
		if takesValue(flags, arg) && len(rest) > 1 {
			out = append(out, rest[1])
			rest = rest[1:]
		}
	}
	return append(append(out, "--"), operands...)
}

// takesValue reports whether arg is a flag whose value is the next argument.
func takesValue(flags []urfave.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range flags {
		if _, isBool := f.(*urfave.BoolFlag); !isBool && slices.Contains(f.Names(), name) {
			return true
		}
	}
	return false
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

// environment is the machine that the flags name.
func environment(c *urfave.Context) (telemetry.Environment, error) {
	env := telemetry.Environment{Root: c.String("root"), Host: c.String("host")}
	if env.Host != "" {
		return env, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return env, fmt.Errorf("this machine has no name, give it one with --host: %w", err)
	}
	env.Host = name
	return env, nil
}
