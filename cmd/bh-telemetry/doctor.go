package main

import (
	"encoding/json"
	"fmt"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/telemetry"
)

func doctorCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "doctor",
		Usage: "say for each sensor whether it works here, why not, and what to do",
		Flags: []urfave.Flag{&urfave.BoolFlag{Name: "json", Usage: "one JSON array, for scripts"}, rootFlag()},
		Action: func(c *urfave.Context) error {
			if c.NArg() > 0 {
				return cli.BadInputf("doctor: unexpected operand %q", c.Args().First())
			}
			if err := checkRoot("doctor", c.String("root")); err != nil {
				return err
			}
			env := telemetry.Environment{Root: c.String("root")}
			findings, out := telemetry.Probe(env), results(s.Out)
			if !c.Bool("json") {
				if root := c.String("root"); root != "/" {
					fmt.Fprintf(out, "paths are below %s\n", root)
				}
				return telemetry.WriteFindings(out, findings)
			}
			enc := json.NewEncoder(out)
			enc.SetIndent("", "  ")
			return enc.Encode(findings)
		},
	}
}
