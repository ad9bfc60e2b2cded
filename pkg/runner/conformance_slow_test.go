//go:build integration

package runner

import (
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// cpuBackends can work on any machine once `make setup-transformers setup-ollama` has been run, as `make test-integration`
// does. One that cannot is a failure here, not a skip.
var cpuBackends = []string{"onnxruntime-cpu", "transformers-cpu", "transformers-cpu-compile", "ollama", "openai"}

// gpuBackends are skipped, with the backend's own reason, where there is no GPU or what they need is not installed.
var gpuBackends = []string{"onnxruntime-gpu", "tensorrt", "transformers-gpu", "transformers-gpu-compile"}

// TestSlowConformance runs the suite on every backend, on a tiny model.
func TestSlowConformance(t *testing.T) {
	folder := tinyFolder(t)
	for _, name := range cpuBackends {
		t.Run(name, func(t *testing.T) { conform(t, subject{name: name, folder: folder, want: plainGreedy(folder)}) })
	}
	for _, name := range gpuBackends {
		t.Run(name, func(t *testing.T) {
			s := subject{name: name, folder: folder, want: plainGreedy(folder)}
			if err := s.backend(t).Check(); err != nil {
				t.Skip(err)
			}
			conform(t, s)
		})
	}
}

// TestSlowConformanceGPT2 runs the suite on the 124M model, whose plain forward pass in Go computes the tokens to expect.
func TestSlowConformanceGPT2(t *testing.T) {
	dir, err := model.DefaultDir(model.PresetGPT2)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := model.Build(t.Context(), model.PresetGPT2, dir, model.DefaultSeed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range cpuBackends {
		t.Run(name, func(t *testing.T) { conform(t, subject{name: name, folder: folder, want: plainGreedy(folder)}) })
	}
}
