package model

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// Folder is a model folder that was found complete and consistent.
type Folder struct {
	Dir           string
	Name          string // ends in SeededSuffix where the weights are random
	Config        Config
	Seed          *uint64 // nil where the weights were imported
	WeightsSHA256 string  // hex, of model.safetensors
	GGUFSHA256    string  // hex, of model.gguf; empty where there is none

	meta meta
}

// ConfigPath is the path of config.json.
func (f *Folder) ConfigPath() string { return filepath.Join(f.Dir, ConfigFile) }

// SafetensorsPath is the path of model.safetensors.
func (f *Folder) SafetensorsPath() string { return filepath.Join(f.Dir, WeightsFile) }

// ONNXPath is the path of model.onnx.
func (f *Folder) ONNXPath() string { return filepath.Join(f.Dir, ONNXFile) }

// ONNXKVPath is the path of model_kv.onnx.
func (f *Folder) ONNXKVPath() string { return filepath.Join(f.Dir, ONNXKVFile) }

// GGUFPath is the path of model.gguf.
func (f *Folder) GGUFPath() string { return filepath.Join(f.Dir, GGUFFile) }

// Open checks the model folder dir without reading its weights: every file is there with its recorded size, the small ones
// with their recorded SHA-256, the configuration is one this package supports, and the tensors are those the
// configuration asks for, where the graphs look for them. Verify reads the weights too. Errors are bad input (exit 2).
func Open(dir string) (*Folder, error) {
	m, err := readMeta(dir)
	if errors.Is(err, errNoMeta) {
		return nil, cli.BadInputf("%w; make one with `bh-run model build`, or `bh-run model import` of a Hugging Face folder", err)
	}
	if err != nil {
		return nil, cli.BadInput(err)
	}
	f := &Folder{Dir: dir, Name: m.Name, Seed: m.Seed, WeightsSHA256: m.Files[WeightsFile].SHA256, meta: m}
	files := required()
	if m.hasGGUF() {
		files, f.GGUFSHA256 = append(files, GGUFFile), m.Files[GGUFFile].SHA256
	}
	for _, name := range files {
		if err := m.checkSize(dir, name); err != nil {
			return nil, cli.BadInputf("model folder %s is not complete: %w", dir, err)
		}
		if large(name) {
			continue
		}
		if err := m.checkHash(context.Background(), dir, name); err != nil {
			return nil, cli.BadInput(err)
		}
	}
	if f.Config, err = readConfig(f.ConfigPath()); err != nil {
		return nil, err
	}
	if err := f.checkLayout(); err != nil {
		return nil, cli.BadInputf("%s: %w", f.SafetensorsPath(), err)
	}
	return f, nil
}

// checkLayout demands that the weights stand where the graphs were told they do: the order of the tensors is part of that,
// so a file of the same weights in another order is refused.
func (f *Folder) checkLayout() error {
	got, err := readHeader(f.SafetensorsPath())
	if err != nil {
		return err
	}
	want, err := f.Config.layout()
	if err != nil {
		return err
	}
	if len(got.Tensors) != len(want.Tensors) {
		return fmt.Errorf("saw %d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for i, t := range got.Tensors {
		w := want.Tensors[i]
		if t.Name != w.Name || t.DType != w.DType || t.Offset != w.Offset || !slices.Equal(t.Shape, w.Shape) {
			return fmt.Errorf("tensor %d: saw %s, want %s", i, describe(t), describe(w))
		}
	}
	return nil
}

func describe(t safetensors.Tensor) string {
	return fmt.Sprintf("%s %s %s at %d", t.Name, t.DType, safetensors.FormatShape(t.Shape), t.Offset)
}

func readHeader(path string) (*safetensors.Header, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return safetensors.Read(file, info.Size())
}

// Verify reads the weights and compares their SHA-256 with the recorded one: about half a second for GPT-2 124M. It leaves
// model.gguf to VerifyGGUF, as only some backends read it.
func (f *Folder) Verify(ctx context.Context) error {
	return f.meta.checkHash(ctx, f.Dir, WeightsFile)
}

// VerifyGGUF does the same for model.gguf, which must be there. A server that has the file by its SHA-256 from an earlier
// time would not see that the folder's has changed since.
func (f *Folder) VerifyGGUF(ctx context.Context) error {
	return f.meta.checkHash(ctx, f.Dir, GGUFFile)
}
