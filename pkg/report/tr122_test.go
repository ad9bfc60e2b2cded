package report

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
)

// began is when the first run of the resource fixture began.
const began = int64(1_760_000_000_000_000_000)

// resourceRun is a good run of one sequence that began k seconds in: a prefill of 100 tokens in 255 ms, or 11 new tokens in
// 250 ms and then 50 ms each. It varies by k%3 in a thousand.
func resourceRun(backend string, mode record.Mode, k int64) record.Run {
	latency := int64(255e6)
	r := record.Run{
		Schema: record.SchemaRun, Experiment: "tr122", Host: "host-1", Backend: backend, Model: "m", Precision: "fp32", Device: record.CPU, Scenario: "one",
		Mode: mode, BatchSize: 1, PromptTokens: 100, Repetition: k % 3, RunID: fmt.Sprintf("%s/%s/%d", backend, mode, k), Threads: 2, Concurrency: 1, Status: record.OK,
		Iterations: units.Ptr(int64(3)), TokensProcessed: units.Ptr(units.Tokens(100)), OutputHash: "aa",
		PowerMeanW: units.Ptr(units.Watts(20)), PowerPeakW: units.Ptr(units.Watts(25 + k)), PowerSource: "rapl", EnergyGrade: record.GradeB, EnergyReasons: "counter_only",
		PowerSamples: units.Ptr(int64(30)), IdleBeforeW: units.Ptr(units.Watts(5)), ThrottledPct: units.Ptr(units.Percent(1)),
		MemMeanBytes: units.Ptr(units.Bytes(100 << 20)), MemPeakBytes: units.Ptr(units.Bytes((200 + k) << 20)),
	}
	tokens := 100.0
	if mode == record.GenerateCached {
		tokens, latency = 11, 750e6
		r.MaxNewTokens, r.TokensGenerated, r.TTFTNS = 11, units.Ptr(units.Tokens(11)), units.Ptr(int64(250e6))
		r.ITLNS = slices.Repeat([]int64{50e6}, 10)
	}
	latency += latency / 1000 * (k % 3)
	joules := 20 * float64(latency) / 1e9
	r.LatencyNS, r.ThroughputTokS = &latency, units.Ptr(units.TokensPerSecond(tokens/(float64(latency)/1e9)))
	r.StartUnixNS, r.EndUnixNS = units.Ptr(began+k*1e9), units.Ptr(began+k*1e9+7e8)
	r.EnergyJoules, r.EnergyMarginalJoules, r.EnergyErrorJoules = units.Ptr(units.Joules(joules)), units.Ptr(units.Joules(0.75*joules)), units.Ptr(units.Joules(0.02*joules))
	r.CPUTimeNS = units.Ptr(latency * 2 * 9 / 10)
	return r
}

// resourceRuns are a good backend, a server that chose its threads and of which nothing was sampled, and one that is not here.
func resourceRuns() []record.Run {
	var runs []record.Run
	for i, mode := range []record.Mode{record.Prefill, record.GenerateCached} {
		for k := range int64(3) {
			runs = append(runs, resourceRun("onnxruntime-cpu", mode, int64(6*i)+k))
			bare := resourceRun("ollama", mode, int64(6*i)+3+k)
			bare.Threads, bare.PowerSource, bare.EnergyGrade, bare.EnergyReasons = 0, "", "", "no_power_source"
			bare.PowerMeanW, bare.PowerPeakW, bare.PowerSamples, bare.EnergyJoules, bare.EnergyMarginalJoules, bare.EnergyErrorJoules = nil, nil, nil, nil, nil, nil
			bare.IdleBeforeW, bare.ThrottledPct, bare.MemMeanBytes, bare.MemPeakBytes, bare.CPUTimeNS = nil, nil, nil, nil, nil
			lost := record.Run{Schema: record.SchemaRun, Experiment: "tr122", Host: "host-1", Backend: "tensorrt", Model: "m", Precision: "fp32", Device: record.GPU,
				Scenario: "one", Mode: mode, BatchSize: 1, PromptTokens: 100, RunID: fmt.Sprintf("lost/%s/%d", mode, k), Status: record.Degraded, Reason: "gpu_not_found"}
			runs = append(runs, bare, lost)
		}
	}
	return runs
}

// resourceSamples are twelve seconds at ten sweeps a second: a power that grows, a counter of another device, memory once a
// second, and the recorder's rows, of which each is a hundredth of a millisecond later than the one before.
func resourceSamples() []record.Sample {
	var list []record.Sample
	for i := range int64(120) {
		ts := began + i*1e8
		row := record.Sample{Schema: record.SchemaSample, Host: "host-1", TSUnixNS: ts}
		recorder, power, counter := row, row, row
		recorder.Source, recorder.Device = record.SourceRecorder, record.RecorderDevice
		recorder.LateNS, recorder.SweepNS, recorder.Missed = units.Ptr(i*1e4), units.Ptr(int64(1e6)), units.Ptr(int64(0))
		recorder.CPUTimeNS, recorder.Wakeups = units.Ptr(i*1e6), units.Ptr(i*3)
		if i == 60 {
			recorder.Missed = units.Ptr(int64(2))
		}
		power.Source, power.Device, power.PowerW = "hwmon", "cpu", units.Ptr(units.Watts(10+float64(i)/10))
		power.ClockMHz = units.Ptr(units.Megahertz(2000 + i))
		counter.Source, counter.Device, counter.EnergyCounterJoules = "rapl", "cpu:0", units.Ptr(units.Joules(float64(i)*3)) // 30 W
		if i%10 == 0 {
			counter.MemUsedBytes = units.Ptr(units.Bytes(1 << 30))
		}
		list = append(list, recorder, power, counter)
	}
	idle := record.Sample{Schema: record.SchemaSample, Host: "host-1", TSUnixNS: began - 3e9, Source: record.SourceRecorder, Device: record.RecorderDevice, Event: record.EventIdleBegin}
	return append([]record.Sample{idle}, list...)
}

// resourceFolder writes the artifacts of a TR122 report, as the tools before bh-report do.
func resourceFolder(tb testing.TB, k *roofline.Calibration) Options {
	tb.Helper()
	return resourceFolderOf(tb, resourceRuns(), k)
}

// resourcesOf is the inputs of a report about runs.
func resourcesOf(tb testing.TB, runs []record.Run) *Inputs {
	tb.Helper()
	return loaded(tb, resourceFolderOf(tb, runs, nil))
}

// resourceFolderOf is resourceFolder with runs that are given.
func resourceFolderOf(tb testing.TB, runs []record.Run, k *roofline.Calibration) Options {
	tb.Helper()
	dir := tb.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	b, c := cell.NewBuilder(), compare.NewRuns()
	for i := range runs {
		if err := runs[i].Validate(); err != nil {
			tb.Fatal(err)
		}
		b.AddRun(&runs[i])
		c.Add(&runs[i])
	}
	cells, err1 := b.Cells()
	stats, err2 := compare.Analyse(cells, nil, compare.Options{Resamples: 200})
	if err := errors.Join(err1, err2); err != nil {
		tb.Fatal(err)
	}
	var err3, err4 error
	stats.Runs, err3 = compare.AnalyseRuns(c, cells, nil, compare.Options{Resamples: 200})
	if k != nil {
		var data []byte
		data, err4 = k.JSON()
		err4 = errors.Join(err4, os.WriteFile(at(roofline.FileName), data, 0o644))
	}
	err5 := manifest.Update(dir, func(m *manifest.Manifest) error {
		m.Experiment, m.Environment = "tr122", &manifest.Environment{Host: "host-1"}
		m.Model = &manifest.Model{Name: "m", Parameters: 1e8, Layers: 10, Width: 1000}
		m.Sensors = []manifest.Sensor{{Source: "rapl", Status: "present"}, {Source: "nvml", Status: "absent", Detail: "no driver", Fix: "install one"}}
		return nil
	})
	if err := errors.Join(err3, err4, err5, store.WriteFile(at(EnergyFile), runs), store.WriteFile(at(SamplesFile), resourceSamples()), stats.Write(at(StatsFile))); err != nil {
		tb.Fatal(err)
	}
	return Options{Dir: dir, Profile: TR122, Command: []string{"bh-report"}}
}

// roofs10 is a machine of 10 GB/s and 100 GFLOP/s.
func roofs10() *roofline.Calibration {
	k := &roofline.Calibration{Schema: roofline.Schema, Host: "host-1", Threads: 2, FLOPPrecision: "fp32", Warnings: []string{},
		Bandwidths: []roofline.Rate{{Kernel: "read", Repetitions: 10, Best: 1e10, Median: 9e9, Worst: 8e9}},
		FLOPs:      []roofline.Rate{{Kernel: "product", Repetitions: 10, Best: 1e11, Median: 9e10, Worst: 8e10}}}
	k.Settle()
	return k
}

func loaded(tb testing.TB, o Options) *Inputs {
	tb.Helper()
	in, err := Load(context.Background(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return in
}

// TestResourceReport: the numbers were worked out by hand from the fixture.
func TestResourceReport(t *testing.T) {
	in := loaded(t, resourceFolder(t, roofs10()))
	doc := Build(in)
	const cpu = "onnxruntime-cpu"
	for _, c := range []struct {
		table, column string
		row           []string
		want          float64
	}{
		{"Power and energy", "joules_per_token", []string{cpu, "prefill"}, 20 * 0.255 * 1.001 / 100},
		{"Power and energy", "power_peak_w", []string{cpu, "prefill"}, 27},
		{"Power and energy", "power_peak_w", []string{cpu, "generate-cached"}, 33},
		{"Power and energy", "bound_pct", []string{cpu, "prefill"}, 2},
		{"Power and energy", "tokens_per_kwh", []string{cpu, "generate-cached"}, 3.6e6 * 11 / (20 * 0.75 * 1.001)},
		{"Marginal energy", "marginal_pct", []string{cpu, "prefill"}, 75},
		{"Marginal energy", "idle_before_w", []string{cpu, "prefill"}, 5},
		{"Memory and processor time", "mem_peak_mib", []string{cpu, "prefill"}, 202},
		{"Memory and processor time", "cpu_busy_pct", []string{cpu, "prefill"}, 90},
		{"Temperature and clock", "lowest", []string{cpu, "cpu", "hwmon", "MHz"}, 2000},
		{"Temperature and clock", "mean", []string{cpu, "cpu", "hwmon", "MHz"}, 2043.5}, // 8 readings from each second's first on: seconds 0 to 2 and 6 to 8
		{"Temperature and clock", "highest", []string{cpu, "cpu", "hwmon", "MHz"}, 2087},
		{"Temperature and clock", "readings", []string{cpu, "cpu", "hwmon", "MHz"}, 48},
		{"Heat and throttling", "throttled_pct", []string{cpu, "prefill"}, 1},
		// (2e8 + 4*10*1000*100) * 100 operations and 4e8 bytes in 255.255 ms
		{"Model bandwidth", "mfu_pct", []string{cpu, "prefill", "one"}, 100 * 2.04e10 / 0.255255 / 1e11},
		{"Model bandwidth", "mbu_pct", []string{cpu, "prefill", "one"}, 100 * 4e8 / 0.255255 / 1e10},
		// 4e8 + 2*10*1000*105.5*4 bytes in (750.75 - 250)/10 ms
		{"Model bandwidth", "mbu_pct", []string{cpu, "generate-cached", "one"}, 100 * (4e8 + 8.44e6) / 0.050075 / 1e10},
		{"Model bandwidth", "mfu_pct", []string{cpu, "generate-cached", "one"}, 100 * (2e8 + 4.22e6) / 0.050075 / 1e11},
		{"Model bandwidth", "step_ms", []string{"ollama", "prefill", "one"}, 255.255},
		{"How well the recorder", "max", []string{"lateness of a sweep"}, 1.19},
		{"How well the recorder", "p50", []string{"interval between two sweeps"}, 100},
	} {
		got := doc.table(t, c.table).number(t, c.column, c.row...)
		if math.Abs(got/c.want-1) > 0.01 {
			t.Errorf("%s, %s, %v: saw %v, want %v", c.table, c.column, c.row, got, c.want)
		}
	}
	for _, c := range [][4]string{
		{"Power and energy", "joules_per_token", "ollama", units.Absent}, {"Power and energy", "grades", cpu, "B 3"}, {"Power and energy", "grades", "ollama", "none 3"},
		{"Model bandwidth", "mbu_pct", "ollama", units.Absent}, {"Memory and processor time", "mem_peak_mib", "ollama", units.Absent},
	} {
		if got := doc.table(t, c[0]).at(t, c[1], c[2], "prefill"); got != c[3] {
			t.Errorf("%s, %s of %s: saw %s, want %s", c[0], c[1], c[2], got, c[3])
		}
	}
	md := renderedMarkdown(t, in)
	for _, want := range []string{
		"What holds **onnxruntime-cpu** back in `prefill`: **compute** (MBU 15.67%", "What holds **onnxruntime-cpu** back in `generate-cached`: **memory bandwidth**",
		"What holds **ollama** back in `prefill`: **not known**", "calibrated with 2 threads, the runs had as many as the server chose",
		"it is the same throughout the 95% intervals", "How energy was measured: power from rapl 6 runs. Energy grades: B in 6 runs, none in 6 runs; why not better: counter_only 6, no_power_source 6.",
		"`nvml` (absent): no driver; try: `install one`", "The machine was left alone 1 time.", "120 sweeps, 2 missed", "No figure `over_time_temperature`",
		"Not measured, hence not judged: tensorrt (gpu_not_found)", "took 1% of one processor and was woken 30 times a second", "## 7 Reproducibility",
	} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
	for _, unwanted := range []string{"USD", "arbon", "price", "%!", "%s", "NaN", "Decision matrix"} {
		for line := range strings.Lines(md) {
			if strings.Contains(line, unwanted) && !strings.Contains(line, "not what prices") {
				t.Errorf("report.md has %q: %s", unwanted, line)
			}
		}
	}
}

// TestResourceNumbersHaveSources: every number of a table says where it came from.
func TestResourceNumbersHaveSources(t *testing.T) {
	for _, b := range Build(loaded(t, resourceFolder(t, roofs10()))).Blocks {
		table, ok := b.(Table)
		if !ok {
			continue
		}
		for _, row := range table.Rows {
			for i, cell := range row {
				if table.Columns[i].Numeric && table.Columns[i].Name != "bytes" && (len(cell) != 1 || cell[0].Source == nil || cell[0].Source.Column == "") {
					t.Errorf("%s, %s: %q has no source", table.Caption, table.Columns[i].Name, cell.plain())
				}
			}
		}
	}
}

func TestResourceReportVerifies(t *testing.T) {
	o := resourceFolder(t, roofs10())
	if err := Write(loaded(t, o), o); err != nil {
		t.Fatal(err)
	}
	page := filepath.Join(o.Dir, MarkdownFile)
	if _, err := Verify(context.Background(), page); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.Dir, roofline.FileName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(context.Background(), page); err == nil || !strings.Contains(err.Error(), "calibration.json: has SHA-256") {
		t.Errorf("another calibration: saw %v", err)
	}
}

// TestPeakOfAnEstimate is no more than its readings, which end at the model's full load; what a counter measured is in its peak.
func TestPeakOfAnEstimate(t *testing.T) {
	for grade, want := range map[record.Grade]float64{record.GradeD: 7, record.GradeB: 7.025} {
		r := record.Run{PowerPeakW: units.Ptr(units.Watts(7)), PowerMeanW: units.Ptr(units.Watts(7.025)), EnergyGrade: grade}
		if got := peakPower(&r); *got != want {
			t.Errorf("%s: saw %v W, want %v", grade, *got, want)
		}
	}
}

// TestResourcesWithoutRoofs: nothing is judged, and it is said why.
func TestResourcesWithoutRoofs(t *testing.T) {
	other := roofs10()
	other.Host = "host-2"
	flopless := roofs10()
	flopless.FLOPPerS, flopless.FLOPs, flopless.FLOPAbsent = nil, nil, "no library here"
	slower := roofs10()
	slower.BandwidthBytesPerS = units.Ptr(5e9)
	for _, c := range []struct {
		name string
		k    *roofline.Calibration
		want string
	}{
		{"no calibration", nil, "no calibration.json beside the runs"},
		{"another machine", other, "the calibration is of another machine, host-2"},
		{"no FLOP rate", flopless, "no library here"},
		{"above the roof", slower, "Above 100%: onnxruntime-cpu generate-cached one"},
	} {
		md := renderedMarkdown(t, loaded(t, resourceFolder(t, c.k)))
		if !strings.Contains(md, c.want) {
			t.Errorf("%s: report.md lacks %q", c.name, c.want)
		}
		if c.k != slower && !strings.Contains(md, "What holds the backends back: **not known** of any, as ") {
			t.Errorf("%s: a verdict without roofs", c.name)
		}
	}
}

// TestResourcesOfAnArchive: cells without runs have no resources, and the report says so.
func TestResourcesOfAnArchive(t *testing.T) {
	in := archive(t, "tr119")
	in.Profile = TR122
	md := renderedMarkdown(t, in)
	for _, want := range []string{"Nothing is drawn over time: there is no samples.parquet", "**not known**", "Energy, `prefill`: not known"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}

func TestTimeFigures(t *testing.T) {
	in := loaded(t, resourceFolder(t, roofs10()))
	figures := figuresOf(t, in)
	texts := svgTexts(t, figures["over_time_power"])
	for _, want := range []string{"Power over time", "onnxruntime-cpu", "ollama", "between runs", "cpu, hwmon", "cpu:0, rapl (from its energy counter)", "Seconds since the recording began", "10", "20"} {
		if !slices.Contains(texts, want) {
			t.Errorf("over_time_power lacks %q: %q", want, texts)
		}
	}
	if texts := svgTexts(t, figures["over_time_memory"]); !slices.Contains(texts, "cpu:0, rapl") {
		t.Errorf("over_time_memory: %q", texts)
	}
	for name, svg := range figures {
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s: a coordinate is not a number", name)
		}
	}
}

// TestNoSensorIsSaidAtTheTop: TR119's sections about energy begin with it.
func TestNoSensorIsSaidAtTheTop(t *testing.T) {
	in := cpuOnly(t)
	in.Manifest = &manifest.Manifest{Sensors: []manifest.Sensor{{Source: "rapl", Status: "permission", Detail: "readable by root alone", Fix: "chmod"}, {Source: "proc", Status: "present"}}}
	md := renderedMarkdown(t, in)
	note := "> **Warning.** No sensor measures power here: every energy figure is an estimate (grade D), or absent. Energy grades: D in 105 runs.\n\n"
	for title, want := range map[string]string{
		" Cost and energy summary\n\n":   note + "The sensors of power that are missing, and why:\n\n- `rapl` (permission): readable by root alone; try: `chmod`\n",
		" Energy efficiency ranking\n\n": note,
	} {
		_, after, ok := strings.Cut(md[strings.Index(md, "## 4 Results"):], title)
		if !ok || !strings.HasPrefix(after, want) {
			t.Errorf("%q is followed by %.300q", title, after)
		}
	}
	if n := strings.Count(md, "Energy grades: D in 35 runs."); n < 9 {
		t.Errorf("the grades stand in %d captions and notes of single modes, want at least 9", n)
	}
}

// TestEstimatedPanelSaysSo: a figure may be shown without its caption.
func TestEstimatedPanelSaysSo(t *testing.T) {
	for source, want := range map[string]string{
		record.SourceCPUEstimate: "cpu, cpu-estimate (an estimate, not measured)", "hwmon": "cpu, hwmon",
	} {
		if got := (seriesKey{device: "cpu", source: source}).words(); got != want {
			t.Errorf("saw %q, want %q", got, want)
		}
	}
}
