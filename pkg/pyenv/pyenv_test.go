package pyenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// apart gives a test a cache, a working folder and a PATH of its own, and returns the folder on the PATH.
func apart(t *testing.T) (bin string) {
	t.Helper()
	cache, work := t.TempDir(), t.TempDir()
	bin = t.TempDir()
	t.Setenv(EnvVar, "")
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("HOME", cache) // the cache of darwin
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Chdir(work)
	return bin
}

const whole = `{"version": "3.12.1", "packages": {"torch": "2.15.0+cu132", "transformers": "5.23.0", "safetensors": "0.8.0"}, "headers": true}`

// script writes a program for the shell.
func script(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// says is the text of an interpreter that says this of itself.
func says(answer string) string { return "cat <<'END'\n" + answer + "\nEND" }

func TestFindLooksInOrder(t *testing.T) {
	apart(t)
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("nowhere: saw %v", err)
	}
	find := func(want string) {
		t.Helper()
		py, err := Find()
		if err != nil || py.Origin != want || !filepath.IsAbs(py.Path) {
			t.Fatalf("saw %+v, %v, want %s", py, err, want)
		}
		if py.Version != "3.12.1" || py.Packages["torch"] != "2.15.0+cu132" || !py.Headers {
			t.Errorf("saw %+v", py)
		}
	}
	script(t, interpreter(dir), says(whole))
	find("cache")
	script(t, interpreter(".venv"), says(whole))
	find(".venv")
	t.Setenv(EnvVar, script(t, filepath.Join(t.TempDir(), "mine"), says(whole)))
	find("$" + EnvVar)
}

func TestFindTakesNoOtherThanTheUsers(t *testing.T) {
	apart(t)
	script(t, interpreter(".venv"), says(whole))
	for name, text := range map[string]string{
		"lacks torch":             says(strings.Replace(whole, "2.15.0+cu132", "", 1)),
		"has transformers 4.46.3": says(strings.Replace(whole, "5.23.0", "4.46.3", 1)),
		"saw \"hello\"":           "echo hello",
		"exit status 3: boom":     "echo; echo boom >&2; exit 3",
	} {
		t.Setenv(EnvVar, script(t, filepath.Join(t.TempDir(), "mine"), text))
		if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), EnvVar) {
			t.Errorf("want %q: saw %v", name, err)
		}
	}
	t.Setenv(EnvVar, filepath.Join(t.TempDir(), "none"))
	if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), EnvVar) {
		t.Errorf("a path that is not there: saw %v", err)
	}
}

func TestFindPassesOverWhatCannotBeUsed(t *testing.T) {
	apart(t)
	dir, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	script(t, interpreter(".venv"), says(`{"version": "3.12.1", "packages": {}}`))
	script(t, interpreter(dir), says(whole))
	if err := os.WriteFile(filepath.Join(dir, unfinished), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = Find()
	if !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "lacks") || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("saw %v, want both told", err)
	}
	if err := os.Remove(filepath.Join(dir, unfinished)); err != nil {
		t.Fatal(err)
	}
	if py, err := Find(); err != nil || py.Origin != "cache" {
		t.Errorf("saw %+v, %v", py, err)
	}
}

// TestProbe runs the real probe on the machine's Python, in a folder with a module that would break it.
func TestProbe(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("this machine has no Python")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "json.py"), []byte("raise SystemExit('the wrong module')"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	out, err := ask(t.Context(), "python3", "-c", probe, "pip", "no-such-package")
	if err != nil || !strings.Contains(out, `"no-such-package": ""`) || !strings.Contains(out, `"version": "3.`) {
		t.Errorf("saw %s, %v", out, err)
	}
}

// hangs is the text of an interpreter that does not answer, as it waits for a program of its own; that one's id is in file.
func hangs(file string) string { return "sleep 1000 &\necho $! >" + file + "\nwait" }

// pid is the id in the file that hangs named, once it is there.
func pid(t *testing.T, file string) int {
	t.Helper()
	for {
		if data, err := os.ReadFile(file); err == nil && len(data) > 1 {
			n, err := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		select {
		case <-t.Context().Done():
			t.Fatal("the interpreter did not start")
		case <-time.After(time.Millisecond):
		}
	}
}

// wantEnded holds that no process has the id any more, or that it waits for its parent to take note of its end.
func wantEnded(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d, which the interpreter started, is still there", pid)
}

// TestFindDoesNotWaitForEver: an interpreter that does not answer is ended with all that it started, and is not asked again.
func TestFindDoesNotWaitForEver(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it looks at /proc")
	}
	apart(t)
	limit := probeLimit
	t.Cleanup(func() { probeLimit = limit })
	probeLimit = 500 * time.Millisecond
	started := filepath.Join(t.TempDir(), "pid")
	t.Setenv(EnvVar, script(t, filepath.Join(t.TempDir(), "mine"), hangs(started)))
	find := func() {
		t.Helper()
		if _, err := Find(); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "did not answer within 500ms") {
			t.Fatalf("saw %v", err)
		}
	}
	find()
	wantEnded(t, pid(t, started))
	if err := os.Remove(started); err != nil {
		t.Fatal(err)
	}
	find()
	if _, err := os.Stat(started); !errors.Is(err, os.ErrNotExist) {
		t.Error("the interpreter was asked twice")
	}
}

// TestFindEndsWithTheTool: so it is when the tool is told to end, and that is not held against the interpreter.
func TestFindEndsWithTheTool(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("it looks at /proc")
	}
	apart(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	EndWith(ctx)
	t.Cleanup(func() { bound.Store(nil) })
	started := filepath.Join(t.TempDir(), "pid")
	path := script(t, filepath.Join(t.TempDir(), "mine"), hangs(started))
	t.Setenv(EnvVar, path)
	failed := make(chan error)
	go func() {
		_, err := Find()
		failed <- err
	}()
	inner := pid(t, started)
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v", err)
	}
	wantEnded(t, inner)
	EndWith(t.Context())
	script(t, path, says(whole))
	if _, err := Find(); err != nil {
		t.Errorf("the next time: %v", err)
	}
}

func TestOlder(t *testing.T) {
	for _, c := range []struct {
		have, want string
		older      bool
	}{
		{"2.15.0+cu132", "2.11", false}, {"2.11.0", "2.11", false}, {"2.9.1", "2.11", true}, {"5.17.0.dev0", "5.17", false},
		{"2.11rc1", "2.11", false}, {"1.13", "2.11", true}, {"unknown", "2.11", true},
	} {
		if got := older(c.have, c.want); got != c.older {
			t.Errorf("older(%s, %s) = %v", c.have, c.want, got)
		}
	}
}

// pip writes a python3 that makes virtual environments whose pip does the given thing and adds a line to the file log.
func pip(t *testing.T, bin, does string) (log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "log")
	env := "#!/bin/sh\ncase \"$2\" in\npip) echo called >>" + log + "; " + does + ";;\n*) " + says(whole) + "\nesac\n"
	script(t, filepath.Join(bin, "python3"), `case "$1 $2" in
"-m venv") mkdir -p "$3/bin" && cat >"$3/bin/python" <<'SCRIPT' && chmod +x "$3/bin/python"
`+env+`SCRIPT
;;
*version_info*) echo 3 12;;
esac`)
	return log
}

func calls(t *testing.T, log string) int {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Count(string(data), "called")
}

func TestInstall(t *testing.T) {
	bin := apart(t)
	log := pip(t, bin, "echo Collecting torch")
	var said []string
	say := func(line string) { said = append(said, line) }
	for range 2 {
		if err := Install(t.Context(), say); err != nil {
			t.Fatal(err)
		}
	}
	if n := calls(t, log); n != 1 {
		t.Errorf("pip was called %d times, want once", n)
	}
	if all := strings.Join(said, "\n"); !strings.Contains(all, Size()) || !strings.Contains(all, "Collecting torch") || !strings.Contains(all, "are installed") {
		t.Errorf("it said:\n%s", all)
	}
	if py, err := Find(); err != nil || py.Origin != "cache" {
		t.Errorf("saw %+v, %v", py, err)
	}
}

func TestInstallTwiceAtOnce(t *testing.T) {
	bin := apart(t)
	log := pip(t, bin, "sleep 0.5")
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			if err := Install(t.Context(), func(string) {}); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if n := calls(t, log); n != 1 {
		t.Errorf("pip was called %d times, want once", n)
	}
}

func TestInstallSaysWhatFailed(t *testing.T) {
	for want, does := range map[string]string{
		"the disk is full":                   "echo 'ERROR: [Errno 28] No space left on device'; exit 1",
		"the package index cannot be":        "echo 'WARNING: NewConnectionError: Failed to establish a new connection'; exit 1",
		"has no build for this system":       "echo 'ERROR: No matching distribution found for torch==2.15.0'; exit 1",
		"ERROR: something that is not known": "echo 'ERROR: something that is not known' >&2; exit 1",
	} {
		bin := apart(t)
		pip(t, bin, does)
		dir, err := Dir()
		if err != nil {
			t.Fatal(err)
		}
		if err := Install(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("saw %v, want %q", err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: it left %s", want, dir)
		}
		pip(t, bin, "true")
		if err := Install(t.Context(), func(string) {}); err != nil {
			t.Errorf("the next one: %v", err)
		}
	}
}

func TestInstallNeedsAPython(t *testing.T) {
	bin := apart(t)
	t.Setenv("PATH", bin)
	for _, c := range []struct{ name, text, want string }{
		{"", "", "saw no python3"},
		{"python3", "echo 3 8", "saw Python 3.8, want 3.11 to 3.14"},
		{"python", `[ "$2" = "import venv, ensurepip" ] && { echo "No module named ensurepip" >&2; exit 1; }; echo 3 12`, "python3-venv"},
	} {
		if c.name != "" {
			script(t, filepath.Join(bin, c.name), c.text)
		}
		if err := Install(t.Context(), func(string) {}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("saw %v, want %q", err, c.want)
		}
	}
}

func TestInstallStops(t *testing.T) {
	bin := apart(t)
	pip(t, bin, "echo waiting; exec sleep 60")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := Install(ctx, func(line string) {
		if line == "waiting" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("saw %v", err)
	}
}

// TestConstraintsArePinned holds that every package has one version.
func TestConstraintsArePinned(t *testing.T) {
	seen := map[string]bool{}
	for line := range strings.Lines(string(requirements) + string(constraints)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, version, ok := strings.Cut(line, "==")
		if !ok || version == "" || seen[name] || strings.ContainsAny(line, " /:") {
			t.Errorf("saw %q, want NAME==VERSION, each name once", line)
		}
		seen[name] = true
	}
	for name := range packages {
		if !seen[name] {
			t.Errorf("%s is not pinned", name)
		}
	}
}
