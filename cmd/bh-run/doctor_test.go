package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/cli"
)

// TestDoctorTakesServersAsThePlanDoes: behind the command's name too.
func TestDoctorTakesServersAsThePlanDoes(t *testing.T) {
	for _, name := range []string{backend.EnvOllamaHost, backend.EnvOpenAIURL, backend.EnvOpenAIModel} {
		t.Setenv(name, "")
	}
	for _, command := range []string{"doctor", "plan"} {
		var out, errs bytes.Buffer
		args := []string{"bh-run", command, "--openai-url", "http://127.0.0.1:1"}
		if code := run(t.Context(), args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &errs}); code != cli.ExitOK {
			t.Errorf("%s: exit code %d: %s", command, code, errs.String())
		}
	}
}

// TestDoctorSaysWhatIsFound: the summary of a backend is not what was found of it.
func TestDoctorSaysWhatIsFound(t *testing.T) {
	var out bytes.Buffer
	if err := writeDoctor(&out, []diagnosis{
		{Backend: "a", Summary: "library A 1.0", Detail: "no library A", Remedy: "get it"},
		{Backend: "b", Summary: "library B", Works: true, Found: map[string]string{"b": "2.0"}},
	}); err != nil {
		t.Fatal(err)
	}
	want := "\na: library A 1.0\n  found:   nothing\n  missing: no library A\n  mend:    get it\n\nb: library B\n  found:   b 2.0\n"
	if !strings.HasSuffix(out.String(), want) {
		t.Errorf("saw %s\nwant at its end %s", out.String(), want)
	}
}
