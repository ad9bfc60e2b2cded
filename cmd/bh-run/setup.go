package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/pyenv"
)

func setupCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name: "setup", ArgsUsage: "[NAME...]",
		Usage:       "get what the backends need, into the user's cache; without a name only what is small",
		Description: setupDescription(),
		Flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "print-library", Usage: "print the path of the ONNX Runtime library"},
			&urfave.BoolFlag{Name: "print-python", Usage: "print the folder of the Python environment that setup transformers makes, and get nothing"},
		},
		Action: func(c *urfave.Context) error {
			if c.Bool("print-python") {
				dir, err := pyenv.Dir()
				return printed(s, dir, err)
			}
			say := func(text string) { fmt.Fprintln(s.Err, "bh-run: "+text) }
			if err := install(c, say); err != nil || !c.Bool("print-library") {
				return err
			}
			lib, err := ortlib.Find()
			return printed(s, lib.Path, err)
		},
	}
}

// printed writes a path on standard output, for scripts.
func printed(s cli.Streams, path string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, path)
	return err
}

// setupDescription lists what can be installed by name.
func setupDescription() string {
	installs := backend.Installs()
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(installs)) {
		lines = append(lines, fmt.Sprintf("%-16s %s", name, installs[name].Summary))
	}
	return strings.Join(lines, "\n")
}

// install gets what is named, or without a name what every backend gets by itself. One that fails does not keep the others
// from being got.
func install(c *urfave.Context, say func(string)) error {
	installs := backend.Installs()
	for _, name := range c.Args().Slice() {
		if installs[name] == nil {
			return cli.BadInputf("setup: saw %q, want one of %s", name, strings.Join(slices.Sorted(maps.Keys(installs)), ", "))
		}
	}
	var errs []error
	for _, name := range c.Args().Slice() {
		errs = append(errs, installs[name].Run(c.Context, say))
	}
	if c.NArg() > 0 {
		return errors.Join(errs...)
	}
	for _, name := range backend.Names() {
		if b, _ := backend.Lookup(name); b.Setup != nil { // Names lists what Lookup knows
			errs = append(errs, b.Setup(c.Context, say))
		}
	}
	return errors.Join(errs...)
}
