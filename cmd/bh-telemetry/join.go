package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// joinColumns are what a person sees of joined runs.
var joinColumns = []string{"backend", "mode", "scenario", "repetition", "status", "latency_ns", "energy_joules",
	"energy_error_joules", "joules_per_token", "power_mean_w", "power_samples", "power_source", "energy_grade", "energy_reasons"}

// maxAhead is how far clocks may be apart: more than any time zone.
const maxAhead = 48 * time.Hour

// joinOptions are the settings of join.
type joinOptions struct {
	Runs    store.Input
	Samples []string                 // recordings, each in order of time
	Output  store.Output             // a table on a terminal, JSON-lines in a pipe, unless it says otherwise
	Source  string                   // telemetry source or device to take energy from; "" for each run's own device
	HostAs  map[string]string        // samples of one host that belong to another, as a meter's
	Ahead   map[string]time.Duration // hosts whose clock is ahead, and by how much

	seen map[string]bool // hosts that samples are of, by their own name
}

// Validate reports settings that cannot be meant.
func (o joinOptions) Validate() error {
	if len(o.Samples) == 0 {
		return cli.BadInputf("join: no samples given, want --samples FILE")
	}
	fromStdin := slices.Index(o.Samples, "-") >= 0
	if fromStdin && (len(o.Runs.Paths) == 0 || slices.Contains(o.Runs.Paths, "-")) {
		return cli.BadInputf("join: runs and samples both from standard input, want one of them in a file")
	}
	for host, ahead := range o.Ahead {
		if ahead.Abs() > maxAhead {
			return cli.BadInputf("join: --clock-ahead %s: saw %v, want %v at most", host, ahead, maxAhead)
		}
	}
	if o.Output.Path != "" && o.Output.Path != "-" && o.Output.Format == "" {
		_, err := store.FormatOf(o.Output.Path)
		return err
	}
	return nil
}

func joinCommand(args []string, s cli.Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "join",
		Usage:     "fill the energy columns of runs from samples",
		ArgsUsage: "[RUNS…]",
		Description: "RUNS are files, globs, folders or - for standard input. Runs that are not ok pass through unchanged. Ends\n" +
			"with exit code 3 when rows were rejected, out of order or given twice (they count once), or runs found no\n" +
			"energy; their energy_reasons say why. The energy that ok runs have already is replaced, also by nothing\n" +
			"where the samples do not cover them.",
		Flags: []urfave.Flag{
			&urfave.StringSliceFlag{Name: "samples", Usage: "recording in `FILE`, a glob or a folder; may be given several times"},
			&urfave.StringFlag{Name: "source", DefaultText: "what measures the device that did the work",
				Usage: "take energy from telemetry source `NAME`, or from one device, as meter:wall, whatever it measures"},
			&urfave.StringSliceFlag{Name: "host-as",
				Usage: "take samples of host METER for those of host RUN, as `METER=RUN`; may be given several times"},
			&urfave.StringSliceFlag{Name: "clock-ahead",
				Usage: "the clock of a samples' host is ahead of the runs' by so much, as `HOST=DURATION`; may be given several times"},
			&urfave.StringFlag{Name: "from", DefaultText: "by extension", Usage: "read RUNS as `FORMAT`: parquet, arrow, jsonl, csv"},
			outputFlag(), formatFlag(),
		},
		Action: func(c *urfave.Context) error {
			opt := joinOptions{
				Runs:    store.Input{Paths: c.Args().Slice(), From: store.Format(c.String("from")), Stdin: s.In},
				Samples: c.StringSlice("samples"), Source: c.String("source"),
				Output: store.Output{Path: c.String("output"), Format: store.Format(c.String("format")),
					Stdout: results(s.Out), Columns: joinColumns},
			}
			if err := errors.Join(opt.clocks(c.StringSlice("host-as"), c.StringSlice("clock-ahead")), opt.Validate()); err != nil {
				return err
			}
			return join(c.Context, opt, args)
		},
	}
}

// clocks reads the flags that say whose samples are whose, and whose clock is ahead.
func (o *joinOptions) clocks(hostAs, ahead []string) error {
	o.HostAs, o.Ahead, o.seen = map[string]string{}, map[string]time.Duration{}, map[string]bool{}
	for _, text := range hostAs {
		from, to, ok := strings.Cut(text, "=")
		if !ok || from == "" || to == "" {
			return cli.BadInputf("join: --host-as: saw %q, want METER=RUN", text)
		}
		o.HostAs[from] = to
	}
	for _, text := range ahead {
		host, by, ok := strings.Cut(text, "=")
		d, err := time.ParseDuration(by)
		if !ok || host == "" || err != nil {
			return cli.BadInputf("join: --clock-ahead: saw %q, want HOST=DURATION, as meter=1.5s", text)
		}
		o.Ahead[host] = d
	}
	return nil
}

// translate moves the samples of other hosts to the runs' hosts and their clocks. What the recorder of another host says of
// itself, as where its clock stands, is of that host alone.
func (o *joinOptions) translate(in readings) readings {
	return func(yield func(*record.Sample, error) bool) {
		for s, err := range in {
			if err == nil {
				o.seen[s.Host] = true
				s.TSUnixNS -= int64(o.Ahead[s.Host])
				if to, ok := o.HostAs[s.Host]; ok {
					if s.Source == record.SourceRecorder {
						continue
					}
					s.Host = to
				}
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

// join reads all runs, streams the samples past them and writes the runs.
func join(ctx context.Context, opt joinOptions, args []string) error {
	var runs []*record.Run
	scanned, err := store.Scan(ctx, opt.Runs, store.Handlers{Run: func(r *record.Run) error {
		runs = append(runs, r)
		return nil
	}})
	if err != nil {
		return err
	}
	measured, err := opt.measure(ctx, runs, opt.Samples, atOnce)
	if err == nil && measured.Disordered > 0 && len(measured.files) > len(opt.Samples) && readAgain(measured.files) {
		measured, err = opt.measure(ctx, runs, measured.files, inTime)
	}
	if err != nil {
		return err
	}
	partial := []error{scanned.Err(), measured.incomplete, shortfall(measured.Summary, runs), opt.strangers(runs)}
	inputs := slices.Concat(scanned.Files, measured.files)
	if err := write(opt.Output, runs, inputs, args); err != nil {
		return err
	}
	return cli.Partial(errors.Join(partial...))
}

// measured is what samples gave to runs.
type measured struct {
	energy.Summary
	files      []string // that samples were read from
	incomplete error    // what of them could not be read
}

// measure streams the samples of the recordings in paths past the runs. How a recording is opened is as as says.
func (o *joinOptions) measure(ctx context.Context, runs []*record.Run, paths []string, as func(readings) readings) (measured, error) {
	joiner := energy.NewJoiner()
	joiner.Source = o.Source
	for _, r := range runs {
		if err := joiner.Add(r); err != nil {
			return measured{}, err
		}
	}
	recordings := make([]readings, len(paths))
	scanned := make([]store.Summary, len(paths))
	for i, path := range paths {
		recordings[i] = as(o.translate(samplesOf(ctx, store.Input{Paths: []string{path}, Stdin: o.Runs.Stdin}, &scanned[i])))
	}
	for s, err := range energy.Merge(recordings...) {
		if err != nil {
			return measured{}, err
		}
		joiner.Sample(s)
	}
	out := measured{Summary: joiner.Finish()}
	for _, sum := range scanned {
		out.files = append(out.files, sum.Files...)
		out.incomplete = errors.Join(out.incomplete, sum.Err())
	}
	return out, nil
}

// samplesOf reads the samples of in as they are asked for; sum is complete when the sequence has ended.
func samplesOf(ctx context.Context, in store.Input, sum *store.Summary) readings {
	return func(yield func(*record.Sample, error) bool) {
		enough := errors.New("enough")
		var err error
		*sum, err = store.Scan(ctx, in, store.Handlers{Sample: func(s *record.Sample) error {
			if !yield(s, nil) {
				return enough
			}
			return nil
		}})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}

// shortfall is what the join could not do, in one line, or nil.
func shortfall(sum energy.Summary, runs []*record.Run) error {
	var errs []error
	if sum.Unmeasured > 0 {
		why := map[string]int{}
		for _, r := range runs {
			if r.Status == record.OK && r.EnergyJoules == nil {
				why[r.EnergyReasons]++
			}
		}
		parts := make([]string, 0, len(why))
		for _, reason := range slices.Sorted(maps.Keys(why)) {
			parts = append(parts, fmt.Sprintf("%d %s", why[reason], reason))
		}
		errs = append(errs, fmt.Errorf("%d of %d ok runs found no energy: %s", sum.Unmeasured, sum.OK, strings.Join(parts, ", ")))
	}
	if sum.Disordered > 0 {
		errs = append(errs, fmt.Errorf("%d of %d samples were out of order in time and may be missing from a window",
			sum.Disordered, sum.Samples))
	}
	if sum.Repeated > 0 {
		errs = append(errs, fmt.Errorf("%d of %d samples were given twice and count once; is a recording named again, or a copy of it?",
			sum.Repeated, sum.Samples))
	}
	return errors.Join(errs...)
}

// strangers says which hosts were named that no sample is of, and where samples and runs are of different hosts; nil where
// neither is so.
func (o *joinOptions) strangers(runs []*record.Run) error {
	var errs []error
	for _, host := range slices.Sorted(maps.Keys(o.HostAs)) {
		if !o.seen[host] {
			errs = append(errs, fmt.Errorf("--host-as: no sample is of host %s", host))
		}
	}
	for _, host := range slices.Sorted(maps.Keys(o.Ahead)) {
		if !o.seen[host] {
			errs = append(errs, fmt.Errorf("--clock-ahead: no sample is of host %s", host))
		}
	}
	have := map[string]bool{}
	for host := range o.seen {
		if to, ok := o.HostAs[host]; ok {
			host = to
		}
		have[host] = true
	}
	missing := map[string]bool{}
	for _, r := range runs {
		if r.Status == record.OK && !have[r.Host] {
			missing[r.Host] = true
		}
	}
	if len(missing) > 0 && len(o.seen) > 0 {
		errs = append(errs, fmt.Errorf("no sample is of host %s, they are of %s; where that is the same machine, or a meter on it, see --host-as",
			strings.Join(slices.Sorted(maps.Keys(missing)), ", "), strings.Join(slices.Sorted(maps.Keys(o.seen)), ", ")))
	}
	return errors.Join(errs...)
}

// write writes the runs and notes the file in the manifest beside it.
func write(out store.Output, runs []*record.Run, inputs, args []string) error {
	rows := make([]record.Run, len(runs))
	for i, r := range runs {
		rows[i] = *r
	}
	if err := store.Put(out, rows); err != nil {
		return err
	}
	if out.Path == "" || out.Path == "-" {
		return nil
	}
	return manifest.Record(out.Path, tool, args, inputs)
}
