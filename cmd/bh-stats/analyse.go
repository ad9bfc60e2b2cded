package main

import (
	"context"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// AnalyseOptions are the settings of `bh-stats analyse`.
type AnalyseOptions struct {
	Input     store.Input
	Tier      record.Tier // pricing tier of the cost metric
	Alpha     float64     // level of the tests
	Seed      int64       // of the resampling of scenarios and of runs
	Resamples int         // how often they are resampled
	Output    string      // file; "" = standard output
	Quiet     bool        // no notes on standard error
}

// Validate checks the settings; what the tests want of them, package compare checks.
func (o *AnalyseOptions) Validate() error {
	if err := checkAlpha(o.Alpha); err != nil {
		return err
	}
	if !slices.Contains(record.Tiers(), o.Tier) {
		return cli.BadInputf("--tier: saw %q, want one of %v", o.Tier, record.Tiers())
	}
	if o.Resamples < 1 {
		return cli.BadInputf("--resamples: saw %d, want at least 1", o.Resamples)
	}
	if !onStdout(o.Output) && !strings.HasSuffix(strings.ToLower(o.Output), ".json") {
		return cli.BadInputf("%s: the statistics are one document, want a .json file", o.Output)
	}
	return nil
}

func analyseCommand(k call) *urfave.Command {
	return &urfave.Command{
		Name:      "analyse",
		Aliases:   []string{"analyze"},
		Usage:     "test all that the report needs, into one statistics document",
		ArgsUsage: "RUNS_OR_CELLS COSTS [FILE|GLOB|FOLDER|-]...",
		Description: `Examples:
   bh-stats analyse -o results/tr119/stats.json results/tr119/energy.parquet results/tr119/cost.parquet
Of runs it describes their distributions as well, compares them pair by pair, looks for pairs whose order by the mean is not
that by the median or a percentile, and holds every backend's tokens against those of onnxruntime-cpu.`,
		Flags: []urfave.Flag{
			&urfave.StringFlag{Name: "tier", Value: string(compare.DefaultTier), Usage: "pricing `TIER` of the cost metric"},
			&urfave.Int64Flag{Name: "seed", Value: compare.DefaultSeed, Usage: "`SEED` of the resampling of scenarios and runs"},
			&urfave.IntFlag{Name: "resamples", Value: compare.DefaultResamples, Usage: "resample scenarios and runs `N` times"},
			alphaFlag(), fromFlag(), outputFlag(), quietFlag(),
		},
		Action: func(c *urfave.Context) error {
			o := &AnalyseOptions{
				Input: inputOf(c), Tier: record.Tier(c.String("tier")), Alpha: c.Float64("alpha"), Seed: c.Int64("seed"),
				Resamples: c.Int("resamples"), Output: c.String("output"), Quiet: c.Bool("quiet"),
			}
			if err := o.Validate(); err != nil {
				return err
			}
			return k.analyse(c.Context, o)
		},
	}
}

func (k call) analyse(ctx context.Context, o *AnalyseOptions) error {
	d, err := k.read(ctx, o.Input, kinds{cells: true, costs: true, runs: true}, nil, nil)
	if err != nil {
		return err
	}
	opt := compare.Options{Tier: o.Tier, Alpha: o.Alpha, Seed: o.Seed, Resamples: o.Resamples}
	for _, f := range d.seen.Files {
		opt.Inputs = append(opt.Inputs, manifest.PublicPath(f))
	}
	doc, err := compare.Analyse(d.cells, d.costs, opt)
	if err != nil {
		return err
	}
	if doc.Runs, err = compare.AnalyseRuns(d.runs, d.cells, d.costs, opt); err != nil {
		return err
	}
	if err := k.writeDocument(o.Output, doc); err != nil {
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

// writeDocument writes the document to a file or a pipe; on a terminal it shows the pairs.
func (k call) writeDocument(output string, doc *compare.Document) error {
	if onStdout(output) && cli.IsTerminal(k.Out) {
		return k.writePairs(output, store.Text, doc.Pairs())
	}
	content, err := doc.JSON()
	if err != nil {
		return err
	}
	return k.put(output, content)
}
