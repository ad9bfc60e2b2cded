package ortlib

import (
	"fmt"
	"os"
	"path/filepath"
)

// EnvVarGPU names the variable that points at a GPU build of the user's own.
const EnvVarGPU = "BH_ONNXRUNTIME_GPU_LIB"

// The execution providers of the GPU build, which stand beside the library; it loads them when a session asks for them.
const (
	cudaProvider     = "libonnxruntime_providers_cuda.so"
	tensorRTProvider = "libonnxruntime_providers_tensorrt.so"
)

// gpuSHA256 is the GPU build of the pinned version for Linux on x86-64, the only system it is pinned for: the members of
// the onnxruntime-gpu wheel, taken from release 1.30.0 on 2026-11-21. It is built for CUDA 13, cuDNN 9 and TensorRT 10.
var gpuSHA256 = map[string]string{
	"libonnxruntime.so." + Version:       "5a140dc17c8b60b35b2ceab0bb533e65ac54f06a208948417c1f9c31df6afc4c",
	"libonnxruntime_providers_shared.so": "086ec1d5388f64153d9c63470d126693db9a182c8ce236d3a1119068471b8a0d",
	cudaProvider:                         "9d7587acb137b31bf84e4d32dc444b969bb601d098b01395effcacfe4341e364",
	tensorRTProvider:                     "4365c6412845f42d7de138055ad3dcff5d0fbca2d748e30e8a04aa3ab0643337",
}

// FindGPU looks for the GPU build: $BH_ONNXRUNTIME_GPU_LIB, the cache of an earlier fetch, the system's library folders. A
// library without the CUDA provider beside it is no GPU build.
func FindGPU() (Library, error) {
	if p := os.Getenv(EnvVarGPU); p != "" {
		for _, file := range []string{p, Library{Path: p}.CUDA()} {
			if _, err := os.Stat(file); err != nil {
				return Library{}, fmt.Errorf("%w: GPU build: $%s: %w", ErrNotFound, EnvVarGPU, err)
			}
		}
		return Library{Path: p, Origin: "$" + EnvVarGPU}, nil
	}
	if lib, err := cachedGPU(gpuSHA256); err == nil {
		return lib, nil
	}
	if p := system(withCUDA(systemFolders())); p != "" {
		return Library{Path: p, Origin: "system"}, nil
	}
	if _, err := gpuDir(); err != nil {
		return Library{}, fmt.Errorf("%w: GPU build: %w", ErrNotFound, err)
	}
	return Library{}, fmt.Errorf("%w: GPU build: set $%s, or get version %s with `bh-run setup onnxruntime-gpu`",
		ErrNotFound, EnvVarGPU, Version)
}

// CUDA is the path of the CUDA execution provider of a GPU build.
func (l Library) CUDA() string { return filepath.Join(filepath.Dir(l.Path), cudaProvider) }

// TensorRT is the path of the TensorRT execution provider of a GPU build.
func (l Library) TensorRT() string { return filepath.Join(filepath.Dir(l.Path), tensorRTProvider) }

// withCUDA are the folders that hold the CUDA provider.
func withCUDA(dirs []string) []string {
	var out []string
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, cudaProvider)); err == nil {
			out = append(out, dir)
		}
	}
	return out
}

// gpuDir is where the GPU build and the libraries of CUDA that it needs are kept.
func gpuDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for ONNX Runtime: %w", err)
	}
	return filepath.Join(base, "bh", "onnxruntime-gpu", Version), nil
}

// cachedGPU returns the build of an earlier fetch, when every file still has its hash.
func cachedGPU(want map[string]string) (Library, error) {
	dir, err := gpuDir()
	if err != nil {
		return Library{}, err
	}
	for name, sum := range want {
		if got, err := hashFile(filepath.Join(dir, name)); err != nil || got != sum {
			return Library{}, ErrNotFound
		}
	}
	return Library{Path: filepath.Join(dir, "libonnxruntime.so."+Version), Origin: "cache (pip)"}, nil
}
