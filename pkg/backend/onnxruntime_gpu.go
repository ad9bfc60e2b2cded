package backend

import (
	"context"
	"os"

	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

func init() {
	needs := needsOf(func(lib ortlib.Library) []string { return []string{lib.CUDA()} }, "libnvrtc.so.13", "libcudnn.so.9")
	Register(&Backend{
		Name:    "onnxruntime-gpu",
		Device:  record.GPU,
		Summary: "ONNX Runtime " + ortlib.Version + ", CUDA execution provider",
		Capabilities: Capabilities{
			Modes:      record.Modes(),
			Precisions: []string{"fp32", "fp16"},
			Settings:   map[string][]string{graphOptimization: {"all", "extended", "basic", "disable"}},
		},
		Check:   func() error { _, err := needs.look(); return err },
		Install: gpuInstall,
		Probe:   needs.probe,
		Open: func(_ context.Context, spec Spec) (Engine, error) {
			found, err := needs.look()
			if err != nil {
				return nil, err
			}
			return openOnGPU(spec, found, cudaTarget(spec))
		},
	})
}

// openOnGPU loads CUDA and the model. The first GPU is used; CUDA_VISIBLE_DEVICES says which one that is.
func openOnGPU(spec Spec, found gpuFound, t target) (Engine, error) {
	if spec.Precision == "fp32" {
		// Without it NVIDIA's libraries may multiply with 10 bits of mantissa and call it float32.
		if err := os.Setenv("NVIDIA_TF32_OVERRIDE", "0"); err != nil {
			return nil, err
		}
	}
	if err := found.load(); err != nil {
		return nil, err
	}
	return openDevice(spec, found.lib, t)
}

// cudaOptions are the CUDA provider's. Memory grows by what is asked for, instead of doubling, so that the peak says what
// the model needs; the network has no convolutions, whose options therefore do not matter.
var cudaOptions = map[string]string{"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}

func cudaTarget(spec Spec) target {
	return target{
		provider: ortbind.CUDA, precision: spec.Precision, memory: ortbind.DeviceMemory, half: spec.Precision == "fp16",
		options: func(sessionKey) ([]ortbind.Provider, error) {
			return []ortbind.Provider{{Name: ortbind.CUDA, Options: cudaOptions}}, nil
		},
	}
}
