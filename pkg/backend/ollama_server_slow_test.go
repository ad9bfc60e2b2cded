//go:build integration

package backend_test

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// TestSlowOllamaCache: no run finds its prompt in the server's cache, by the server's own log; where that is allowed, it is
// noticed, all but the last token.
func TestSlowOllamaCache(t *testing.T) {
	withoutServers(t)
	f := wandering(t, workload.EOS)
	text := "The quick brown fox jumps over the lazy dog, and then it does so again and again until the dog has had enough of it."
	p := promptOf(t, text)
	for way, c := range served {
		t.Run(way, func(t *testing.T) {
			for _, allow := range []bool{false, true} {
				settings := map[string]string{"prompt_cache": "avoid"}
				want, flags := int64(0), []backend.Flag(nil)
				if allow {
					settings["prompt_cache"], want, flags = "allow", int64(p.Tokens()-1), []backend.Flag{backend.PromptCached}
				}
				for k, v := range c.settings {
					settings[k] = v
				}
				e := openServed(t, t.Context(), c.backend, f, settings)
				for _, got := range runs(t, e, backend.Task{Mode: record.Prefill, Prompt: p}, 4) {
					if got.Cached != want || !slices.Equal(got.Flags, flags) {
						t.Errorf("allowed %v: saw %d cached and flags %v, want %d and %v", allow, got.Cached, got.Flags, want, flags)
					}
					t.Logf("allowed %v: latency %v, server %+v", allow, got.Latency, got.Server)
				}
			}
		})
	}
}

// TestSlowOllamaLost kills the server in the middle of a run, and cancels another.
func TestSlowOllamaLost(t *testing.T) {
	withoutServers(t)
	f := wandering(t, workload.EOS)
	task := backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, "Hello world", "One"), MaxNewTokens: 900, Temperature: 1.5, Seed: 3}
	for way, c := range served {
		t.Run(way, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			during := func(what func(backend.Engine)) error {
				e := openServed(t, ctx, c.backend, f, c.settings)
				job, err := e.Prepare(task)
				if err != nil {
					t.Fatal(err)
				}
				if err := job.(backend.Readier).Ready(); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(200*time.Millisecond, func() { what(e) })
				for { // until it is interrupted
					if _, err := job.Run(); err != nil {
						return err
					}
				}
			}
			err := during(func(e backend.Engine) {
				for _, pid := range e.(backend.Remote).Processes() {
					if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
						t.Error(err)
					}
				}
			})
			var broken *backend.RunError
			if !errors.As(err, &broken) || broken.Reason != backend.ServerLost {
				t.Errorf("killed: saw %v, want server_lost", err)
			}
			if err := during(func(backend.Engine) { cancel() }); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: saw %v", err)
			}
		})
	}
}

// TestSlowOllamaOfTheUser asks a server that somebody else has started: how many requests it takes at once is not known, and
// the model is given to it once.
func TestSlowOllamaOfTheUser(t *testing.T) {
	withoutServers(t)
	binary, err := ollama.Find()
	if err != nil {
		t.Fatal(err)
	}
	f := wandering(t, workload.EOS)
	for _, parallel := range []int{1, 2} {
		server, err := ollama.Start(t.Context(), binary, ollama.Options{ModelsDir: t.TempDir(), Parallel: parallel})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
		t.Setenv(backend.EnvOllamaHost, server.URL)
		if parallel == 2 { // the other way to name it, by which openai sees what it is
			t.Setenv(backend.EnvOpenAIURL, server.URL)
		}
		b, _ := backend.Lookup("ollama")
		if b.Probe()["server at"] != "local" {
			t.Errorf("saw %v", b.Probe())
		}
		for way, c := range served {
			e := openServed(t, t.Context(), c.backend, f, c.settings)
			if got := e.(backend.Remote).Processes(); len(got) != 0 || e.Info()["server_at"] != "local" {
				t.Errorf("%s: saw processes %v, info %v", way, got, e.Info())
			}
			// The two begin with different words: a server that takes one request after the other must not find anything either.
			task := backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, "Hello world", "One and two"), MaxNewTokens: servedTokens}
			job, err := e.Prepare(task)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := job.(backend.Readier).Ready(); err != nil {
					t.Fatal(err)
				}
				mark, err := server.Mark()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := job.Run(); err != nil {
					t.Fatal(err)
				}
				if use, err := server.CacheUse(mark); err != nil || use.Prompts < 2 || use.Tokens != 0 {
					// A line of a prompt that emptied the cache may still come after the mark.
					t.Errorf("%s, %d at once: saw %+v, %v in the server's log, want two prompts or more and nothing from the cache", way, parallel, use, err)
				}
			}
		}
	}
}

// TestSlowOllamaUnknownModel: a model that the user names and the server does not have.
func TestSlowOllamaUnknownModel(t *testing.T) {
	withoutServers(t)
	t.Setenv(backend.EnvOpenAIModel, "no-such-model")
	b, _ := backend.Lookup("openai")
	_, err := b.Open(t.Context(), backend.Spec{ModelDir: wandering(t, workload.EOS).Dir, Precision: "fp32", Threads: 2})
	var missing *backend.Unavailable
	if !errors.As(err, &missing) || missing.Reason != backend.ServerModelNotFound {
		t.Errorf("saw %v", err)
	}
}

// TestSlowOllamaOverhead reports what HTTP and the server take beside the engine, on the 124M model.
func TestSlowOllamaOverhead(t *testing.T) {
	withoutServers(t)
	f := gpt2Small(t)
	e := openServed(t, t.Context(), "ollama", f, nil)
	t.Logf("client: %v", e.Info())
	var ttft, engine, load, gaps []time.Duration
	for _, r := range runs(t, e, backend.Task{Mode: record.GenerateCached, Prompt: promptOf(t, "The quick brown fox jumps over the lazy dog"), MaxNewTokens: 16}, 9) {
		if r.Server == nil || r.Server.Prefill <= 0 || r.Server.Decode <= 0 || r.Server.Prefill+r.Server.Decode > r.Latency {
			t.Fatalf("saw %+v: the engine cannot take longer than the request", r)
		}
		ttft, engine, load = append(ttft, r.TTFT), append(engine, r.Server.Prefill), append(load, r.Server.Load)
		gaps = append(gaps, (r.Latency-r.TTFT-r.Server.Decode)/time.Duration(len(r.ITL)))
	}
	for _, list := range [][]time.Duration{ttft, engine, load, gaps} {
		slices.Sort(list)
	}
	m := len(ttft) / 2
	t.Logf("medians: TTFT %v, of which the engine's prefill %v and finding the model %v; beyond the engine's decoding %v per token",
		ttft[m], engine[m], load[m], gaps[m])
}
