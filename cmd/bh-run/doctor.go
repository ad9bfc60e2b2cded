package main

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

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
	Found        map[string]string    `json:"found,omitempty"` // versions, devices, servers
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
		if b.Probe != nil {
			d.Found = b.Probe()
		}
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
	t := table.Table{Columns: []string{"backend", "device", "works", "modes", "precisions", "found here", "why not", "what to do"}}
	for _, d := range found {
		works := "yes"
		if !d.Works {
			works = "no"
		}
		here := d.Summary
		if len(d.Found) > 0 {
			here = pairs(d.Found)
		}
		t.Rows = append(t.Rows, []string{d.Backend, string(d.Device), works, words(d.Capabilities.Modes), words(d.Capabilities.Precisions),
			here, d.Detail, d.Remedy})
	}
	return t
}

// pairs is a map as "key value, key value" in the order of the keys.
func pairs(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+" "+m[k])
	}
	return strings.Join(parts, ", ")
}

func words[T ~string](list []T) string {
	parts := make([]string, len(list))
	for i, v := range list {
		parts[i] = string(v)
	}
	return strings.Join(parts, " ")
}
