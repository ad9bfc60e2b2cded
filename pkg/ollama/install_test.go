//go:build !windows

package ollama

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeGo puts a program called go before the real one. It gives folders as modules, counts its builds, and writes `say` and
// then what was asked for.
func fakeGo(t *testing.T, say string) (builds func() int) {
	t.Helper()
	dir := t.TempDir()
	for _, m := range []module{ollamaModule, audioModule} {
		if err := os.MkdirAll(filepath.Join(dir, m.path), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, audioModule.path, "miniaudio.h"), []byte("header"), 0o644); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`#!/bin/sh
if [ "$1" = mod ]; then
	case $4 in
	%[2]s@%[3]s) echo '{"Dir": "%[1]s/%[2]s", "Sum": "%[4]s"}' ;;
	%[5]s@%[6]s) echo '{"Dir": "%[1]s/%[5]s", "Sum": "%[7]s"}' ;;
	esac
	exit
fi
echo x >> %[1]s/builds
cat ${CPATH%%%%:*}/miniaudio/miniaudio.h > %[1]s/seen || exit 1
%[8]s
while [ "$1" != -o ]; do shift; done
mkdir -p $(dirname $2) && echo "$CGO_CFLAGS" > $2 && chmod +x $2
`, dir, ollamaModule.path, ollamaModule.version, ollamaModule.sum, audioModule.path, audioModule.version, audioModule.sum, say)
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		data, err := os.ReadFile(filepath.Join(dir, "builds"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(data), "x")
	}
}

// withHeaders puts the headers that the build needs on $CPATH, and a compiler into $CXX.
func withHeaders(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"nlohmann/json.hpp", "stb/stb_image.h"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CPATH", dir)
	t.Setenv("CXX", "sh -c")
}

func TestInstallBuildsOnceAndFindFindsIt(t *testing.T) {
	cache := ownCache(t)
	t.Setenv(EnvVar, "")
	withHeaders(t)
	builds := fakeGo(t, "echo github.com/ollama/ollama/ml/backend/ggml >&2")
	if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "bh-run setup ollama") {
		t.Errorf("before: saw %v", err)
	}
	var mu sync.Mutex
	var said []string
	say := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, text)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := Install(t.Context(), say); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	b, err := Find()
	if err != nil || b.Origin != "cache" || b.Path != filepath.Join(cache, "ollama-"+Version+"-"+target(), programName()) {
		t.Errorf("after: saw %+v, %v", b, err)
	}
	if builds() != 1 {
		t.Errorf("saw %d builds, want one", builds())
	}
	want := "-O3"
	if level := x86Level(); level != "" {
		want += " -march=" + level
	}
	if flags, err := os.ReadFile(b.Path); err != nil || strings.TrimSpace(string(flags)) != want {
		t.Errorf("saw it compiled with %s (%v), want %s", flags, err, want)
	}
	for _, want := range []string{"about 4 minutes", "compiling: package 1, github.com/ollama/ollama/ml/backend/ggml", "built Ollama"} {
		if !strings.Contains(strings.Join(said, "\n"), want) {
			t.Errorf("it said %q, want %q among it", said, want)
		}
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 2 {
		t.Errorf("saw %v in the cache (%v), want the build and its lock", entries, err)
	}
}

func TestInstallTellsWhatTheCompilerSaid(t *testing.T) {
	cache := ownCache(t)
	withHeaders(t)
	fakeGo(t, "echo 'sampling.cpp:9: fatal error' >&2; exit 1")
	err := Install(t.Context(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "sampling.cpp:9: fatal error") || !strings.Contains(err.Error(), "exit status 1") {
		t.Errorf("saw %v", err)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) != 1 {
		t.Errorf("saw %v in the cache (%v), want the lock alone", entries, err)
	}
}

func TestInstallEndsWithItsContext(t *testing.T) {
	ownCache(t)
	withHeaders(t)
	fakeGo(t, "exec sleep 60")
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("enough")
	err := Install(ctx, func(text string) {
		if strings.HasPrefix(text, "compiling") {
			cancel(stop)
		}
	})
	if !errors.Is(err, stop) {
		t.Errorf("saw %v, want the cause", err)
	}
}

func TestInstallNamesWhatIsMissing(t *testing.T) {
	ownCache(t)
	t.Setenv("CXX", "no-such-compiler")
	err := checkTools([]string{t.TempDir()})
	if want := "`apt-get install g++ nlohmann-json3-dev libstb-dev`"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("saw %v, want %s", err, want)
	}
	withHeaders(t)
	if err := checkTools(includeDirs()); err != nil {
		t.Errorf("with all of it: saw %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := Install(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), "building it needs Go") {
		t.Errorf("no Go: saw %v", err)
	}
}

// A module of this very test stands for the pinned ones, as it is here already.
func TestDownloadChecksTheChecksum(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Version}}", "golang.org/x/sys").Output()
	if err != nil {
		t.Fatal(err)
	}
	m := module{path: "golang.org/x/sys", version: strings.TrimSpace(string(out))}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(sums)) {
		if sum, ok := strings.CutPrefix(line, m.path+" "+m.version+" "); ok {
			m.sum = strings.TrimSpace(sum)
		}
	}
	dir, err := m.download(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Errorf("saw %s, %v, want a folder", dir, err)
	}
	right := m.sum
	m.sum = "h1:another"
	if _, err := m.download(t.Context()); err == nil || !strings.Contains(err.Error(), "saw checksum "+right+", want h1:another") {
		t.Errorf("another checksum: saw %v", err)
	}
	t.Setenv("GOPROXY", "off")
	none := module{"example.invalid/none", "v1.0.0", ""}
	if _, err := none.download(t.Context()); err == nil || !strings.Contains(err.Error(), "go mod download example.invalid/none@v1.0.0: ") {
		t.Errorf("no such module: saw %v", err)
	}
}

func TestFindPrefersTheUsersProgram(t *testing.T) {
	ownCache(t)
	mine := fake(t, "well").Path
	t.Setenv(EnvVar, mine)
	if b, err := Find(); err != nil || b.Path != mine || b.Origin != "$"+EnvVar {
		t.Errorf("saw %+v, %v", b, err)
	}
	for path, want := range map[string]string{filepath.Join(t.TempDir(), "none"): "no such file", t.TempDir(): "want a program", notExecutable(t): "may be executed"} {
		t.Setenv(EnvVar, path)
		if b, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), EnvVar) {
			t.Errorf("%s: saw %+v, %v, want %q", path, b, err, want)
		}
	}
}

func notExecutable(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
