package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// kinds say which records a command reads; runs asks for the single runs behind the cells as well.
type kinds struct{ cells, costs, runs bool }

// data is what was read: runs come as the cells they make.
type data struct {
	cells []record.Cell
	costs []record.Cost
	runs  *compare.Runs
	seen  store.Summary
}

// read reads records of the wanted kinds, in any order and mix of files. shapes and devices fill in what archived cells
// lack, devices after the backends' own names.
func (k call) read(ctx context.Context, in store.Input, want kinds, shapes []cell.Shape, devices map[string]record.Device) (data, error) {
	d := data{runs: compare.NewRuns()}
	var h store.Handlers
	b := cell.NewBuilder()
	if want.cells {
		h.Run = func(r *record.Run) error {
			b.AddRun(r)
			if want.runs {
				d.runs.Add(r)
			}
			return nil
		}
		h.Cell = func(c *record.Cell) error { b.AddCell(c); return nil }
	}
	if want.costs {
		h.Cost = func(r *record.Cost) error { d.costs = append(d.costs, *r); return nil }
	}
	in.Stdin = k.In
	var err error
	if d.seen, err = store.Scan(ctx, in, h); err != nil {
		return d, err
	}
	if d.cells, err = b.Cells(); err != nil {
		return d, cli.BadInput(err)
	}
	cell.Fill(d.cells, shapes, devicesOf(d.cells, devices))
	return d, nil
}

// devicesOf are the devices of the cells' backends: as told, else as the backend's name says.
func devicesOf(cells []record.Cell, told map[string]record.Device) map[string]record.Device {
	out := map[string]record.Device{}
	for i := range cells {
		name := cells[i].Backend
		if out[name] = told[name]; out[name] == "" {
			out[name] = deviceOf(name)
		}
	}
	return out
}

// deviceOf reads the device from a backend's name, which says it wherever a backend runs on either (onnxruntime-cpu,
// transformers-gpu-compile); "" for one that does not say.
func deviceOf(backend string) record.Device {
	for part := range strings.SplitSeq(backend, "-") {
		if d := record.Device(part); d == record.CPU || d == record.GPU {
			return d
		}
	}
	return ""
}

// partial is nil, or the error for exit code 3 when rows were rejected or runs were not ok.
func (d data) partial() error {
	var parts []string
	if err := d.seen.Err(); err != nil {
		parts = append(parts, err.Error())
	}
	var bad, all int64
	reasons := []string{}
	for i := range d.cells {
		c := &d.cells[i]
		all += c.Planned()
		if n := c.NDegraded + c.NError; n > 0 {
			bad += n
			reasons = append(reasons, strings.Split(c.Reasons, ",")...)
		}
	}
	if bad > 0 {
		slices.Sort(reasons)
		parts = append(parts, fmt.Sprintf("%d of %d runs degraded or failed: %s", bad, all, strings.Join(slices.Compact(reasons), ", ")))
	}
	if len(parts) == 0 {
		return nil
	}
	return cli.Partialf("%s", strings.Join(parts, "; "))
}
