package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		Description: "For power and other sensors see `bh-telemetry doctor`. With --calibrate it measures what the machine can reach instead.",
		Flags: slices.Concat([]urfave.Flag{&urfave.BoolFlag{Name: "json", Usage: "JSON: an array of backends, or the calibration"}},
			calibrateFlags(), new(Servers).flags()),
		Action: func(c *urfave.Context) error {
			if c.NArg() > 0 {
				return cli.BadInputf("doctor: saw %q, want flags alone", c.Args().First())
			}
			if c.Bool("calibrate") {
				return calibration(c, s)
			}
			if err := onlyCalibrating(c); err != nil {
				return err
			}
			found, err := diagnose(c.Context)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				enc := json.NewEncoder(s.Out)
				enc.SetIndent("", "  ")
				return enc.Encode(found)
			}
			return writeDoctor(s.Out, found)
		},
	}
}

// diagnose checks every backend, until it is interrupted.
func diagnose(ctx context.Context) ([]diagnosis, error) {
	var out []diagnosis
	for _, name := range backend.Names() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
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
	return out, ctx.Err()
}

// writeDoctor writes a table that fits a terminal, and below it, backend by backend, what was found, what is missing and the
// command that mends it: as columns of the table these were three terminals wide.
func writeDoctor(w io.Writer, found []diagnosis) error {
	t := table.Table{Columns: []string{"backend", "device", "works", "modes", "precisions"}}
	var notes strings.Builder
	for _, d := range found {
		works := "yes"
		if !d.Works {
			works = "no"
		}
		t.Rows = append(t.Rows, []string{d.Backend, string(d.Device), works, words(d.Capabilities.Modes), words(d.Capabilities.Precisions)})
		here := "nothing"
		if len(d.Found) > 0 {
			here = pairs(d.Found)
		}
		fmt.Fprintf(&notes, "\n%s: %s\n  found:   %s\n", d.Backend, d.Summary, here)
		for _, line := range [][2]string{{"missing", d.Detail}, {"mend", d.Remedy}} {
			if line[1] != "" {
				fmt.Fprintf(&notes, "  %-8s %s\n", line[0]+":", line[1])
			}
		}
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, notes.String())
	return err
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
