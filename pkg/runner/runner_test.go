package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/backend/backendtest"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/worker"
)

// asWorker makes the test binary a worker.
const asWorker = "BH_TEST_WORKER"

func TestMain(m *testing.M) {
	backendtest.Register()
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	out, err := worker.TakeStdout()
	if err == nil {
		err = worker.Serve(context.Background(), os.Stdin, out, func() { os.Exit(1) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func parse(t *testing.T, backends string) *matrix.Matrix {
	t.Helper()
	m, err := matrix.Parse("test.yaml", fmt.Appendf(nil, `experiment: test
modes: [prefill, generate-cached]
repetitions: 3
warmups: 1
max_new_tokens: 4
min_window: 5ms
timeout: 2s
backends: [%s]
scenarios:
  - {name: one, prompt_tokens: 3}
  - {name: two, batch_size: 2, prompt_tokens: 5}
`, backends))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var tiny = &model.Folder{Dir: "nowhere", Name: "tiny-seeded", WeightsSHA256: "00", Config: mustPreset()}

func mustPreset() model.Config {
	c, err := model.Preset(model.PresetTiny)
	if err != nil {
		panic(err)
	}
	return c
}

// memory is a Sink.
type memory struct {
	runs    []record.Run
	samples int
	events  []string
	after   func(n int) error // called with the number of runs
}

func (m *memory) Run(r *record.Run) error {
	m.runs = append(m.runs, *r)
	if m.after != nil {
		return m.after(len(m.runs))
	}
	return nil
}

func (m *memory) Samples(s []record.Sample) error {
	m.samples += len(s)
	for i := range s {
		if s[i].Event != "" {
			m.events = append(m.events, s[i].Event)
		}
	}
	return nil
}

func options(m *matrix.Matrix, sink Sink) Options {
	return Options{Matrix: m, Model: tiny, Host: "here", Threads: 2, Worker: []string{os.Args[0]}, Env: []string{asWorker + "=1"},
		Sink: sink, Progress: cli.NewProgress(io.Discard, "", 0, 0, true)}
}

func execute(t *testing.T, backends string) (*memory, *Outcome) {
	t.Helper()
	sink := &memory{}
	out, err := Run(t.Context(), options(parse(t, backends), sink))
	if err != nil {
		t.Fatal(err)
	}
	return sink, out
}

func TestRunMeasuresThePlan(t *testing.T) {
	sink, out := execute(t, backendtest.Steady)
	if out.OK != 12 || len(sink.runs) != 12 {
		t.Fatalf("saw %+v and %d records, want 12 good ones", out, len(sink.runs))
	}
	for i, r := range sink.runs {
		if err := r.Validate(); err != nil {
			t.Errorf("run %d: %v", i, err)
		}
		wantTokens := units.Tokens(r.BatchSize) * r.PromptTokens
		if r.Mode != record.Prefill {
			wantTokens = units.Tokens(r.BatchSize) * 4
		}
		if *r.Tokens() != wantTokens {
			t.Errorf("%s: saw %d tokens, want %d", r.RunID, *r.Tokens(), wantTokens)
		}
		perSecond := float64(wantTokens) / (float64(*r.LatencyNS) / 1e9)
		if got := float64(*r.ThroughputTokS); got < perSecond*0.999 || got > perSecond*1.001 {
			t.Errorf("%s: throughput %g, want %d tokens / latency = %g", r.RunID, got, wantTokens, perSecond)
		}
		if int(*r.Iterations) != len(r.IterationNS) || *r.EndUnixNS-*r.StartUnixNS < 5e6 {
			t.Errorf("%s: %d iterations in %d ns, want a window of at least 5 ms", r.RunID, *r.Iterations, *r.EndUnixNS-*r.StartUnixNS)
		}
		if (r.Mode == record.Prefill) != (r.TTFTNS == nil) || r.OrderIndex != int64(i) || r.Threads != 2 {
			t.Errorf("%s: saw %+v", r.RunID, r)
		}
		if r.EnergyJoules != nil || r.PowerMeanW != nil {
			t.Errorf("%s: energy without telemetry", r.RunID)
		}
	}
}

// TestEveryMisfortuneIsARecord checks that each planned run has a record, and what it says.
func TestEveryMisfortuneIsARecord(t *testing.T) {
	for name, want := range map[string]struct {
		status record.Status
		reason string
	}{
		backendtest.Failing:    {record.Failed, "run_failed"},
		backendtest.Panicking:  {record.Failed, "run_failed"},
		backendtest.Unopenable: {record.Degraded, "library_not_found"},
		backendtest.Missing:    {record.Degraded, "library_not_found"},
	} {
		sink, _ := execute(t, name)
		if len(sink.runs) != 12 {
			t.Errorf("%s: saw %d records, want 12", name, len(sink.runs))
		}
		for _, r := range sink.runs {
			if r.Status != want.status || r.Reason != want.reason || r.Detail == "" || r.LatencyNS != nil || r.StartUnixNS != nil {
				t.Errorf("%s: saw %s/%s %q, want %s/%s without measurements", name, r.Status, r.Reason, r.Detail, want.status, want.reason)
			}
			if r.Status == record.Degraded && r.Detail != "no such library; install it" {
				t.Errorf("%s: saw detail %q, want what is missing and what to do", name, r.Detail)
			}
		}
	}
}

func TestCrashesGiveUpAndTheNextBackendRuns(t *testing.T) {
	m, sink := parse(t, backendtest.Crashing+", "+backendtest.Steady), &memory{}
	m.Order = matrix.Sequential // the file's order of backends
	out, err := Run(t.Context(), options(m, sink))
	if err != nil {
		t.Fatal(err)
	}
	if out.Failed != 12 || out.OK != 12 {
		t.Fatalf("saw %+v, want 12 broken and 12 good runs", out)
	}
	var reasons []string
	for _, r := range sink.runs[:12] {
		reasons = append(reasons, r.Reason)
	}
	want := append(slices.Repeat([]string{"worker_crashed"}, MaxCrashes), slices.Repeat([]string{"worker_gave_up"}, 12-MaxCrashes)...)
	if !slices.Equal(reasons, want) {
		t.Errorf("saw %v, want %v", reasons, want)
	}
}

func TestOneCrashCostsOneRun(t *testing.T) {
	t.Setenv(backendtest.CrashMarker, filepath.Join(t.TempDir(), "crashed"))
	sink, out := execute(t, backendtest.CrashOnce)
	if out.Failed != 1 || out.OK != 11 || sink.runs[0].Reason != "worker_crashed" {
		t.Errorf("saw %+v, want the first run alone broken", out)
	}
}

func TestModeThatABackendCannotDoIsDegraded(t *testing.T) {
	m := parse(t, backendtest.Steady)
	m.Modes = []record.Mode{record.Generate}
	sink := &memory{}
	if _, err := Run(t.Context(), options(m, sink)); err != nil {
		t.Fatal(err)
	}
	for _, r := range sink.runs {
		if r.Status != record.Degraded || r.Reason != "mode_unsupported" {
			t.Errorf("saw %s/%s", r.Status, r.Reason)
		}
	}
}

// counter is a Recorder with a perfect power meter of 10 W that is read every millisecond.
type counter struct {
	bare
	mu      sync.Mutex
	pending []record.Sample
}

func startCounter(ctx context.Context) *counter {
	c := &counter{}
	go c.read(ctx)
	return c
}

func (c *counter) read(ctx context.Context) {
	for ctx.Err() == nil {
		c.Now()
		time.Sleep(time.Millisecond)
	}
}

func (c *counter) Now() {
	c.mu.Lock()
	defer c.mu.Unlock()
	ns := time.Now().UnixNano()
	c.pending = append(c.pending, record.Sample{Schema: record.SchemaSample, Host: "here", TSUnixNS: ns, Source: "rapl", Device: "cpu:0",
		EnergyCounterJoules: units.Ptr(units.Joules(float64(ns%1e15) * 1e-9 * 10)), CounterUpdateNS: units.Ptr[int64](1)})
}

func (c *counter) Drain() []record.Sample {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.pending
	c.pending = nil
	return out
}

func TestEnergyIsJoinedInTheStream(t *testing.T) {
	sink := &memory{}
	opt := options(parse(t, backendtest.Steady), sink)
	opt.Recorder = startCounter(t.Context())
	if _, err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	for _, r := range sink.runs {
		if r.PowerMeanW == nil || *r.PowerMeanW < 9.99 || *r.PowerMeanW > 10.01 {
			t.Fatalf("%s: power %s (%s), want 10 W", r.RunID, units.G4Ptr(r.PowerMeanW), r.EnergyReasons)
		}
		want := 10 * float64(*r.EndUnixNS-*r.StartUnixNS) / 1e9 / float64(*r.Iterations)
		if strings.Contains(r.EnergyReasons, energy.Pauses) { // a busy machine kept the worker waiting between iterations
			want = 10 * float64(*r.LatencyNS) / 1e9
		}
		if got := float64(*r.EnergyJoules); got < want*0.999 || got > want*1.001 {
			t.Errorf("%s: %g J per iteration, want %g", r.RunID, got, want)
		}
	}
	if sink.samples == 0 {
		t.Error("the samples were not handed over")
	}
}

func TestCancelDropsTheCurrentRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	sink := &memory{after: func(n int) error {
		if n == 5 {
			cancel()
		}
		return nil
	}}
	out, err := Run(ctx, options(parse(t, backendtest.Steady), sink))
	if !errors.Is(err, context.Canceled) || out.Finished() != 5 || len(sink.runs) != 5 {
		t.Errorf("saw %v with %d finished runs, want 5 and a cancelled context", err, len(sink.runs))
	}
}

func TestSinkErrorEndsTheRun(t *testing.T) {
	full := errors.New("disk full")
	sink := &memory{after: func(int) error { return full }}
	if _, err := Run(t.Context(), options(parse(t, backendtest.Steady), sink)); !errors.Is(err, full) {
		t.Errorf("saw %v", err)
	}
}

func folderOptions(t *testing.T, dir string, m *matrix.Matrix, resume bool) FolderOptions {
	return FolderOptions{Dir: dir, Resume: resume, Matrix: m, Model: tiny, Environment: manifest.Capture(t.TempDir(), "here"), Command: []string{"bh-run"}}
}

// TestResumeRepeatsNothing interrupts a run, tears the last line of its journal as a crash does, and continues.
func TestResumeRepeatsNothing(t *testing.T) {
	dir := t.TempDir()
	m := parse(t, backendtest.Steady)
	f, err := OpenFolder(t.Context(), folderOptions(t, dir, m, true))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	opt := options(m, &memory{})
	n := 0
	opt.Sink = sinkFunc(func(r *record.Run) error {
		if n++; n == 7 {
			cancel()
		}
		return f.Run(r)
	})
	if _, err := Run(ctx, opt); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	tear(t, filepath.Join(dir, RunsJournal))

	f, err = OpenFolder(t.Context(), folderOptions(t, dir, m, true))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if len(f.Done) != 6 {
		t.Fatalf("saw %d finished runs, want the 6 whole lines", len(f.Done))
	}
	opt = options(m, f)
	opt.Done = f.Done
	out, err := Run(t.Context(), opt)
	if err != nil || out.OK != 6 {
		t.Fatalf("saw %+v, %v, want the 6 runs that were left", out, err)
	}
	if err := errors.Join(f.Note(out), f.Finish(t.Context())); err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	if _, err := store.Scan(t.Context(), store.Input{Paths: []string{filepath.Join(dir, RunsFile)}}, store.Handlers{Run: func(r *record.Run) error {
		seen[r.RunID]++
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Plan() {
		if seen[s.RunID] != 1 {
			t.Errorf("run %s: saw it %d times", s.RunID, seen[s.RunID])
		}
	}
	man, err := manifest.Read(dir)
	if err != nil || len(man.Invocations) != 2 || len(man.Artifacts) == 0 {
		t.Errorf("manifest: saw %+v, %v", man, err)
	}
}

// sinkFunc is a Sink without samples.
type sinkFunc func(*record.Run) error

func (f sinkFunc) Run(r *record.Run) error       { return f(r) }
func (f sinkFunc) Samples([]record.Sample) error { return nil }

// tear cuts a file in the middle of its last line.
func tear(t *testing.T, name string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, info.Size()-20); err != nil {
		t.Fatal(err)
	}
}

func TestFolderRefuses(t *testing.T) {
	dir := t.TempDir()
	m := parse(t, backendtest.Steady)
	f, err := OpenFolder(t.Context(), folderOptions(t, dir, m, false))
	if err != nil {
		t.Fatal(err)
	}
	opt := options(m, f)
	if _, err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenFolder(t.Context(), folderOptions(t, dir, m, true)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("two writers: saw %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = OpenFolder(t.Context(), folderOptions(t, dir, m, false))
	if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("finished runs without --resume: saw %v", err)
	}
	other := parse(t, backendtest.Steady)
	other.Repetitions = 9
	_, err = OpenFolder(t.Context(), folderOptions(t, dir, other, true))
	if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), "another matrix") {
		t.Errorf("another matrix: saw %v", err)
	}
}

func TestEstimateGrowsWithTheWork(t *testing.T) {
	big, err := model.Preset(model.PresetGPT2)
	if err != nil {
		t.Fatal(err)
	}
	step := matrix.Step{Scenario: &matrix.Scenario{BatchSize: 1, PromptTokens: 100, MaxNewTokens: 8}}
	times := map[record.Mode]time.Duration{}
	for _, mode := range record.Modes() {
		step.Mode = mode
		times[mode] = taskTime(big, &step, 2)
	}
	if a := times[record.Prefill]; a <= 0 || times[record.Generate] < 7*a || times[record.GenerateCached] <= a || times[record.GenerateCached] >= times[record.Generate] {
		t.Errorf("saw %v, want uncached decoding of 8 tokens above 7 prefills, cached decoding between", times)
	}
}

func TestEstimateCountsNothingWhereNothingRuns(t *testing.T) {
	m := parse(t, backendtest.Missing+", "+backendtest.Steady)
	estimates := NewEstimator(m, tiny.Config, 2).Steps(m.Plan())
	for _, step := range m.Plan() {
		d := estimates[step.RunID]
		if runs := step.Backend.Name == backendtest.Steady; runs != (d >= m.MinWindow) {
			t.Errorf("%s: saw %s", step.RunID, d)
		}
	}
}

// TestEstimatesInTurn: the time of preparing a cell is in the first of its runs in each session, also of those that are left
// after an interruption, and in no other.
func TestEstimatesInTurn(t *testing.T) {
	m := parse(t, backendtest.Steady)
	m.Repetitions, m.Sessions, m.Order, m.Warmups, m.MinWindow = 4, 2, matrix.Sequential, 3, time.Second
	m.Modes, m.Scenarios = m.Modes[:1], m.Scenarios[:1]
	steps := m.Plan()[2:]
	m.Idle = 5 * time.Second
	got := NewEstimator(m, tiny.Config, 2).Steps(steps)
	first := 6*time.Second + 3*taskTime(tiny.Config, &steps[0], 2)
	for i, want := range []time.Duration{first, time.Second, first, time.Second, time.Second, 6 * time.Second} {
		if d := got[steps[i].RunID]; d != want {
			t.Errorf("%s: %s, want %s", steps[i].RunID, d, want)
		}
	}
}

// TestEstimatorAsksOnce: a check may wait for a server.
func TestEstimatorAsksOnce(t *testing.T) {
	asked := 0
	backend.Register(&backend.Backend{Name: "test-asked", Device: record.CPU, Summary: "counts its checks",
		Capabilities: backend.Capabilities{Modes: record.Modes(), Precisions: []string{"fp32"}},
		Check:        func() error { asked++; return nil }})
	m := parse(t, "test-asked")
	if steps := m.Plan(); len(NewEstimator(m, tiny.Config, 2).Steps(steps)) != len(steps) || asked != 1 {
		t.Errorf("saw %d checks for %d steps, want one", asked, len(steps))
	}
}
