package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
)

// tinyFolder is a model of the tiny preset's shape whose greedy decoding wanders. That of the presets' own seeded weights
// repeats a token soon, which would hide a wrong position or a stale cache.
func tinyFolder(t *testing.T) *model.Folder {
	t.Helper()
	cfg := mustPreset()
	src := t.TempDir()
	if err := modeltest.WriteHuggingFace(src, cfg, modeltest.Weights(cfg, 7)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), "tiny"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// plainGreedy decodes with the independent forward pass of package modeltest.
func plainGreedy(f *model.Folder) func(*testing.T, []string, int) [][]int64 {
	return func(t *testing.T, texts []string, newTokens int) [][]int64 {
		t.Helper()
		ref, err := modeltest.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		var out [][]int64
		for _, text := range texts {
			got := ref.Greedy(prompt(t, text).IDs[0], newTokens)
			if len(got) != newTokens {
				t.Fatalf("%q leads to EOS after %d tokens: choose another prompt", text, len(got))
			}
			out = append(out, slices.Clone(got))
		}
		return out
	}
}

// copyFolder copies a model folder.
func copyFolder(t *testing.T, f *model.Folder) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(f.Dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// withEOS is a model of the same weights with another end of sequence.
func withEOS(t *testing.T, f *model.Folder, eos int64) *model.Folder {
	t.Helper()
	src := t.TempDir()
	if err := os.Symlink(f.SafetensorsPath(), filepath.Join(src, model.WeightsFile)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(f.Dir, model.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	config["eos_token_id"] = eos
	if data, err = json.Marshal(config); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src, model.ConfigFile), data, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), "eos"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
