package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
)

// TestServersReachTheBackends: what the flags say is in the environment when a command runs, a subcommand too.
func TestServersReachTheBackends(t *testing.T) {
	for _, name := range []string{backend.EnvOllamaHost, backend.EnvOpenAIURL, backend.EnvOpenAIModel} {
		t.Setenv(name, "before")
	}
	var out, errs bytes.Buffer
	args := []string{"bh-run", "--ollama-url", "127.0.0.1:1", "--openai-url=http://127.0.0.1:2/v1", "doctor", "--json"}
	if code := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != cli.ExitOK {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for name, want := range map[string]string{
		backend.EnvOllamaHost: "127.0.0.1:1", backend.EnvOpenAIURL: "http://127.0.0.1:2/v1", backend.EnvOpenAIModel: "before",
	} {
		if got := os.Getenv(name); got != want {
			t.Errorf("$%s: saw %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(out.String(), string(backend.ServerNotFound)) {
		t.Errorf("the doctor found a server where there is none: %s", out.String())
	}
}

// TestAddressesAreNotPublished: the command line that goes into the manifest names no server.
func TestAddressesAreNotPublished(t *testing.T) {
	s := Servers{OllamaURL: "gpu7.example.org", OpenAIURL: "https://gpu8.example.org/v1", OpenAIModel: "m"}
	got := s.hidden([]string{"bh-run", "--ollama-url", "gpu7.example.org", "--openai-url=https://gpu8.example.org/v1", "--openai-model", "m"})
	if want := []string{"bh-run", "--ollama-url", "URL", "--openai-url=URL", "--openai-model", "m"}; !slices.Equal(got, want) {
		t.Errorf("saw %q, want %q", got, want)
	}
}
