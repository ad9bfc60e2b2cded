// Package ortlib finds the ONNX Runtime shared library, which is not a Go module, and fetches the pinned version where
// the machine has none. It loads nothing: package backend does.
package ortlib

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
)

const (
	// Version is the pinned release of ONNX Runtime.
	Version = "1.30.0"
	// MinMinor is the oldest 1.x release that speaks API 24, which onnxruntime_go v1.27.0 asks for.
	MinMinor = 24
	// EnvVar names the variable that points at a library of the user's own.
	EnvVar = "BH_ONNXRUNTIME_LIB"
)

// ErrNotFound means that no library is here and none was fetched.
var ErrNotFound = errors.New("ONNX Runtime library not found")

// Library is a shared library on disk.
type Library struct {
	Path   string
	Origin string // EnvVar, "system", or "cache (pip)" and the like
}

// Find looks for the library where nothing needs fetching: $BH_ONNXRUNTIME_LIB, the cache of an earlier fetch, the
// system's library folders. The pinned version goes before the system's, so that two machines measure the same one.
func Find() (Library, error) {
	if p := os.Getenv(EnvVar); p != "" {
		if _, err := os.Stat(p); err != nil {
			return Library{}, fmt.Errorf("%w: $%s: %w", ErrNotFound, EnvVar, err)
		}
		return Library{Path: p, Origin: "$" + EnvVar}, nil
	}
	if lib, err := cached(); err == nil {
		return lib, nil
	}
	if p := system(systemFolders()); p != "" {
		return Library{Path: p, Origin: "system"}, nil
	}
	if _, err := cacheDir(); err != nil {
		return Library{}, fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return Library{}, fmt.Errorf("%w: set $%s, install it, or let `bh-run setup` fetch version %s with pip or npm", ErrNotFound, EnvVar, Version)
}

// Ensure is Find, and where that finds nothing fetches the pinned version into the cache with pip or npm, checked
// against its committed SHA-256. say is told what takes long.
func Ensure(ctx context.Context, say func(string)) (Library, error) {
	lib, err := Find()
	if err == nil || os.Getenv(EnvVar) != "" {
		return lib, err
	}
	return fetch(ctx, say)
}

// systemFolders are where distributions and the project's own archives install shared libraries.
func systemFolders() []string {
	dirs := filepath.SplitList(os.Getenv("LD_LIBRARY_PATH"))
	return append(dirs, "/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64",
		"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/opt/homebrew/lib", "/opt/onnxruntime/lib")
}

var versioned = regexp.MustCompile(`libonnxruntime\.(?:so\.1\.(\d+)(?:\.\d+)?|1\.(\d+)(?:\.\d+)?\.dylib)$`)

// system returns the newest library in dirs that is recent enough, judged by the version in its file name, as loading
// one that is too old is reported only by a line on standard error.
func system(dirs []string) string {
	best, bestMinor := "", MinMinor-1
	for _, dir := range dirs {
		matches, err := filepath.Glob(filepath.Join(dir, "libonnxruntime.*"))
		if err != nil {
			continue // the folder's name is no pattern: nothing to find there
		}
		for _, m := range matches {
			if minor := minorOf(m); minor > bestMinor {
				best, bestMinor = m, minor
			}
		}
	}
	return best
}

// minorOf is the minor version in a library's file name, or -1.
func minorOf(name string) int {
	g := versioned.FindStringSubmatch(name)
	if g == nil {
		return -1
	}
	n, err := strconv.Atoi(g[1] + g[2]) // one of the two groups is empty
	if err != nil {
		return -1
	}
	return n
}

// cacheDir is where fetched libraries are kept.
func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for ONNX Runtime: %w", err)
	}
	return filepath.Join(base, "bh", "onnxruntime", Version+"-"+runtime.GOOS+"-"+runtime.GOARCH), nil
}

// cached returns the library of an earlier fetch, when it still has the pinned hash: a damaged one crashes in ways that no
// error message explains.
func cached() (Library, error) { return cachedFrom(origins()) }

func cachedFrom(list []origin) (Library, error) {
	dir, err := cacheDir()
	if err != nil {
		return Library{}, err
	}
	for _, o := range list {
		p := filepath.Join(dir, o.name, libraryName())
		if sum, err := hashFile(p); err == nil && sum == o.sha256[runtime.GOOS+"/"+runtime.GOARCH] {
			return Library{Path: p, Origin: "cache (" + o.name + ")"}, nil
		}
	}
	return Library{}, ErrNotFound
}

// hashed remembers the hashes of files by name, size and time of change: the library is looked for before every run, and
// hashing its 30 MB takes longer than the tool may take between two runs.
var hashed sync.Map

// hashFile is the SHA-256 of a file in hexadecimal.
func hashFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", err
	}
	key := fmt.Sprintf("%s %d %d", name, info.Size(), info.ModTime().UnixNano())
	if sum, ok := hashed.Load(key); ok {
		return sum.(string), nil
	}
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	hashed.Store(key, sum)
	return sum, nil
}

// libraryName is what the library is called in the cache.
func libraryName() string {
	if runtime.GOOS == "darwin" {
		return "libonnxruntime." + Version + ".dylib"
	}
	return "libonnxruntime.so." + Version
}
