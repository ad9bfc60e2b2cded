package backend

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/workload"
)

// mockOllama is a server with Ollama's slots: a request goes to the free slot with the longest common beginning and computes
// only the rest. Reading a token and making one takes step.
type mockOllama struct {
	*httptest.Server
	step   time.Duration
	change func(*ollamaLine) // of the last line of an answer
	fail   func(ollamaRequest) (status int, line string)

	work    chan struct{} // a place for each slot
	mu      sync.Mutex
	slots   []mockSlot
	found   []mockFound
	models  map[string]map[string]any // parameters of each
	blobs   map[string]int            // bytes of each
	uploads int
}

type mockSlot struct {
	tokens []int64
	busy   bool
}

// mockFound is how many tokens of a prompt were in the slot.
type mockFound struct {
	prompt  string
	predict int
	tokens  int
}

func startOllama(t *testing.T, parallel int) *mockOllama {
	t.Helper()
	m := &mockOllama{step: 200 * time.Microsecond, work: make(chan struct{}, parallel), slots: make([]mockSlot, parallel),
		models: map[string]map[string]any{}, blobs: map[string]int{}}
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	t.Setenv(EnvOllamaHost, m.URL)
	t.Setenv(EnvOpenAIURL, "")
	t.Setenv(envOpenAIBase, "")
	return m
}

// engine is the backend on this server, with a model that needs no folder.
func (m *mockOllama) engine(t *testing.T, allow bool) *ollamaEngine {
	t.Helper()
	root, err := url.Parse(m.URL)
	if err != nil {
		t.Fatal(err)
	}
	server := ollamaOfUser(root, "0.17.4", "")
	t.Cleanup(server.client.Close)
	m.models["m"] = nil
	return &ollamaEngine{ctx: t.Context(), server: server, model: "m", eos: workload.EOS, cache: newOllamaCache(server, "m", allow)}
}

func (m *mockOllama) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var named struct {
		Model      string
		Files      map[string]string
		Parameters map[string]any
	}
	_ = json.Unmarshal(body, &named) // blobs are none
	m.mu.Lock()
	_, known := m.models[named.Model]
	m.mu.Unlock()
	digest, isBlob := strings.CutPrefix(r.URL.Path, "/api/blobs/sha256:")
	switch {
	case r.URL.Path == "/api/version":
		fmt.Fprint(w, `{"version":"0.17.4"}`)
	case r.URL.Path == "/api/tags":
		fmt.Fprintf(w, `{"models":[{"name":"a"},{"name":"b"}]}`)
	case r.URL.Path == "/v1/models":
		fmt.Fprint(w, `{"data":[]}`)
	case isBlob:
		m.blob(w, r.Method, digest, body)
	case r.URL.Path == "/api/create":
		m.mu.Lock()
		m.models[named.Model] = named.Parameters
		m.mu.Unlock()
		fmt.Fprint(w, `{"status":"success"}`)
	case !known:
		http.Error(w, fmt.Sprintf(`{"error":"model '%s' not found"}`, named.Model), http.StatusNotFound)
	case r.URL.Path == "/api/generate":
		m.generate(w, body)
	default:
		fmt.Fprint(w, "{}")
	}
}

func (m *mockOllama) blob(w http.ResponseWriter, method, digest string, body []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	sum := sha256.Sum256(body)
	switch _, there := m.blobs[digest]; {
	case there:
	case method == http.MethodHead:
		w.WriteHeader(http.StatusNotFound)
	case hex.EncodeToString(sum[:]) != digest:
		http.Error(w, `{"error":"digest mismatch"}`, http.StatusBadRequest)
	default:
		m.blobs[digest] = len(body)
		m.uploads++
		w.WriteHeader(http.StatusCreated)
	}
}

// generate answers a prompt with " a" as often as it is asked to.
func (m *mockOllama) generate(w http.ResponseWriter, body []byte) {
	var q ollamaRequest
	if err := json.Unmarshal(body, &q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	predict, _ := q.Options["num_predict"].(float64)
	if m.fail != nil {
		if status, line := m.fail(q); status >= http.StatusBadRequest {
			http.Error(w, line, status)
			return
		} else if status != 0 {
			_, _ = io.WriteString(w, line)
			return
		}
	}
	if q.Prompt == "" {
		fmt.Fprint(w, `{"done":true,"done_reason":"load"}`)
		return
	}
	tokens, err := workload.Encode(q.Prompt)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.work <- struct{}{}
	defer func() { <-m.work }()
	slot, found := m.take(q.Prompt, int(predict), tokens)
	reading := m.step * time.Duration(len(tokens)-found)
	time.Sleep(reading)
	out := json.NewEncoder(w)
	for range int(predict) {
		_ = out.Encode(ollamaLine{Response: " a"})
		w.(http.Flusher).Flush()
		time.Sleep(m.step)
	}
	m.mu.Lock()
	m.slots[slot] = mockSlot{tokens: tokens}
	m.mu.Unlock()
	last := ollamaLine{Done: true, DoneReason: "length", Load: 7, Prompt: int64(len(tokens)), PromptTime: reading, New: int64(predict), NewTime: 9}
	if m.change != nil {
		m.change(&last)
	}
	_ = out.Encode(last)
}

// take chooses a slot, and says how much of the prompt is in it. At least one token is always computed.
func (m *mockOllama) take(prompt string, predict int, tokens []int64) (slot, found int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	slot, found = -1, -1
	for i, s := range m.slots {
		if s.busy {
			continue
		}
		common := 0
		for common < len(s.tokens) && common < len(tokens) && s.tokens[common] == tokens[common] {
			common++
		}
		if common > found {
			slot, found = i, common
		}
	}
	m.slots[slot].busy = true
	found = min(found, len(tokens)-1)
	m.found = append(m.found, mockFound{prompt, predict, found})
	return slot, found
}

// since are the requests after the first n.
func (m *mockOllama) since(n int) []mockFound {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.found[n:])
}
