package model_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model"
)

func edit(t *testing.T, path, from, to string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte(from)) {
		t.Fatalf("%s does not hold %q", path, from)
	}
	if err := os.WriteFile(path, bytes.Replace(data, []byte(from), []byte(to), 1), 0o644); err != nil {
		t.Fatal(err)
	}
}

// damage changes a folder for the worse.
type damage func(t *testing.T, dir string)

func removing(name string) damage {
	return func(t *testing.T, dir string) {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func cutting(name string, size int64) damage {
	return func(t *testing.T, dir string) {
		if err := os.Truncate(filepath.Join(dir, name), size); err != nil {
			t.Fatal(err)
		}
	}
}

func editing(name, from, to string) damage {
	return func(t *testing.T, dir string) { edit(t, filepath.Join(dir, name), from, to) }
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		damage damage
		want   string
	}{
		"no folder":       {removing("."), "not a model folder"},
		"no bh_model":     {removing(model.MetaFile), "or `bh-run model import` of a Hugging Face folder"},
		"cut bh_model":    {cutting(model.MetaFile, 20), "bh_model.json: unexpected end of JSON"},
		"other schema":    {editing(model.MetaFile, "bh.model/1", "bh.model/9"), `field schema: saw "bh.model/9"`},
		"no name":         {editing(model.MetaFile, `"small"`, `""`), "field name"},
		"unknown graph":   {editing(model.MetaFile, `"model_kv.onnx"`, `"other"`), "field files: saw no model_kv.onnx"},
		"no config":       {removing(model.ConfigFile), "is not complete"},
		"no weights":      {removing(model.WeightsFile), "is not complete"},
		"cut weights":     {cutting(model.WeightsFile, 5000), "saw 5000 bytes, want"},
		"no graph":        {removing(model.ONNXFile), "is not complete"},
		"changed graph":   {editing(model.ONNXKVFile, "Softmax", "Hardmax"), "model_kv.onnx: saw SHA-256"},
		"changed config":  {editing(model.ConfigFile, "0.001", "0.002"), "config.json: saw SHA-256"},
		"swapped tensors": {swapTensors, "tensor 2: saw transformer.h.0.ln_1.bias"},
	} {
		t.Run(name, func(t *testing.T) {
			f := private(t, small)
			c.damage(t, f.Dir)
			_, err := model.Open(f.Dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || cli.ExitCode(err) != cli.ExitBadInput {
				t.Errorf("saw error %v with exit code %d, want %q with 2", err, cli.ExitCode(err), c.want)
			}
		})
	}
}

func TestOpenRefusesADamagedGGUF(t *testing.T) {
	for want, d := range map[string]damage{
		"is not complete":       removing(model.GGUFFile),
		"saw 9999 bytes, want ": cutting(model.GGUFFile, 9999),
	} {
		f := private(t, tiny)
		d(t, f.Dir)
		if _, err := model.Open(f.Dir); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), model.GGUFFile) {
			t.Errorf("saw error %v, want %q", err, want)
		}
	}
}

// swapTensors makes a valid file of the same size whose names have changed places, as another writer's order would.
func swapTensors(t *testing.T, dir string) {
	path := filepath.Join(dir, model.WeightsFile)
	edit(t, path, "h.0.ln_1.weight", "h.0.ln_1.swappp")
	edit(t, path, "h.0.ln_1.bias", "h.0.ln_1.weight")
	edit(t, path, "h.0.ln_1.swappp", "h.0.ln_1.bias")
}

func TestVerifyGGUFFindsAChangedWeight(t *testing.T) {
	f := private(t, tiny)
	if err := f.VerifyGGUF(context.Background()); err != nil {
		t.Errorf("saw %v", err)
	}
	flip(t, f.GGUFPath())
	if err := f.VerifyGGUF(context.Background()); cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), f.GGUFPath()) {
		t.Errorf("a changed file: saw %v, want bad input that names it", err)
	}
}

// flip changes the last bit of a file.
func flip(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyFindsAChangedWeight(t *testing.T) {
	f := private(t, small)
	flip(t, f.SafetensorsPath())
	if _, err := model.Open(f.Dir); err != nil {
		t.Errorf("Open reads no weights, saw error %v", err)
	}
	if err := f.Verify(context.Background()); err == nil || cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("Verify: saw error %v, want bad input", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Verify(ctx); cli.ExitCode(err) != cli.ExitInterrupted {
		t.Errorf("Verify after an interrupt: saw error %v, want exit code 130", err)
	}
}
