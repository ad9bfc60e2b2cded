package ortlib

import (
	"debug/elf"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestInspectSeesAnotherLibrary: the C library, which is on every machine of this kind, has no ONNX Runtime in it.
func TestInspectSeesAnotherLibrary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads ELF files")
	}
	libc, _ := SystemLinker().find("libc.so.6", nil)
	if libc == "" {
		t.Skip("this machine has no libc.so.6 for x86-64")
	}
	if v, err := (Library{Path: libc, Origin: "$" + EnvVar}).Inspect(); err == nil || !strings.Contains(err.Error(), entryPoint) ||
		!strings.Contains(err.Error(), libc) || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("saw %q, %v", v, err)
	}
}

func TestInspectSeesThatItIsNoLibrary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it reads ELF files")
	}
	dir := t.TempDir()
	cut := filepath.Join(dir, "cut.so")
	if err := os.WriteFile(cut, []byte(elf.ELFMAG), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{cut, dir, filepath.Join(dir, "none")} {
		if v, err := (Library{Path: path}).Inspect(); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: saw %q, %v", path, v, err)
		}
	}
}

func TestTooOld(t *testing.T) {
	for version, want := range map[string]bool{"1.23.2": true, "1.24.0": false, "1.30.0": false, "2.0.0": false, "": false, "1.x": false} {
		if got := tooOld(version); got != want {
			t.Errorf("%q: saw %v, want %v", version, got, want)
		}
	}
}
