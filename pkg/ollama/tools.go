package ollama

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// checkTools looks for the compilers and headers of the build, so that what is missing is said before anything is
// downloaded. include are the folders with headers.
func checkTools(include []string) error {
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("building it needs Go 1.24 or newer (https://go.dev/dl): %w", err)
	}
	var lacking []string
	if _, err := exec.LookPath(compiler()); err != nil {
		lacking = append(lacking, "g++")
	}
	for _, n := range []struct{ header, debian string }{
		{"nlohmann/json.hpp", "nlohmann-json3-dev"}, {"stb/stb_image.h", "libstb-dev"},
	} {
		if !haveHeader(include, n.header) {
			lacking = append(lacking, n.debian)
		}
	}
	if len(lacking) > 0 {
		return fmt.Errorf("building it needs what Debian calls %s: `apt-get install %s`, or the same headers on $CPATH",
			strings.Join(lacking, ", "), strings.Join(lacking, " "))
	}
	return nil
}

// compiler is the C++ compiler that Go uses.
func compiler() string {
	if words := strings.Fields(os.Getenv("CXX")); len(words) > 0 {
		return words[0]
	}
	if runtime.GOOS == "darwin" {
		return "clang++"
	}
	return "g++"
}

// includeDirs are where the compiler looks for headers.
func includeDirs() []string {
	return append(filepath.SplitList(os.Getenv("CPATH")), "/usr/include", "/usr/local/include")
}

func haveHeader(dirs []string, name string) bool {
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err == nil {
			return true
		}
	}
	return false
}
