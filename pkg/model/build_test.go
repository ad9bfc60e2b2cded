package model_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/units"
)

// The weights of a seed must not change between versions of bh, machines or numbers of cores, or results with one seed
// would not be comparable.
const tinySHA256 = "5d1310b0964483a08c28ea2ae581cfac9679a74a70c5b36ab5d3555ed3c8af16"

func TestBuildIsPinned(t *testing.T) {
	var done, total units.Bytes
	dir := filepath.Join(t.TempDir(), "m")
	f, err := model.Build(context.Background(), model.PresetTiny, dir, 42, func(d, n units.Bytes) {
		if d <= done && d != 0 {
			t.Errorf("progress: saw %d after %d", d, done)
		}
		done, total = d, n
	})
	if err != nil {
		t.Fatal(err)
	}
	if f.WeightsSHA256 != tinySHA256 {
		t.Errorf("SHA-256 of the weights: saw %s, want %s", f.WeightsSHA256, tinySHA256)
	}
	if err := f.Verify(context.Background()); err != nil {
		t.Error(err)
	}
	if f.Name != "gpt2-tiny-seeded" || f.Seed == nil || *f.Seed != 42 {
		t.Errorf("saw name %q and seed %v, want gpt2-tiny-seeded and 42", f.Name, f.Seed)
	}
	if both := size(t, f.SafetensorsPath()) + size(t, f.GGUFPath()); done != total || total != both {
		t.Errorf("progress ended at %d of %d, want %d, the size of both files with weights", done, total, both)
	}
}

func size(t *testing.T, path string) units.Bytes {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return units.Bytes(info.Size())
}

func TestBuildLeavesAMatchingFolderAlone(t *testing.T) {
	f := shared(t, tiny)
	before := modified(t, f.SafetensorsPath())
	again, err := model.Build(context.Background(), model.PresetTiny, f.Dir, model.DefaultSeed, func(units.Bytes, units.Bytes) {
		t.Error("the weights were written again")
	})
	if err != nil {
		t.Fatal(err)
	}
	if again.WeightsSHA256 != f.WeightsSHA256 || modified(t, f.SafetensorsPath()) != before {
		t.Error("the folder changed")
	}
}

// modified is the identity of a file's content: renaming another file over it changes it.
func modified(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String()
}

func TestBuildReplacesWhatItCanBuildAgain(t *testing.T) {
	for name, damage := range map[string]func(*testing.T, *model.Folder) uint64{
		"other seed": func(*testing.T, *model.Folder) uint64 { return 43 },
		"missing graph": func(t *testing.T, f *model.Folder) uint64 {
			if err := os.Remove(f.ONNXPath()); err != nil {
				t.Error(err)
			}
			return 42
		},
		"missing GGUF": func(t *testing.T, f *model.Folder) uint64 {
			if err := os.Remove(f.GGUFPath()); err != nil {
				t.Error(err)
			}
			return 42
		},
		"cut weights": func(t *testing.T, f *model.Folder) uint64 {
			if err := os.Truncate(f.SafetensorsPath(), 1000); err != nil {
				t.Error(err)
			}
			return 42
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := private(t, tiny)
			seed := damage(t, f)
			again, err := model.Build(context.Background(), model.PresetTiny, f.Dir, seed, nil)
			if err != nil {
				t.Fatal(err)
			}
			if *again.Seed != seed || (again.WeightsSHA256 == f.WeightsSHA256) != (seed == 42) {
				t.Errorf("saw seed %d and weights %s", *again.Seed, again.WeightsSHA256)
			}
			onlyEntry(t, filepath.Dir(f.Dir))
		})
	}
}

// onlyEntry demands that nothing but the model folder stands in its parent: no temporary folder was left.
func onlyEntry(t *testing.T, parent string) {
	t.Helper()
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Errorf("saw %v in the parent (%v), want the model folder alone", entries, err)
	}
}

func TestBuildRefuses(t *testing.T) {
	imported := shared(t, small)
	foreign := t.TempDir()
	write(t, filepath.Join(foreign, "model.safetensors"), "precious")
	noted := private(t, tiny)
	write(t, filepath.Join(noted.Dir, "notes.txt"), "mine")
	cutting(model.ONNXFile, 0)(t, noted.Dir)
	for _, c := range []struct{ name, preset, dir, want string }{
		{"unknown preset", "gpt3", t.TempDir(), `model preset: saw "gpt3", want one of gpt2-124m, gpt2-tiny`},
		{"imported model", model.PresetTiny, imported.Dir, "it holds the imported model small"},
		{"foreign files", model.PresetTiny, foreign, "it holds files and is no model folder"},
		{"a model and notes", model.PresetTiny, noted.Dir, "it also holds notes.txt"},
		{"a file", model.PresetTiny, filepath.Join(foreign, "model.safetensors"), "not a directory"},
	} {
		_, err := model.Build(context.Background(), c.preset, c.dir, 42, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || cli.ExitCode(err) != cli.ExitBadInput {
			t.Errorf("%s: saw error %v with exit code %d, want %q with 2", c.name, err, cli.ExitCode(err), c.want)
		}
	}
	if data, err := os.ReadFile(filepath.Join(foreign, "model.safetensors")); string(data) != "precious" {
		t.Errorf("foreign file: saw %q, %v, want it untouched", data, err)
	}
}

func TestBuildInterruptedLeavesNothing(t *testing.T) {
	parent := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	_, err := model.Build(ctx, model.PresetTiny, filepath.Join(parent, "m"), 42, func(done, total units.Bytes) {
		if done > total/2 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || cli.ExitCode(err) != cli.ExitInterrupted {
		t.Errorf("saw error %v with exit code %d, want context.Canceled with 130", err, cli.ExitCode(err))
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 0 {
		t.Errorf("saw %v, %v, want an empty folder", entries, err)
	}
}

func TestBuildAtTheSameTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "m")
	var wait sync.WaitGroup
	for range 2 {
		wait.Go(func() {
			if f, err := model.Build(context.Background(), model.PresetTiny, dir, 42, nil); err != nil || f.WeightsSHA256 != tinySHA256 {
				t.Errorf("saw %+v, %v", f, err)
			}
		})
	}
	wait.Wait()
	onlyEntry(t, filepath.Dir(dir))
}

func TestPresets(t *testing.T) {
	for name, want := range map[string]int64{ // transformers 5.23.0: sum(p.numel() for p in m.parameters())
		model.PresetGPT2: 124439808,
		model.PresetTiny: 1666464,
	} {
		c, err := model.Preset(name)
		if err != nil || c.Parameters() != want || c.Validate() != nil {
			t.Errorf("%s: saw %d parameters (%v, %v), want %d", name, c.Parameters(), err, c.Validate(), want)
		}
	}
	if len(model.Presets()) != 2 {
		t.Errorf("saw presets %v, want the two tested here", model.Presets())
	}
}

func TestDefaultDirs(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", filepath.FromSlash("/cache"))
	for src, want := range map[string]string{
		"/models/gpt2": "gpt2",
		"/hub/models--openai-community--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e": "gpt2",
		"/hub/models--gpt2/snapshots/607a30d783dfa663caf39e06633721c8d4cfcd7e":                   "gpt2",
	} {
		got, err := model.ImportDir(filepath.FromSlash(src))
		if err != nil || filepath.Base(got) != want || filepath.Base(filepath.Dir(got)) != "models" {
			t.Errorf("ImportDir(%s) = %s, %v, want .../models/%s", src, got, err, want)
		}
	}
	if got, err := model.DefaultDir(model.PresetGPT2); err != nil || filepath.Base(got) != "gpt2-124m-seeded" {
		t.Errorf("DefaultDir = %s, %v, want .../gpt2-124m-seeded", got, err)
	}
	if _, err := model.DefaultDir("gpt3"); cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("DefaultDir(gpt3): saw error %v, want bad input", err)
	}
}
