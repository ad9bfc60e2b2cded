package main

import (
	"slices"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// DefaultMethods is what rows are made under when --method is not given.
const DefaultMethods = "default"

// Options are the settings of bh-cost.
type Options struct {
	Inputs        []string     // files, globs, folders, "-"; none = standard input
	From          store.Format // format of the inputs; "" = by extension
	Prices        string       // price book; "" = the built-in one
	Tiers         []string     // keep these tiers; none = all
	Providers     []string     // keep these providers; none = all
	Methods       []string     // assumption sets, each giving its own rows
	Estimator     string       // throughput estimator in place of the methods' own; "" = theirs
	WithoutEnergy bool         // totals leave energy out
	Output        string       // file; "" and "-" = standard output
	Format        store.Format // format of the output; "" = by extension, or by where standard output goes

	tiers   []record.Tier
	methods []cost.Method
}

func flags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "prices", Usage: "price book `FILE` (default: the built-in book)"},
		&urfave.StringSliceFlag{Name: "tier", Usage: "keep only these `TIERS`: on_demand, spot, reserved_1yr (or reserved), reserved_3yr, on_prem"},
		&urfave.StringSliceFlag{Name: "provider", Usage: "keep only these `PROVIDERS` of the price book, or on_prem"},
		&urfave.StringSliceFlag{Name: "method", Value: urfave.NewStringSlice(DefaultMethods), Usage: "assumption `SETS`: default, tr119"},
		&urfave.StringFlag{Name: "estimator", Usage: "throughput of a cell: `ratio` or mean (default: the method's own)"},
		&urfave.BoolFlag{Name: "without-energy", Usage: "leave energy out of the total, under a method name of its own"},
		&urfave.StringFlag{Name: "from", Usage: "`FORMAT` of the input: parquet, arrow, jsonl, csv (default: by extension)"},
		&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write `FILE` (.parquet .arrow .jsonl .csv .md .json)"},
		&urfave.StringFlag{Name: "format", Usage: "`FORMAT` of the output: parquet, arrow, jsonl, csv, md, json, table (default: by extension; a table on a terminal, JSON-lines in a pipe)"},
	}
}

func optionsOf(c *urfave.Context) *Options {
	return &Options{
		Inputs: c.Args().Slice(), From: store.Format(c.String("from")), Prices: c.String("prices"),
		Tiers: c.StringSlice("tier"), Providers: c.StringSlice("provider"), Methods: c.StringSlice("method"),
		Estimator: c.String("estimator"), WithoutEnergy: c.Bool("without-energy"),
		Output: c.String("output"), Format: store.Format(c.String("format")),
	}
}

// Validate checks the settings and looks up what they name.
func (o *Options) Validate() error {
	for _, name := range o.Tiers {
		tier, err := cost.ParseTier(name)
		if err != nil {
			return cli.BadInputf("--tier: %w", err)
		}
		o.tiers = append(o.tiers, tier)
	}
	for _, name := range o.Methods {
		m, err := o.method(name)
		if err != nil {
			return err
		}
		if !slices.Contains(o.methods, m) {
			o.methods = append(o.methods, m)
		}
	}
	if o.Output == "-" {
		o.Output = ""
	}
	if o.Output != "" && o.Format == "" {
		_, err := store.FormatOf(o.Output)
		return err
	}
	return nil
}

// method is the assumption set called name, as the other settings change it.
func (o *Options) method(name string) (cost.Method, error) {
	m, err := cost.ParseMethod(name)
	if err != nil {
		return m, cli.BadInputf("--method: %w", err)
	}
	if o.Estimator != "" {
		if m, err = m.WithEstimator(o.Estimator); err != nil {
			return m, cli.BadInputf("--estimator: %w", err)
		}
	}
	if o.WithoutEnergy {
		m = m.WithoutEnergy()
	}
	return m, nil
}

// book loads the price book and checks that it has the providers asked for.
func (o *Options) book() (*cost.Book, error) {
	b, err := cost.Builtin()
	if o.Prices != "" {
		b, err = cost.LoadBook(o.Prices)
	}
	if err != nil {
		return nil, cli.BadInput(err)
	}
	for _, name := range o.Providers {
		if name == cost.OnPremProvider {
			continue
		}
		if _, err := b.Provider(name); err != nil {
			return nil, cli.BadInputf("--provider: %w, or %s", err, cost.OnPremProvider)
		}
	}
	return b, nil
}

// keeps reports whether a row is of a tier and provider asked for.
func (o *Options) keeps(r *record.Cost) bool {
	return (len(o.tiers) == 0 || slices.Contains(o.tiers, r.Tier)) &&
		(len(o.Providers) == 0 || slices.Contains(o.Providers, r.Provider))
}
