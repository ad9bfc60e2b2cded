//go:build integration

package backend_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// These tests ask the real server, by both of its APIs. What every backend must do is package runner's conformance suite;
// here is what only these do: batches and pieces over HTTP, the cache of prompts, a server that dies, one that is not ours.

const (
	servedTokens = 8
	// servedThreads is one, as the engine's threads wait for each other by spinning, which takes forever on a busy machine.
	servedThreads = 1
)

// served are the backends on our own server, with each of their ways to ask.
var served = map[string]struct {
	backend  string
	settings map[string]string
}{
	"ollama":             {"ollama", nil},
	"openai completions": {"openai", nil},
	"openai chat":        {"openai", map[string]string{"endpoint": "chat"}},
}

// withoutServers takes the user's servers out of the way.
func withoutServers(t *testing.T) {
	t.Helper()
	for _, name := range []string{backend.EnvOllamaHost, backend.EnvOpenAIURL, backend.EnvOpenAIModel, "OPENAI_BASE_URL"} {
		t.Setenv(name, "")
	}
}

// wandering is a model with GPT-2's vocabulary whose greedy decoding does not repeat one token.
func wandering(t *testing.T, eos int64) *model.Folder {
	t.Helper()
	cfg, err := model.Preset(model.PresetTiny)
	if err != nil {
		t.Fatal(err)
	}
	cfg.EOSTokenID = eos
	src := t.TempDir()
	if err := modeltest.WriteHuggingFace(src, cfg, modeltest.Weights(cfg, 7)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), fmt.Sprintf("wandering-%d", eos)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func gpt2Small(t *testing.T) *model.Folder {
	t.Helper()
	dir, err := model.DefaultDir(model.PresetGPT2)
	if err != nil {
		t.Fatal(err)
	}
	f, err := model.Build(t.Context(), model.PresetGPT2, dir, model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func openServed(t *testing.T, ctx context.Context, name string, f *model.Folder, settings map[string]string) backend.Engine {
	t.Helper()
	b, _ := backend.Lookup(name)
	if err := b.Check(); err != nil {
		t.Fatalf("%v; `make setup-ollama` builds it", err)
	}
	e, err := b.Open(ctx, backend.Spec{ModelDir: f.Dir, Precision: "fp32", Threads: servedThreads, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func promptOf(t *testing.T, texts ...string) workload.Prompt {
	t.Helper()
	p, err := workload.FromText(texts, len(texts))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// runs prepares a task and runs it so many times.
func runs(t *testing.T, e backend.Engine, task backend.Task, times int) []backend.Result {
	t.Helper()
	job, err := e.Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	var out []backend.Result
	for range times {
		if err := job.(backend.Readier).Ready(); err != nil {
			t.Fatal(err)
		}
		got, err := job.Run()
		if err != nil {
			t.Fatal(err)
		}
		got.Output, got.ITL = cloneRows(got.Output), slices.Clone(got.ITL)
		out = append(out, got)
	}
	return out
}

func cloneRows(rows [][]int64) [][]int64 {
	if rows == nil {
		return nil
	}
	out := make([][]int64, len(rows))
	for i := range rows {
		out[i] = slices.Clone(rows[i])
	}
	return out
}

// TestSlowOllamaTokens: prompts alone and together, of one length and of several, give the reference's greedy tokens, and
// the times of a run add up.
func TestSlowOllamaTokens(t *testing.T) {
	withoutServers(t)
	tiny := wandering(t, workload.EOS)
	for way, c := range served {
		t.Run(way, func(t *testing.T) {
			e := openServed(t, t.Context(), c.backend, tiny, c.settings)
			for _, n := range []int{1, servedTokens} {
				servedTokensAre(t, e, tiny, n, "The quick brown fox jumps over the lazy dog")
				servedTokensAre(t, e, tiny, n, "Hello world", "naïve café 東京 🚀", " One and two", "In the beginning")
			}
		})
	}
}

// TestSlowOllamaTokensOfGPT2 is the same on the 124M model.
func TestSlowOllamaTokensOfGPT2(t *testing.T) {
	withoutServers(t)
	f := gpt2Small(t)
	for _, way := range []string{"ollama", "openai"} {
		t.Run(way, func(t *testing.T) {
			servedTokensAre(t, openServed(t, t.Context(), way, f, nil), f, servedTokens, "The quick brown fox", "Hello world")
		})
	}
}

// servedTokensAre decodes prompts by n tokens, and prefills them.
func servedTokensAre(t *testing.T, e backend.Engine, f *model.Folder, n int, texts ...string) {
	t.Helper()
	ref, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	var want [][]int64
	for _, text := range texts {
		ids, err := workload.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, ref.Greedy(ids, n))
	}
	for _, got := range runs(t, e, backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, texts...), MaxNewTokens: n}, 2) {
		checkServed(t, got, want, n)
	}
	for _, got := range runs(t, e, backend.Task{Mode: record.Prefill, Prompt: promptOf(t, texts...), MaxNewTokens: n}, 2) {
		if got.TTFT != 0 || got.Generated != 0 || got.Latency <= 0 {
			t.Errorf("prefill: saw %+v", got)
		}
		sameRows(t, got.Output, want, 1)
	}
}

func checkServed(t *testing.T, got backend.Result, want [][]int64, n int) {
	t.Helper()
	sameRows(t, got.Output, want, n)
	sum := got.TTFT
	for _, gap := range got.ITL {
		sum += gap
	}
	if got.Generated != int64(n*len(want)) || len(got.ITL) != n-1 || sum != got.Latency || got.Cached != 0 || len(got.Flags) != 0 {
		t.Errorf("saw %+v, want %d tokens for each of %d", got, n, len(want))
	}
	if requests := len(got.Requests); len(want) > 1 && requests != len(want) || len(want) == 1 && requests != 0 {
		t.Errorf("saw the times of %d requests", requests)
	}
}

func sameRows(t *testing.T, got, want [][]int64, n int) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("saw output %v, want %d sequences", got, len(want))
	}
	for i := range want {
		if !slices.Equal(got[i], want[i][:n]) {
			t.Errorf("sequence %d: saw %v, want %v", i+1, got[i], want[i][:n])
		}
	}
}

// TestSlowOllamaEOS makes the last new token of a prompt the end of sequence: it ends the answer, counts, and has a time.
func TestSlowOllamaEOS(t *testing.T) {
	withoutServers(t)
	const text = "The quick brown fox"
	ids, err := workload.Encode(text)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := modeltest.Load(wandering(t, workload.EOS))
	if err != nil {
		t.Fatal(err)
	}
	free := ref.Greedy(ids, servedTokens)
	at := 0
	for i := range free {
		if !slices.Contains(free[:i], free[i]) {
			at = i
		}
	}
	f := wandering(t, free[at])
	for way, c := range served {
		t.Run(way, func(t *testing.T) {
			e := openServed(t, t.Context(), c.backend, f, c.settings)
			got := runs(t, e, backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, text), MaxNewTokens: servedTokens}, 1)[0]
			sameRows(t, got.Output, [][]int64{free[:at+1]}, at+1)
			if got.Generated != int64(at+1) || len(got.ITL) != at || len(got.Flags) != 0 {
				t.Errorf("saw %+v, want %d tokens", got, at+1)
			}
		})
	}
}

// TestSlowOllamaSeed: the same seed gives the same tokens, another one others.
func TestSlowOllamaSeed(t *testing.T) {
	withoutServers(t)
	f := wandering(t, workload.EOS)
	for way, c := range served {
		t.Run(way, func(t *testing.T) {
			e := openServed(t, t.Context(), c.backend, f, c.settings)
			draw := func(seed int64) string {
				task := backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, "Hello world"), MaxNewTokens: servedTokens, Temperature: 0.7, Seed: seed}
				return fmt.Sprint(runs(t, e, task, 1)[0].Output)
			}
			if first, again, other := draw(1), draw(1), draw(2); first != again || first == other || first == "[]" {
				t.Errorf("saw %s, %s with the same seed, and %s with another", first, again, other)
			}
		})
	}
}

// TestSlowOllamaCutsRepetition: the seeded weights repeat a token soon, and Ollama then ends its answer without a word. That
// is an error which says so, and never a shorter run.
func TestSlowOllamaCutsRepetition(t *testing.T) {
	withoutServers(t)
	f := gpt2Small(t)
	for name, s := range served {
		t.Run(name, func(t *testing.T) {
			e := openServed(t, t.Context(), s.backend, f, s.settings)
			task := backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, "The quick brown fox"), MaxNewTokens: 64}
			job, err := e.Prepare(task)
			if err != nil {
				t.Fatal(err)
			}
			var broken *backend.RunError
			got, err := job.Run()
			if !errors.As(err, &broken) || broken.Reason != backend.AnswerCut || !strings.Contains(broken.Detail, "of them equal") {
				t.Errorf("saw %+v, %v, want %s", got, err, backend.AnswerCut)
			}
		})
	}
}
