package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stream"
	"github.com/banterhearts/bh/pkg/workload"
)

// TestRecordedStreams plays what the servers send, as their sources and documentation have it.
func TestRecordedStreams(t *testing.T) {
	words := []int64{18045, 625, 262, 16931} // jumps over the lazy
	timings := &ServerTimes{Prefill: 41500 * time.Microsecond, Decode: 63250 * time.Microsecond}
	for file, c := range map[string]struct {
		kind   string
		chat   bool
		pieces int
		ids    []int64
		cached int64
		server *ServerTimes
		flags  []Flag
	}{
		"vllm_completions":             {kind: serverVLLM, pieces: 4, ids: words},
		"vllm_completions_eos":         {kind: serverVLLM, pieces: 3, ids: []int64{18045, 625, eosOfMock}},
		"vllm_completions_cached":      {kind: serverVLLM, pieces: 2, ids: words[:2], cached: 4, flags: []Flag{PromptCached}},
		"vllm_completions_merged":      {kind: serverVLLM, pieces: 3, flags: []Flag{MergedTokens}},
		"vllm_completions_named":       {kind: serverVLLM, pieces: 3, ids: words, flags: []Flag{MergedTokens}},
		"vllm_chat":                    {kind: serverVLLM, chat: true, pieces: 4, ids: words},
		"llama_completions":            {kind: serverLlama, pieces: 4, ids: words, server: timings},
		"llama_completions_cached_eos": {kind: serverLlama, pieces: 3, ids: []int64{18045, 625, eosOfMock}, cached: 4, server: timings, flags: []Flag{PromptCached}},
		"llama_completions_named":      {kind: serverLlama, pieces: 3, ids: words, server: timings, flags: []Flag{MergedTokens}},
		"llama_chat":                   {kind: serverLlama, chat: true, pieces: 4, ids: words, server: timings},
		"tgi_completions":              {kind: serverTGI, pieces: 4, ids: words},
		"tgi_completions_eos":          {kind: serverTGI, pieces: 3, ids: []int64{18045, 625, eosOfMock}},
		"tgi_chat":                     {kind: serverTGI, chat: true, pieces: 4, ids: words},
		"openai_completions":           {kind: serverUnknown, pieces: 4, ids: words},
		"openai_chat":                  {kind: serverUnknown, chat: true, pieces: 5, ids: append(slices.Clone(words), eosOfMock), flags: []Flag{PromptTemplated}},
	} {
		t.Run(file, func(t *testing.T) {
			startOpenAI(t, &mockOpenAI{kind: c.kind, models: []string{"gpt2"}, stream: always(file), pause: 2 * time.Millisecond})
			endpoint := endpointText
			if c.chat {
				endpoint = endpointChat
			}
			asked := max(c.pieces, len(c.ids))
			if c.ids == nil {
				asked = len(words)
			}
			e, j, err := prepareMock(t, map[string]string{settingEndpoint: endpoint}, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: asked})
			if err != nil {
				t.Fatal(err)
			}
			if e.kind != c.kind || e.info["server"] != c.kind || e.info["served_as"] != "gpt2" || e.info["server_at"] != "local" {
				t.Errorf("saw server %q, info %v", e.kind, e.info)
			}
			got, err := j.Run()
			if err != nil {
				t.Fatal(err)
			}
			sum := got.TTFT
			for _, gap := range got.ITL {
				sum += gap
			}
			if len(got.ITL) != c.pieces-1 || sum != got.Latency || got.TTFT <= 0 || got.Cached != c.cached || !slices.Equal(got.Flags, c.flags) {
				t.Errorf("saw %+v, want %d pieces, %d cached, flags %v", got, c.pieces, c.cached, c.flags)
			}
			if (got.Server == nil) != (c.server == nil) || got.Server != nil && *got.Server != *c.server {
				t.Errorf("saw server times %+v, want %+v", got.Server, c.server)
			}
			if c.ids == nil && got.Output != nil || c.ids != nil && (len(got.Output) != 1 || !slices.Equal(got.Output[0], c.ids)) {
				t.Errorf("saw output %v, want %v", got.Output, c.ids)
			}
		})
	}
}

// TestStreamsThatBreak: what goes wrong in the middle of an answer is an error with the server's words.
func TestStreamsThatBreak(t *testing.T) {
	for file, c := range map[string]struct {
		kind, text string
		why        Reason
	}{
		"vllm_completions_error":     {serverVLLM, "EngineCore encountered", RunFailed},
		"vllm_completions_error_old": {serverVLLM, "CUDA out of memory", RunFailed},
		"llama_error":                {serverLlama, "Context size has been exceeded.", RunFailed},
		"tgi_error":                  {serverTGI, "CUDA out of memory", RunFailed},
		"ollama_completions_aborted": {serverUnknown, "the last 31 of them equal", AnswerCut},
		"finish":                     {serverUnknown, `"content_filter"`, RunFailed},
		"no_json":                    {serverUnknown, "no JSON", RunFailed},
	} {
		broken := false
		m := startOpenAI(t, &mockOpenAI{kind: c.kind, models: []string{"gpt2"}})
		m.stream = func(map[string]any) (string, int) {
			if broken {
				return file, 0
			}
			return "openai_completions", 0
		}
		_, j, err := prepareMock(t, nil, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		broken = true
		_, err = j.Run()
		var run *RunError
		if !errors.As(err, &run) || run.Reason != c.why || !strings.Contains(run.Detail, c.text) {
			t.Errorf("%s: saw %v, want %s with %q", file, err, c.why, c.text)
		}
	}
}

// TestRequests holds what each kind of server is asked.
func TestRequests(t *testing.T) {
	for kind, want := range map[string]map[string]any{
		serverVLLM:    {"top_p": 1.0, "top_k": -1.0, "min_p": 0.0, "repetition_penalty": 1.0},
		serverLlama:   {"top_p": 1.0, "top_k": 0.0, "min_p": 0.0, "repeat_penalty": 1.0, "cache_prompt": false},
		serverTGI:     {"top_p": nil},
		serverUnknown: {"top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "cache_salt": nil, "cache_prompt": nil},
	} {
		m := startOpenAI(t, &mockOpenAI{kind: kind, models: []string{"gpt2"}, stream: always("openai_completions")})
		task := Task{Mode: record.GenerateCached, Prompt: foxPrompt(2), MaxNewTokens: 4, Temperature: 0.7, Seed: 5, Offset: 10}
		_, j, err := prepareMock(t, nil, task)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Run(); err != nil {
			t.Fatal(err)
		}
		sent := m.sent()
		salts, seeds := map[any]bool{}, map[any]bool{}
		for i, r := range sent {
			rehearsal := i < 2
			if r["path"] != "/v1/completions" || r["model"] != "gpt2" || r["prompt"] != "The quick brown fox!" || r["max_tokens"] != 4.0 ||
				r["temperature"] != 0.7 || r["stream"] != true || r["stream_options"].(map[string]any)["include_usage"] != true {
				t.Errorf("%s: saw request %v", kind, r)
			}
			for k, v := range want {
				if r[k] != v {
					t.Errorf("%s: %s: saw %v, want %v", kind, k, r[k], v)
				}
			}
			if named := r["logprobs"] != nil || r["return_token_ids"] != nil; named != rehearsal {
				t.Errorf("%s: request %d: asked for the tokens: %v", kind, i, named)
			}
			salts[r[openaiSalt]], seeds[r["seed"]] = true, true
		}
		if len(sent) != 4 || !seeds[15.0] || !seeds[16.0] || len(seeds) != 2 || kind == serverVLLM && len(salts) != 4 {
			t.Errorf("%s: saw %d requests with seeds %v and salts %v", kind, len(sent), seeds, salts)
		}
	}
}

func TestPromptCacheCanBeAllowed(t *testing.T) {
	for kind, param := range map[string]string{serverVLLM: openaiSalt, serverLlama: "cache_prompt"} {
		m := startOpenAI(t, &mockOpenAI{kind: kind, models: []string{"gpt2"}, stream: always("openai_completions")})
		settings := map[string]string{settingPromptCache: cacheAllow}
		e, _, err := prepareMock(t, settings, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
		if err != nil {
			t.Fatal(err)
		}
		if v := m.sent()[0][param]; v != nil && v != true || e.info["prompt_cache"] != "allowed" {
			t.Errorf("%s: saw %s %v, info %q", kind, param, v, e.info["prompt_cache"])
		}
	}
}

func TestPrefillAsksForOneToken(t *testing.T) {
	m := startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: always("one_token")})
	if _, _, err := prepareMock(t, map[string]string{settingEndpoint: endpointChat}, Task{Mode: record.Prefill, Prompt: foxPrompt(1), MaxNewTokens: 9}); err != nil {
		t.Fatal(err)
	}
	r := m.sent()[0]
	messages, _ := json.Marshal(r["messages"])
	if r["path"] != "/v1/chat/completions" || r["max_tokens"] != 1.0 || string(messages) != `[{"content":"The quick brown fox!","role":"user"}]` {
		t.Errorf("saw %v", r)
	}
}

// TestPrepareRefuses: a server that does not count as we do, or does not count, is not measured.
func TestPrepareRefuses(t *testing.T) {
	long, textless := foxPrompt(1), foxPrompt(1)
	long = workload.Prompt{IDs: [][]int64{append(long.IDs[0], 0)}, Mask: [][]int64{append(long.Mask[0], 1)}, Texts: []string{"The quick brown fox!!"}}
	textless.Texts = nil
	for name, c := range map[string]struct {
		task   Task
		stream func(map[string]any) (string, int)
		want   Reason
		text   string
	}{
		"mode":          {Task{Mode: record.Generate, Prompt: foxPrompt(1)}, always("openai_completions"), ModeUnsupported, "generate"},
		"no text":       {Task{Mode: record.Prefill, Prompt: textless}, always("openai_completions"), PromptUnsupported, "sequence 1"},
		"other count":   {Task{Mode: record.Prefill, Prompt: long}, always("openai_completions"), PromptUnsupported, "counts 5 tokens, want 6"},
		"no usage":      {Task{Mode: record.Prefill, Prompt: foxPrompt(1)}, always("no_usage"), PromptUnsupported, "does not say how many"},
		"key":           {Task{Mode: record.Prefill, Prompt: foxPrompt(1)}, func(map[string]any) (string, int) { return "", 401 }, ServerRefused, "no such luck"},
		"unknown model": {Task{Mode: record.Prefill, Prompt: foxPrompt(1)}, func(map[string]any) (string, int) { return "", 404 }, ServerRefused, "no such luck"},
	} {
		startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: c.stream})
		c.task.MaxNewTokens = 4
		_, _, err := prepareMock(t, nil, c.task)
		var missing *Unavailable
		if !errors.As(err, &missing) || missing.Reason != c.want || !strings.Contains(missing.Detail, c.text) {
			t.Errorf("%s: saw %v, want %s with %q", name, err, c.want, c.text)
		}
	}
}

// TestServerIgnoresTheLimit: four tokens where one or two were asked for are no measurement, already in the rehearsal.
func TestServerIgnoresTheLimit(t *testing.T) {
	for mode, asked := range map[record.Mode]int{record.Prefill: 9, record.GenerateCached: 2} {
		startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: always("openai_completions")})
		_, _, err := prepareMock(t, nil, Task{Mode: mode, Prompt: foxPrompt(1), MaxNewTokens: asked})
		var broken *RunError
		if !errors.As(err, &broken) || broken.Reason != AnswerTooLong || !strings.Contains(broken.Detail, "counts 4 new tokens") {
			t.Errorf("%s: saw %v, want answer_too_long", mode, err)
		}
	}
}

// A server that does not like to be asked for the tokens is asked without.
func TestRehearsalWithoutNames(t *testing.T) {
	m := startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}})
	m.stream = func(body map[string]any) (string, int) {
		if body["logprobs"] != nil {
			return "", http.StatusBadRequest
		}
		return "openai_completions", 0
	}
	_, j, err := prepareMock(t, nil, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := j.Run(); err != nil || len(got.Output) != 1 || len(m.sent()) != 3 {
		t.Errorf("saw %+v, %v after %d requests", got, err, len(m.sent()))
	}
}

// TestServerIsLost ends the server in the middle of an answer.
func TestServerIsLost(t *testing.T) {
	m := startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: always("openai_completions")})
	_, j, err := prepareMock(t, nil, Task{Mode: record.GenerateCached, Prompt: foxPrompt(2), MaxNewTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	m.pause = 100 * time.Millisecond
	time.AfterFunc(50*time.Millisecond, m.CloseClientConnections)
	_, err = j.Run()
	var broken *RunError
	if !errors.As(err, &broken) || broken.Reason != ServerLost {
		t.Errorf("the connection broke: saw %v", err)
	}
	m.Close()
	if _, err = j.Run(); !errors.As(err, &broken) || broken.Reason != ServerLost {
		t.Errorf("no server: saw %v", err)
	}
}

func TestErrorStatusInARun(t *testing.T) {
	status := 0
	m := startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}})
	m.stream = func(map[string]any) (string, int) { return "openai_completions", status }
	_, j, err := prepareMock(t, nil, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
	if err != nil {
		t.Fatal(err)
	}
	status = http.StatusServiceUnavailable
	_, err = j.Run()
	var broken *RunError
	if !errors.As(err, &broken) || broken.Reason != RunFailed || !strings.Contains(broken.Detail, "no such luck") {
		t.Errorf("saw %v", err)
	}
}

// BenchmarkOpenAIPiece is what the client spends on one token: an event of vLLM's is taken apart and taken down.
func BenchmarkOpenAIPiece(b *testing.B) {
	data, err := os.ReadFile(filepath.Join("testdata", "openai", "vllm_completions.sse"))
	if err != nil {
		b.Fatal(err)
	}
	event, _, _ := bytes.Cut(bytes.TrimPrefix(data, []byte("data: ")), []byte("\n"))
	q, a := &openaiQuestion{}, &answer{}
	b.ReportAllocs()
	for b.Loop() {
		a.reset()
		if err := q.take(a, time.Millisecond, event); err != nil || len(a.arrived) != 1 {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenAIAnswer is an answer of many tokens that a server in this process sends as fast as it can: an upper bound of
// what the client spends on each, with the reading, and with the server's own part.
func BenchmarkOpenAIAnswer(b *testing.B) {
	const tokens = 1000
	data, err := os.ReadFile(filepath.Join("testdata", "openai", "vllm_completions.sse"))
	if err != nil {
		b.Fatal(err)
	}
	event, rest, _ := bytes.Cut(data, []byte("\n\n"))
	event = append(event, "\n\n"...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for range tokens {
			_, _ = w.Write(event)
			w.(http.Flusher).Flush()
		}
		_, _ = w.Write(rest)
	}))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		b.Fatal(err)
	}
	client := stream.New(u, stream.Options{})
	defer client.Close()
	q, err := newOpenAIQuestion(client, "/", map[string]any{})
	if err != nil {
		b.Fatal(err)
	}
	a := &answer{}
	for b.Loop() {
		a.reset()
		if err := q.ask(b.Context(), time.Now(), a); err != nil || len(a.arrived) < tokens {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tokens, "ns/token")
}
