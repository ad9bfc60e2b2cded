package ollama

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
)

// module is a Go module, pinned by the checksum that go.sum files hold.
type module struct{ path, version, sum string }

// ollamaModule holds the program. audioModule holds miniaudio.h, which the former lacks, as module archives leave out
// folders called vendor.
var (
	ollamaModule = module{"github.com/ollama/ollama", Version, "h1:X3KNm9x4BlHqk/AXMGtC7pBAFd46nmJmy8yDaBZLo9s="}
	audioModule  = module{"github.com/gen2brain/malgo", "v0.11.24", "h1:hHcIJVfzWcEDHFdPl5Dl/CUSOjzOleY0zzAV8Kx+imE="}
)

// minutes is how long the build takes on two cores of 2023 with an empty build cache: three and a half were measured.
const minutes = 4

// Install builds the pinned server into the user's cache, unless it is there. It needs Go, a C++ compiler, and Debian's
// nlohmann-json3-dev and libstb-dev or the same headers from elsewhere. say is told what takes long.
func Install(ctx context.Context, say func(string)) error {
	dir, err := buildDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("install ollama: %w", err)
	}
	unlock, err := atomicfile.Lock(ctx, dir+".lock", func() { say("another process is building Ollama; waiting for it") })
	if err != nil {
		return fmt.Errorf("install ollama: %w", err)
	}
	defer unlock() //nolint:errcheck // the lock ends with the file
	built := filepath.Join(dir, programName())
	if executable(built) == nil {
		say("Ollama " + Version + " is built: " + built)
		return nil
	}
	if err := build(ctx, dir, say); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return fmt.Errorf("install ollama: %w", err)
	}
	say("built Ollama " + Version + ": " + built)
	return nil
}

// build compiles the server in a temporary folder and renames that to dir.
func build(ctx context.Context, dir string, say func(string)) (err error) {
	if err := checkTools(includeDirs()); err != nil {
		return err
	}
	say("downloading the sources of Ollama " + Version + " (Go modules)")
	src, err := ollamaModule.download(ctx)
	if err != nil {
		return err
	}
	audio, err := audioModule.download(ctx)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".ollama.tmp-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	fresh := filepath.Join(tmp, "new")
	if err := copyHeader(filepath.Join(audio, "miniaudio.h"), filepath.Join(tmp, "include", "miniaudio")); err != nil {
		return err
	}
	say(fmt.Sprintf("compiling Ollama %s for %s, about %d minutes on two cores", Version, target(), minutes))
	if err := compile(ctx, src, filepath.Join(fresh, programName()), filepath.Join(tmp, "include"), say); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil { // what an earlier version left there, without the program
		return err
	}
	return os.Rename(fresh, dir)
}

// download gets a module through the Go module proxy and returns its folder, if its checksum is the pinned one.
func (m module) download(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", m.path+"@"+m.version)
	cmd.Dir = os.TempDir() // outside of any module
	cmd.Env = goEnv()
	out, err := cmd.Output()
	var got struct{ Dir, Sum, Error string }
	if jerr := json.Unmarshal(out, &got); jerr != nil && err == nil {
		err = jerr
	}
	switch {
	case got.Error != "":
		return "", fmt.Errorf("go mod download %s@%s: %s", m.path, m.version, got.Error)
	case err != nil:
		return "", fmt.Errorf("go mod download %s@%s: %w", m.path, m.version, withStderr(err))
	case got.Sum != m.sum:
		return "", fmt.Errorf("go mod download %s@%s: saw checksum %s, want %s", m.path, m.version, got.Sum, m.sum)
	}
	return got.Dir, nil
}

// withStderr adds to a command's error what it said.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// compile builds the module in src. Building in its folder, instead of `go install`, makes Go check every other module
// against the go.sum that the pinned checksum covers.
func compile(ctx context.Context, src, out, include string, say func(string)) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-mod=readonly", "-v",
		"-ldflags", "-s -w -X "+ollamaModule.path+"/version.Version="+strings.TrimPrefix(Version, "v"), "-o", out, ".")
	cmd.Dir = src
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // it ends its compilers
	cmd.WaitDelay = 10 * time.Second
	flags := "-O3"
	if level := x86Level(); level != "" {
		flags += " -march=" + level
	}
	cmd.Env = append(goEnv(), "CGO_ENABLED=1", "CGO_CFLAGS="+flags, "CGO_CXXFLAGS="+flags,
		"CPATH="+strings.Join(append([]string{include}, filepath.SplitList(os.Getenv("CPATH"))...), string(os.PathListSeparator)))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	words := follow(stderr, say)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("go build in %s: %w:\n%s", src, err, strings.Join(words, "\n"))
	}
	return nil
}

// follow tells of a build's progress, which is one line for each package: each fiftieth, and the slow ones of C++. It
// returns the last lines that are no progress.
func follow(r io.Reader, say func(string)) []string {
	const kept = 20
	var words []string
	packages := 0
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.Contains(line, " ") || !strings.Contains(line, "/") {
			words = append(words, line)
			words = words[max(0, len(words)-kept):]
			continue
		}
		packages++
		if strings.Contains(line, "ggml") || strings.Contains(line, "llama.cpp") || packages%50 == 0 {
			say(fmt.Sprintf("compiling: package %d, %s", packages, line))
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not stop the compiler
	return words
}

// goEnv is the environment without what would make Go build something else, or elsewhere.
func goEnv() []string {
	return append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
}

func copyHeader(from, dir string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, filepath.Base(from)), data, 0o644)
}
