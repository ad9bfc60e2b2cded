package main

import (
	"errors"
	"os"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/worker"
)

// workerName is the subcommand that bh-run starts itself with.
const workerName = "worker"

func workerCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name: workerName, Hidden: true, Usage: "serve measurement requests on standard input (started by bh-run)",
		Action: func(c *urfave.Context) error {
			out, err := worker.TakeStdout()
			if err != nil {
				return err
			}
			err = worker.Serve(c.Context, s.In, out, func() { os.Exit(cli.ExitFailed) })
			return errors.Join(err, out.Close())
		},
	}
}
