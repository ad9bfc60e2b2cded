package backend

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// textPrompt is a batch of texts.
func textPrompt(t *testing.T, texts ...string) workload.Prompt {
	t.Helper()
	p, err := workload.FromText(texts, len(texts))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestOllamaAddress(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"127.0.0.1":                 "http://127.0.0.1:11434",
		"127.0.0.1:1234":            "http://127.0.0.1:1234",
		"0.0.0.0":                   "http://127.0.0.1:11434",
		":5000":                     "http://127.0.0.1:5000",
		"[::]:5000":                 "http://[::1]:5000",
		"::1":                       "http://[::1]:11434",
		"[2001:db8::1]:5000":        "http://[2001:db8::1]:5000",
		"example.com":               "http://example.com:11434",
		"http://example.com":        "http://example.com:80",
		"https://example.com":       "https://example.com:443",
		"https://example.com:5000/": "https://example.com:5000",
		"example.com/ollama":        "http://example.com:11434/ollama",
		"example.com:99999":         "http://example.com:11434",
		"  'example.com:1' ":        "http://example.com:1",
	} {
		t.Setenv(EnvOllamaHost, text)
		got := ""
		u, err := ollamaAddress()
		if err != nil {
			t.Errorf("%q: saw %v", text, err)
		}
		if u != nil {
			got = u.Scheme + "://" + u.Host
			if u.Path != "" {
				got += "/" + strings.Trim(u.Path, "/")
			}
		}
		if got != want {
			t.Errorf("%q: saw %q, want %q", text, got, want)
		}
	}
}

// tinyModel is the smallest folder that has a GGUF.
func tinyModel(t *testing.T) *model.Folder {
	t.Helper()
	f, err := model.Build(t.Context(), model.PresetTiny, filepath.Join(t.TempDir(), "tiny"), model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestOllamaGetsTheModelOnce: the first opening uploads and creates it, later ones find it.
func TestOllamaGetsTheModelOnce(t *testing.T) {
	m, f := startOllama(t, 1), tinyModel(t)
	b, _ := Lookup("ollama")
	spec := Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 3}
	for i := range 2 {
		e, err := b.Open(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		info := e.Info()
		name := fmt.Sprintf("bh-gpt2-tiny-seeded-%s:v1-threads-3", f.GGUFSHA256[:12])
		if info["served_as"] != name || info["library"] != "Ollama 0.17.4" || info["server_at"] != "local" || info["weights"] != f.WeightsSHA256 ||
			info["gguf"] != f.GGUFSHA256 || info["client_overhead_ttft_median_us"] == "" {
			t.Errorf("saw %v", info)
		}
		p := m.models[name]
		if p["num_ctx"] != 1024.0 || p["num_thread"] != 3.0 || p["num_gpu"] != 0.0 || p["repeat_penalty"] != 1.0 {
			t.Errorf("saw parameters %v", p)
		}
		if m.uploads != 1 || len(m.models) != 1 {
			t.Errorf("opening %d: saw %d uploads and models %v", i+1, m.uploads, m.models)
		}
		if pids := e.(Remote).Processes(); pids != nil {
			t.Errorf("saw processes %v of a server that is not ours", pids)
		}
		job, err := e.Prepare(Task{Mode: record.GenerateCached, Prompt: textPrompt(t, "Hello world"), MaxNewTokens: 3})
		if err != nil {
			t.Fatal(err)
		}
		got, err := job.Run()
		if err != nil || len(got.Output) != 1 || !slices.Equal(got.Output[0], []int64{257, 257, 257}) || len(got.ITL) != 2 || got.Server.Load != 7 {
			t.Errorf("saw %+v, %v", got, err)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

// damageGGUF changes one bit of the model's GGUF, and not its length.
func damageGGUF(t *testing.T, f *model.Folder) {
	t.Helper()
	data, err := os.ReadFile(f.GGUFPath())
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(f.GGUFPath(), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOllamaRefusesOtherWeights(t *testing.T) {
	startOllama(t, 1)
	f := tinyModel(t)
	damageGGUF(t, f)
	b, _ := Lookup("ollama")
	var missing *Unavailable
	if _, err := b.Open(t.Context(), Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 1}); !errors.As(err, &missing) || missing.Reason != ModelFailed {
		t.Errorf("saw %v", err)
	}
	if _, err := b.Open(t.Context(), Spec{ModelDir: t.TempDir()}); !errors.As(err, &missing) || missing.Reason != ModelNotFound {
		t.Errorf("no model: saw %v", err)
	}
}

func TestOllamaSaysWhatIsMissing(t *testing.T) {
	m, f := startOllama(t, 1), tinyModel(t)
	open := func(name string, settings map[string]string) error {
		b, _ := Lookup(name)
		_, err := b.Open(t.Context(), Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 1, Settings: settings})
		return err
	}
	var missing *Unavailable
	m.fail = func(ollamaRequest) (int, string) {
		return http.StatusInternalServerError, `{"error":"unable to load model"}`
	}
	for _, name := range []string{"ollama", "openai"} {
		if err := open(name, nil); !errors.As(err, &missing) || missing.Reason != ModelFailed || !strings.Contains(missing.Detail, "unable to load") {
			t.Errorf("%s: a model that does not load: saw %v", name, err)
		}
		if err := open(name, map[string]string{settingParallel: "2"}); !errors.As(err, &missing) || missing.Reason != SettingUnsupported {
			t.Errorf("%s: a setting of the server's own: saw %v", name, err)
		}
	}
	m.Close()
	for _, name := range []string{"ollama", "openai"} {
		b, _ := Lookup(name)
		if err := b.Check(); !errors.As(err, &missing) || missing.Reason != ServerNotFound || missing.Remedy != ollamaRemedy {
			t.Errorf("%s: no server at OLLAMA_HOST: saw %v", name, err)
		}
		if err := open(name, nil); !errors.As(err, &missing) || missing.Reason != ServerNotFound {
			t.Errorf("%s: open: saw %v", name, err)
		}
	}
}

func TestOllamaProbe(t *testing.T) {
	startOllama(t, 1)
	for _, name := range []string{"ollama", "openai"} {
		b, _ := Lookup(name)
		if err := b.Check(); err != nil {
			t.Errorf("%s: saw %v", name, err)
		}
		if got, want := fmt.Sprint(b.Probe()), "map[models:2 server:Ollama 0.17.4 server at:local]"; got != want {
			t.Errorf("%s: saw %s, want %s", name, got, want)
		}
	}
}

// TestOllamaAnswers holds what becomes of an answer that is not the usual one.
func TestOllamaAnswers(t *testing.T) {
	line := func(text string) func(ollamaRequest) (int, string) {
		return func(q ollamaRequest) (int, string) {
			if q.Options["num_predict"] != 5.0 { // of a rehearsal, or to empty the cache
				return 0, ""
			}
			return http.StatusOK, text
		}
	}
	done := `{"done":true,"done_reason":"%s","prompt_eval_count":2,"eval_count":%d}` + "\n"
	for name, c := range map[string]struct {
		fail func(ollamaRequest) (int, string)
		ids  []int64
		flag Flag
		text string // of the error
		why  Reason // of the error; empty: run_failed
	}{
		"EOS":           {fail: line(`{"response":" a"}` + "\n" + fmt.Sprintf(done, "stop", 2)), ids: []int64{257, workload.EOS}},
		"EOS at once":   {fail: line(fmt.Sprintf(done, "stop", 1)), ids: []int64{workload.EOS}},
		"merged":        {fail: line(`{"response":"東京"}` + "\n" + fmt.Sprintf(done, "length", 5)), flag: MergedTokens},
		"swallowed":     {fail: line(fmt.Sprintf(done, "length", 5)), flag: MergedTokens},
		"repetition":    {fail: line(strings.Repeat(`{"response":" a"}`+"\n", 31)), text: "the last 31 of them equal", why: AnswerCut},
		"not done":      {fail: line(`{"response":" a"}` + "\n"), text: "after 1 pieces", why: AnswerCut},
		"too few":       {fail: line(`{"response":" a"}` + "\n" + fmt.Sprintf(done, "length", 4)), text: "after 4 tokens, want 5", why: AnswerCut},
		"error":         {fail: line(`{"error":"model runner has unexpectedly stopped"}`), text: "unexpectedly stopped"},
		"other reason":  {fail: line(fmt.Sprintf(done, "unload", 1)), text: `"unload"`},
		"no JSON":       {fail: line("oops\n"), text: "no JSON"},
		"too many":      {fail: line(strings.Repeat(`{"response":" a"}`+"\n", 6) + fmt.Sprintf(done, "length", 6)), text: "want at most 5", why: AnswerTooLong},
		"more than all": {fail: line(`{"response":" a"}` + "\n" + `{"response":" a"}` + "\n" + fmt.Sprintf(done, "length", 1)), text: "2 pieces"},
		"status": {fail: func(q ollamaRequest) (int, string) {
			if q.Options["num_predict"] != 5.0 {
				return 0, ""
			}
			return http.StatusServiceUnavailable, `{"error":"server busy"}`
		}, text: "server busy"},
	} {
		m := startOllama(t, 1)
		m.fail = c.fail
		j, err := m.engine(t, false).Prepare(Task{Mode: record.GenerateCached, Prompt: textPrompt(t, "Hello world"), MaxNewTokens: 5})
		if err != nil {
			t.Fatal(err)
		}
		got, err := j.Run()
		var broken *RunError
		if c.text != "" {
			if want := cmp.Or(c.why, RunFailed); !errors.As(err, &broken) || broken.Reason != want || !strings.Contains(broken.Detail, c.text) {
				t.Errorf("%s: saw %v, want %s with %q", name, err, want, c.text)
			}
			continue
		}
		if err != nil || c.ids == nil && got.Output != nil || c.ids != nil && !slices.Equal(got.Output[0], c.ids) ||
			c.flag != "" && !slices.Contains(got.Flags, c.flag) || got.Latency <= 0 {
			t.Errorf("%s: saw %+v, %v", name, got, err)
		}
	}
}

func TestOllamaCountsOtherwise(t *testing.T) {
	m := startOllama(t, 1)
	m.change = func(l *ollamaLine) { l.Prompt++ }
	_, err := m.engine(t, false).Prepare(Task{Mode: record.Prefill, Prompt: textPrompt(t, "Hello world")})
	var missing *Unavailable
	if !errors.As(err, &missing) || missing.Reason != PromptUnsupported || !strings.Contains(missing.Detail, "counts 3 tokens, want 2") {
		t.Errorf("saw %v", err)
	}
	if _, err := m.engine(t, false).Prepare(Task{Mode: record.Generate}); !errors.As(err, &missing) || missing.Reason != ModeUnsupported {
		t.Errorf("saw %v", err)
	}
}

// TestOllamaSeesAChangedGGUF also where the server has the model by its hash from an earlier time.
func TestOllamaSeesAChangedGGUF(t *testing.T) {
	m, f := startOllama(t, 1), tinyModel(t)
	open := func(name string) error {
		b, _ := Lookup(name)
		e, err := b.Open(t.Context(), Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 2})
		if err != nil {
			return err
		}
		return e.Close()
	}
	if err := open("ollama"); err != nil || m.uploads != 1 {
		t.Fatalf("saw %d uploads, %v", m.uploads, err)
	}
	damageGGUF(t, f)
	t.Setenv(EnvOpenAIURL, m.URL)
	t.Setenv(EnvOpenAIModel, "")
	for _, name := range []string{"ollama", "openai"} {
		var missing *Unavailable
		if err := open(name); !errors.As(err, &missing) || missing.Reason != ModelFailed || !strings.Contains(missing.Detail, "saw SHA-256") {
			t.Errorf("%s: saw %v, want model_failed", name, err)
		}
	}
}

// TestOllamaIgnoresTheLimitOfARehearsal: it asks for one token.
func TestOllamaIgnoresTheLimitOfARehearsal(t *testing.T) {
	m := startOllama(t, 1)
	m.change = func(l *ollamaLine) { l.New += 2 }
	_, err := m.engine(t, false).Prepare(Task{Mode: record.Prefill, Prompt: textPrompt(t, "Hello world")})
	var broken *RunError
	if !errors.As(err, &broken) || broken.Reason != AnswerTooLong || !strings.Contains(broken.Detail, "want at most 1") {
		t.Errorf("saw %v, want answer_too_long", err)
	}
}

func TestOllamaIsLost(t *testing.T) {
	m := startOllama(t, 2)
	j, err := m.engine(t, false).Prepare(Task{Mode: record.GenerateCached, Prompt: textPrompt(t, "Hello world", "One"), MaxNewTokens: 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := j.(Readier).Ready(); err != nil {
		t.Fatal(err)
	}
	m.step = 20 * time.Millisecond
	time.AfterFunc(100*time.Millisecond, m.CloseClientConnections)
	_, err = j.Run()
	var broken *RunError
	if !errors.As(err, &broken) || broken.Reason != ServerLost {
		t.Errorf("saw %v", err)
	}
}

// BenchmarkOllamaPiece is what the client spends on one token: a line is taken apart and taken down.
func BenchmarkOllamaPiece(b *testing.B) {
	line := []byte(`{"model":"bh-gpt2-124m-seeded-ef31d4d21d2d:v1-threads-2","created_at":"2026-11-21T20:55:29.404536448Z","response":" lingering","done":false}`)
	q, a := &ollamaQuestion{}, &answer{}
	b.ReportAllocs()
	for b.Loop() {
		a.reset()
		if err := q.take(a, time.Millisecond, line); err != nil || len(a.arrived) != 1 {
			b.Fatal(err)
		}
	}
}
