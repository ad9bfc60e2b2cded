package main

import (
	"context"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// DescribeOptions are the settings of `bh-stats describe`.
type DescribeOptions struct {
	Input   store.Input
	Matrix  string       // matrix file whose scenarios fill in the shapes of archived cells; "" = leave them
	Devices []string     // BACKEND=cpu or BACKEND=gpu, for archived backends whose name does not say
	Output  string       // file; "" = standard output
	Format  store.Format // of the output; "" = by extension, or by where standard output goes
	// Experiment starts a results folder of that name: a manifest beside the output, which later stages add to; "" = none.
	Experiment string

	devices map[string]record.Device
}

// Validate checks the settings and looks up the devices they name.
func (o *DescribeOptions) Validate() error {
	o.devices = map[string]record.Device{}
	for _, s := range o.Devices {
		backend, device, _ := strings.Cut(s, "=")
		d := record.Device(device)
		if backend == "" || (d != record.CPU && d != record.GPU) {
			return cli.BadInputf("--device: saw %q, want BACKEND=%s or BACKEND=%s", s, record.CPU, record.GPU)
		}
		o.devices[backend] = d
	}
	if o.Experiment != "" && onStdout(o.Output) {
		return cli.BadInputf("--experiment: saw no output file, want -o FILE in the results folder")
	}
	if !onStdout(o.Output) && o.Format == "" {
		_, err := store.FormatOf(o.Output)
		return err
	}
	return nil
}

func describeCommand(k call) *urfave.Command {
	return &urfave.Command{
		Name:      "describe",
		Usage:     "summarise runs into cells: n, mean, sd, intervals, percentiles",
		ArgsUsage: "[FILE|GLOB|FOLDER|-]...",
		Description: `Examples:
   bh-stats describe results/tr119/runs.parquet
   bh-stats describe --matrix pipelines/tr119/matrix.yaml -o cells.parquet pipelines/tr119/archive/tr119_measurements.csv
With --experiment the output's folder becomes a results folder, as bh-run makes one.`,
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "matrix", Usage: "take from the scenarios of matrix `FILE` the shapes that archived cells lack"},
			&urfave.StringSliceFlag{Name: "device", Usage: "`BACKEND=DEVICE` (cpu or gpu) of an archived backend whose name does not say"},
			&urfave.StringFlag{Name: "experiment", Usage: "start the results folder of experiment `NAME`: a manifest.json beside the output"},
			fromFlag(), outputFlag(), formatFlag(),
		},
		Action: func(c *urfave.Context) error {
			o := &DescribeOptions{
				Experiment: c.String("experiment"),
				Input:      inputOf(c), Matrix: c.String("matrix"), Devices: c.StringSlice("device"),
				Output: c.String("output"), Format: store.Format(c.String("format")),
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return k.describe(c.Context, o)
		},
	}
}

func (k call) describe(ctx context.Context, o *DescribeOptions) error {
	shapes, err := shapesOf(o.Matrix)
	if err != nil {
		return err
	}
	d, err := k.read(ctx, o.Input, kinds{cells: true}, shapes, o.devices)
	if err != nil {
		return err
	}
	if err := store.Put(store.Output{Path: o.Output, Format: o.Format, Stdout: k.Out}, d.cells); err != nil {
		return err
	}
	if o.Experiment != "" {
		if err := manifest.Start(filepath.Dir(o.Output), o.Experiment); err != nil {
			return err
		}
	}
	inputs := d.seen.Files
	if o.Matrix != "" {
		inputs = append(inputs, o.Matrix)
	}
	if err := k.note(o.Output, inputs...); err != nil {
		return err
	}
	return d.partial()
}

// shapesOf are the shapes of the scenarios of a matrix file, none for "".
func shapesOf(path string) ([]cell.Shape, error) {
	if path == "" {
		return nil, nil
	}
	m, err := matrix.Load(path)
	if err != nil {
		return nil, err
	}
	shapes := make([]cell.Shape, len(m.Scenarios))
	for i, s := range m.Scenarios {
		shapes[i] = cell.Shape{Scenario: s.Name, BatchSize: s.BatchSize, PromptTokens: s.PromptTokens, MaxNewTokens: s.MaxNewTokens}
	}
	return shapes, nil
}
