package backend

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
)

// gpuInstall gets what onnxruntime-gpu and tensorrt need and may be had from a package registry.
var gpuInstall = &Install{Name: "onnxruntime-gpu", Summary: ortlib.InstallSummary, Run: ortlib.InstallGPU}

const setupGPU = "bh-run setup onnxruntime-gpu"

// gpuNeeds is what a backend on a GPU looks for, in this order: the GPU with its driver, ONNX Runtime's GPU build, and the
// libraries that its providers load.
type gpuNeeds struct {
	root      string // of the file system, "/" but in tests
	providers func(ortlib.Library) []string
	optional  []string // libraries that are opened by name, if they are there
	find      func() (ortlib.Library, error)
	linker    func() ortlib.Linker
}

// needsOf is this machine's, for the providers' libraries.
func needsOf(providers func(ortlib.Library) []string, optional ...string) gpuNeeds {
	return gpuNeeds{root: "/", providers: providers, optional: optional, find: ortlib.FindGPU, linker: ortlib.SystemLinker}
}

// gpuFound is what a backend on a GPU found.
type gpuFound struct {
	lib     ortlib.Library
	preload []string
}

// look returns *Unavailable with all that is missing, as far as it can be told.
func (n gpuNeeds) look() (gpuFound, error) {
	found, err := n.libraries()
	if err := lacks(findGPU(n.root), err); err != nil {
		return gpuFound{}, err
	}
	return found, nil
}

// libraries looks for ONNX Runtime's GPU build and what it needs.
func (n gpuNeeds) libraries() (gpuFound, error) {
	remedy := libraryRemedy(ortlib.EnvVarGPU, setupGPU)
	lib, err := n.find()
	if err != nil {
		return gpuFound{}, &Unavailable{Reason: LibraryNotFound, Detail: err.Error(), Remedy: remedy}
	}
	needs, err := n.linker().Needs(n.providers(lib), n.optional...)
	if err != nil {
		return gpuFound{}, &Unavailable{Reason: LibraryFailed, Detail: err.Error(), Remedy: remedy}
	}
	if len(needs.Missing) > 0 {
		return gpuFound{}, missingLibraries(needs.Missing)
	}
	return gpuFound{lib: lib, preload: needs.Preload}, nil
}

// lacks joins what is missing, most important first: the reason and what to do about it are the first one's, as without it
// the others are of no use. An error of another kind is passed on.
func lacks(found ...error) error {
	var out *Unavailable
	for _, err := range found {
		var missing *Unavailable
		switch {
		case err == nil:
		case !errors.As(err, &missing):
			return err
		case out == nil:
			first := *missing
			out = &first
		default:
			out.Detail += "; " + missing.Detail
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// load loads the libraries that the loader would not find, so that ONNX Runtime's providers find them loaded.
func (f gpuFound) load() error {
	for _, path := range f.preload {
		if err := ortbind.Preload(path); err != nil {
			return &Unavailable{Reason: LibraryFailed, Detail: err.Error(), Remedy: setupGPU}
		}
	}
	return nil
}

// minDriver is the oldest driver that CUDA 13 runs with.
const minDriver = 580

var driverVersion = regexp.MustCompile(`\b(\d{3})\.\d+(?:\.\d+)?\b`)

// findGPU says what stands in the way of an NVIDIA GPU, from the files that its driver makes, as loading CUDA to ask takes a
// second and half a gigabyte. A GPU under WSL has other files and is believed.
func findGPU(root string) error {
	if found, _ := filepath.Glob(filepath.Join(root, "dev/dxg")); found != nil { // the pattern is well formed
		return nil
	}
	found, _ := filepath.Glob(filepath.Join(root, "dev/nvidia[0-9]*")) // as above
	if found == nil {
		return &Unavailable{Reason: GPUNotFound, Detail: "no NVIDIA GPU: saw no /dev/nvidia0 and no other /dev/nvidiaN"}
	}
	text, err := os.ReadFile(filepath.Join(root, "proc/driver/nvidia/version"))
	if err != nil {
		return nil // a container may hide it; CUDA will say
	}
	version := driverVersion.FindStringSubmatch(string(text))
	if version == nil {
		return nil // as above
	}
	if major, err := strconv.Atoi(version[1]); err == nil && major < minDriver {
		return &Unavailable{Reason: GPUNotFound, Remedy: installDriver,
			Detail: fmt.Sprintf("NVIDIA driver %s is too old for CUDA 13, which the GPU build of ONNX Runtime %s needs",
				version[0], ortlib.Version)}
	}
	return nil
}

// missingLibraries names every library that is missing, and the one thing that brings the first of them: the driver, then
// what is in a registry, then TensorRT.
func missingLibraries(missing []ortlib.Missing) *Unavailable {
	by := map[string][]string{}
	driver, tensorRT := false, true
	for _, m := range missing {
		by[m.By] = append(by[m.By], m.Name)
		driver = driver || strings.HasPrefix(m.Name, "libcuda.so") || strings.HasPrefix(m.Name, "libnvidia-")
		tensorRT = tensorRT && strings.HasPrefix(m.Name, "libnv") // libnvinfer, libnvonnxparser
	}
	var parts []string
	for _, lib := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%s needs %s", lib, strings.Join(by[lib], ", ")))
	}
	out := &Unavailable{Reason: LibraryNotFound, Remedy: setupGPU,
		Detail: strings.Join(parts, "; ") + ": not in the loader's folders, CUDA's or Python's"}
	switch {
	case driver:
		out.Remedy = "install the NVIDIA driver, whose libcuda.so.1 is missing; in a container, start it with the GPU"
	case tensorRT:
		dir, err := ortlib.WheelsDir()
		if err == nil {
			out.Remedy = fmt.Sprintf("pip install --target %s --no-deps %s", dir, ortlib.TensorRTPackage)
		}
	}
	return out
}

// probeGPU names the GPUs, the driver and the library, without loading CUDA.
func (n gpuNeeds) probe() map[string]string {
	out := map[string]string{}
	cards, _ := filepath.Glob(filepath.Join(n.root, "proc/driver/nvidia/gpus/*/information")) // the pattern is well formed
	for i, card := range cards {
		if text, err := os.ReadFile(card); err == nil {
			if model, ok := fieldOf(string(text), "Model"); ok {
				out[fmt.Sprintf("gpu %d", i)] = model
			}
		}
	}
	if text, err := os.ReadFile(filepath.Join(n.root, "proc/driver/nvidia/version")); err == nil {
		out["driver"] = driverVersion.FindString(string(text))
	}
	if lib, err := n.find(); err == nil {
		out["library"] = lib.Path + " (" + lib.Origin + ")"
	}
	return out
}

// fieldOf reads a line "name: value".
func fieldOf(text, name string) (string, bool) {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v), true
		}
	}
	return "", false
}
