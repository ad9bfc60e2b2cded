package model

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/units"
)

// Folder is a model folder that was found complete and consistent.
type Folder struct {
	Dir           string
	Name          string // ends in SeededSuffix where the weights are random
	Config        Config
	Seed          *uint64 // nil where the weights were imported
	WeightsSHA256 string  // hex, of model.safetensors
}

// Progress is told how much of the weights has been written; it may be called from several goroutines, never at once.
type Progress func(done, total units.Bytes)

// ConfigPath is the path of config.json.
func (f *Folder) ConfigPath() string { return filepath.Join(f.Dir, ConfigFile) }

// SafetensorsPath is the path of model.safetensors.
func (f *Folder) SafetensorsPath() string { return filepath.Join(f.Dir, WeightsFile) }

// ONNXPath is the path of model.onnx.
func (f *Folder) ONNXPath() string { return filepath.Join(f.Dir, ONNXFile) }

// ONNXKVPath is the path of model_kv.onnx.
func (f *Folder) ONNXKVPath() string { return filepath.Join(f.Dir, ONNXKVFile) }

var errPending = errors.New("model folders: not there yet")

// Open checks the model folder dir without reading its weights: every file is there with its recorded size, the small ones
// with their recorded SHA-256, the configuration is one this package supports, and the tensors are those the
// configuration asks for, where the graphs look for them. Verify reads the weights too. Errors are bad input (exit 2).
func Open(dir string) (*Folder, error) { return nil, errPending }

// Verify reads the weights and compares their SHA-256 with the recorded one.
func (f *Folder) Verify(ctx context.Context) error { return errPending }

// Build makes sure that dir is the folder of the preset's model with random weights from seed: it leaves alone a complete
// folder that matches, and otherwise writes one, whole or not at all. It refuses to replace a folder that it could not
// build again. progress may be nil.
func Build(ctx context.Context, preset, dir string, seed uint64, progress Progress) (*Folder, error) {
	return nil, errPending
}

// Import makes a model folder at dstDir, named after dstDir's last element, from the Hugging Face GPT-2 folder srcDir
// (config.json and model.safetensors). F16 and BF16 weights are widened to F32. progress may be nil.
func Import(ctx context.Context, srcDir, dstDir string, progress Progress) (*Folder, error) {
	return nil, errPending
}
