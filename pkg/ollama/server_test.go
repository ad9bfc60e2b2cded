//go:build !windows

package ollama

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// ownCache keeps the tests out of the user's cache.
func ownCache(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Setenv("HOME", dir) // the cache of darwin
	base, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(base, "bh")
}

func started(t *testing.T, mode string, o Options) *Server {
	t.Helper()
	ownCache(t)
	s, err := Start(t.Context(), fake(t, mode), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func TestStartAndStop(t *testing.T) {
	s := started(t, "well", Options{})
	if s.Version != "9.9.9" || !strings.HasPrefix(s.URL, "http://127.0.0.1:") || !running(s.PID()) {
		t.Errorf("saw version %q at %q, process %d", s.Version, s.URL, s.PID())
	}
	select {
	case <-s.Ended():
		t.Error("the server has ended")
	default:
	}
	runner := runnerPID(t, s)
	for range 2 {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	}
	<-s.Ended()
	gone(t, "server", s.PID())
	gone(t, "runner", runner)
}

func TestStopKillsAServerThatDoesNotEnd(t *testing.T) {
	defer func(d time.Duration) { stopLimit = d }(stopLimit)
	stopLimit = 50 * time.Millisecond
	s := started(t, "deaf", Options{})
	runner := runnerPID(t, s)
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	gone(t, "server", s.PID())
	gone(t, "runner", runner)
}

func TestAKilledServerTakesItsRunnerWithIt(t *testing.T) {
	s := started(t, "well", Options{})
	runner := runnerPID(t, s)
	if err := syscall.Kill(s.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.Ended()
	gone(t, "runner", runner)
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
}

// A worker that is killed with kill -9 must not leave a server behind.
func TestServerEndsWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ties a process to its parent")
	}
	ownCache(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAKE_OLLAMA=parent", "FAKE_SERVER="+fake(t, "well").Path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var server, runner int
	var url string
	if _, err := fmt.Fscan(out, &server, &url, &runner); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	gone(t, "server", server)
	gone(t, "runner", runner)
}

func TestStartTriesAnotherPort(t *testing.T) {
	if s := started(t, "taken", Options{}); s.Version != "9.9.9" {
		t.Errorf("saw version %q", s.Version)
	}
}

func TestStartTellsWhyTheServerEnded(t *testing.T) {
	ownCache(t)
	_, err := Start(t.Context(), fake(t, "broken"), Options{})
	if err == nil || !strings.Contains(err.Error(), "it ended at once") || !strings.Contains(err.Error(), "Error: no such luck") {
		t.Errorf("saw %v", err)
	}
	if _, err := Start(t.Context(), Binary{Path: filepath.Join(t.TempDir(), "none")}, Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no program: saw %v", err)
	}
}

func TestStartEndsWithItsContext(t *testing.T) {
	ownCache(t)
	stop := errors.New("enough")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, stop)
	defer cancel()
	if _, err := Start(ctx, fake(t, "silent"), Options{}); !errors.Is(err, stop) {
		t.Errorf("saw %v, want the cause", err)
	}
}

// The server gets its own settings and nothing of the user's.
func TestEnvironment(t *testing.T) {
	for _, name := range []string{"OLLAMA_HOST", "OLLAMA_FLASH_ATTENTION", "OLLAMA_ORIGINS", "HTTP_PROXY", "https_proxy", "OPENAI_API_KEY"} {
		t.Setenv(name, "the user's")
	}
	t.Setenv("CUDA_VISIBLE_DEVICES", "1")
	models := t.TempDir()
	s := started(t, "well", Options{ModelsDir: models, Parallel: 3, ContextLength: 512})
	res, err := http.Get(s.URL + "/environment")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close() //nolint:errcheck // only read
	var env []string
	if err := json.NewDecoder(res.Body).Decode(&env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"OLLAMA_MODELS=" + models, "OLLAMA_NUM_PARALLEL=3", "OLLAMA_CONTEXT_LENGTH=512", "CUDA_VISIBLE_DEVICES=1",
		"OLLAMA_HOST=" + strings.TrimPrefix(s.URL, "http://"), "OLLAMA_FLASH_ATTENTION=0", "OLLAMA_NO_CLOUD=1", "PATH=" + os.Getenv("PATH")} {
		if !slices.Contains(env, want) {
			t.Errorf("saw no %s in %q", want, env)
		}
	}
	for _, e := range env {
		if strings.Contains(e, "the user's") {
			t.Errorf("saw %s", e)
		}
	}
}

func TestEnvironmentOfTheZeroOptions(t *testing.T) {
	cache := ownCache(t)
	env, err := environment(Options{})
	if err != nil {
		t.Fatal(err)
	}
	models, err := DefaultModelsDir()
	if err != nil || models != filepath.Join(cache, "ollama-models") {
		t.Errorf("models: saw %s, %v", models, err)
	}
	for _, want := range []string{"OLLAMA_MODELS=" + models, "HOME=" + filepath.Join(cache, "ollama-home"), "OLLAMA_NUM_PARALLEL=1"} {
		if !slices.Contains(env, want) {
			t.Errorf("saw no %s in %q", want, env)
		}
	}
	if slices.ContainsFunc(env, func(e string) bool { return strings.HasPrefix(e, "OLLAMA_CONTEXT_LENGTH") }) {
		t.Errorf("saw a context length in %q", env)
	}
}

func TestCacheUse(t *testing.T) {
	s := started(t, "well", Options{})
	mark, err := s.Mark()
	if err != nil {
		t.Fatal(err)
	}
	const line = `time=2026-11-21T21:00:37.882Z level=DEBUG source=cache.go:104 msg="loading cache slot" id=0 cache=9 prompt=8 used=%d remaining=3`
	if _, err := fmt.Fprintf(s.log.f, line+"\nanother used=100\n"+line+"\n"+line, 5, 7, 11); err != nil {
		t.Fatal(err)
	}
	if use, err := s.CacheUse(mark); err != nil || use != (CacheUse{Prompts: 2, Tokens: 12}) {
		t.Errorf("saw %+v, %v, want two prompts and 12 tokens: the third line is not complete", use, err)
	}
	if mark, err = s.Mark(); err != nil {
		t.Fatal(err)
	}
	if use, err := s.CacheUse(mark); err != nil || use != (CacheUse{}) {
		t.Errorf("nothing since: saw %+v, %v", use, err)
	}
	huge := strings.Replace(line, "%d", strings.Repeat("9", 30), 1)
	if use, err := parseCacheUse([]byte(huge + "\n")); err == nil {
		t.Errorf("no such number of tokens: saw %+v", use)
	}
}
