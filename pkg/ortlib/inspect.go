package ortlib

import (
	"debug/elf"
	"fmt"
	"runtime"
	"strconv"
	"strings"
)

// entryPoint is the function that everything else of ONNX Runtime is got from.
const entryPoint = "OrtGetApiBase"

// Inspect says which version of ONNX Runtime the file is, "" where it does not tell, and an error where it is another
// library or too old. It reads the file's symbols and loads nothing, as a library that is not what it should be may do
// anything while it is loaded. Files of macOS and Windows are believed.
func (l Library) Inspect() (version string, err error) {
	if runtime.GOOS != "linux" {
		return "", nil
	}
	f, err := elf.Open(l.Path)
	if err != nil {
		return "", fmt.Errorf("%s (%s) is no shared library: %w", l.Path, l.Origin, err)
	}
	defer f.Close() //nolint:errcheck // only read
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return "", fmt.Errorf("%s (%s): %w", l.Path, l.Origin, err)
	}
	for _, s := range symbols {
		if s.Name != entryPoint || s.Section == elf.SHN_UNDEF {
			continue
		}
		version = strings.TrimPrefix(s.Version, "VERS_")
		if tooOld(version) {
			return "", fmt.Errorf("%s (%s) is ONNX Runtime %s, want at least 1.%d", l.Path, l.Origin, version, MinMinor)
		}
		return version, nil
	}
	return "", fmt.Errorf("%s (%s) is not ONNX Runtime: saw no function %s in it", l.Path, l.Origin, entryPoint)
}

// tooOld says whether a version such as 1.23.2 is before the oldest that can be used.
func tooOld(version string) bool {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "1" {
		return false // it does not tell
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && minor < MinMinor
}
