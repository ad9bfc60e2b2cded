package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/worker"
	"github.com/banterhearts/bh/pkg/workload"
)

// The conformance suite: what every backend must do, and how it must fail, whatever it is made of. It drives real worker
// processes. TestConformance runs it on the backend that needs nothing but a library; the integration test
// TestSlowConformance on every backend that can work here.

// subject is a backend on a model, under test.
type subject struct {
	name   string
	folder *model.Folder
	// want gives the greedy tokens of a prompt, by another implementation.
	want func(t *testing.T, texts []string, newTokens int) [][]int64
}

const (
	suiteTokens = 6
	suiteLimit  = 3 * time.Minute // opening a model may compile it first
)

// suiteTexts are prompts of different lengths, so that a batch of them is padded.
var suiteTexts = []string{"The quick brown fox jumps over the lazy dog", "Hello world", "One"}

func TestConformance(t *testing.T) {
	folder := tinyFolder(t)
	conform(t, subject{name: "onnxruntime-cpu", folder: folder, want: plainGreedy(folder)})
}

// conform runs the suite.
func conform(t *testing.T, s subject) {
	if err := s.backend(t).Check(); err != nil {
		t.Fatalf("%s cannot be tested: %v", s.name, err)
	}
	for name, test := range map[string]func(*testing.T, subject){
		"modes": conformModes, "batch": conformBatch, "max tokens": conformMaxTokens, "eos": conformEOS, "seed": conformSeed,
		"concurrency": conformConcurrency, "cancellation": conformCancel, "time limit": conformTimeLimit, "kill": conformKill,
		"hang": conformHang, "out of memory": conformOutOfMemory, "damaged model": conformDamagedModel, "matrix goes on": conformGoesOn,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

func (s subject) backend(t *testing.T) *backend.Backend {
	t.Helper()
	b, ok := backend.Lookup(s.name)
	if !ok {
		t.Fatalf("no backend %s", s.name)
	}
	return b
}

func (s subject) does(t *testing.T, mode record.Mode) bool {
	return slices.Contains(s.backend(t).Capabilities.Modes, mode)
}

// launch starts a worker as the runner does; open makes it load the model.
func (s subject) launch(t *testing.T) *worker.Client {
	t.Helper()
	argv, env := []string{os.Args[0]}, []string{asWorker + "=1"}
	if command := s.backend(t).Command; command != nil {
		var err error
		if argv, env, err = command(); err != nil {
			t.Fatal(err)
		}
		env = append(env, asWorker+"=1")
	}
	c, err := worker.Start(argv, env, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // tests that end it otherwise are about that
	return c
}

func (s subject) open(t *testing.T) (*worker.Client, *worker.Opened) {
	t.Helper()
	c := s.launch(t)
	opened, err := c.Open(t.Context(), s.name, s.spec(t, s.folder.Dir), suiteLimit)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return c, opened
}

// spec keeps what was compiled between the tests, each of which starts a worker, where a backend can; compiling from nothing
// is what the tests of those backends themselves do.
func (s subject) spec(t *testing.T, dir string) backend.Spec {
	spec := backend.Spec{ModelDir: dir, Precision: "fp32", Threads: 2}
	if _, ok := s.backend(t).Capabilities.Settings["compile_cache"]; ok {
		spec.Settings = map[string]string{"compile_cache": "warm"}
	}
	return spec
}

func prompt(t *testing.T, texts ...string) workload.Prompt {
	t.Helper()
	p, err := workload.FromText(texts, len(texts))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// measure prepares, warms up and measures a task.
func measure(t *testing.T, c *worker.Client, task backend.Task) *worker.Window {
	t.Helper()
	if err := c.Prepare(t.Context(), "cell", task, suiteLimit); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	if _, err := c.Warmup(t.Context(), "cell", 1, suiteLimit); err != nil {
		t.Fatalf("warm up: %v", err)
	}
	w, err := c.Measure(t.Context(), "cell", 0, suiteLimit)
	if err != nil {
		t.Fatalf("measure: %v", err)
	}
	return w
}

// conformModes checks each mode that the backend declares: the tokens, the counts and the times.
func conformModes(t *testing.T, s subject) {
	c, opened := s.open(t)
	if opened.Info["weights"] != s.folder.WeightsSHA256 || opened.Info["library"] == "" || opened.LoadNS <= 0 {
		t.Errorf("saw %+v, want the library, the weights %s and the time of loading", opened, s.folder.WeightsSHA256)
	}
	want := s.want(t, suiteTexts[:1], suiteTokens)
	p := prompt(t, suiteTexts[0])
	for _, mode := range record.Modes() {
		if !s.does(t, mode) {
			var missing *backend.Unavailable
			if err := s.backend(t).Supports(backend.Spec{Precision: "fp32"}, mode); !errors.As(err, &missing) || missing.Reason != backend.ModeUnsupported {
				t.Errorf("%s: saw %v, want it declared as not supported", mode, err)
			}
			continue
		}
		w := measure(t, c, backend.Task{Mode: mode, Prompt: p, MaxNewTokens: suiteTokens})
		expected := want
		if mode == record.Prefill {
			expected = [][]int64{want[0][:1]}
		}
		sameTokens(t, string(mode), w.Output, expected)
		s.checkWindow(t, string(mode), w, mode, p, int64(len(expected[0])))
	}
}

// checkWindow checks counts and times of a window of one iteration.
func (s subject) checkWindow(t *testing.T, name string, w *worker.Window, mode record.Mode, p workload.Prompt, tokens int64) {
	t.Helper()
	if w.Processed != s.processed(p) || len(w.IterationNS) != 1 || w.IterationNS[0] <= 0 || w.EndUnixNS-w.StartUnixNS < w.IterationNS[0] {
		t.Errorf("%s: saw %d tokens processed in iterations of %v ns", name, w.Processed, w.IterationNS)
	}
	if w.Cached != nil && *w.Cached != 0 {
		t.Errorf("%s: %d prompt tokens came from a cache", name, *w.Cached)
	}
	if mode == record.Prefill {
		return
	}
	sum := w.TTFTNS
	for _, gap := range w.ITLNS {
		sum += gap
	}
	if sum != w.IterationNS[0] || w.TTFTNS <= 0 {
		t.Errorf("%s: first token after %d ns and gaps %v sum to %d, latency is %d", name, w.TTFTNS, w.ITLNS, sum, w.IterationNS[0])
	}
	merged := slices.Contains(w.Flags, string(backend.MergedTokens))
	if w.Generated != tokens || (len(w.ITLNS) != int(tokens)/p.Batch()-1 && !merged) {
		t.Errorf("%s: saw %d new tokens and %d gaps, want %d tokens", name, w.Generated, len(w.ITLNS), tokens)
	}
}

// processed are the prompt tokens that the backend computes: a server is sent no padding.
func (s subject) processed(p workload.Prompt) int64 {
	if s.name != "ollama" && s.name != "openai" {
		return int64(p.Batch() * p.Tokens())
	}
	var n int64
	for _, mask := range p.Mask {
		n += int64(len(mask) - max(0, slices.Index(mask, 1)))
	}
	return n
}

func sameTokens(t *testing.T, name string, got, want [][]int64) {
	t.Helper()
	if !slices.EqualFunc(got, want, slices.Equal[[]int64]) {
		t.Errorf("%s: saw tokens %v, want %v", name, got, want)
	}
}

// conformBatch checks that each sequence of a padded batch comes out as if it were alone.
func conformBatch(t *testing.T, s subject) {
	c, _ := s.open(t)
	want := s.want(t, suiteTexts, suiteTokens)
	p := prompt(t, suiteTexts...)
	for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
		if !s.does(t, mode) {
			continue
		}
		w := measure(t, c, backend.Task{Mode: mode, Prompt: p, MaxNewTokens: suiteTokens})
		sameTokens(t, string(mode), w.Output, want)
		s.checkWindow(t, string(mode), w, mode, p, int64(len(suiteTexts)*suiteTokens))
	}
}

func conformMaxTokens(t *testing.T, s subject) {
	c, _ := s.open(t)
	want := s.want(t, suiteTexts[:1], suiteTokens)
	for _, n := range []int{1, 2, suiteTokens} {
		w := measure(t, c, backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, suiteTexts[0]), MaxNewTokens: n})
		sameTokens(t, "generate-cached", w.Output, [][]int64{want[0][:n]})
		if w.Generated != int64(n) {
			t.Errorf("saw %d tokens, want %d", w.Generated, n)
		}
	}
}

// conformEOS makes a token that the model produces its end of sequence: decoding ends with it, and it counts.
func conformEOS(t *testing.T, s subject) {
	free := s.want(t, suiteTexts[:1], suiteTokens)[0]
	at := 0 // the last token that is none of those before it
	for i := range free {
		if !slices.Contains(free[:i], free[i]) {
			at = i
		}
	}
	ending := s
	ending.folder = withEOS(t, s.folder, free[at])
	c, _ := ending.open(t)
	w := measure(t, c, backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, suiteTexts[0]), MaxNewTokens: suiteTokens})
	sameTokens(t, "until EOS", w.Output, [][]int64{free[:at+1]})
	if w.Generated != int64(at+1) {
		t.Errorf("saw %d tokens, want %d, the end of sequence included", w.Generated, at+1)
	}
}

// conformSeed checks that sampling depends on the seed alone.
func conformSeed(t *testing.T, s subject) {
	c, _ := s.open(t)
	draw := func(seed int64) [][]int64 {
		return measure(t, c, backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, suiteTexts[0]), MaxNewTokens: 4 * suiteTokens,
			Temperature: 1.5, Seed: seed}).Output
	}
	first, again, other := draw(1), draw(1), draw(2)
	sameTokens(t, "the same seed", again, first)
	if slices.EqualFunc(first, other, slices.Equal[[]int64]) {
		t.Errorf("two seeds gave the same tokens %v", first)
	}
}

// conformConcurrency has two requests in flight at once, each of which comes out as if it were alone. On a machine that is
// busy otherwise one may be over before the other is let run, so the overlap is looked for in a few windows.
func conformConcurrency(t *testing.T, s subject) {
	c, _ := s.open(t)
	texts := suiteTexts[:2]
	task := backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, texts...), MaxNewTokens: suiteTokens, Concurrency: 2}
	overlap := false
	for range 10 {
		w := measure(t, c, task)
		sameTokens(t, "two requests", w.Output, s.want(t, texts, suiteTokens))
		if len(w.RequestNS) != 2 || slices.Max(w.RequestNS) > w.IterationNS[0] {
			t.Fatalf("saw requests of %v ns in %d ns, want two", w.RequestNS, w.IterationNS[0])
		}
		s.checkWindow(t, "two requests", w, task.Mode, task.Prompt, int64(len(texts)*suiteTokens))
		if overlap = w.RequestNS[0]+w.RequestNS[1] > w.IterationNS[0]; overlap {
			return
		}
	}
	t.Error("the two requests never overlapped")
}

// long is a task that takes much longer than the tests of interruption wait.
func (s subject) long(t *testing.T) backend.Task {
	return backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, suiteTexts[0]), MaxNewTokens: s.folder.Config.NPositions - 20}
}

// interrupted measures a long task, repeated, and calls stop once it runs.
func (s subject) interrupted(t *testing.T, ctx context.Context, limit time.Duration, stop func(*worker.Client, *worker.Opened)) error {
	t.Helper()
	c, opened := s.open(t)
	if err := c.Prepare(t.Context(), "cell", s.long(t), suiteLimit); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(100*time.Millisecond, func() { stop(c, opened) })
	defer timer.Stop()
	_, err := c.Measure(ctx, "cell", time.Hour, limit)
	if unix.Kill(c.PID(), 0) == nil && opened.PIDs == nil {
		t.Error("the worker lives on")
	}
	return err
}

func conformCancel(t *testing.T, s subject) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := s.interrupted(t, ctx, suiteLimit, func(*worker.Client, *worker.Opened) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v, want it cancelled", err)
	}
}

func conformTimeLimit(t *testing.T, s subject) {
	err := s.interrupted(t, t.Context(), 300*time.Millisecond, func(*worker.Client, *worker.Opened) {})
	wantCrash(t, err, backend.WorkerTimeout)
}

func wantCrash(t *testing.T, err error, want backend.Reason) {
	t.Helper()
	var crash *worker.CrashError
	if !errors.As(err, &crash) || crash.Reason != want {
		t.Errorf("saw %v, want %s", err, want)
	}
}

func conformKill(t *testing.T, s subject) {
	err := s.interrupted(t, t.Context(), suiteLimit, func(c *worker.Client, _ *worker.Opened) {
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	wantCrash(t, err, backend.WorkerCrashed)
}

// conformHang stops what does the work, the worker or its server, in the middle of a run.
func conformHang(t *testing.T, s subject) {
	stopped := make(chan []int, 1)
	err := s.interrupted(t, t.Context(), 2*time.Second, func(c *worker.Client, o *worker.Opened) {
		pids := doers(c, o)
		for _, pid := range pids {
			if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
		}
		stopped <- pids
	})
	for _, pid := range <-stopped {
		_ = syscall.Kill(pid, syscall.SIGKILL) // a stopped server does not notice that its worker is gone; it may have ended
	}
	wantCrash(t, err, backend.WorkerTimeout)
}

// doers are the processes that do the work.
func doers(c *worker.Client, o *worker.Opened) []int {
	if o.PIDs == nil {
		return []int{c.PID()}
	}
	var out []int
	for _, pid := range o.PIDs {
		out = append(out, machine.Tree(pid)...)
	}
	return out
}

// conformOutOfMemory takes the address space away from what does the work and asks for more than is left: that must be an
// error in words, and neither a hang nor a measurement.
func conformOutOfMemory(t *testing.T, s subject) {
	c, opened := s.open(t)
	for _, pid := range doers(c, opened) {
		limit := unix.Rlimit{Cur: 64 << 20, Max: 64 << 20} // below what is in use: no allocation succeeds any more
		if err := unix.Prlimit(pid, unix.RLIMIT_AS, &limit, nil); err != nil {
			t.Fatal(err)
		}
	}
	task := s.long(t)
	task.Prompt = prompt(t, slices.Repeat(suiteTexts, 20)...)
	err := c.Prepare(t.Context(), "cell", task, suiteLimit)
	if err == nil {
		_, err = c.Measure(t.Context(), "cell", 0, suiteLimit)
	}
	var crash *worker.CrashError
	var broken *backend.RunError
	var missing *backend.Unavailable
	switch {
	case errors.As(err, &crash), errors.As(err, &broken), errors.As(err, &missing):
		t.Logf("without memory: %v", err)
	default:
		t.Errorf("saw %v, want an error of the worker", err)
	}
}

// conformDamagedModel opens a folder without a model, and one whose weights end early.
func conformDamagedModel(t *testing.T, s subject) {
	cut := copyFolder(t, s.folder)
	for _, name := range []string{model.WeightsFile, model.GGUFFile} {
		if err := os.Truncate(filepath.Join(cut, name), 1000); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string][]backend.Reason{
		t.TempDir(): {backend.ModelNotFound},
		cut:         {backend.ModelNotFound, backend.ModelFailed},
	} {
		c := s.launch(t)
		_, err := c.Open(t.Context(), s.name, s.spec(t, dir), suiteLimit)
		if err == nil { // the graphs are loaded when a task first needs them
			err = c.Prepare(t.Context(), "cell", backend.Task{Mode: record.GenerateCached, Prompt: prompt(t, "One"), MaxNewTokens: 2}, suiteLimit)
		}
		var missing *backend.Unavailable
		if !errors.As(err, &missing) || !slices.Contains(want, missing.Reason) {
			t.Errorf("saw %v, want one of %v", err, want)
		}
	}
}

// conformGoesOn kills the worker of the first run of a small matrix: that run alone is an error.
func conformGoesOn(t *testing.T, s subject) {
	settings := "{}"
	if s.spec(t, "").Settings != nil {
		settings = "{compile_cache: warm}"
	}
	m, err := matrix.Parse("conformance.yaml", []byte(strings.NewReplacer("BACKEND", s.name, "SETTINGS", settings).Replace(`experiment: conformance
modes: [generate-cached]
repetitions: 3
warmups: 0
max_new_tokens: 4
min_window: 300ms
backends: [{name: BACKEND, settings: SETTINGS}]
scenarios: [{name: one, prompts: [The quick brown fox]}]
`)))
	if err != nil {
		t.Fatal(err)
	}
	sink := &memory{}
	opt := options(m, sink)
	opt.Model = s.folder
	killed := make(chan struct{})
	opt.Recorder = &killer{kill: func() {
		for _, pid := range machine.Tree(os.Getpid())[1:] {
			_ = syscall.Kill(pid, syscall.SIGKILL) // a child of a child may be gone with its parent
		}
		close(killed)
	}}
	if _, err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	<-killed
	var got []record.Status
	for _, r := range sink.runs {
		got = append(got, r.Status)
	}
	if want := []record.Status{record.Failed, record.OK, record.OK}; !slices.Equal(got, want) {
		t.Errorf("saw %v (%s), want %v", got, sink.runs[0].Detail, want)
	}
}

// killer is a Recorder without sensors. The runner asks it for samples right before each window; a moment after the first
// time it kills.
type killer struct {
	bare
	kill  func()
	armed bool
}

func (k *killer) Now() {
	if !k.armed {
		k.armed = true
		time.AfterFunc(100*time.Millisecond, k.kill)
	}
}
