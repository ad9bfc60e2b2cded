package ortlib

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestFindPrefersTheUsersLibrary(t *testing.T) {
	mine := filepath.Join(t.TempDir(), "mine.so")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(EnvVar, mine)
	lib, err := Find()
	if err != nil || lib.Path != mine || lib.Origin != "$"+EnvVar {
		t.Errorf("saw %+v, %v", lib, err)
	}
	t.Setenv(EnvVar, filepath.Join(t.TempDir(), "none.so"))
	if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("a path that is not there: saw %v", err)
	}
	// Ensure must not fetch another library behind the user's back.
	if _, err := Ensure(t.Context(), func(s string) { t.Errorf("it said %q", s) }); !errors.Is(err, ErrNotFound) {
		t.Errorf("ensure: saw %v", err)
	}
}

func TestFindInTheCache(t *testing.T) {
	t.Setenv(EnvVar, "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir()) // the cache of darwin
	dir, err := cacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "npm", libraryName())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("the library"))
	pinned := []origin{{name: "npm", sha256: map[string]string{runtime.GOOS + "/" + runtime.GOARCH: hex.EncodeToString(sum[:])}}}
	for content, want := range map[string]bool{"the library": true, "the libr": false, "": false} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		lib, err := cachedFrom(pinned)
		if found := err == nil && lib.Path == path && lib.Origin == "cache (npm)"; found != want {
			t.Errorf("content %q: saw %+v, %v, want found %v", content, lib, err, want)
		}
	}
}

func TestSystemTakesTheNewestThatSpeaksTheAPI(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"libonnxruntime.so.1.23.2", "libonnxruntime.so", "libonnxruntime.so.1", "libonnxruntime.so.2.0.0"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := system([]string{dir, filepath.Join(dir, "none")}); got != "" {
		t.Errorf("saw %s, want none: all are too old or do not tell", got)
	}
	for _, name := range []string{"libonnxruntime.so.1.24.0", "libonnxruntime.so.1.30.0", "libonnxruntime.so.1.9.0"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := filepath.Base(system([]string{dir})); got != "libonnxruntime.so.1.30.0" {
		t.Errorf("saw %s", got)
	}
	if minorOf("libonnxruntime.1.26.0.dylib") != 26 {
		t.Error("the name on macOS is not understood")
	}
}

// wheel makes a pip wheel with the library's content.
func wheel(t *testing.T, content string) string {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.Create("onnxruntime/capi/" + libraryName())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return save(t, "x.whl", buf.Bytes())
}

// tarball makes an npm package with the library's content under name.
func tarball(t *testing.T, name, content string) string {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return save(t, "x.tgz", buf.Bytes())
}

func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func memberName() string {
	name := "libonnxruntime.so.1"
	if runtime.GOOS == "darwin" {
		name = libraryName()
	}
	return "package/bin/napi-v6/" + runtime.GOOS + "/" + nodeArch[runtime.GOARCH] + "/" + name
}

func TestUnpackChecksTheHash(t *testing.T) {
	const content = "the library"
	sum := sha256.Sum256([]byte(content))
	right := hex.EncodeToString(sum[:])
	for _, o := range origins() {
		archive := wheel(t, content)
		if o.name == "npm" {
			archive = tarball(t, memberName(), content)
		}
		path := filepath.Join(t.TempDir(), "lib.so")
		if err := o.unpack(archive, path, strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), right) {
			t.Errorf("%s: wrong hash: saw %v", o.name, err)
		}
		if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
			t.Errorf("%s: a library with the wrong hash left %v, %v", o.name, left, err)
		}
		if err := o.unpack(archive, path, right); err != nil {
			t.Errorf("%s: %v", o.name, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != content {
			t.Errorf("%s: saw %q, %v", o.name, got, err)
		}
	}
}

func TestUnpackOfDamagedArchives(t *testing.T) {
	target := filepath.Join(t.TempDir(), "lib.so")
	junk := save(t, "junk", []byte("no archive"))
	empty := save(t, "empty", nil)
	for _, o := range origins() {
		for _, archive := range []string{junk, empty, filepath.Join(t.TempDir(), "none")} {
			if err := o.unpack(archive, target, ""); err == nil {
				t.Errorf("%s: %s was unpacked", o.name, archive)
			}
		}
	}
	if _, err := openTarball(tarball(t, "package/other", "x")); err == nil || !strings.Contains(err.Error(), "saw no member") {
		t.Errorf("package without the library: saw %v", err)
	}
}

func TestFetchWithoutPipAndNpmSaysSo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	var said []string
	_, err := fetch(t.Context(), func(s string) { said = append(said, s) })
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "npm") || !strings.Contains(err.Error(), "pip") {
		t.Errorf("saw %v", err)
	}
	if len(said) != 2 {
		t.Errorf("it said %q, want both tries", said)
	}
}

func TestOnly(t *testing.T) {
	dir := t.TempDir()
	if _, err := only(dir, "*.whl"); err == nil || !strings.Contains(err.Error(), "saw 0 files") {
		t.Errorf("saw %v", err)
	}
}
