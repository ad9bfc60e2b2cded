package report

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/store"
)

// The names of the artifacts that a report is made of.
const (
	EnergyFile  = "energy.parquet"
	RunsFile    = "runs.parquet"
	CellsFile   = "cells.parquet"
	CostFile    = "cost.parquet"
	StatsFile   = "stats.json"
	SamplesFile = "samples.parquet"

	// The names of spec TR117 for the runs with their energy and for the statistics.
	MetricsFile     = "metrics.parquet"
	StatisticalFile = "statistical_analysis.json"
)

// measurementFiles hold measurements; the first that is there is taken, as each holds all that the next one holds.
var measurementFiles = []string{EnergyFile, MetricsFile, RunsFile, CellsFile}

// statsFiles hold statistics; the first that is there is taken.
var statsFiles = []string{StatsFile, StatisticalFile}

// first is the first of the names that stands in the folder, or "".
func (l *loader) first(names []string) string {
	for _, n := range names {
		if exists(filepath.Join(l.dir, n)) {
			return n
		}
	}
	return ""
}

// namedText is a small file that is read as a whole and kept with the report.
type namedText struct {
	Name string `json:"name"` // without its folder
	Text string `json:"text"`
}

// readText reads a small file.
func readText(path string) (*namedText, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	return &namedText{Name: filepath.Base(path), Text: string(data)}, nil
}

// Load reads everything that o names. A required artifact that is missing, empty or corrupt is bad input, as is a method
// that no cost row has.
func Load(ctx context.Context, o Options) (*Inputs, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	var prices, plan *namedText
	var err error
	if o.Prices != "" {
		if prices, err = readText(o.Prices); err != nil {
			return nil, fmt.Errorf("price book: %w", err)
		}
	}
	if o.Matrix != "" {
		if plan, err = readText(o.Matrix); err != nil {
			return nil, fmt.Errorf("matrix: %w", err)
		}
	}
	return load(ctx, o, prices, plan)
}

// loader reads the artifacts of one folder.
type loader struct {
	ctx context.Context
	dir string
	in  *Inputs
}

// load is Load with the texts at hand: prices nil is the built-in book, plan nil the manifest's matrix.
func load(ctx context.Context, o Options, prices, plan *namedText) (*Inputs, error) {
	l := &loader{ctx: ctx, dir: o.Dir, in: &Inputs{Title: o.Title, Method: o.Method, Profile: o.Profile, CostsName: CostFile, prices: prices, plan: plan}}
	for _, step := range []func() error{l.folder, l.manifest, l.book, l.matrix, l.measurements, l.costs, l.stats, l.calibration, l.samples} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return l.in, nil
}

func (l *loader) folder() error {
	info, err := os.Stat(l.dir)
	if err != nil {
		return cli.BadInputf("folder of artifacts: %w", err)
	}
	if !info.IsDir() {
		return cli.BadInputf("%s: want a folder of artifacts", l.dir)
	}
	return nil
}

func (l *loader) manifest() error {
	m, err := manifest.Read(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l.in.Manifest = m
	return err
}

func (l *loader) book() (err error) {
	if l.in.prices == nil {
		l.in.BookName = cost.BuiltinPath
		l.in.Book, err = cost.Builtin()
		return err
	}
	l.in.BookName = l.in.prices.Name
	l.in.Book, err = cost.ParseBook(l.in.prices.Name, []byte(l.in.prices.Text))
	if err != nil {
		return cli.BadInput(err)
	}
	return nil
}

// measurements reads cells, or summarises runs to cells.
func (l *loader) measurements() error {
	name := l.first(measurementFiles)
	if name == "" {
		return cli.BadInputf("%s: saw no measurements, want one of %s", l.dir, strings.Join(measurementFiles, ", "))
	}
	l.in.CellsName = name
	b := cell.NewBuilder()
	h := store.Handlers{
		Run: func(r *record.Run) error {
			l.in.FromRuns = true
			l.in.Runs.add(withoutZeroEnergy(r))
			b.AddRun(r)
			return nil
		},
		Cell: func(c *record.Cell) error {
			dropZeroPower(c)
			b.AddCell(c)
			return nil
		},
	}
	if err := l.scan(name, h); err != nil {
		return err
	}
	var err error
	if l.in.Cells, err = b.Cells(); err != nil {
		return cli.BadInputf("%s: %w", filepath.Join(l.dir, name), err)
	}
	return nil
}

// costs reads the costs, where the report is about them.
func (l *loader) costs() error {
	if !l.in.Profile.priced() {
		return nil
	}
	var methods []string
	err := l.scan(CostFile, store.Handlers{Cost: func(r *record.Cost) error {
		dropZeroEnergy(r)
		l.in.Costs = append(l.in.Costs, *r)
		if !slices.Contains(methods, r.Method) {
			methods = append(methods, r.Method)
		}
		return nil
	}})
	if err == nil && !slices.Contains(methods, l.in.Method) {
		slices.Sort(methods)
		err = cli.BadInputf("%s: saw costs of method %s, want %s: price with it first (bh-cost --method)",
			filepath.Join(l.dir, CostFile), strings.Join(methods, ", "), l.in.Method)
	}
	return err
}

func (l *loader) stats() (err error) {
	if l.in.StatsName = l.first(statsFiles); l.in.StatsName == "" {
		return cli.BadInputf("%s: saw no statistics, want one of %s", l.dir, strings.Join(statsFiles, ", "))
	}
	if l.in.Stats, err = compare.ReadDocument(filepath.Join(l.dir, l.in.StatsName)); err != nil {
		return err
	}
	return l.artifact(l.in.StatsName)
}

// calibration reads what the machine can reach, where that was measured.
func (l *loader) calibration() (err error) {
	path := filepath.Join(l.dir, roofline.FileName)
	if !exists(path) {
		return nil
	}
	if l.in.Calibration, err = roofline.Read(path); err != nil {
		return err
	}
	return l.artifact(roofline.FileName)
}

// samples sums up the telemetry where there is a file of it.
func (l *loader) samples() error {
	if _, err := os.Stat(filepath.Join(l.dir, SamplesFile)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l.in.Timeline = newTimeline(l.in.Runs.windows)
	return l.scan(SamplesFile, store.Handlers{Sample: func(s *record.Sample) error {
		l.in.addSample(s)
		l.in.Timeline.add(s)
		l.in.Recorder.add(s)
		return nil
	}})
}

// scan reads the records of one artifact and notes its hash. Rows that cannot be taken are noted, and the rest goes on.
func (l *loader) scan(name string, h store.Handlers) error {
	path := filepath.Join(l.dir, name)
	sum, err := store.Scan(l.ctx, store.Input{Paths: []string{path}}, h)
	if err != nil {
		return err
	}
	if sum.Rejected > 0 {
		l.in.Rejected = append(l.in.Rejected, fmt.Sprintf("%s: %d of %d rows rejected", name, sum.Rejected, sum.Read))
		for _, e := range sum.Errors {
			l.in.Rejected = append(l.in.Rejected, strings.ReplaceAll(e.Error(), path, name)) // the report is published: no folder
		}
		l.in.rejected = append(l.in.rejected, sum.Err().Error())
	}
	return l.artifact(name)
}

// artifact notes the hash of a file that was read.
func (l *loader) artifact(name string) error {
	sum, size, err := manifest.HashFile(filepath.Join(l.dir, name))
	if err != nil {
		return err
	}
	l.in.Artifacts = append(l.in.Artifacts, Artifact{Path: name, SHA256: sum, Bytes: size})
	return nil
}

// add notes what the report says of a run.
func (f *RunFacts) add(r *record.Run) {
	if r.Status != record.OK {
		return
	}
	f.addTimes(r)
	f.addResources(r)
	f.addWindow(r)
	if r.GCDuringWindow != nil {
		f.GCKnown++
		if *r.GCDuringWindow > 0 {
			f.GCSeen++
		}
	}
	if r.ToolGapNS != nil {
		f.ToolGapNS = append(f.ToolGapNS, *r.ToolGapNS)
	}
	if r.PowerSamples != nil {
		f.PowerSamples = append(f.PowerSamples, *r.PowerSamples)
	}
	if r.Iterations != nil {
		f.Iterations = append(f.Iterations, *r.Iterations)
	}
	if r.OutputHash == "" {
		return
	}
	key := OutputKey{r.Model, r.Mode, r.Scenario}
	if f.Outputs == nil {
		f.Outputs = map[OutputKey]map[string][]string{}
	}
	if f.Outputs[key] == nil {
		f.Outputs[key] = map[string][]string{}
	}
	if backends := f.Outputs[key][r.OutputHash]; !slices.Contains(backends, r.Backend) {
		f.Outputs[key][r.OutputHash] = append(backends, r.Backend)
	}
}

// addTimes keeps a run's times for the curves.
func (f *RunFacts) addTimes(r *record.Run) {
	key := sampleKey{subjectOfRun(r), r.Mode}
	if f.samples == nil {
		f.samples = map[sampleKey]*sample{}
	}
	s := f.samples[key]
	if s == nil {
		s = &sample{}
		f.samples[key] = s
	}
	s.latency = append(s.latency, float64(*r.LatencyNS)/1e6)
	if r.TTFTNS != nil {
		s.ttft = append(s.ttft, float64(*r.TTFTNS)/1e6)
	}
}

// addSample sums a sample up.
func (in *Inputs) addSample(s *record.Sample) {
	i := slices.IndexFunc(in.Sensors, func(f SensorFacts) bool { return f.Source == s.Source && f.Device == s.Device })
	if i < 0 {
		in.Sensors = append(in.Sensors, SensorFacts{Source: s.Source, Device: s.Device, FirstNS: s.TSUnixNS, LastNS: s.TSUnixNS})
		i = len(in.Sensors) - 1
	}
	f := &in.Sensors[i]
	f.Samples++
	if s.PowerW != nil || s.EnergyCounterJoules != nil {
		f.Power++
	}
	f.FirstNS, f.LastNS = min(f.FirstNS, s.TSUnixNS), max(f.LastNS, s.TSUnixNS)
}
