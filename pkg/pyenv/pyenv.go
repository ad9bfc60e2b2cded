// Package pyenv finds a Python that has PyTorch and transformers, and makes one in the user's cache where the machine has
// none. It runs no model: package backend does.
package pyenv

import (
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
	"sync"
)

// EnvVar names the variable that points at a Python of the user's own.
const EnvVar = "BH_PYTHON"

// ErrNotFound means that no Python with the packages is here.
var ErrNotFound = errors.New("no Python with PyTorch and transformers")

// Python is an interpreter that has the packages.
type Python struct {
	Path     string // absolute
	Origin   string // "$BH_PYTHON", ".venv" or "cache"
	Version  string // such as 3.11.7
	Packages map[string]string
	// Headers says that Python's own C headers are there, which everything that torch.compile makes is compiled with.
	Headers bool
}

// packages are those that must be there, with the oldest version of each that the worker was tried with.
var packages = map[string]string{"torch": "2.11", "transformers": "5.17", "safetensors": "0.4"}

//go:embed requirements.txt
var requirements []byte

//go:embed constraints.txt
var constraints []byte

// Find looks for a Python with the packages: $BH_PYTHON and nothing else where that is set, else the virtual environment
// .venv in the working folder, else the one that Install made. Nothing is imported, so it takes a few hundredths of a
// second, and an interpreter is examined once in this process.
func Find() (Python, error) {
	if name := os.Getenv(EnvVar); name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return Python{}, fmt.Errorf("%w: $%s: %w", ErrNotFound, EnvVar, err)
		}
		py, err := known(path, "$"+EnvVar)
		if err != nil {
			return Python{}, fmt.Errorf("%w: $%s: %w", ErrNotFound, EnvVar, err)
		}
		return py, nil
	}
	cache, err := Dir()
	if err != nil {
		if py, ok := inEnvironment(".venv", ".venv"); ok == nil { // a machine without a cache folder may have this one
			return py, nil
		}
		return Python{}, err
	}
	var seen []string
	for _, env := range []struct{ dir, origin string }{{".venv", ".venv"}, {cache, "cache"}} {
		py, err := inEnvironment(env.dir, env.origin)
		if err == nil {
			return py, nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			seen = append(seen, err.Error())
		}
	}
	if len(seen) == 0 {
		return Python{}, fmt.Errorf("%w: saw none in $%s, .venv or %s", ErrNotFound, EnvVar, cache)
	}
	return Python{}, fmt.Errorf("%w: %s", ErrNotFound, strings.Join(seen, "; "))
}

// Dir is the folder of the virtual environment that Install makes. Its name follows from what is in it, so another version
// of the requirements is another folder.
func Dir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for Python packages: %w; set XDG_CACHE_HOME", err)
	}
	h := sha256.New()
	h.Write(requirements)
	h.Write(constraints)
	return filepath.Join(cache, "bh", "transformers-"+hex.EncodeToString(h.Sum(nil))[:12]), nil
}

// unfinished is the file in a virtual environment that Install has begun and not ended.
const unfinished = "bh-unfinished"

// inEnvironment examines the interpreter of the virtual environment dir; os.ErrNotExist says that there is none.
func inEnvironment(dir, origin string) (Python, error) {
	path, err := filepath.Abs(interpreter(dir))
	if err != nil {
		return Python{}, err
	}
	if _, err := os.Stat(path); err != nil {
		return Python{}, err
	}
	if _, err := os.Stat(filepath.Join(dir, unfinished)); err == nil {
		return Python{}, fmt.Errorf("%s: its installation did not end", dir)
	}
	return known(path, origin)
}

// interpreter is the path of the interpreter in a virtual environment.
func interpreter(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Scripts", "python.exe")
	}
	return filepath.Join(dir, "bin", "python")
}

// answers remembers what was seen of interpreters, by path: one is looked for whenever a worker starts and by each of the
// backends that need it, and one that does not answer is to be waited for once.
var answers = struct {
	sync.Mutex
	by map[string]answer
}{by: map[string]answer{}}

type answer struct {
	py  Python
	err error
}

// known is examine, once per path.
func known(path, origin string) (Python, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return Python{}, err
	}
	answers.Lock()
	defer answers.Unlock()
	a, ok := answers.by[path]
	if !ok {
		if a.py, a.err = examine(path); !errors.Is(a.err, context.Canceled) {
			answers.by[path] = a
		}
	}
	if a.err != nil {
		return Python{}, fmt.Errorf("%s: %w", path, a.err)
	}
	a.py.Origin = origin
	return a.py, nil
}

// forget makes known examine the interpreter of the virtual environment dir anew.
func forget(dir string) error {
	path, err := filepath.Abs(interpreter(dir))
	if err != nil {
		return err
	}
	answers.Lock()
	defer answers.Unlock()
	delete(answers.by, path)
	return nil
}
