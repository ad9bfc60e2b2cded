package backend

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/banterhearts/bh/pkg/ortlib"
)

// TestProbeTellsTheLibrarysOwnVersion: that of the file, as the library itself says when it is loaded.
func TestProbeTellsTheLibrarysOwnVersion(t *testing.T) {
	openSmall(t, smallModel(t, 0), nil)
	if err := checkLibrary(); err != nil {
		t.Fatal(err)
	}
	if got := probeLibrary(); runtime.GOOS == "linux" && got["onnxruntime"] != ort.GetVersion() || got["library"] == "" {
		t.Errorf("saw %v, want version %s", got, ort.GetVersion())
	}
}

// TestCheckTakesNoOtherLibrary: what is not ONNX Runtime is seen before it is loaded, and the remedy is one that helps.
func TestCheckTakesNoOtherLibrary(t *testing.T) {
	const unset = "unset " + ortlib.EnvVar
	text := filepath.Join(t.TempDir(), "text.so")
	if err := os.WriteFile(text, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(ortlib.EnvVar, text)
	if runtime.GOOS == "linux" {
		wantMissing(t, checkLibrary(), LibraryFailed, unset)
	}
	t.Setenv(ortlib.EnvVar, filepath.Join(t.TempDir(), "none"))
	wantMissing(t, checkLibrary(), LibraryNotFound, unset)
	if got := probeLibrary(); got != nil {
		t.Errorf("it found %v", got)
	}
}

// TestWithoutACacheSetupIsNoRemedy: it has nowhere to put anything.
func TestWithoutACacheSetupIsNoRemedy(t *testing.T) {
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "LocalAppData", ortlib.EnvVar} {
		t.Setenv(name, "")
	}
	for _, variable := range []string{ortlib.EnvVar, ortlib.EnvVarGPU} {
		if got := libraryRemedy(variable, "run setup"); strings.Contains(got, "setup") || !strings.Contains(got, "HOME") {
			t.Errorf("%s: saw %q", variable, got)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("LocalAppData", t.TempDir())
	if got := libraryRemedy(ortlib.EnvVar, "run setup"); got != "run setup" {
		t.Errorf("with a cache: saw %q", got)
	}
}
