package backend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/runner"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/worker"
)

// asWorker makes the test binary a worker.
const asWorker = "BH_TEST_WORKER"

func TestMain(m *testing.M) {
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

const sentinel = "sk-SENTINEL/0123456789"

// talkative is a server that repeats the key wherever it can: in its version, in the names of its models, and in errors.
type talkative struct {
	t       *testing.T
	refuses string // what it answers with an error: models, prompt, run or stream
}

func (s *talkative) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	auth := r.Header.Get("Authorization")
	if auth != "Bearer "+sentinel {
		s.t.Errorf("%s: saw authorization %q", r.URL.Path, auth)
	}
	refuse := func(status int) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"message": "I do not like " + auth}})
	}
	switch r.URL.Path {
	case "/version":
		_ = json.NewEncoder(w).Encode(map[string]string{"version": "1 for " + auth})
	case "/v1/models":
		if s.refuses == "models" {
			refuse(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": []any{map[string]string{"id": "model of " + auth}}})
	case "/v1/completions":
		body, _ := io.ReadAll(r.Body)
		rehearsal := strings.Contains(string(body), "return_token_ids")
		switch {
		case s.refuses == "prompt", s.refuses == "run" && !rehearsal:
			refuse(http.StatusForbidden)
		case s.refuses == "stream" && !rehearsal:
			fmt.Fprintf(w, "data: {\"choices\":[{\"text\":\" a\"}]}\n\ndata: {\"error\":{\"message\":\"I do not like %s\"}}\n\n", auth)
		default:
			fmt.Fprint(w, `data: {"choices":[{"text":" a","finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}`+"\n\ndata: [DONE]\n\n")
		}
	default:
		http.NotFound(w, r)
	}
}

// TestKeyIsWrittenNowhere measures a matrix with a key, on servers that repeat it, and searches everything that bh wrote.
func TestKeyIsWrittenNowhere(t *testing.T) {
	folder, err := model.Build(t.Context(), model.PresetTiny, filepath.Join(t.TempDir(), "tiny"), model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("OPENAI_API_KEY", sentinel)
	t.Setenv(backend.EnvOpenAIModel, "")
	for refuses, want := range map[string]record.Status{
		"": record.OK, "models": record.Degraded, "prompt": record.Degraded, "run": record.Failed, "stream": record.Failed,
	} {
		t.Run(refuses, func(t *testing.T) {
			server := httptest.NewServer(&talkative{t: t, refuses: refuses})
			defer server.Close()
			t.Setenv(backend.EnvOpenAIURL, server.URL)
			dir := filepath.Join(t.TempDir(), "results")
			out := measureInto(t, dir, folder)
			if got := map[record.Status]int{record.OK: out.OK, record.Degraded: out.Degraded, record.Failed: out.Failed}; got[want] != out.Finished() {
				t.Errorf("saw %v, want all runs %s", got, want)
			}
			written := everything(t, dir)
			b, _ := backend.Lookup("openai")
			written["check"], written["probe"] = fmt.Sprint(b.Check()), fmt.Sprint(b.Probe())
			for name, text := range written {
				if strings.Contains(text, "SENTINEL") {
					at := strings.Index(text, "SENTINEL")
					t.Errorf("%s holds the key: …%s…", name, text[max(0, at-80):min(len(text), at+40)])
				}
			}
			if want == record.OK && !strings.Contains(written["manifest.json"], "client_overhead_ttft_median_us") {
				t.Error("the manifest does not say what the client takes")
			}
			if !strings.Contains(written["runs.jsonl"]+written["manifest.json"], "[key]") {
				t.Error("nothing was replaced: the server did not repeat the key")
			}
		})
	}
}

// measureInto measures a small matrix as bh-run does.
func measureInto(t *testing.T, dir string, folder *model.Folder) *runner.Outcome {
	t.Helper()
	m, err := matrix.Parse("key.yaml", []byte(`experiment: key
model: tiny
modes: [prefill, generate-cached]
repetitions: 2
warmups: 0
min_window: 0s
max_new_tokens: 1
timeout: 20s
backends: [openai]
scenarios:
  - {name: fox, prompts: ["The quick brown fox!"]}
`))
	if err != nil {
		t.Fatal(err)
	}
	f, err := runner.OpenFolder(t.Context(), runner.FolderOptions{Dir: dir, Matrix: m, Model: folder,
		Environment: manifest.Capture("/", "here"), Command: []string{"bh-run"}})
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	out, err := runner.Run(t.Context(), runner.Options{Matrix: m, Model: folder, Host: "here", Threads: 1, Worker: []string{os.Args[0]},
		Env: []string{asWorker + "=1"}, Sink: f, Progress: cli.NewProgress(&log, "measure", 4, 0, false)})
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{f.Note(out), f.Finish(t.Context()), f.Close()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "log"), []byte(log.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// everything is the text of all files below dir, those of compressed records as JSON.
func everything(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".parquet") {
			data, err = recordsAsText(t.Context(), path)
		}
		out[d.Name()] = string(data)
		return err
	})
	if err != nil || out["runs.jsonl"] == "" || out["runs.parquet"] == "" || out["manifest.json"] == "" {
		t.Fatalf("saw files %d, %v, want the records and the manifest", len(out), err)
	}
	return out
}

func recordsAsText(ctx context.Context, path string) (text []byte, err error) {
	_, err = store.Scan(ctx, store.Input{Paths: []string{path}}, store.Handlers{Run: func(r *record.Run) error {
		line, err := json.Marshal(r)
		text = append(text, line...)
		return err
	}})
	return text, err
}
