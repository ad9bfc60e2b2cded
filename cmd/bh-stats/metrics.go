package main

import (
	"bytes"
	"context"
	"io"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// MetricsOptions are the settings of `bh-stats metrics`.
type MetricsOptions struct {
	Input  store.Input
	Output string       // file; "" = standard output
	Format store.Format // of the output; "" = by extension, or by where standard output goes
}

// metricWriters are the formats that metrics can be written in.
var metricWriters = map[store.Format]func(io.Writer, []compare.MetricRow) error{
	store.JSONL:    compare.WriteMetricsJSONL,
	store.CSV:      compare.WriteMetricsCSV,
	store.Text:     compare.WriteMetricsText,
	store.Markdown: compare.WriteMetricsMarkdown,
}

// Validate checks the format.
func (o *MetricsOptions) Validate() (err error) {
	if o.Format == "" && !onStdout(o.Output) {
		if o.Format, err = store.FormatOf(o.Output); err != nil {
			return err
		}
	}
	if o.Format != "" && metricWriters[o.Format] == nil {
		return cli.BadInputf("metrics are not records: saw format %s, want one of csv, jsonl, md, table", o.Format)
	}
	return nil
}

func metricsCommand(k call) *urfave.Command {
	return &urfave.Command{
		Name:      "metrics",
		Usage:     "list single runs: status, latency, TTFT, tokens, throughput, accuracy",
		ArgsUsage: "[FILE|GLOB|FOLDER|-]...",
		Description: `Examples:
   bh-stats metrics -o metrics.csv results/tr119/runs.parquet
Accuracy is the share of a run's tokens that are those of the reference backend's run of the same scenario, mode, session and
repetition; it is empty where the tokens of one of the two are not known.`,
		Flags: []urfave.Flag{fromFlag(), outputFlag(), formatFlag()},
		Action: func(c *urfave.Context) error {
			o := &MetricsOptions{Input: inputOf(c), Output: c.String("output"), Format: store.Format(c.String("format"))}
			if err := o.Validate(); err != nil {
				return err
			}
			return k.metrics(c.Context, o)
		},
	}
}

func (k call) metrics(ctx context.Context, o *MetricsOptions) error {
	var d data
	var runs []*record.Run
	cells := cell.NewBuilder()
	o.Input.Stdin = k.In
	var err error
	d.seen, err = store.Scan(ctx, o.Input, store.Handlers{Run: func(r *record.Run) error {
		runs = append(runs, r)
		cells.AddRun(r)
		return nil
	}})
	if err != nil {
		return err
	}
	if d.cells, err = cells.Cells(); err != nil { // what partial counts
		return cli.BadInput(err)
	}
	format := o.Format
	switch {
	case format != "":
	case cli.IsTerminal(k.Out):
		format = store.Text
	default:
		format = store.JSONL
	}
	var buf bytes.Buffer
	if err := metricWriters[format](&buf, compare.MetricsOf(runs)); err != nil {
		return err
	}
	if err := k.put(o.Output, buf.Bytes()); err != nil {
		return err
	}
	if err := k.note(o.Output, d.seen.Files...); err != nil {
		return err
	}
	return d.partial()
}
