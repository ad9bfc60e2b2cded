// Package ollama builds the pinned Ollama server once into the user's cache, finds it, and runs it as a child process that
// does not outlive its parent. It speaks no more HTTP than it takes to see that the server is up: requests are package
// backend's.
//
// How near to float32 it can come, with weights in F32: matrix products are in float32, but this version keeps keys and
// values in 16 bits (llama/llama.go, kvCacheTypeFromStr: f32 cannot be had) and takes GELU from a table of 16-bit numbers
// (ggml-cpu/vec.h). On GPT-2 124M with seeded weights that moves a token's log-probability by up to 6e-4, so greedy tokens
// are those of the other backends unless the two best logits are nearer to each other than that. The server also ends an
// answer without a word when the same text came more than 30 times in a row (llm/server.go, Completion).
package ollama

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/cpu"
)

const (
	// Version is the pinned release of Ollama.
	Version = "v0.17.4"
	// EnvVar names the variable that points at an Ollama program of the user's own.
	EnvVar = "BH_OLLAMA"
)

// ErrNotFound means that no Ollama program is here.
var ErrNotFound = errors.New("ollama not found")

// ErrNoFolder means that a folder that the server writes to is not there or takes no files.
var ErrNoFolder = errors.New("no folder for the server's files")

// OriginCache is the origin of a program that Install built.
const OriginCache = "cache"

// Binary is an Ollama program on disk.
type Binary struct {
	Path   string
	Origin string // "$" and EnvVar, or OriginCache
}

// Find looks for the program: $BH_OLLAMA, then what Install built. It starts nothing; a running server says its version.
func Find() (Binary, error) {
	if p := os.Getenv(EnvVar); p != "" {
		if err := executable(p); err != nil {
			return Binary{}, fmt.Errorf("%w: $%s: %w", ErrNotFound, EnvVar, err)
		}
		return Binary{Path: p, Origin: "$" + EnvVar}, nil
	}
	dir, err := buildDir()
	if err != nil {
		return Binary{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	built := filepath.Join(dir, programName())
	if err := executable(built); err != nil {
		return Binary{}, fmt.Errorf("%w: set $%s, or let `bh-run setup ollama` build %s: %w", ErrNotFound, EnvVar, Version, err)
	}
	return Binary{Path: built, Origin: OriginCache}, nil
}

func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: saw %s, want a program", path, info.Mode().Type())
	case runtime.GOOS != "windows" && info.Mode()&0o111 == 0:
		return fmt.Errorf("%s: saw mode %s, want a program that may be executed", path, info.Mode())
	}
	return nil
}

// cacheDir is the package's folder in the user's cache.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for Ollama: %w", err)
	}
	return filepath.Join(base, "bh"), nil
}

// buildDir is where Install puts the program: one folder for each version and instruction set, as a home folder may be
// shared between machines.
func buildDir() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "ollama-"+Version+"-"+target()), err
}

// DefaultModelsDir is where a server keeps its models unless told otherwise.
func DefaultModelsDir() (string, error) {
	dir, err := cacheDir()
	return filepath.Join(dir, "ollama-models"), err
}

// target names what the program is compiled for, such as linux-x86-64-v3.
func target() string {
	if level := x86Level(); level != "" {
		return runtime.GOOS + "-" + level
	}
	return runtime.GOOS + "-" + runtime.GOARCH
}

// x86Level is the highest microarchitecture level of the x86-64 ABI that this processor has, as compilers call it; empty
// for the lowest and on other processors. Without it the compiler uses SSE2 alone, while Ollama's own releases choose code
// for the processor when they start: the pinned server would be slower than the one that people use.
func x86Level() string {
	x := cpu.X86
	switch {
	case !(x.HasAVX2 && x.HasFMA && x.HasBMI1 && x.HasBMI2):
		return ""
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512CD && x.HasAVX512DQ && x.HasAVX512VL:
		return "x86-64-v4"
	}
	return "x86-64-v3"
}

func programName() string {
	if runtime.GOOS == "windows" {
		return "ollama.exe"
	}
	return "ollama"
}
