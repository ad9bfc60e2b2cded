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

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(t *testing.T, dir string)
		want   string
	}{
		"no folder":    {func(t *testing.T, dir string) { remove(t, dir) }, "not a model folder"},
		"no bh_model":  {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, model.MetaFile)) }, "`bh-run model import` makes one"},
		"cut bh_model": {func(t *testing.T, dir string) { cut(t, filepath.Join(dir, model.MetaFile), 20) }, "bh_model.json: unexpected end of JSON"},
		"other schema": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, model.MetaFile), "bh.model/1", "bh.model/9")
		}, `field schema: saw "bh.model/9"`},
		"no name": {func(t *testing.T, dir string) { edit(t, filepath.Join(dir, model.MetaFile), `"small"`, `""`) }, "field name"},
		"unknown graph": {func(t *testing.T, dir string) {
			edit(t, filepath.Join(dir, model.MetaFile), `"model_kv.onnx"`, `"other.onnx"`)
		}, "field files: saw no model_kv.onnx"},
		"no config":       {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, model.ConfigFile)) }, "is not complete"},
		"no weights":      {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, model.WeightsFile)) }, "is not complete"},
		"cut weights":     {func(t *testing.T, dir string) { cut(t, filepath.Join(dir, model.WeightsFile), 5000) }, "saw 5000 bytes, want"},
		"no graph":        {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, model.ONNXFile)) }, "is not complete"},
		"changed graph":   {func(t *testing.T, dir string) { edit(t, filepath.Join(dir, model.ONNXKVFile), "Softmax", "Hardmax") }, "model_kv.onnx: saw SHA-256"},
		"changed config":  {func(t *testing.T, dir string) { edit(t, filepath.Join(dir, model.ConfigFile), "0.001", "0.002") }, "config.json: saw SHA-256"},
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

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func cut(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// swapTensors makes a valid file of the same size whose names have changed places, as another writer's order would.
func swapTensors(t *testing.T, dir string) {
	path := filepath.Join(dir, model.WeightsFile)
	edit(t, path, "h.0.ln_1.weight", "h.0.ln_1.swappp")
	edit(t, path, "h.0.ln_1.bias", "h.0.ln_1.weight")
	edit(t, path, "h.0.ln_1.swappp", "h.0.ln_1.bias")
}

func TestVerifyFindsAChangedWeight(t *testing.T) {
	f := private(t, small)
	data, err := os.ReadFile(f.SafetensorsPath())
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] ^= 1
	if err := os.WriteFile(f.SafetensorsPath(), data, 0o644); err != nil {
		t.Fatal(err)
	}
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
