package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

const examples = `Examples:
   bh-run | bh-cost --tier spot
   bh-cost results/tr119/runs.parquet
   bh-cost --tier on_demand,spot --provider gcp_n2_standard_2 results/tr119/runs.parquet
   bh-cost --prices pipelines/tr119/pricing.yaml --method default,tr119 -o cost.parquet results/tr119/runs.parquet
   bh-cost --without-energy --format md results/tr119/runs.parquet
   bh-cost --tier spot results/tr119/runs.parquet | bh-stats compare --metric total_usd_per_1m`

// run is bh-cost.
func run(ctx context.Context, args []string, s cli.Streams) int {
	app := &urfave.App{
		Name:        "bh-cost",
		Usage:       "price measured runs: tiers, providers, energy and carbon, per 1M tokens",
		ArgsUsage:   "[FILE|GLOB|FOLDER|-]...",
		Description: examples,
		Flags:       flags(),
		Action: func(c *urfave.Context) error {
			o := optionsOf(c)
			if err := o.Validate(); err != nil {
				return err
			}
			return price(c.Context, o, args, s)
		},
	}
	return cli.Run(ctx, app, args, s)
}

// price reads, prices and writes.
func price(ctx context.Context, o *Options, args []string, s cli.Streams) error {
	book, err := o.book()
	if err != nil {
		return err
	}
	cells, seen, err := readCells(ctx, o, s.In)
	if err != nil {
		return err
	}
	rows, err := priceCells(o, cells, book)
	if err != nil {
		return cli.BadInput(err)
	}
	if err := write(o, rows, s.Out); err != nil {
		return err
	}
	if o.Output != "" {
		inputs := seen.Files
		if o.Prices != "" {
			inputs = append(inputs, o.Prices)
		}
		if err := manifest.Record(o.Output, "bh-cost", args, inputs); err != nil {
			return err
		}
	}
	return partial(cells, seen)
}

// priceCells prices the cells under every method and keeps the rows asked for.
func priceCells(o *Options, cells []record.Cell, book *cost.Book) ([]record.Cost, error) {
	var rows []record.Cost
	for _, m := range o.methods {
		priced, err := cost.Price(cells, book, m)
		if errors.Is(err, cost.ErrDevice) {
			return nil, fmt.Errorf("%w; bh-stats describe --matrix fills it in, and --method tr119 does without", err)
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, slices.DeleteFunc(priced, func(r record.Cost) bool { return !o.keeps(&r) })...)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no cell is priced under tier %s at provider %s: method %s prices a backend on instances of its own device",
			orAny(o.Tiers), orAny(o.Providers), cost.MethodDefault.Name)
	}
	return rows, nil
}

// orAny lists what was asked for.
func orAny(names []string) string {
	if len(names) == 0 {
		return "any"
	}
	return strings.Join(names, " or ")
}

// readCells reads the inputs and groups their runs.
func readCells(ctx context.Context, o *Options, stdin io.Reader) ([]record.Cell, store.Summary, error) {
	b := cell.NewBuilder()
	seen, err := store.Scan(ctx, store.Input{Paths: o.Inputs, From: o.From, Stdin: stdin}, store.Handlers{
		Run:  func(r *record.Run) error { b.AddRun(r); return nil },
		Cell: func(c *record.Cell) error { b.AddCell(c); return nil },
	})
	if err != nil {
		return nil, seen, err
	}
	cells, err := b.Cells()
	return cells, seen, cli.BadInput(err)
}

// write writes the rows: for people as a view of what matters, else as records.
func write(o *Options, rows []record.Cost, stdout io.Writer) error {
	f := o.Format
	switch {
	case f == "" && o.Output != "":
		f, _ = store.FormatOf(o.Output) // Validate has checked the extension
	case f == "" && cli.IsTerminal(stdout):
		f = store.Text
	}
	draw := cost.View.WriteText
	switch f {
	case store.Text:
	case store.Markdown:
		draw = cost.View.WriteMarkdown
	default:
		return store.Put(store.Output{Path: o.Output, Format: f, Stdout: stdout}, rows)
	}
	var text strings.Builder
	if err := draw(cost.NewView(rows), &text); err != nil {
		return err
	}
	if o.Output != "" {
		return atomicfile.Write(o.Output, []byte(text.String()))
	}
	_, err := io.WriteString(stdout, text.String())
	return err
}

// partial is nil, or the error for exit code 3 when rows were rejected or runs were not ok.
func partial(cells []record.Cell, seen store.Summary) error {
	var parts []string
	if err := seen.Err(); err != nil {
		parts = append(parts, err.Error())
	}
	var bad, all int64
	var reasons []string
	for i := range cells {
		all += cells[i].Planned()
		if n := cells[i].NDegraded + cells[i].NError; n > 0 {
			bad += n
			reasons = append(reasons, strings.Split(cells[i].Reasons, ",")...)
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
