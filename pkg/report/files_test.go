package report

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	pricesFile = "../../pipelines/tr119/pricing.yaml"
	matrixFile = "../../pipelines/tr119/matrix.yaml"
)

// experiment writes the artifacts of a machine with one good backend to a folder, as the tools before bh-report do; in the
// modes given, or in all of them.
func experiment(tb testing.TB, repetitions int64, modes ...record.Mode) string {
	tb.Helper()
	return experimentOf(tb, slices.DeleteFunc(cpuOnlyRuns(repetitions), func(r record.Run) bool { return len(modes) > 0 && !slices.Contains(modes, r.Mode) }))
}

// experimentOf is experiment with runs that are given.
func experimentOf(tb testing.TB, runs []record.Run) string {
	tb.Helper()
	dir := tb.TempDir()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	must(manifest.Update(dir, func(m *manifest.Manifest) error {
		m.Experiment = "tr119"
		m.Environment = &manifest.Environment{Host: "host-1", OS: "linux", Arch: "amd64", CPUModel: "Some CPU", Virtualisation: "container"}
		m.Invocations = []manifest.Invocation{{Command: []string{"bh-run", "--matrix", "a b.yaml"}}}
		return nil
	}))
	must(store.WriteFile(at(EnergyFile), runs))
	must(manifest.Record(at(EnergyFile), "bh-telemetry", []string{"bh-telemetry", "join"}, nil))
	b := cell.NewBuilder()
	for i := range runs {
		b.AddRun(&runs[i])
	}
	cells, err := b.Cells()
	must(err)
	in := finish(tb, cells, cost.MethodDefault.Name)
	must(store.WriteFile(at(CostFile), in.Costs))
	must(manifest.Record(at(CostFile), "bh-cost", []string{"bh-cost"}, []string{at(EnergyFile)}))
	must(in.Stats.Write(at(StatsFile)))
	must(manifest.Record(at(StatsFile), "bh-stats", []string{"bh-stats"}, []string{at(CostFile)}))
	samples := make([]record.Sample, 3)
	for i := range samples {
		samples[i] = record.Sample{Schema: record.SchemaSample, Host: "host-1", TSUnixNS: int64(1e18) + int64(i)*50_000_000, Source: "cpu-estimate", Device: "cpu:0",
			PowerW: units.Ptr(units.Watts(20))}
	}
	must(store.WriteFile(at(SamplesFile), samples))
	must(manifest.Record(at(SamplesFile), "bh-run", []string{"bh-run"}, nil))
	return dir
}

// rendered is an experiment with its report, in one mode unless others are given: drawing takes most of the time.
func rendered(tb testing.TB, modes ...record.Mode) (dir string, o Options) {
	tb.Helper()
	if len(modes) == 0 {
		modes = []record.Mode{record.Prefill}
	}
	o = Options{Dir: experiment(tb, 7, modes...), Prices: pricesFile, Matrix: matrixFile, Title: "A report", Command: []string{"bh-report", "--dir", "x"}}
	in, err := Load(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	if err := Write(in, o); err != nil {
		tb.Fatal(err)
	}
	return o.Dir, o
}

func TestReportVerifies(t *testing.T) {
	dir, _ := rendered(t)
	v, err := Verify(context.Background(), filepath.Join(dir, MarkdownFile))
	if err != nil {
		t.Fatal(err)
	}
	// 4 artifacts by report.json; by the manifest the same 4, 14 files of figures, report.md, report.html and report.json.
	if v.Hashes != 4+4+17 || v.Files != 16 {
		t.Errorf("saw %+v, want 25 hashes and 16 files", v)
	}
	findings, page, err := Findings(dir)
	if err != nil || page != filepath.Join(dir, HTMLFile) || !slices.ContainsFunc(findings, func(s string) bool { return strings.HasPrefix(s, "Cost, prefill: onnxruntime-cpu, ") }) {
		t.Errorf("saw %q, %q, %v", findings, page, err)
	}
}

func TestManifestHasTheReport(t *testing.T) {
	dir, _ := rendered(t)
	m, err := manifest.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{MarkdownFile, HTMLFile, SettingsFile, "figures/prefill_total_cost.svg", "figures/prefill_throughput.png"} {
		i := slices.IndexFunc(m.Artifacts, func(a manifest.Artifact) bool { return a.Path == name })
		if i < 0 {
			t.Errorf("the manifest lacks %s", name)
			continue
		}
		sum, size, err := manifest.HashFile(filepath.Join(dir, filepath.FromSlash(name)))
		a := m.Artifacts[i]
		if err != nil || a.SHA256 != sum || a.Bytes != size || a.Tool != "bh-report" || len(a.MadeFrom) != 6 {
			t.Errorf("%s: saw %+v, %v", name, a, err)
		}
	}
}

func TestVerifyNamesTheFirstDifference(t *testing.T) {
	edit := func(name, old, changed string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, name)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			after := strings.Replace(string(data), old, changed, 1)
			if after == string(data) {
				t.Fatalf("%s does not hold %q", name, old)
			}
			if err := os.WriteFile(path, []byte(after), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole, _ := rendered(t)
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, string)
		code  int
		want  string
	}{
		{"a number in the report", edit(MarkdownFile, "| 0/35 |", "| 1/35 |"), cli.ExitGate, `report.md: line `},
		{"a word in the page", edit(HTMLFile, "Abstract</h2>", "Abstrakt</h2>"), cli.ExitGate, "report.html: line "},
		{"a missing figure", remove("figures/prefill_throughput.png"), cli.ExitGate, "figures/prefill_throughput.png: the artifacts make this file"},
		{"another artifact", edit(StatsFile, `"alpha": 0.05`, `"alpha": 0.06`), cli.ExitGate, "stats.json: has SHA-256 "},
		{"a missing artifact", remove(CostFile), cli.ExitGate, "cost.parquet: named in report.json, and it is missing"},
		{"another title", edit(SettingsFile, `"A report"`, `"Another"`), cli.ExitGate, "report.html: line "},
		{"a prettier finding", edit(SettingsFile, `"findings": [`, `"findings": ["All is well.",`), cli.ExitGate, "report.json: has SHA-256 "},
		{"no report.json", remove(SettingsFile), cli.ExitBadInput, "report.json"},
		{"no report.md", remove(MarkdownFile), cli.ExitBadInput, "report.md"},
		{"a broken report.json", edit(SettingsFile, "{", "["), cli.ExitBadInput, "report.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, dir)
			_, err := Verify(context.Background(), filepath.Join(dir, MarkdownFile))
			if cli.ExitCode(err) != c.code || !strings.Contains(err.Error(), c.want) {
				t.Errorf("saw %v (exit %d), want %q (exit %d)", err, cli.ExitCode(err), c.want, c.code)
			}
		})
	}
}

func TestRenderingAgainChangesNothing(t *testing.T) {
	dir, o := rendered(t)
	before := contentsOf(t, dir)
	in, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(in, o); err != nil {
		t.Fatal(err)
	}
	for name, data := range contentsOf(t, dir) {
		if before[name] != data {
			t.Errorf("%s changed: %s", name, firstDifference([]byte(before[name]), []byte(data)))
		}
	}
}

// contentsOf reads all files below a folder. A temporary file left behind fails the test.
func contentsOf(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if strings.Contains(e.Name(), ".tmp-") {
			tb.Errorf("%s was left behind", path)
		}
		data, err := os.ReadFile(path)
		files[filepath.Base(path)] = string(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// TestStaleFiguresGo: a report with fewer figures than its predecessor leaves none of them behind, and nothing else goes.
func TestStaleFiguresGo(t *testing.T) {
	dir, o := rendered(t, record.Prefill, record.GenerateCached)
	mine := filepath.Join(dir, FiguresDir, "mine.png")
	if err := os.WriteFile(mine, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	in.Cells = slices.DeleteFunc(in.Cells, func(c record.Cell) bool { return c.Mode == record.GenerateCached })
	in.Costs = slices.DeleteFunc(in.Costs, func(c record.Cost) bool { return c.Mode == record.GenerateCached })
	if err := Write(in, o); err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, FiguresDir, "generate_cached_throughput.svg")) {
		t.Error("a figure of the earlier report is still there")
	}
	if !exists(mine) {
		t.Error("a file that is not the report's is gone")
	}
	m, err := manifest.Read(dir)
	if err != nil || slices.ContainsFunc(m.Artifacts, func(a manifest.Artifact) bool { return strings.Contains(a.Path, "generate_cached") }) {
		t.Errorf("the manifest names a figure that is gone: %v", err)
	}
}

// TestNoOtherFileCanBeRemoved: report.json may have come from anywhere.
func TestNoOtherFileCanBeRemoved(t *testing.T) {
	for _, name := range []string{"figures/../runs.parquet", "runs.parquet", "/etc/passwd", "figures/a/b.svg", `figures/..\x.svg`, "figures/x.parquet"} {
		if figureFile(name) {
			t.Errorf("%q passes for a figure", name)
		}
	}
	if !figureFile("figures/prefill_throughput.svg") {
		t.Error("a figure does not pass for one")
	}
}

func TestPublishedFilesNameNoFolder(t *testing.T) {
	dir, _ := rendered(t)
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range contentsOf(t, dir) {
		if strings.HasSuffix(name, ".parquet") || name == manifest.FileName { // not written here
			continue
		}
		for _, secret := range []string{dir, os.TempDir(), home + "/"} {
			if strings.Contains(data, secret) {
				t.Errorf("%s holds %s", name, secret)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	write := func(name, data string) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			if err := os.WriteFile(filepath.Join(o.Dir, name), []byte(data), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(name string) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			if err := os.Remove(filepath.Join(o.Dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := func(name string) func(*testing.T, *Options) {
		return func(t *testing.T, o *Options) {
			path := filepath.Join(o.Dir, name)
			info, err := os.Stat(path)
			if err == nil {
				err = os.Truncate(path, info.Size()/2)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name  string
		spoil func(*testing.T, *Options)
		want  string
	}{
		{"no folder", func(_ *testing.T, o *Options) { o.Dir += "/none" }, "folder of artifacts"},
		{"a file for a folder", func(_ *testing.T, o *Options) { o.Dir += "/" + StatsFile }, "want a folder"},
		{"no measurements", remove(EnergyFile), "want one of energy.parquet, metrics.parquet, runs.parquet, cells.parquet"},
		{"empty measurements", write(EnergyFile, ""), "energy.parquet"},
		{"measurements that are text", write(EnergyFile, "hello"), "energy.parquet"},
		{"half of the measurements", cut(EnergyFile), "energy.parquet"},
		{"no costs", remove(CostFile), "cost.parquet"},
		{"empty costs", write(CostFile, ""), "cost.parquet"},
		{"half of the costs", cut(CostFile), "cost.parquet"},
		{"no statistics", remove(StatsFile), "stats.json"},
		{"empty statistics", write(StatsFile, ""), "stats.json"},
		{"half of the statistics", cut(StatsFile), "stats.json"},
		{"other JSON for statistics", write(StatsFile, `{"schema":"x"}`), `saw "x"`},
		{"half of the samples", cut(SamplesFile), "samples.parquet"},
		{"a broken manifest", write(manifest.FileName, "{"), "manifest.json"},
		{"no prices", func(_ *testing.T, o *Options) { o.Prices = "none.yaml" }, "none.yaml"},
		{"prices without a date", func(t *testing.T, o *Options) {
			o.Prices = filepath.Join(t.TempDir(), "p.yaml")
			if err := os.WriteFile(o.Prices, []byte("schema: bh.prices/1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "p.yaml"},
		{"no matrix", func(_ *testing.T, o *Options) { o.Matrix = "none.yaml" }, "none.yaml"},
		{"an unknown method", func(_ *testing.T, o *Options) { o.Method = "magic" }, "saw costs of method default, tr119, want magic"},
		{"a file for the output", func(_ *testing.T, o *Options) { o.Output = "report.md" }, "want a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Dir: experiment(t, 3), Prices: pricesFile}
			c.spoil(t, &o)
			_, err := Load(context.Background(), o)
			if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), c.want) {
				t.Errorf("saw %v (exit %d), want %q (exit 2)", err, cli.ExitCode(err), c.want)
			}
		})
	}
}

// TestRejectedRowsAreReported renders what can be taken, and says what could not.
func TestRejectedRowsAreReported(t *testing.T) {
	o := Options{Dir: experiment(t, 3)}
	runs := cpuOnlyRuns(3)
	runs[1].RunID = runs[0].RunID
	if err := store.WriteFile(filepath.Join(o.Dir, EnergyFile), runs); err != nil {
		t.Fatal(err)
	}
	in, err := Load(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := cli.ExitCode(in.Partial()); got != cli.ExitPartial {
		t.Errorf("exit code %d, want 3", got)
	}
	if outcome, saw := checkRejected(newData(in)); outcome != warn || !strings.Contains(saw, "energy.parquet: 1 of 225 rows rejected") || strings.Contains(saw, o.Dir) {
		t.Errorf("saw %s, %q", outcome, saw)
	}
}

func TestCancelledLoadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Load(ctx, Options{Dir: experiment(t, 3)}); !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v", err)
	}
}

// TestArtifactsAreShown finds hashes, commands, machine and sensors of the manifest in the report.
func TestArtifactsAreShown(t *testing.T) {
	dir, _ := rendered(t)
	md, err := os.ReadFile(filepath.Join(dir, MarkdownFile))
	if err != nil {
		t.Fatal(err)
	}
	sum, _, err := manifest.HashFile(filepath.Join(dir, EnergyFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"`" + sum + "`", "bh-run --matrix 'a b.yaml'", "| Processor | Some CPU |", "| cpu-estimate | cpu:0 | 3 | 3 | 50 |",
		"Measured under virtualisation (container)", "# A report\n", "7 repetitions of each cell after 2 warm-ups"} {
		if !strings.Contains(string(md), want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	var s settings
	data, err := os.ReadFile(filepath.Join(dir, SettingsFile))
	if err == nil {
		err = json.Unmarshal(data, &s)
	}
	if err != nil || s.Prices.Name != "pricing.yaml" || s.Method != "default" || len(s.Inputs) != 4 {
		t.Errorf("report.json: %+v, %v", s, err)
	}
}

// FuzzSettings reads any report.json: what passes names its schema, and no file but a figure counts as stale.
func FuzzSettings(f *testing.F) {
	f.Add([]byte(`{"schema":"bh.report/1","files":["figures/a.svg","../x.svg"]}`))
	f.Add([]byte(`{"schema":"bh.report/1"`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, SettingsFile), data, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := readSettings(dir)
		if err != nil {
			if cli.ExitCode(err) != cli.ExitBadInput {
				t.Errorf("exit code %d, want 2: %v", cli.ExitCode(err), err)
			}
			return
		}
		if s.Schema != SettingsSchema {
			t.Errorf("schema %q passed", s.Schema)
		}
		for _, name := range staleFigures(dir, &settings{}) {
			if path := filepath.Clean(name); filepath.Dir(path) != FiguresDir {
				t.Errorf("%q counts as a figure", name)
			}
		}
	})
}
