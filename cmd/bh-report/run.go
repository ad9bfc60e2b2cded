package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/report"
)

const examples = `Examples:
   bh-report --dir results/tr119 --prices pipelines/tr119/pricing.yaml --matrix pipelines/tr119/matrix.yaml
   bh-report --dir results/tr119-archive --method tr119 --title "TR119, the archive analysed again"
   bh-report --profile tr117 --dir results/tr117
   bh-report --profile tr122 --dir results/tr122
   bh-report summary results/tr119
   bh-report verify results/tr119/report.md`

// run is bh-report.
func run(ctx context.Context, args []string, s cli.Streams) int {
	app := &urfave.App{
		Name:        "bh-report",
		Usage:       "render the report about an experiment from its artifacts, and verify it against them",
		Description: examples,
		Flags:       flags(),
		Action: func(c *urfave.Context) error {
			if c.NArg() > 0 {
				return cli.BadInputf("saw %q, want flags alone or one of the commands verify and summary; see bh-report --help", c.Args().First())
			}
			return render(c.Context, optionsOf(c, args), s.Out)
		},
		Commands: []*urfave.Command{{
			Name: "summary", Usage: "print the key findings of a report and where it is", ArgsUsage: "[FOLDER]",
			Action: func(c *urfave.Context) error { return summary(c.Args().Slice(), s.Out) },
		}, {
			Name: "verify", Usage: "hash the artifacts beside a report, make it again from them and compare every byte", ArgsUsage: "report.md or its FOLDER",
			Action: func(c *urfave.Context) error { return verify(c.Context, c.Args().Slice(), s.Out) },
		}},
	}
	return cli.Run(ctx, app, args, s)
}

func flags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.StringFlag{Name: "dir", Value: report.DefaultDir, Usage: "`FOLDER` of the artifacts"},
		&urfave.StringFlag{Name: "prices", Usage: "price book `FILE` (default: the built-in book)"},
		&urfave.StringFlag{Name: "matrix", Usage: "matrix `FILE` for runs whose manifest has none; of others it must be theirs (default: the one in the manifest)"},
		&urfave.StringFlag{Name: "method", Value: report.DefaultMethod, Usage: "`NAME` of the assumption set that the tables show, default or tr119"},
		&urfave.StringFlag{Name: "profile", Value: string(report.DefaultProfile), Usage: "`NAME` of the technical report to write, " + report.ProfileNames()},
		&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FOLDER` that the report is written to (default: that of the artifacts)"},
		&urfave.StringFlag{Name: "title", Usage: "`TITLE` of the report (default: the profile's)"},
	}
}

func optionsOf(c *urfave.Context, args []string) report.Options {
	return report.Options{
		Dir: c.String("dir"), Prices: c.String("prices"), Matrix: c.String("matrix"), Method: c.String("method"),
		Profile: report.Profile(c.String("profile")),
		Output:  c.String("output"), Title: c.String("title"), Command: args,
	}
}

// render makes the report and prints where it is.
func render(ctx context.Context, o report.Options, out io.Writer) error {
	if err := o.Validate(); err != nil {
		return err
	}
	in, err := report.Load(ctx, o)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := report.Write(in, o); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, filepath.Join(o.Output, report.MarkdownFile)); err != nil {
		return err
	}
	return in.Partial()
}

// summary prints what the report in a folder found and where it is.
func summary(args []string, out io.Writer) error {
	dir := report.DefaultDir
	switch {
	case len(args) == 1:
		dir = args[0]
	case len(args) > 1:
		return cli.BadInputf("saw %d arguments, want one folder; see bh-report summary --help", len(args))
	}
	findings, page, err := report.Findings(dir)
	if err != nil {
		return err
	}
	for _, f := range findings {
		if _, err := fmt.Fprintln(out, "- "+f); err != nil {
			return err
		}
	}
	if strings.Contains(strings.Join(findings, ""), report.EstimateMark) {
		if _, err := fmt.Fprintln(out, report.EstimateNote); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(out, "report: %s\n", page)
	return err
}

func verify(ctx context.Context, args []string, out io.Writer) error {
	if len(args) != 1 {
		return cli.BadInputf("saw %d arguments, want one report.md; see bh-report verify --help", len(args))
	}
	page := args[0]
	if info, err := os.Stat(page); err == nil && info.IsDir() {
		page = filepath.Join(page, report.MarkdownFile)
	}
	v, err := report.Verify(ctx, page)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: verified: %d hashes hold, and %d files made again from the artifacts are equal\n", page, v.Hashes, v.Files)
	return err
}
