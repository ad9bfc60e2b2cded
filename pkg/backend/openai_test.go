package backend

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// mockOpenAI is a server that plays recorded answers.
type mockOpenAI struct {
	*httptest.Server
	kind   string   // decides what it tells of itself
	models []string // that it serves; none: no list
	// stream is the recorded answer to a request; a status instead of it is an error.
	stream func(body map[string]any) (file string, status int)
	pause  time.Duration // between two events

	mu       sync.Mutex
	requests []map[string]any
	headers  http.Header // of the last request
}

// startOpenAI starts the server and makes it the user's.
func startOpenAI(t *testing.T, m *mockOpenAI) *mockOpenAI {
	t.Helper()
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	t.Setenv(EnvOpenAIURL, m.URL+"/v1")
	t.Setenv(EnvOpenAIModel, "")
	return m
}

// identities are what servers say of themselves.
var identities = map[string]struct{ path, body string }{
	serverVLLM:   {"/version", `{"version":"0.11.0"}`},
	serverLlama:  {"/props", `{"default_generation_settings":{},"total_slots":1,"model_path":"gpt2.gguf","build_info":"b7000-00efb3e1"}`},
	serverTGI:    {"/info", `{"model_id":"openai-community/gpt2","version":"3.3.4","sha":"9f38d93"}`},
	serverOllama: {"/api/version", `{"version":"0.17.4"}`},
}

func (m *mockOpenAI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch id := identities[m.kind]; {
	case r.URL.Path == id.path:
		_, _ = io.WriteString(w, id.body)
	case r.URL.Path == "/v1/models" && m.models != nil:
		var data []map[string]string
		for _, name := range m.models {
			data = append(data, map[string]string{"id": name, "object": "model"})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"object": "list", "data": data})
	case r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/v1/"):
		m.answer(w, r)
	default:
		http.Error(w, `{"detail":"Not Found"}`, http.StatusNotFound)
	}
}

func (m *mockOpenAI) answer(w http.ResponseWriter, r *http.Request) {
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body["path"] = r.URL.Path
	m.mu.Lock()
	m.requests, m.headers = append(m.requests, body), r.Header
	m.mu.Unlock()
	file, status := m.stream(body)
	if status != 0 {
		http.Error(w, `{"error":{"message":"no such luck","type":"x","code":null}}`, status)
		return
	}
	data, err := os.ReadFile(filepath.Join("testdata", "openai", file+".sse"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for event := range bytes.SplitAfterSeq(data, []byte("\n\n")) {
		_, _ = w.Write(event)
		w.(http.Flusher).Flush()
		time.Sleep(m.pause)
	}
}

// sent are the requests so far.
func (m *mockOpenAI) sent() []map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.requests)
}

// always plays one recording.
func always(file string) func(map[string]any) (string, int) {
	return func(map[string]any) (string, int) { return file, 0 }
}

// foxPrompt has the five tokens that the recordings count.
func foxPrompt(batch int) workload.Prompt {
	ids, texts := make([][]int64, batch), make([]string, batch)
	for i := range ids {
		ids[i], texts[i] = []int64{464, 2068, 7586, 21831, 0}, "The quick brown fox!"
	}
	p := batchOf(ids...)
	p.Texts = texts
	return p
}

// openMock opens the backend on a model folder of which only the end of sequence matters.
func openMock(t *testing.T, settings map[string]string) (*openaiEngine, error) {
	t.Helper()
	b, _ := Lookup("openai")
	e, err := b.Open(t.Context(), Spec{ModelDir: smallModel(t, eosOfMock).Dir, Precision: "fp32", Threads: 2, Settings: settings})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e.(*openaiEngine), nil
}

func prepareMock(t *testing.T, settings map[string]string, task Task) (*openaiEngine, Job, error) {
	t.Helper()
	e, err := openMock(t, settings)
	if err != nil {
		t.Fatal(err)
	}
	j, err := e.Prepare(task)
	return e, j, err
}

const eosOfMock = 96

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
			e, j, err := prepareMock(t, map[string]string{settingEndpoint: endpoint}, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
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
	for file, c := range map[string]struct{ kind, text string }{
		"vllm_completions_error":     {serverVLLM, "EngineCore encountered"},
		"vllm_completions_error_old": {serverVLLM, "CUDA out of memory"},
		"llama_error":                {serverLlama, "Context size has been exceeded."},
		"tgi_error":                  {serverTGI, "CUDA out of memory"},
		"ollama_completions_aborted": {serverUnknown, "after 31 pieces"},
		"finish":                     {serverUnknown, `"content_filter"`},
		"no_json":                    {serverUnknown, "no JSON"},
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
		if !errors.As(err, &run) || run.Reason != RunFailed || !strings.Contains(run.Detail, c.text) {
			t.Errorf("%s: saw %v, want run_failed with %q", file, err, c.text)
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
		e, _, err := prepareMock(t, settings, Task{Mode: record.Prefill, Prompt: foxPrompt(1)})
		if err != nil {
			t.Fatal(err)
		}
		if v := m.sent()[0][param]; v != nil && v != true || e.info["prompt_cache"] != "allowed" {
			t.Errorf("%s: saw %s %v, info %q", kind, param, v, e.info["prompt_cache"])
		}
	}
}

func TestPrefillAsksForOneToken(t *testing.T) {
	m := startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: always("vllm_completions_cached")})
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
	_, j, err := prepareMock(t, nil, Task{Mode: record.Prefill, Prompt: foxPrompt(1)})
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

// TestWhichModel: the one that the user names, else the only one.
func TestWhichModel(t *testing.T) {
	for name, c := range map[string]struct {
		models []string
		named  string
		want   string // or the reason why there is none
	}{
		"the only one":     {[]string{"a"}, "", "a"},
		"one that I name":  {[]string{"a", "b"}, "b", "b"},
		"no choice":        {[]string{"a", "b"}, "", string(ServerModelNotFound)},
		"nothing":          {[]string{}, "", string(ServerModelNotFound)},
		"no list of them":  {nil, "c", string(ServerRefused)},
		"a name of my own": {[]string{"a"}, "mine", "mine"},
	} {
		startOpenAI(t, &mockOpenAI{models: c.models, stream: always("openai_completions")})
		t.Setenv(EnvOpenAIModel, c.named)
		e, err := openMock(t, nil)
		var missing *Unavailable
		switch {
		case errors.As(err, &missing):
			if string(missing.Reason) != c.want {
				t.Errorf("%s: saw %v, want %s", name, err, c.want)
			}
		case err != nil || e.model != c.want:
			t.Errorf("%s: saw %+v, %v, want %s", name, e, err, c.want)
		}
	}
}

func TestOpenAIURL(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"http://127.0.0.1:8000/v1":  "http://127.0.0.1:8000/v1",
		"http://127.0.0.1:8000":     "http://127.0.0.1:8000/v1",
		"localhost:8000/":           "http://localhost:8000/v1",
		" https://h.example/api/v3": "https://h.example/api/v3",
		"https://h.example/v1?x=1":  "https://h.example/v1",
		"ftp://h.example":           "error",
		"http://":                   "error",
		"http://a b":                "error",
	} {
		for _, name := range []string{EnvOpenAIURL, envOpenAIBase} {
			t.Setenv(EnvOpenAIURL, "")
			t.Setenv(envOpenAIBase, "")
			t.Setenv(name, text)
			u, err := openaiURL()
			got := ""
			var missing *Unavailable
			switch {
			case errors.As(err, &missing):
				got = "error"
			case u != nil:
				got = u.String()
			}
			if got != want {
				t.Errorf("%s=%q: saw %q (%v), want %q", name, text, got, err, want)
			}
		}
	}
}

func TestOpenAICheckAndProbe(t *testing.T) {
	b, _ := Lookup("openai")
	m := startOpenAI(t, &mockOpenAI{kind: serverVLLM, models: []string{"a", "b"}})
	if err := b.Check(); err != nil {
		t.Errorf("saw %v", err)
	}
	if got, want := fmt.Sprint(b.Probe()), "map[models:2 server:vLLM 0.11.0 server at:local]"; got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
	m.Close()
	var missing *Unavailable
	if err := b.Check(); !errors.As(err, &missing) || missing.Reason != ServerNotFound || missing.Remedy != openaiRemedy {
		t.Errorf("no server: saw %v", err)
	}
	if _, err := openMock(t, nil); !errors.As(err, &missing) || missing.Reason != ServerNotFound {
		t.Errorf("open without a server: saw %v", err)
	}
	if _, err := b.Open(t.Context(), Spec{ModelDir: t.TempDir()}); !errors.As(err, &missing) || missing.Reason != ModelNotFound {
		t.Errorf("open without a model: saw %v", err)
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
