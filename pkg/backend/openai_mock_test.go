package backend

import (
	"bytes"
	"encoding/json"
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
