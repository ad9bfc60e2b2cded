package backend

import (
	"errors"
	"fmt"
	"testing"
)

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

func TestFoldersOfModelsAreNotPublished(t *testing.T) {
	for model, want := range map[string]string{"gpt2": "gpt2", "openai-community/gpt2": "openai-community/gpt2", "/home/me/gpt2": "gpt2",
		"~/models/gpt2": "gpt2", `\\nas\models\gpt2`: "gpt2", "": ""} {
		if got := publicName(model); got != want {
			t.Errorf("%q: saw %q, want %q", model, got, want)
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
