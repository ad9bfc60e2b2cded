package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// CompareOptions are the settings of `bh-stats compare`.
type CompareOptions struct {
	Input  store.Input
	Metric string       // what to compare: one of compare.Metrics
	Tier   record.Tier  // pricing tier of cost metrics; "" = compare.ChooseTier
	Alpha  float64      // level of the tests
	Output string       // file; "" = standard output
	Format store.Format // of the output; "" = by extension, or by where standard output goes
	Quiet  bool         // no notes on standard error

	costs bool // the metric is one of cost rows
}

// Validate checks the settings and looks up the metric.
func (o *CompareOptions) Validate() (err error) {
	if err := checkAlpha(o.Alpha); err != nil {
		return err
	}
	if o.costs, err = compare.MetricOfCosts(o.Metric); err != nil {
		return fmt.Errorf("--metric: %w", err)
	}
	if o.Tier != "" && !slices.Contains(record.Tiers(), o.Tier) {
		return cli.BadInputf("--tier: saw %q, want one of %v", o.Tier, record.Tiers())
	}
	if o.Tier != "" && !o.costs {
		return cli.BadInputf("--tier: %s is a metric of runs, which have no price", o.Metric)
	}
	if o.Format == "" && !onStdout(o.Output) {
		if o.Format, err = store.FormatOf(o.Output); err != nil {
			return err
		}
	}
	if o.Format != "" && pairWriters[o.Format] == nil {
		return cli.BadInputf("pairs are not records: saw format %s, want one of csv, json, jsonl, md, table", o.Format)
	}
	return nil
}

func compareCommand(k call) *urfave.Command {
	return &urfave.Command{
		Name:      "compare",
		Usage:     "print the ratio of every pair of backends, with interval and adjusted p",
		ArgsUsage: "[FILE|GLOB|FOLDER|-]...",
		Description: "Metrics: " + strings.Join(compare.Metrics(), ", ") + `.

ratio is the geometric mean of a/b over the scenarios that both have, with its own 95% interval; p_holm is the paired t
test's p over those scenarios, Holm-adjusted for the pairs of the mode.

Examples:
   bh-cost --tier spot results/tr119/runs.parquet | bh-stats compare --metric total_usd_per_1m
   bh-stats compare --metric latency_ms results/tr119/runs.parquet`,
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "metric", Value: compare.TotalUSD, Usage: "`NAME` of what to compare"},
			&urfave.StringFlag{Name: "tier", Usage: "pricing `TIER` of cost metrics (default: on_demand, or the only one in the input)"},
			alphaFlag(), fromFlag(), outputFlag(), formatFlag(), quietFlag(),
		},
		Action: func(c *urfave.Context) error {
			o := &CompareOptions{
				Input: inputOf(c), Metric: c.String("metric"), Tier: record.Tier(c.String("tier")), Alpha: c.Float64("alpha"),
				Output: c.String("output"), Format: store.Format(c.String("format")), Quiet: c.Bool("quiet"),
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return k.compare(c.Context, o)
		},
	}
}

func (k call) compare(ctx context.Context, o *CompareOptions) error {
	d, err := k.read(ctx, o.Input, kinds{cells: !o.costs, costs: o.costs}, nil, nil)
	if err != nil {
		return err
	}
	if o.costs && o.Tier == "" {
		if o.Tier, err = compare.ChooseTier(d.costs); err != nil {
			return err
		}
	}
	doc, err := compare.Analyse(d.cells, d.costs, compare.Options{
		Metrics: []string{o.Metric}, Tier: o.Tier, NoTR119: true, Alpha: o.Alpha, Seed: compare.DefaultSeed,
	})
	if err != nil {
		return err
	}
	if err := k.writePairs(o.Output, o.Format, doc.Pairs()); err != nil {
		return err
	}
	if err := k.note(o.Output, d.seen.Files...); err != nil {
		return err
	}
	if !o.Quiet {
		k.notes(doc)
	}
	return d.partial()
}

// notes writes what a reader must know beside the pairs. A terminal that cannot be written to is no reason to fail.
func (k call) notes(doc *compare.Document) {
	for _, n := range doc.Notes() {
		_, _ = fmt.Fprintln(k.Err, n)
	}
}

// pairWriters are the formats that pairs can be written in.
var pairWriters = map[store.Format]func(io.Writer, []compare.PairRow) error{
	store.JSONL:    compare.WritePairsJSONL,
	store.JSON:     compare.WritePairsJSON,
	store.CSV:      compare.WritePairsCSV,
	store.Text:     compare.WritePairsText,
	store.Markdown: compare.WritePairsMarkdown,
}

// writePairs writes pairs to a file, or to standard output as a table on a terminal and as JSON-lines elsewhere.
func (k call) writePairs(output string, f store.Format, rows []compare.PairRow) error {
	switch {
	case f != "":
	case cli.IsTerminal(k.Out):
		f = store.Text
	default:
		f = store.JSONL
	}
	var buf bytes.Buffer
	if err := pairWriters[f](&buf, rows); err != nil {
		return err
	}
	return k.put(output, buf.Bytes())
}

// put writes content to a file, whole or not at all, or to standard output.
func (k call) put(output string, content []byte) error {
	if !onStdout(output) {
		return atomicfile.Write(output, content)
	}
	_, err := k.Out.Write(content)
	return err
}
