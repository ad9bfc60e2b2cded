package pyenv

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
)

// The Pythons that the pinned packages have builds for: 3.11 to 3.14.
const minMinor, maxMinor = 11, 14

// Size says what Install downloads and leaves on the disk. PyTorch's package for Linux brings CUDA, GPU or not.
func Size() string {
	if runtime.GOOS == "linux" {
		return "about 3 GB to download, 6 GB on disk"
	}
	return "some hundred MB to download"
}

// Install makes a virtual environment with the pinned packages in the user's cache, unless it is there. say is told what it
// does, pip's own words among it. One that was interrupted begins anew; of two at once the second waits for the first.
func Install(ctx context.Context, say func(string)) error {
	dir, err := Dir()
	if err != nil {
		return err
	}
	if err := install(ctx, dir, say); err != nil {
		return fmt.Errorf("install PyTorch and transformers: %w", err)
	}
	return nil
}

func install(ctx context.Context, dir string, say func(string)) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	unlock, err := atomicfile.Lock(ctx, dir+".lock", func() { say("another process is installing them; waiting for it") })
	if err != nil {
		return err
	}
	defer unlock() //nolint:errcheck // the lock ends with the file
	if err := forget(dir); err != nil {
		return err
	}
	if py, err := inEnvironment(dir, "cache"); err == nil {
		say(fmt.Sprintf("torch %s and transformers %s are installed: %s", py.Packages["torch"], py.Packages["transformers"], dir))
		return nil
	}
	base, err := basePython(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(populate(ctx, base, dir, say), forget(dir)); err != nil {
		return err
	}
	py, err := inEnvironment(dir, "cache")
	if err != nil {
		return err
	}
	say(fmt.Sprintf("installed torch %s and transformers %s for Python %s: %s", py.Packages["torch"], py.Packages["transformers"], py.Version, dir))
	return nil
}

// populate makes the virtual environment, or leaves nothing. It cannot be made elsewhere and renamed, as its programs name
// their folder; the file that says it is not finished goes when it is.
func populate(ctx context.Context, base, dir string, say func(string)) (err error) {
	if err := os.RemoveAll(dir); err != nil { // what an installation left that was killed
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	list, limits := filepath.Join(dir, "requirements.txt"), filepath.Join(dir, "constraints.txt")
	marker := filepath.Join(dir, unfinished)
	if err := errors.Join(os.WriteFile(marker, nil, 0o644), os.WriteFile(list, requirements, 0o644), os.WriteFile(limits, constraints, 0o644)); err != nil {
		return err
	}
	say("making a virtual environment with " + base + ": " + dir)
	if err := run(ctx, say, base, "-m", "venv", dir); err != nil {
		return err
	}
	say("installing PyTorch and transformers with pip, " + Size())
	if err := run(ctx, say, interpreter(dir), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off",
		"--requirement", list, "--constraint", limits); err != nil {
		return err
	}
	return os.Remove(marker)
}

// basePython is an interpreter that a virtual environment can be made with.
func basePython(ctx context.Context) (string, error) {
	var seen []string
	for _, name := range []string{"python3", "python3.13", "python3.12", "python3.11", "python3.14", "python"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if err := canMakeEnvironment(ctx, path); err != nil {
			seen = append(seen, fmt.Sprintf("%s: %v", path, err))
			continue
		}
		return path, nil
	}
	if len(seen) == 0 {
		return "", fmt.Errorf("saw no python3 on $PATH, want Python 3.%d to 3.%d: install one (on Debian and Ubuntu the packages python3 and python3-venv)", minMinor, maxMinor)
	}
	return "", fmt.Errorf("no Python can be used: %s", strings.Join(seen, "; "))
}

// canMakeEnvironment says what an interpreter lacks. Debian and Ubuntu have the module venv, and what it needs to put pip
// into a new environment, in a package of their own.
func canMakeEnvironment(ctx context.Context, path string) error {
	out, err := ask(ctx, path, "-c", "import sys; print(*sys.version_info[:2])")
	if err != nil {
		return err
	}
	var major, minor int
	if _, err := fmt.Sscan(out, &major, &minor); err != nil {
		return fmt.Errorf("saw version %q: %w", out, err)
	}
	if major != 3 || minor < minMinor || minor > maxMinor {
		return fmt.Errorf("saw Python %d.%d, want 3.%d to 3.%d", major, minor, minMinor, maxMinor)
	}
	if _, err := ask(ctx, path, "-c", "import venv, ensurepip"); err != nil {
		return fmt.Errorf("%w; install the package python3-venv", err)
	}
	return nil
}

// run runs a command and passes on what it says, line by line. On cancellation it gets SIGTERM first, so that it can remove
// what it has half downloaded.
func run(ctx context.Context, say func(string), argv ...string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "PYTHONUNBUFFERED=1", "PYTHONSAFEPATH=1")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	said := passOn(out, say)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("%s: %w: %s", strings.Join(argv[:3], " "), err, explain(said))
	}
	return nil
}

// passOn tells every line, and returns the last ones that speak of an error.
func passOn(r io.Reader, say func(string)) []string {
	const kept = 5
	var last []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		say(line)
		if strings.Contains(strings.ToLower(line), "error") {
			last = append(last, line)
			last = last[max(0, len(last)-kept):]
		}
	}
	_, _ = io.Copy(io.Discard, r) // a line too long for the scanner must not stop the command
	return last
}

// causes are what pip's words mean.
var causes = []struct{ words, meaning string }{
	{"no space left", "the disk is full: it needs " + Size() + ", and as much as the download in the folder for temporary files ($TMPDIR)"},
	{"connection", "the package index cannot be reached: see pip's settings for a proxy or another index"},
	{"name resolution", "the package index cannot be reached: see pip's settings for a proxy or another index"},
	{"no matching distribution", "the package index has no build for this system and Python"},
}

// explain puts what a command's errors mean before them.
func explain(said []string) string {
	text := strings.Join(said, "; ")
	for _, c := range causes {
		if strings.Contains(strings.ToLower(text), c.words) {
			return c.meaning + " (" + text + ")"
		}
	}
	return text
}
