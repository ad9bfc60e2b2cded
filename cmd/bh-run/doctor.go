package main

import (
	"encoding/json"
	"errors"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/table"
)

// diagnosis is what the doctor says of one backend.
type diagnosis struct {
	Backend      string               `json:"backend"`
	Device       record.Device        `json:"device"`
	Works        bool                 `json:"works"`
	Summary      string               `json:"summary"`
	Reason       backend.Reason       `json:"reason,omitempty"`
	Detail       string               `json:"detail,omitempty"`
	Remedy       string               `json:"remedy,omitempty"`
	Capabilities backend.Capabilities `json:"capabilities"`
}

func doctorCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name: "doctor", Usage: "show which backends work here and, for each that does not, why and what to do",
		Description: "For power and other sensors see `bh-telemetry doctor`.",
		Flags:       []urfave.Flag{&urfave.BoolFlag{Name: "json", Usage: "one JSON array"}},
		Action: func(c *urfave.Context) error {
			found := diagnose()
			if c.Bool("json") {
				enc := json.NewEncoder(s.Out)
				enc.SetIndent("", "  ")
				return enc.Encode(found)
			}
			return doctorTable(found).WriteText(s.Out)
		},
	}
}

func diagnose() []diagnosis {
	var out []diagnosis
	for _, name := range backend.Names() {
		b, _ := backend.Lookup(name) // Names lists what Lookup knows
		d := diagnosis{Backend: name, Device: b.Device, Summary: b.Summary, Capabilities: b.Capabilities}
		err := b.Check()
		d.Works = err == nil
		var missing *backend.Unavailable
		switch {
		case errors.As(err, &missing):
			d.Reason, d.Detail, d.Remedy = missing.Reason, missing.Detail, missing.Remedy
		case err != nil:
			d.Detail = err.Error()
		}
		out = append(out, d)
	}
	return out
}

func doctorTable(found []diagnosis) table.Table {
	t := table.Table{Columns: []string{"backend", "device", "works", "what it is", "why not", "what to do"}}
	for _, d := range found {
		works := "yes"
		if !d.Works {
			works = "no"
		}
		t.Rows = append(t.Rows, []string{d.Backend, string(d.Device), works, d.Summary, d.Detail, d.Remedy})
	}
	return t
}
