package report

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
)

const planOfRuns = `experiment: tr122
model: gpt2-tiny
repetitions: 3
modes: [prefill, generate-cached]
backends: [onnxruntime-cpu, ollama, tensorrt]
scenarios:
  - {name: one, batch_size: 1, prompt_tokens: 100}
`

// TestOtherMatrixIsRefused: a report states the settings that were run, or none.
func TestOtherMatrixIsRefused(t *testing.T) {
	o := resourceFolder(t, nil)
	o.Matrix = filepath.Join(t.TempDir(), "matrix.yaml")
	ran := func(threads int, command ...string) {
		m, err := matrix.Parse("matrix.yaml", []byte(planOfRuns))
		if err != nil {
			t.Fatal(err)
		}
		if threads > 0 {
			m.SetThreads(threads)
		}
		data, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := manifest.Update(o.Dir, func(m *manifest.Manifest) error {
			m.Matrix, m.Invocations = data, []manifest.Invocation{{Command: command}}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	give := func(text string) (*Inputs, error) {
		if err := os.WriteFile(o.Matrix, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return Load(context.Background(), o)
	}
	ran(0, "bh-run")
	if _, err := give("# a comment\n" + planOfRuns); err != nil {
		t.Errorf("the matrix of the runs: %v", err)
	}
	for _, c := range []struct{ old, changed, want string }{
		{"repetitions: 3", "repetitions: 30", "field repetitions is 30, the runs had 3"},
		{"ollama", "{name: ollama, settings: {a: b}}", "field backends differs"},
		{"repetitions: 3", "threads: 4", "field threads is 4, the runs had 0"},
	} {
		_, err := give(strings.Replace(planOfRuns, c.old, c.changed, 1))
		if cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "leave --matrix out") {
			t.Errorf("%s: saw %v, want bad input that says %q", c.changed, err, c.want)
		}
	}
	ran(2, "bh-run", "--threads=2")
	in, err := give(planOfRuns)
	if err != nil || in.Matrix.Threads != 2 {
		t.Errorf("threads given beside the matrix: saw %v", err)
	}
}
