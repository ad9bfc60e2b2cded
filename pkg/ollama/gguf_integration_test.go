//go:build integration

package ollama_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

const newTokens = 16

// TestSlowGGUF gives model.gguf to the pinned server and demands, token for token, what the plain Go model says of the tiny
// GPT-2, and ONNX Runtime of the one with 124M parameters.
func TestSlowGGUF(t *testing.T) {
	s := startServer(t)
	for preset, reference := range map[string]func(*testing.T, *model.Folder, []workload.Prompt) [][]int64{
		model.PresetTiny: plainGo, model.PresetGPT2: onnxRuntime,
	} {
		t.Run(preset, func(t *testing.T) {
			f, err := model.Build(t.Context(), preset, filepath.Join(t.TempDir(), preset), model.DefaultSeed, nil)
			if err != nil {
				t.Fatal(err)
			}
			register(t, s.URL, f)
			list := prompts(t)
			for i, want := range reference(t, f, list) {
				p := list[i]
				got := generate(t, s.URL, f.Name, p.Texts[0], newTokens)
				if got.prompt != p.Tokens() {
					t.Errorf("prompt of %d tokens: the server counts %d", p.Tokens(), got.prompt)
				}
				if !slices.Equal(got.tokens, want) {
					t.Errorf("prompt of %d tokens: saw %v, want %v", p.Tokens(), got.tokens, want)
				}
			}
		})
	}
}

// prompts are texts of one word to a quarter of the context, one of them in several scripts.
func prompts(t *testing.T) []workload.Prompt {
	t.Helper()
	var list []workload.Prompt
	for _, text := range []string{" apple", "Hello, world!", "naïve café 東京 🚀 1234567 don't we've\n\n\tx"} {
		p, err := workload.FromText([]string{text}, 1)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	for _, n := range []int{8, 27, 64, 256} {
		p, err := workload.FromCounts(1, n, workload.VocabSize, 42, "gguf")
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func plainGo(t *testing.T, f *model.Folder, list []workload.Prompt) [][]int64 {
	t.Helper()
	m, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]int64
	for _, p := range list {
		out = append(out, m.Greedy(p.IDs[0], newTokens))
	}
	return out
}

func onnxRuntime(t *testing.T, f *model.Folder, list []workload.Prompt) [][]int64 {
	t.Helper()
	b, _ := backend.Lookup("onnxruntime-cpu")
	e, err := b.Open(t.Context(), backend.Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // the test is about tokens
	var out [][]int64
	for _, p := range list {
		job, err := e.Prepare(backend.Task{Mode: record.GenerateCached, Prompt: p, MaxNewTokens: newTokens})
		if err != nil {
			t.Fatal(err)
		}
		r, err := job.Run()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, slices.Clone(r.Output[0]))
		if err := job.Close(); err != nil {
			t.Error(err)
		}
	}
	return out
}

// TestSlowCacheUse demands that the server's log tells what came from its cache, and that a prompt with another first token
// in between empties it.
func TestSlowCacheUse(t *testing.T) {
	s := startServer(t)
	f, err := model.Build(t.Context(), model.PresetTiny, filepath.Join(t.TempDir(), "tiny"), model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	register(t, s.URL, f)
	const prompt, other = " The same words again", "else"
	for _, c := range []struct {
		prompts []string
		want    ollama.CacheUse
	}{
		{[]string{prompt}, ollama.CacheUse{Prompts: 1}},
		{[]string{prompt}, ollama.CacheUse{Prompts: 1, Tokens: 3}}, // the last token is always computed
		{[]string{other, prompt}, ollama.CacheUse{Prompts: 2}},
		{[]string{prompt + " and again"}, ollama.CacheUse{Prompts: 1, Tokens: 4}},
	} {
		mark, err := s.Mark()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.prompts {
			generate(t, s.URL, f.Name, p, 1)
		}
		if use, err := s.CacheUse(mark); err != nil || use != c.want {
			t.Errorf("%q: saw %+v, %v, want %+v", c.prompts, use, err, c.want)
		}
	}
}

// TestSlowServerEndsWithItsParent kills the process that has started a server while that server works.
func TestSlowServerEndsWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a process to its parent")
	}
	f, err := model.Build(t.Context(), model.PresetTiny, filepath.Join(t.TempDir(), "tiny"), model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0]) // TestMain of server_test.go
	parent.Env = append(os.Environ(), "FAKE_OLLAMA=parent", "FAKE_SERVER="+find(t).Path, "FAKE_MODELS="+t.TempDir())
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	var url string
	if _, err := fmt.Fscan(out, &pid, &url); err != nil {
		t.Fatal(err)
	}
	register(t, url, f)
	generate(t, url, f.Name, " work", 1)
	pids := append(children(t, pid), pid)
	if len(pids) < 2 {
		t.Errorf("saw no runner below the server, process %d", pid)
	}
	go keepBusy(url, f.Name)
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // it was killed
	for end := time.Now().Add(20 * time.Second); len(pids) > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		pids = slices.DeleteFunc(pids, func(pid int) bool { return syscall.Kill(pid, 0) != nil })
	}
	if len(pids) > 0 {
		t.Errorf("processes %v are still there", pids)
	}
}

// keepBusy sends work until the server is gone.
func keepBusy(url, name string) {
	body := fmt.Sprintf(`{"model": %q, "prompt": " work", "raw": true, "options": {"num_ctx": 1024, "num_thread": 2}}`, name)
	for {
		res, err := http.Post(url+"/api/generate", "application/json", strings.NewReader(body))
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, res.Body)
		if errors.Join(err, res.Body.Close()) != nil {
			return
		}
	}
}

// children are the processes that pid has started.
func children(t *testing.T, pid int) []int {
	t.Helper()
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var list []int
	for _, name := range tasks {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(data)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err != nil {
				t.Fatal(err)
			}
			list = append(list, child)
		}
	}
	return list
}

func find(t *testing.T) ollama.Binary {
	t.Helper()
	b, err := ollama.Find()
	if err != nil {
		t.Fatalf("%v; `make setup-ollama` builds it", err)
	}
	return b
}

func startServer(t *testing.T) *ollama.Server {
	t.Helper()
	s, err := ollama.Start(t.Context(), find(t), ollama.Options{ModelsDir: filepath.Join(t.TempDir(), "store")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// register gives the server the model under its folder's name.
func register(t *testing.T, url string, f *model.Folder) {
	t.Helper()
	file, err := os.Open(f.GGUFPath())
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // opened for reading
	digest := "sha256:" + f.GGUFSHA256
	res, err := http.Post(url+"/api/blobs/"+digest, "application/octet-stream", file)
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("upload: saw %s, %v", res.Status, err)
	}
	for _, line := range post(t, url+"/api/create", map[string]any{"model": f.Name, "files": map[string]string{model.GGUFFile: digest}}) {
		if line.Error != "" {
			t.Fatal(line.Error)
		}
	}
}

// answer is a line of the server's.
type answer struct {
	Error    string
	Done     bool
	Prompt   int `json:"prompt_eval_count"`
	Logprobs []struct{ Bytes []int }
}

func post(t *testing.T, url string, body any) []answer {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url, "application/json", bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	var list []answer
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		list = append(list, a)
	}
	return list
}

// generated is what the server made of a prompt.
type generated struct {
	prompt int
	tokens []int64
}

// generate decodes greedily. The penalty of 1 is none: the server's default of 1.1 chooses other tokens.
func generate(t *testing.T, url, name, prompt string, n int) generated {
	t.Helper()
	lines := post(t, url+"/api/generate", map[string]any{
		"model": name, "prompt": prompt, "raw": true, "logprobs": true,
		"options": map[string]any{"temperature": 0, "repeat_penalty": 1, "num_predict": n, "num_ctx": 1024, "num_thread": 2},
	})
	var out generated
	for _, a := range lines {
		if a.Error != "" {
			t.Fatal(a.Error)
		}
		out.prompt += a.Prompt // only the last line has it
		for _, l := range a.Logprobs {
			token := make([]byte, len(l.Bytes))
			for i, b := range l.Bytes {
				token[i] = byte(b)
			}
			id, ok := workload.TokenID(token)
			if !ok {
				t.Errorf("%q is no token", token)
			}
			out.tokens = append(out.tokens, id)
		}
	}
	if len(lines) == 0 || !lines[len(lines)-1].Done {
		t.Errorf("prompt %q: the answer has no end", prompt)
	}
	return out
}
