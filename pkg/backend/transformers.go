package backend

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/pyenv"
	"github.com/banterhearts/bh/pkg/record"
)

// transformersWorker is the worker of these backends, in Python: it speaks package worker's protocol, and decodes with the
// model's own forward, not with transformers' generate().
//
//go:embed transformers_worker.py
var transformersWorker []byte

// The four ways to run PyTorch and transformers.
func init() {
	install := &Install{
		Name:    "transformers",
		Summary: "PyTorch and transformers, pinned, with pip into the user's cache: " + pyenv.Size(),
		Run:     pyenv.Install,
	}
	for _, b := range []*Backend{
		{Name: "transformers-cpu", Device: record.CPU, Summary: "PyTorch and transformers, eager, CPU"},
		{Name: "transformers-cpu-compile", Device: record.CPU, Summary: "PyTorch and transformers, torch.compile, CPU"},
		{Name: "transformers-gpu", Device: record.GPU, Summary: "PyTorch and transformers, eager, CUDA"},
		{Name: "transformers-gpu-compile", Device: record.GPU, Summary: "PyTorch and transformers, torch.compile, CUDA"},
	} {
		compiles := strings.HasSuffix(b.Name, "-compile")
		if compiles {
			b.CellSetup = 20 * time.Second // of a 12-layer GPT-2 on two cores
		}
		b.Capabilities = transformersCapabilities(b.Device, compiles)
		b.Check = func() error { return checkTransformers(b.Device, compiles) }
		b.Install = install
		b.Probe = probePython
		b.Command = transformersCommand
		Register(b)
	}
}

// transformersCapabilities are the same for all but for what a GPU and a compiler add.
//
//   - attention: transformers' implementation of attention.
//   - compile_mode: torch.compile's mode; all but the first use CUDA graphs on a GPU.
//   - dynamic: auto compiles each cell for its own shapes, with a dynamic length where decoding without a cache changes it
//     with every token; true has one compilation for all shapes, false one for each.
//   - compile_cache: cold compiles from nothing in each worker, so that the time of compiling is always the same thing;
//     warm keeps what was compiled in the user's cache, where later workers find it.
func transformersCapabilities(device record.Device, compiles bool) Capabilities {
	c := Capabilities{
		Modes:      record.Modes(),
		Precisions: []string{"fp32"},
		Settings:   map[string][]string{"attention": {"sdpa", "eager"}},
	}
	if device == record.GPU {
		c.Precisions = append(c.Precisions, "fp16", "bf16")
	}
	if compiles {
		c.Settings["compile_mode"] = []string{"default", "reduce-overhead", "max-autotune"}
		c.Settings["dynamic"] = []string{"auto", "true", "false"}
		c.Settings["compile_cache"] = []string{"cold", "warm"}
	}
	return c
}

// checkTransformers says all that is missing, the GPU first: without one, 3 GB of Python packages would be of no use.
func checkTransformers(device record.Device, compiles bool) error {
	var gpu, cache, compiler error
	if device == record.GPU {
		gpu = checkGPUDevice(gpuDevices)
	}
	py, err := findPython()
	if err == nil {
		_, cache = workerCache()
	}
	if err == nil && compiles {
		compiler = checkCompiler(device, py)
	}
	return lacks(gpu, err, cache, compiler)
}

// gpuDevices are the device files of what PyTorch calls CUDA: NVIDIA's driver, Windows' one for WSL, and AMD's.
var gpuDevices = []string{"/dev/nvidiactl", "/dev/dxg", "/dev/kfd"}

// checkGPUDevice looks for a driver without loading it. That the GPU works, the worker sees when it opens the model. Windows
// has no such files, so there only the worker can tell.
func checkGPUDevice(devices []string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, name := range devices {
		if _, err := os.Stat(name); err == nil {
			return nil
		}
	}
	return &Unavailable{Reason: GPUNotFound, Detail: fmt.Sprintf("no GPU, or no driver for it: saw none of %s", strings.Join(devices, ", "))}
}

func findPython() (pyenv.Python, error) {
	py, err := pyenv.Find()
	if err == nil || errors.Is(err, context.Canceled) { // the tool was told to end: nothing is missing
		return py, err
	}
	missing := &Unavailable{Reason: PythonNotFound, Detail: err.Error(), Remedy: withCache("run `bh-run setup transformers`")}
	if os.Getenv(pyenv.EnvVar) != "" {
		missing.Remedy = "unset " + pyenv.EnvVar + ", or point it at a Python with the packages"
	}
	return py, missing
}

// checkCompiler looks for what torch.compile calls: a C++ compiler for the CPU, a C compiler for what starts the kernels of
// a GPU, and Python's C headers for both.
func checkCompiler(device record.Device, py pyenv.Python) error {
	what, variable, programs, pkg := "C++", "CXX", []string{"g++"}, "g++"
	if device == record.GPU {
		what, variable, programs, pkg = "C", "CC", []string{"gcc", "clang"}, "gcc"
	}
	if runtime.GOOS == "darwin" {
		programs, pkg = []string{"clang++"}, "Xcode's command line tools"
	}
	if own := os.Getenv(variable); own != "" {
		programs = strings.Fields(own)[:1]
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err == nil {
			return checkHeaders(py)
		}
	}
	return &Unavailable{Reason: LibraryNotFound, Remedy: "install " + pkg,
		Detail: fmt.Sprintf("torch.compile needs a %s compiler: saw no %s on $PATH", what, strings.Join(programs, " or "))}
}

func checkHeaders(py pyenv.Python) error {
	if py.Headers {
		return nil
	}
	return &Unavailable{Reason: LibraryNotFound, Remedy: "install python3-dev",
		Detail: fmt.Sprintf("torch.compile needs Python's C headers: saw no Python.h for %s", py.Path)}
}

func probePython() map[string]string {
	py, err := pyenv.Find()
	if err != nil {
		return nil
	}
	return map[string]string{"python": py.Version + " (" + py.Origin + ")", "torch": py.Packages["torch"], "transformers": py.Packages["transformers"]}
}

// transformersCommand starts the worker, which is told by its first request which of the four it is.
func transformersCommand() (argv, env []string, err error) {
	py, err := findPython()
	if err != nil {
		return nil, nil, err
	}
	cache, err := workerCache()
	if err != nil {
		return nil, nil, err
	}
	script, err := writeWorker(filepath.Join(cache, "workers"))
	if err != nil {
		return nil, nil, &Unavailable{Reason: FolderNotFound, Detail: err.Error(), Remedy: cacheRemedy}
	}
	return []string{py.Path, "-u", script}, []string{
		"PYTHONSAFEPATH=1",                                                         // the working folder holds no modules
		"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_HUB_DISABLE_TELEMETRY=1", // models are folders, nothing is asked for
		"TRANSFORMERS_VERBOSITY=error", "TOKENIZERS_PARALLELISM=false",
		"TORCHINDUCTOR_CACHE_DIR=" + filepath.Join(cache, "torchinductor"),
	}, nil
}

const cacheRemedy = "set HOME or XDG_CACHE_HOME to a folder that takes files"

// workerCache is bh's folder in the user's cache, for the worker's program and for what it compiles.
func workerCache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", &Unavailable{Reason: FolderNotFound, Detail: "no cache folder for the worker's program: " + err.Error(), Remedy: cacheRemedy}
	}
	return filepath.Join(base, "bh"), nil
}

// writeWorker puts the worker's program into dir, under a name that follows from its content, unless it is there.
func writeWorker(dir string) (string, error) {
	sum := sha256.Sum256(transformersWorker)
	path := filepath.Join(dir, "transformers_worker-"+hex.EncodeToString(sum[:])[:12]+".py")
	if have, err := os.ReadFile(path); err == nil && bytes.Equal(have, transformersWorker) {
		return path, nil
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), atomicfile.Write(path, transformersWorker)); err != nil {
		return "", fmt.Errorf("write the worker's program: %w", err)
	}
	return path, nil
}
