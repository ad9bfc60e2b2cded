package ortlib

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFindGPUWantsTheProviderBesideTheLibrary(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("LD_LIBRARY_PATH", "")
	t.Setenv(EnvVarGPU, "")
	if _, err := FindGPU(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "bh-run setup onnxruntime-gpu") {
		t.Errorf("nothing: saw %v", err)
	}
	mine := filepath.Join(t.TempDir(), "libonnxruntime.so."+Version)
	write(t, mine, "")
	t.Setenv(EnvVarGPU, mine)
	if _, err := FindGPU(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), EnvVarGPU) {
		t.Errorf("a library without providers: saw %v", err)
	}
	write(t, filepath.Join(filepath.Dir(mine), cudaProvider), "")
	if lib, err := FindGPU(); err != nil || lib.Path != mine || filepath.Dir(lib.TensorRT()) != filepath.Dir(mine) {
		t.Errorf("saw %+v, %v", lib, err)
	}
	t.Setenv(EnvVarGPU, "")
	t.Setenv("LD_LIBRARY_PATH", filepath.Dir(mine))
	if lib, err := FindGPU(); err != nil || lib.Path != mine || lib.Origin != "system" {
		t.Errorf("in the loader's folder: saw %+v, %v", lib, err)
	}
}

func hash(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// archive makes a wheel with these members.
func archive(t *testing.T, members map[string]string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(members[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return save(t, "x.whl", buf.Bytes())
}

func TestTheGPUBuildIsUnpackedAndFoundByItsHashes(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	dir, err := gpuDir()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const main = "libonnxruntime.so." + Version
	want := map[string]string{main: hash("main"), cudaProvider: hash("cuda")}
	build := map[string]string{"onnxruntime/capi/" + main: "main", "onnxruntime/capi/" + cudaProvider: "cuda", "onnxruntime/__init__.py": ""}
	damaged := maps.Clone(build)
	damaged["onnxruntime/capi/"+cudaProvider] = "other"
	if err := unpackPinned(archive(t, damaged), dir, want); err == nil || !strings.Contains(err.Error(), hash("other")) {
		t.Errorf("a damaged wheel: saw %v", err)
	}
	delete(damaged, "onnxruntime/capi/"+cudaProvider)
	if err := unpackPinned(archive(t, damaged), dir, want); err == nil || !strings.Contains(err.Error(), "1 of 2") {
		t.Errorf("an incomplete wheel: saw %v", err)
	}
	if _, err := cachedGPU(want); !errors.Is(err, ErrNotFound) {
		t.Errorf("half a build: saw %v", err)
	}
	if err := unpackPinned(archive(t, build), dir, want); err != nil {
		t.Fatal(err)
	}
	if lib, err := cachedGPU(want); err != nil || lib.Path != filepath.Join(dir, main) {
		t.Errorf("saw %+v, %v", lib, err)
	}
}

func TestLibrariesOfCUDAKeepTheirPlaces(t *testing.T) {
	dir := t.TempDir()
	err := unpackLibraries(archive(t, map[string]string{
		"nvidia/cu13/lib/libx.so.13": "x", "nvidia/cu13/lib/libx.alt.so.13": "alt", "nvidia/cu13/include/x.h": "h",
	}), dir)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "nvidia/*/*/*"))
	if err != nil || len(found) != 1 || filepath.Base(found[0]) != "libx.so.13" {
		t.Errorf("saw %v, %v", found, err)
	}
	if err := unpackLibraries(archive(t, map[string]string{"../evil.so": ""}), dir); err == nil {
		t.Error("a member outside the folder: saw no error")
	}
}

// shared compiles a shared library that needs others, which are in needs.
func shared(t *testing.T, path string, needs ...string) string {
	t.Helper()
	args := []string{"-shared", "-nostdlib", "-x", "c", "-o", path, "-Wl,--no-as-needed", "-Wl,-soname," + filepath.Base(path), "/dev/null"}
	for _, n := range needs {
		args = append(args, "-x", "none", n)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("cc %v: %v\n%s", args, err, out)
	}
	return path
}

// TestNeedsAreFollowed has a provider that needs one library of the loader's, one of a wheel's, which needs another of the
// wheel's, and two that are nowhere.
func TestNeedsAreFollowed(t *testing.T) {
	dir := t.TempDir()
	loader, wheel, gone := filepath.Join(dir, "loader"), filepath.Join(dir, "wheel"), filepath.Join(dir, "gone")
	driver, missing := shared(t, gone+"/libcuda.so.1"), shared(t, gone+"/libcurand.so.10")
	base := shared(t, loader+"/libbase.so.1")
	deep := shared(t, wheel+"/libcublasLt.so.13", base)
	mid := shared(t, wheel+"/libcublas.so.13", deep, missing)
	provider := shared(t, dir+"/libprovider.so", base, mid, driver)
	optional := shared(t, wheel+"/libcudnn.so.9", base)
	shared(t, wheel+"/libbroken.so.1", driver)
	write(t, loader+"/libcublas.so.13", "not a library, such as a linker script")
	l := Linker{loader: []string{loader}, extra: []string{filepath.Join(dir, "none"), wheel}}
	needs, err := l.Needs([]string{provider}, "libcudnn.so.*", "libbroken*")
	if err != nil {
		t.Fatal(err)
	}
	if want := []Missing{{"libcurand.so.10", "libcublas.so.13"}, {"libcuda.so.1", "libprovider.so"}}; !slices.Equal(needs.Missing, want) {
		t.Errorf("missing: saw %v, want %v", needs.Missing, want)
	}
	if want := []string{deep, mid, optional}; !slices.Equal(needs.Preload, want) {
		t.Errorf("preload: saw %v, want %v, each after those that it needs", needs.Preload, want)
	}
	if _, err := l.Needs([]string{filepath.Join(loader, "libcublas.so.13")}); err == nil {
		t.Error("a file that is no library: saw no error")
	}
	l.cache = map[string][]string{"libcuda.so.1": {filepath.Join(dir, "stale"), driver}, "libcurand.so.10": {missing}}
	if needs, err := l.Needs([]string{provider}); err != nil || len(needs.Missing) != 0 || len(needs.Preload) != 2 {
		t.Errorf("with the loader's cache: saw %+v, %v", needs, err)
	}
}

func TestTheLoadersCacheIsRead(t *testing.T) {
	got := parseCache("2 libs found in cache `/etc/ld.so.cache'\n" +
		"\tlibc.so.6 (libc6,x86-64, OS ABI: Linux 3.2.0) => /lib/x86_64-linux-gnu/libc.so.6\n" +
		"\tlibc.so.6 (libc6) => /lib32/libc.so.6\n" +
		"Cache generated by: ldconfig (Debian GLIBC 2.36) stable release version 2.36\n")
	if len(got) != 1 || !slices.Equal(got["libc.so.6"], []string{"/lib/x86_64-linux-gnu/libc.so.6"}) {
		t.Errorf("saw %v", got)
	}
}
