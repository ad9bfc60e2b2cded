package main

import (
	"errors"
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/ortlib"
)

func setupCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name: "setup", Usage: "get what the backends need and can be had without asking, into the user's cache",
		Flags: []urfave.Flag{&urfave.BoolFlag{Name: "print-library", Usage: "print the path of the ONNX Runtime library"}},
		Action: func(c *urfave.Context) error {
			say := func(text string) { fmt.Fprintln(s.Err, "bh-run: "+text) }
			var errs []error
			for _, name := range backend.Names() {
				if b, _ := backend.Lookup(name); b.Setup != nil { // Names lists what Lookup knows
					errs = append(errs, b.Setup(c.Context, say))
				}
			}
			if err := errors.Join(errs...); err != nil || !c.Bool("print-library") {
				return err
			}
			lib, err := ortlib.Find()
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(s.Out, lib.Path)
			return err
		},
	}
}
