package report

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
)

// BenchmarkRender is tables, figures and both formats of the archive's report, in memory.
func BenchmarkRender(b *testing.B) {
	in := archive(b, "tr119")
	for b.Loop() {
		if _, err := Render(in); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReport is 350 runs from their files to a finished report: reading, summarising, tables, 14 figures as SVG and
// PNG, Markdown and HTML.
func BenchmarkReport(b *testing.B) {
	runs := cpuOnlyRuns(7)
	runs = slices.DeleteFunc(runs, func(r record.Run) bool { return r.Mode == record.GenerateCached })
	dir := experiment(b, 7)
	if err := store.WriteFile(filepath.Join(dir, EnergyFile), runs); err != nil {
		b.Fatal(err)
	}
	reanalyse(b, dir, runs)
	for b.Loop() {
		o := Options{Dir: dir, Prices: pricesFile, Matrix: matrixFile}
		in, err := Load(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		if err := Write(in, o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReanalysis is the same with pricing and statistics before it, all in one process.
func BenchmarkReanalysis(b *testing.B) {
	runs := cpuOnlyRuns(7)
	runs = slices.DeleteFunc(runs, func(r record.Run) bool { return r.Mode == record.GenerateCached })
	dir := experiment(b, 7)
	if err := store.WriteFile(filepath.Join(dir, EnergyFile), runs); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		reanalyse(b, dir, runs)
		o := Options{Dir: dir, Prices: pricesFile, Matrix: matrixFile}
		in, err := Load(context.Background(), o)
		if err != nil {
			b.Fatal(err)
		}
		if err := Write(in, o); err != nil {
			b.Fatal(err)
		}
	}
}

// reanalyse prices and analyses runs and writes both artifacts.
func reanalyse(tb testing.TB, dir string, runs []record.Run) {
	tb.Helper()
	c := cell.NewBuilder()
	for i := range runs {
		c.AddRun(&runs[i])
	}
	cells, err := c.Cells()
	if err != nil {
		tb.Fatal(err)
	}
	in := finish(tb, cells, cost.MethodDefault.Name)
	if err := store.WriteFile(filepath.Join(dir, CostFile), in.Costs); err != nil {
		tb.Fatal(err)
	}
	if err := in.Stats.Write(filepath.Join(dir, StatsFile)); err != nil {
		tb.Fatal(err)
	}
}
