package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/calibrate"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/table"
	"github.com/banterhearts/bh/pkg/units"
)

// calibrateFlags are the doctor's that belong to --calibrate.
func calibrateFlags() []urfave.Flag {
	return []urfave.Flag{
		&urfave.BoolFlag{Name: "calibrate", Usage: "measure this machine's memory bandwidth and FLOP rate instead (some 20 seconds)"},
		&urfave.PathFlag{Name: "output", Aliases: []string{"o"}, Usage: "with --calibrate: write it to `FILE`, in a results folder " + roofline.FileName},
		&urfave.IntFlag{Name: "threads", Usage: "with --calibrate: threads `N`, as many as the runs have; 0: all physical cores"},
		&urfave.StringFlag{Name: "host", Usage: "with --calibrate: `NAME` of this machine, as of the runs; default: a pseudonym"},
		&urfave.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "with --calibrate: no progress"},
	}
}

// onlyCalibrating refuses the flags of --calibrate without it.
func onlyCalibrating(c *urfave.Context) error {
	for _, name := range []string{"output", "threads", "host"} {
		if c.IsSet(name) {
			return cli.BadInputf("--%s: saw no --calibrate beside it, want both", name)
		}
	}
	return nil
}

// calibration measures the machine, writes the record where a file is named, and shows it.
func calibration(c *urfave.Context, s cli.Streams) error {
	threads := c.Int("threads")
	if threads < 0 || threads > maxThreads {
		return cli.BadInputf("--threads: saw %d, want 0 to %d", threads, maxThreads)
	}
	if threads == 0 {
		threads = manifest.PhysicalCores("/")
	}
	output := c.Path("output")
	if c.IsSet("output") && output == "" {
		return cli.BadInputf("--output: saw an empty name, want a file such as %s", roofline.FileName)
	}
	if output != "" {
		if err := atomicfile.Check(output); err != nil {
			return cli.BadInput(err)
		}
	}
	env := manifest.Capture("/", c.String("host"))
	o := calibrate.Options{Host: env.Host, Processor: env.CPUModel, Threads: threads}
	if !c.Bool("quiet") {
		o.Say = func(kernel string) { fmt.Fprintf(s.Err, "bh-run: measuring %s\n", kernel) }
	}
	found, err := calibrate.Run(c.Context, o)
	if errors.Is(err, context.Canceled) {
		return &cli.Error{Code: cli.ExitInterrupted, Err: errors.New("interrupted: the calibration is not finished, and nothing was written")}
	}
	if err != nil {
		return err
	}
	data, err := found.JSON()
	if err != nil {
		return err
	}
	if output != "" {
		if err := errors.Join(atomicfile.Write(output, data), manifest.Record(output, "bh-run", os.Args, nil)); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		_, err = s.Out.Write(data)
		return err
	}
	return showCalibration(s.Out, found)
}

// showCalibration writes it for people.
func showCalibration(w io.Writer, c *roofline.Calibration) error {
	t := table.Table{Columns: []string{"kernel", "best", "median", "worst", "unit", "repetitions"}}
	for _, kind := range []struct {
		unit  string
		rates []roofline.Rate
	}{{"GB/s", c.Bandwidths}, {"GFLOP/s", c.FLOPs}} {
		for _, r := range kind.rates {
			t.Rows = append(t.Rows, []string{r.Kernel, giga(r.Best), giga(r.Median), giga(r.Worst), kind.unit, fmt.Sprint(r.Repetitions)})
		}
	}
	if err := t.WriteText(w); err != nil {
		return err
	}
	cache := "not known"
	if c.LastLevelCacheBytes != nil {
		cache = c.LastLevelCacheBytes.String()
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\n%s, %s; last-level cache %s, arrays of %s\n", orUnknown(c.Processor), threadCount(c.Threads), cache, c.ArrayBytes)
	if c.BandwidthBytesPerS != nil {
		fmt.Fprintf(&text, "memory bandwidth: %s GB/s (%s)\n", giga(*c.BandwidthBytesPerS), c.BandwidthMethod)
	}
	if c.FLOPPerS != nil {
		fmt.Fprintf(&text, "FLOP rate:        %s GFLOP/s in %s (%s)\n", giga(*c.FLOPPerS), c.FLOPPrecision, c.FLOPMethod)
	} else {
		fmt.Fprintf(&text, "FLOP rate:        not measured: %s\n", c.FLOPAbsent)
	}
	if c.FLOPPerS != nil {
		fmt.Fprintln(&text, "The FLOP rate is what ONNX Runtime's matrix product reaches here; another library may reach more.")
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(&text, "warning: %s\n", warning)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func threadCount(n int) string {
	if n == 1 {
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

func orUnknown(name string) string {
	if name == "" {
		return "a processor of unknown name"
	}
	return name
}

// giga is a rate in billions.
func giga(v float64) string { return units.G4(v / 1e9) }
