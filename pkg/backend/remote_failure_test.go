package backend

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/ollama"
	"github.com/banterhearts/bh/pkg/record"
)

// TestServersThatDoNotAnswer: both backends give the same reason, and say where they asked, for how long, and what to do.
func TestServersThatDoNotAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    Reason
		text    []string
	}{
		"hangs": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the end of the connection is seen
			<-r.Context().Done()
		}, ServerNotFound, []string{"(127.0.0.1:", "nothing came within 300ms"}},
		"closes": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ServerNotFound, []string{"(127.0.0.1:", "EOF"}},
		"fails":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) }, ServerRefused, []string{"status 500", "broken"}},
		"babble": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }, ServerRefused, []string{"makes no sense"}},
	} {
		s := httptest.NewServer(c.handler)
		defer s.Close()
		t.Setenv(EnvOllamaHost, s.URL)
		t.Setenv(EnvOpenAIURL, s.URL)
		for _, b := range []string{"ollama", "openai"} {
			backend, _ := Lookup(b)
			var missing *Unavailable
			if err := backend.Check(); !errors.As(err, &missing) || missing.Reason != c.want || c.want == ServerNotFound && missing.Remedy == "" {
				t.Errorf("%s: %s: saw %v, want %s", b, name, err, c.want)
				continue
			}
			for _, text := range c.text {
				if !strings.Contains(missing.Detail, text) {
					t.Errorf("%s: %s: saw %q, want %q in it", b, name, missing.Detail, text)
				}
			}
		}
	}
}

// TestOwnServerWithoutATemporaryFolder: the folder is missing, and not the server.
func TestOwnServerWithoutATemporaryFolder(t *testing.T) {
	if l, err := net.Listen("tcp", ollamaDefault); err != nil {
		t.Skip("a server of the user's is at Ollama's usual port, and would be taken")
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "ollama")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	folder := smallModel(t, eosOfMock).Dir
	for name, value := range map[string]string{EnvOllamaHost: "", EnvOpenAIURL: "", envOpenAIBase: "", ollama.EnvVar: program,
		"HOME": t.TempDir(), "XDG_CACHE_HOME": t.TempDir(), "TMPDIR": "/nonexistent"} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"ollama", "openai"} {
		b, _ := Lookup(name)
		_, err := b.Open(t.Context(), Spec{ModelDir: folder, Precision: "fp32", Threads: 1})
		wantMissing(t, err, FolderNotFound, "set TMPDIR")
	}
}

func TestOllamaHostThatIsNoAddress(t *testing.T) {
	b, _ := Lookup("ollama")
	for host, text := range map[string]string{"garbage://": `saw the scheme "garbage", want an address such as http://`, "http://a b": "saw no host"} {
		t.Setenv(EnvOllamaHost, host)
		var missing *Unavailable
		if err := b.Check(); !errors.As(err, &missing) || missing.Reason != ServerNotFound || !strings.Contains(missing.Detail, text) {
			t.Errorf("%s: saw %v, want %q", host, err, text)
		}
	}
}

// TestKeyThatCannotBeSent: it is the key that is wrong, and not the server; it is not shown.
func TestKeyThatCannotBeSent(t *testing.T) {
	startOpenAI(t, &mockOpenAI{models: []string{"gpt2"}, stream: always("openai_completions")})
	t.Setenv(envOpenAIKey, "sk-first\nsk-second")
	b, _ := Lookup("openai")
	_, opened := openMock(t, nil)
	for _, err := range []error{b.Check(), opened} {
		var missing *Unavailable
		if !errors.As(err, &missing) || missing.Reason != KeyInvalid || missing.Remedy == "" || strings.Contains(err.Error(), "sk-") {
			t.Errorf("saw %v, want key_invalid", err)
		}
	}
}

// TestRehearsalBreaks: a server that has begun to answer is there, so what breaks then is an error and no absence.
func TestRehearsalBreaks(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want Reason
		text string
	}{
		"broken JSON":        {"data: {\"choices\":[{\"te\n\n", RunFailed, "no JSON"},
		"ends in the middle": {"data: {\"choices\":[{\"text\":\" a\"}]}\n\n", AnswerCut, "in the middle"},
		"connection breaks":  {"", ServerLost, "EOF"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				_, _ = io.WriteString(w, `{"data":[{"id":"gpt2"}]}`)
				return
			}
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"text\":\" a\"}]}\n\n"+c.body)
			w.(http.Flusher).Flush()
			if c.body == "" {
				panic(http.ErrAbortHandler)
			}
		}))
		defer s.Close()
		t.Setenv(EnvOpenAIURL, s.URL)
		t.Setenv(EnvOpenAIModel, "")
		_, _, err := prepareMock(t, nil, Task{Mode: record.GenerateCached, Prompt: foxPrompt(1), MaxNewTokens: 4})
		var broken *RunError
		if !errors.As(err, &broken) || broken.Reason != c.want || !strings.Contains(broken.Detail, c.text) {
			t.Errorf("%s: saw %v, want %s with %q", name, err, c.want, c.text)
		}
	}
}
