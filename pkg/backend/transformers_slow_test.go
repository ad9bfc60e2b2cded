//go:build integration

package backend_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/worker"
	"github.com/banterhearts/bh/pkg/workload"
)

// These tests drive the real worker in Python. What every backend must do is package runner's conformance suite; here is
// what only these do: another model than the tokenizer's, the settings, compilation, sampling against ONNX Runtime.

const (
	slowTokens = 6
	slowLimit  = 5 * time.Minute // to import PyTorch and to compile, on a busy machine
)

// way is a backend that needs no GPU, with settings that change what it does.
type way struct {
	backend  string
	settings map[string]string
	prompts  []string // of TestSlowTransformersTokens; each shape that is compiled takes seconds
}

var (
	eager    = way{"transformers-cpu", nil, []string{"one token", "single", "batch", "padded"}}
	compiled = way{"transformers-cpu-compile", map[string]string{"compile_cache": "warm"}, []string{"one token", "padded"}}
	both     = []way{eager, compiled}
	others   = []way{
		{"transformers-cpu", map[string]string{"attention": "eager"}, []string{"single", "padded"}},
		{"transformers-cpu-compile", map[string]string{"compile_cache": "warm", "dynamic": "true"}, []string{"padded"}},
		{"transformers-cpu-compile", map[string]string{"compile_cache": "warm", "dynamic": "false", "attention": "eager"}, []string{"padded"}},
	}
)

// oddModel is a small model that nothing about is a default, with eos as the end of sequence.
func oddModel(t testing.TB, eos int64) *model.Folder {
	t.Helper()
	cfg := modeltest.SmallConfig()
	cfg.EOSTokenID, cfg.BOSTokenID = eos, eos
	src := t.TempDir()
	if err := modeltest.WriteHuggingFace(src, cfg, modeltest.Weights(cfg, modeltest.Seed)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), "odd"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func reference(t *testing.T, f *model.Folder) *modeltest.GPT2 {
	t.Helper()
	ref, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// launchPython starts the worker of a backend.
func launchPython(t testing.TB, name string) *worker.Client {
	t.Helper()
	b, _ := backend.Lookup(name)
	if err := b.Check(); err != nil {
		t.Fatalf("%v; `make test-integration` installs it", err)
	}
	argv, env, err := b.Command()
	if err != nil {
		t.Fatal(err)
	}
	c, err := worker.Start(argv, env, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // tests that end it otherwise are about that
	return c
}

func openPython(t testing.TB, name, dir string, settings map[string]string) (*worker.Client, *worker.Opened) {
	t.Helper()
	c := launchPython(t, name)
	opened, err := c.Open(t.Context(), name, backend.Spec{ModelDir: dir, Precision: "fp32", Threads: 2, Settings: settings}, slowLimit)
	if err != nil {
		t.Fatal(err)
	}
	return c, opened
}

// TestSlowAKilledCompilerLeavesNothing kills a worker while it compiles: what it had compiled goes with it.
func TestSlowAKilledCompilerLeavesNothing(t *testing.T) {
	f, temp := oddModel(t, 1), t.TempDir()
	t.Setenv("TMPDIR", temp)
	c, _ := openPython(t, "transformers-cpu-compile", f.Dir, nil)
	compiled := func() []string {
		found, err := filepath.Glob(filepath.Join(temp, "bh-*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if len(compiled()) == 0 {
		t.Fatalf("saw nothing compiled in %s", temp)
	}
	kill := time.AfterFunc(time.Second, func() {
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	defer kill.Stop()
	task := backend.Task{Mode: record.GenerateCached, Prompt: padded([]int64{1, 2, 3}), MaxNewTokens: slowTokens}
	var crash *worker.CrashError
	if err := c.Prepare(t.Context(), "cell", task, slowLimit); !errors.As(err, &crash) {
		t.Errorf("saw %v, want a crash", err)
	}
	if left := compiled(); len(left) > 0 {
		t.Errorf("saw %v left", left)
	}
}

// measured prepares a task, warms it up and measures a window of it.
func measured(t *testing.T, c *worker.Client, task backend.Task, warmups int) (*worker.Window, *worker.Compile) {
	t.Helper()
	if err := c.Prepare(t.Context(), "cell", task, slowLimit); err != nil {
		t.Fatalf("prepare: %v", err)
	}
	compile, err := c.Warmup(t.Context(), "cell", warmups, slowLimit)
	if err != nil {
		t.Fatalf("warm up: %v", err)
	}
	w, err := c.Measure(t.Context(), "cell", 0, slowLimit)
	if err != nil {
		t.Fatalf("measure: %v", err)
	}
	return w, compile
}

// padded makes a batch of prompts, padded on the left.
func padded(prompts ...[]int64) workload.Prompt {
	long := 0
	for _, p := range prompts {
		long = max(long, len(p))
	}
	var out workload.Prompt
	for _, p := range prompts {
		gap := long - len(p)
		out.IDs = append(out.IDs, append(make([]int64, gap), p...))
		out.Mask = append(out.Mask, append(make([]int64, gap), slices.Repeat([]int64{1}, len(p))...))
	}
	return out
}

func sameTokens(t *testing.T, name string, got, want [][]int64) {
	t.Helper()
	if !slices.EqualFunc(got, want, slices.Equal[[]int64]) {
		t.Errorf("%s: saw tokens %v, want %v", name, got, want)
	}
}

// TestSlowTransformersTokens compares the tokens of all modes and settings with those of the independent Go model, and
// checks that everything is compiled before a window begins, also where nothing was warmed up.
func TestSlowTransformersTokens(t *testing.T) {
	f := oddModel(t, 0) // a token that none of these prompts leads to, as the reference would then stop early
	ref := reference(t, f)
	prompts := map[string][][]int64{
		"one token": {{5}},
		"single":    {{3, 1, 4, 1, 5, 9, 2, 6}},
		"batch":     {{3, 1, 4}, {2, 7, 1}, {9, 9, 9}},
		"padded":    {{8}, {3, 1, 4, 1, 5}, {2, 7}},
	}
	for _, way := range append(both, others...) {
		t.Run(fmt.Sprint(way.backend, way.settings), func(t *testing.T) {
			c, opened := openPython(t, way.backend, f.Dir, way.settings)
			if opened.Info["weights"] != f.WeightsSHA256 || !strings.HasPrefix(opened.Info["library"], "torch ") || opened.LoadNS <= 0 {
				t.Errorf("saw %+v", opened)
			}
			for _, name := range way.prompts {
				for _, mode := range record.Modes() {
					expectGreedy(t, c, name+", "+string(mode), ref, mode, prompts[name], strings.HasSuffix(way.backend, "compile"))
				}
			}
		})
	}
}

func expectGreedy(t *testing.T, c *worker.Client, name string, ref *modeltest.GPT2, mode record.Mode, prompts [][]int64, compiles bool) {
	t.Helper()
	n := slowTokens
	if mode == record.Prefill {
		n = 1
	}
	var want [][]int64
	for _, p := range prompts {
		want = append(want, ref.Greedy(p, n))
		if len(want[len(want)-1]) != n {
			t.Fatalf("%s: the reference met EOS: choose another prompt", name)
		}
	}
	w, compile := measured(t, c, backend.Task{Mode: mode, Prompt: padded(prompts...), MaxNewTokens: slowTokens}, 0)
	sameTokens(t, name, w.Output, want)
	if (compile != nil) != compiles || (w.Recompiles != nil) != compiles {
		t.Fatalf("%s: saw compilation %v and recompilations %v", name, compile, w.Recompiles)
	}
	if compiles && (compile.NS < 0 || compile.GraphBreaks != 0 || *w.Recompiles != 0 || len(w.Flags) != 0) {
		t.Errorf("%s: saw %+v, then %d compilations in the window, flags %v", name, *compile, *w.Recompiles, w.Flags)
	}
	if w.GCs != 0 || w.RSSPeakBytes == nil || *w.RSSPeakBytes < 100<<20 || w.VRAMPeakBytes != nil {
		t.Errorf("%s: saw %d collections, memory %v", name, w.GCs, w.RSSPeakBytes)
	}
	sum := w.TTFTNS
	for _, gap := range w.ITLNS {
		sum += gap
	}
	if mode == record.Prefill {
		return
	}
	if sum != w.IterationNS[0] || len(w.ITLNS) != n-1 || w.Generated != int64(n*len(prompts)) {
		t.Errorf("%s: saw %d tokens, first after %d ns, gaps %v, latency %v", name, w.Generated, w.TTFTNS, w.ITLNS, w.IterationNS)
	}
}

// TestSlowTransformersCompileTime checks that what a cell compiles is told by its warm-up, once, and that cells do not
// compile again what another has.
func TestSlowTransformersCompileTime(t *testing.T) {
	f := oddModel(t, 0)
	c, opened := openPython(t, "transformers-cpu-compile", f.Dir, nil)
	if opened.Info["compile_cache"] != "cold" || opened.Info["compile_mode"] != "default" || opened.Info["dynamic"] != "auto" {
		t.Errorf("saw %v", opened.Info)
	}
	task := backend.Task{Mode: record.GenerateCached, Prompt: padded([]int64{3, 1, 4}), MaxNewTokens: slowTokens}
	w, first := measured(t, c, task, 2)
	if time.Duration(first.NS) < 100*time.Millisecond {
		t.Errorf("saw %d ns of compiling, want what two graphs take", first.NS)
	}
	if w.IterationNS[0] > first.NS {
		t.Errorf("saw %v ns in the window, more than compiling took", w.IterationNS)
	}
	if again, err := c.Warmup(t.Context(), "cell", 1, slowLimit); err != nil || *again != *first {
		t.Errorf("another warm-up: saw %+v, %v, want %+v", again, err, first)
	}
	if _, second := measured(t, c, task, 0); second.NS != 0 {
		t.Errorf("the same task again: saw %d ns of compiling, want none", second.NS)
	}
}

// TestSlowTransformersEOS makes the third token that a prompt leads to the end of sequence: that sequence ends there, the
// other goes on, and both are as if they were alone.
func TestSlowTransformersEOS(t *testing.T) {
	ref := reference(t, oddModel(t, 0))
	var prompt, free []int64
	for first := int64(1); first < 90 && free == nil; first++ {
		prompt = []int64{first, 1, 4}
		if got := ref.Greedy(prompt, slowTokens); len(got) == slowTokens && !slices.Contains(got[:2], got[2]) {
			free = got
		}
	}
	if free == nil {
		t.Fatal("no prompt leads to a third token that is new")
	}
	f := oddModel(t, free[2])
	ref = reference(t, f)
	prompts := [][]int64{prompt, {9, 9, 9}}
	want := [][]int64{ref.Greedy(prompts[0], slowTokens), ref.Greedy(prompts[1], slowTokens)}
	if len(want[0]) != 3 || len(want[1]) == 3 {
		t.Fatalf("the prompts lead to %v: choose others", want)
	}
	for _, way := range both {
		c, _ := openPython(t, way.backend, f.Dir, way.settings)
		for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
			w, _ := measured(t, c, backend.Task{Mode: mode, Prompt: padded(prompts...), MaxNewTokens: slowTokens}, 0)
			sameTokens(t, string(mode), w.Output, want)
			if w.Generated != int64(3+len(want[1])) || len(w.ITLNS) != len(want[1])-1 {
				t.Errorf("%s: saw %d tokens and %d gaps", mode, w.Generated, len(w.ITLNS))
			}
			alone, _ := measured(t, c, backend.Task{Mode: mode, Prompt: padded(prompt), MaxNewTokens: slowTokens}, 0)
			sameTokens(t, string(mode)+" alone", alone.Output, want[:1])
		}
	}
}

// TestSlowTransformersSamplesLikeONNXRuntime draws tokens with both: with the same seed they are the same, whether the
// sequences are one batch or requests in flight at once.
func TestSlowTransformersSamplesLikeONNXRuntime(t *testing.T) {
	f := oddModel(t, 0)
	b, _ := backend.Lookup("onnxruntime-cpu")
	engine, err := b.Open(t.Context(), backend.Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close() //nolint:errcheck // the process ends
	prompt := padded([]int64{8, 2}, []int64{3, 1, 4, 1, 5}, []int64{2, 7}, []int64{6})
	for _, way := range both {
		c, _ := openPython(t, way.backend, f.Dir, way.settings)
		first, _ := measured(t, c, backend.Task{Mode: record.Prefill, Prompt: prompt}, 0)
		hot, _ := measured(t, c, backend.Task{Mode: record.Prefill, Prompt: prompt, Temperature: 5}, 0)
		sameTokens(t, "prefill draws nothing", hot.Output, first.Output)
		for seed := range int64(3) {
			task := backend.Task{Mode: record.GenerateCached, Prompt: prompt, MaxNewTokens: 12, Temperature: 0.7, Seed: seed - 1}
			job, err := engine.Prepare(task)
			if err != nil {
				t.Fatal(err)
			}
			want, err := job.Run()
			if err != nil {
				t.Fatal(err)
			}
			for _, requests := range []int{1, 2} {
				task.Concurrency = requests
				w, _ := measured(t, c, task, 0)
				sameTokens(t, fmt.Sprintf("%s, seed %d, %d requests", way.backend, seed-1, requests), w.Output, want.Output)
			}
			if err := job.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestSlowTransformersRequestsInFlight has two requests at once, in every mode.
func TestSlowTransformersRequestsInFlight(t *testing.T) {
	f := oddModel(t, 0)
	ref := reference(t, f)
	prompts := [][]int64{{3, 1, 4, 1, 5}, {2, 7, 1, 8, 2}}
	for _, way := range both {
		c, _ := openPython(t, way.backend, f.Dir, way.settings)
		for _, mode := range record.Modes() {
			n := slowTokens
			if mode == record.Prefill {
				n = 1
			}
			w, _ := measured(t, c, backend.Task{Mode: mode, Prompt: padded(prompts...), MaxNewTokens: slowTokens, Concurrency: 2}, 1)
			sameTokens(t, way.backend+", "+string(mode), w.Output, [][]int64{ref.Greedy(prompts[0], n), ref.Greedy(prompts[1], n)})
			if len(w.RequestNS) != 2 || slices.Max(w.RequestNS) > w.IterationNS[0] || w.Processed != 10 {
				t.Errorf("%s: saw requests of %v ns in %v ns, %d tokens", mode, w.RequestNS, w.IterationNS, w.Processed)
			}
			if w.Recompiles != nil && *w.Recompiles != 0 {
				t.Errorf("%s: saw %d compilations in the window", mode, *w.Recompiles)
			}
		}
		var broken *backend.RunError
		err := c.Prepare(t.Context(), "cell", backend.Task{Mode: record.Prefill, Prompt: padded(prompts...), Concurrency: 3}, slowLimit)
		if !errors.As(err, &broken) || !strings.Contains(err.Error(), "2 sequences for 3 requests") {
			t.Errorf("two sequences for three requests: saw %v", err)
		}
	}
}

// TestSlowTransformersRefuse gives the worker models and tasks that cannot be.
func TestSlowTransformersRefuse(t *testing.T) {
	good := oddModel(t, 0)
	copied := func(spoil func(dir string)) string {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(good.Dir)); err != nil {
			t.Fatal(err)
		}
		spoil(dir)
		return dir
	}
	rewrite := func(dir, name string, change func([]byte) []byte) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), change(data), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		dir  string
		want backend.Reason
	}{
		"empty folder": {t.TempDir(), backend.ModelNotFound},
		"cut weights": {copied(func(dir string) {
			rewrite(dir, model.WeightsFile, func(b []byte) []byte { return b[:len(b)/2] })
		}), backend.ModelFailed},
		"garbage": {copied(func(dir string) {
			rewrite(dir, model.WeightsFile, func(b []byte) []byte { return slices.Repeat([]byte("garbage "), len(b)/8) })
		}), backend.ModelFailed},
		"tensor of another name": {copied(func(dir string) {
			rewrite(dir, model.WeightsFile, func(b []byte) []byte {
				return []byte(strings.Replace(string(b), "h.0.ln_1.weight", "h.0.ln_9.weight", 1))
			})
		}), backend.ModelFailed},
		"another shape": {copied(func(dir string) {
			rewrite(dir, model.ConfigFile, func(b []byte) []byte { return []byte(strings.Replace(string(b), "97", "98", 1)) })
		}), backend.ModelFailed},
	} {
		client := launchPython(t, "transformers-cpu")
		_, err := client.Open(t.Context(), "transformers-cpu", backend.Spec{ModelDir: c.dir, Precision: "fp32", Threads: 1}, slowLimit)
		var missing *backend.Unavailable
		if !errors.As(err, &missing) || missing.Reason != c.want {
			t.Errorf("%s: saw %v, want %s", name, err, c.want)
		}
	}
	noNumbers := copied(func(dir string) {
		rewrite(dir, model.WeightsFile, func(b []byte) []byte {
			for i := 8 + int(binary.LittleEndian.Uint64(b)); i < len(b); i++ { // behind the header, whose length comes first
				b[i] = 0xff
			}
			return b
		})
	})
	client, _ := openPython(t, "transformers-cpu", noNumbers, nil)
	for _, mode := range record.Modes() {
		var broken *backend.RunError
		err := client.Prepare(t.Context(), "cell", backend.Task{Mode: mode, Prompt: padded([]int64{1}), MaxNewTokens: 3}, slowLimit)
		if err == nil {
			_, err = client.Measure(t.Context(), "cell", 0, slowLimit)
		}
		if !errors.As(err, &broken) || broken.Reason != backend.OutputInvalid {
			t.Errorf("%s of a model of NaN: saw %v, want %s", mode, err, backend.OutputInvalid)
		}
	}
	client, _ = openPython(t, "transformers-cpu", good.Dir, nil)
	for want, task := range map[string]backend.Task{
		"saw 35 tokens, the model has 32 positions":   {Mode: record.Generate, Prompt: padded(slices.Repeat([]int64{1}, 30)), MaxNewTokens: 6},
		"saw token 97, the vocabulary has 97":         {Mode: record.Prefill, Prompt: padded([]int64{1, 97})},
		string(backend.ModeUnsupported) + ": dancing": {Mode: "dancing", Prompt: padded([]int64{1})},
	} {
		if err := client.Prepare(t.Context(), "cell", task, slowLimit); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("saw %v, want %s", err, want)
		}
	}
	if _, err := client.Measure(t.Context(), "no such cell", 0, slowLimit); err == nil || !strings.Contains(err.Error(), "before it was prepared") {
		t.Errorf("saw %v", err)
	}
}

// TestSlowTransformersOutOfMemory asks for logits of 80 GB, then for a task that fits.
func TestSlowTransformersOutOfMemory(t *testing.T) {
	f, err := model.Build(t.Context(), model.PresetTiny, filepath.Join(t.TempDir(), "tiny-seeded"), model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := openPython(t, "transformers-cpu", f.Dir, nil)
	large := padded(slices.Repeat([][]int64{slices.Repeat([]int64{7}, 1000)}, 400)...)
	if err := c.Prepare(t.Context(), "large", backend.Task{Mode: record.Prefill, Prompt: large}, slowLimit); err != nil {
		t.Fatal(err)
	}
	var broken *backend.RunError
	if _, err := c.Measure(t.Context(), "large", 0, slowLimit); !errors.As(err, &broken) || broken.Reason != backend.OutOfMemory {
		t.Errorf("saw %v, want %s", err, backend.OutOfMemory)
	}
	if w, _ := measured(t, c, backend.Task{Mode: record.Prefill, Prompt: padded([]int64{1, 2})}, 0); len(w.Output) != 1 {
		t.Errorf("after it: saw %+v", w)
	}
}

// TestSlowTransformersGPUIsMissing opens the backends for a GPU where there is none, past the check that bh-run makes first.
func TestSlowTransformersGPUIsMissing(t *testing.T) {
	b, _ := backend.Lookup("transformers-gpu")
	if b.Check() == nil {
		t.Skip("this machine has a GPU")
	}
	f := oddModel(t, 0)
	for _, name := range []string{"transformers-gpu", "transformers-gpu-compile"} {
		argv, env, err := b.Command()
		if err != nil {
			t.Fatal(err)
		}
		c, err := worker.Start(argv, env, nil)
		if err != nil {
			t.Fatal(err)
		}
		var missing *backend.Unavailable
		_, err = c.Open(t.Context(), name, backend.Spec{ModelDir: f.Dir, Precision: "fp16", Threads: 1}, slowLimit)
		if !errors.As(err, &missing) || missing.Reason != backend.GPUNotFound {
			t.Errorf("%s: saw %v, want %s", name, err, backend.GPUNotFound)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: the worker ended with %v", name, err)
		}
	}
}

// TestSlowTransformersOrphanEnds checks that a worker whose parent dies in the middle of a run does not live on.
func TestSlowTransformersOrphanEnds(t *testing.T) {
	f := oddModel(t, 0)
	b, _ := backend.Lookup("transformers-cpu")
	argv, env, err := b.Command()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), slowLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	replies := json.NewDecoder(out)
	send := func(request map[string]any) {
		request["v"] = worker.Version
		if err := json.NewEncoder(in).Encode(request); err != nil {
			t.Fatal(err)
		}
	}
	send(map[string]any{"id": 1, "op": "open", "backend": b.Name, "spec": backend.Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 1}})
	send(map[string]any{"id": 2, "op": "prepare", "cell": "a", "task": backend.Task{Mode: record.Prefill, Prompt: padded([]int64{1})}})
	for range 2 {
		var reply struct{ Error any }
		if err := replies.Decode(&reply); err != nil || reply.Error != nil {
			t.Fatalf("saw %v, %v", reply, err)
		}
	}
	send(map[string]any{"id": 3, "op": "measure", "cell": "a", "min_window_ns": int64(time.Hour)})
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(io.MultiReader(replies.Buffered(), out))
	if err != nil || strings.TrimSpace(string(rest)) != "" {
		t.Errorf("it answered %q, %v", rest, err)
	}
	if _ = cmd.Wait(); ctx.Err() != nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("the worker ended with %v (%v), want exit code 1 at once", cmd.ProcessState, ctx.Err())
	}
}
