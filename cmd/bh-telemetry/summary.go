package main

import (
	"context"
	"encoding/json"
	"errors"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/monitor"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

func summaryCommand(s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "summary",
		Usage:     "say what a recording holds: energy, power, time throttled, and how the recorder did",
		ArgsUsage: "[SAMPLES…]",
		Description: "SAMPLES are files, globs, folders or - for standard input; each file is a recording of its own, and a folder or\n" +
			"standard input is one together. A file that is still growing, or was cut off, is read up to its last row group, and\n" +
			"ends with exit code 3.",
		Flags: []urfave.Flag{
			&urfave.BoolFlag{Name: "json", Usage: "a line of JSON for each recording, for scripts"},
			&urfave.StringFlag{Name: "from", DefaultText: "by extension", Usage: "read SAMPLES as `FORMAT`: parquet, arrow, jsonl, csv"},
		},
		Action: func(c *urfave.Context) error {
			paths := c.Args().Slice()
			if len(paths) == 0 {
				paths = []string{"-"}
			}
			var partial []error
			for _, path := range paths {
				in := store.Input{Paths: []string{path}, From: store.Format(c.String("from")), Stdin: s.In}
				sum, incomplete, err := summarize(c.Context, in)
				if err != nil {
					return err
				}
				partial = append(partial, incomplete)
				if c.Bool("json") {
					err = json.NewEncoder(results(s.Out)).Encode(sum)
				} else {
					err = sum.WriteText(results(s.Out))
				}
				if err != nil {
					return err
				}
			}
			return cli.Partial(errors.Join(partial...))
		},
	}
}

// summarize reads a recording; incomplete is what of it could not be read. Files that are not in order of time are put in order,
// and those that overlap are not added up.
func summarize(ctx context.Context, in store.Input) (sum monitor.Summary, incomplete, err error) {
	sum, scanned, disorder, err := summarizeInOrder(ctx, in)
	if err == nil && disorder != nil && len(scanned.Files) > 1 {
		if in.Paths, err = inOrder(ctx, scanned.Files, in.From); err == nil {
			sum, scanned, disorder, err = summarizeInOrder(ctx, in)
		}
	}
	return sum, errors.Join(scanned.Err(), disorder), err
}

// summarizeInOrder takes files as they come; disorder tells of the samples that had to be left out.
func summarizeInOrder(ctx context.Context, in store.Input) (sum monitor.Summary, scanned store.Summary, disorder, err error) {
	figures, grades := monitor.New(), monitor.NewGrader()
	order := order{}
	scanned, err = store.Scan(ctx, in, store.Handlers{Sample: func(s *record.Sample) error {
		if order.take(s) {
			figures.Add(*s)
			grades.Add(s)
		}
		return nil
	}})
	if err != nil {
		return sum, scanned, nil, err
	}
	sum = monitor.Summarize(figures, grades)
	sum.Files, sum.CutOff = scanned.Files, scanned.CutOff
	return sum, scanned, order.err(), nil
}
