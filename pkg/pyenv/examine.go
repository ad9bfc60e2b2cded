package pyenv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// probe asks an interpreter for the versions of packages without importing them.
const probe = `import importlib.metadata as m, json, os, sys, sysconfig
def version(name):
    try:
        return m.version(name)
    except m.PackageNotFoundError:
        return ""
print(json.dumps({
    "version": "%d.%d.%d" % sys.version_info[:3],
    "packages": {name: version(name) for name in sys.argv[1:]},
    "headers": os.path.isfile(os.path.join(sysconfig.get_path("include"), "Python.h")),
}))`

// probeLimit is how long the interpreter may take: a folder on a slow network is no reason to wait for ever.
var probeLimit = 30 * time.Second

// outputLimit is how long what an interpreter started may hold its output open after the interpreter itself has ended.
const outputLimit = time.Second

// bound is the context of Find, which has none of its own as a check of what is here has none: see EndWith.
var bound atomic.Pointer[context.Context]

// EndWith makes Find end with ctx, the tool's own: an interpreter that does not answer is then no reason for a tool that
// was told to end to wait.
func EndWith(ctx context.Context) { bound.Store(&ctx) }

// examine asks an interpreter for its version and its packages.
func examine(path string) (Python, error) {
	ctx := context.Background()
	if p := bound.Load(); p != nil {
		ctx = *p
	}
	names := slices.Sorted(maps.Keys(packages))
	out, err := ask(ctx, path, append([]string{"-c", probe}, names...)...)
	if err != nil {
		return Python{}, err
	}
	py := Python{Path: path}
	if err := json.Unmarshal([]byte(out), &py); err != nil {
		return Python{}, fmt.Errorf("saw %q, want what a Python says of itself: %w", out, err)
	}
	if missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return py.Packages[name] != "" }); len(missing) > 0 {
		return Python{}, fmt.Errorf("lacks %s", strings.Join(missing, ", "))
	}
	for _, name := range names {
		switch have, want := py.Packages[name], packages[name]; {
		case older(have, want):
			return Python{}, fmt.Errorf("has %s %s, want at least %s", name, have, want)
		}
	}
	return py, nil
}

// ask runs an interpreter and returns what it prints. The working folder is not searched for modules, where a file that
// happens to be called torch.py may lie.
func ask(ctx context.Context, path string, args ...string) (string, error) {
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	cmd.Env = append(os.Environ(), "PYTHONSAFEPATH=1")
	cmd.WaitDelay = outputLimit
	ownGroup(cmd)
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case limited.Err() != nil:
		return "", fmt.Errorf("did not answer within %s", probeLimit)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", fmt.Errorf("%w: %s", err, lastLine(string(exit.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}

// lastLine is the last line of a text that is not empty: of a Python traceback, the error.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// older compares the numbers that two versions begin with, such as 2.15.0 of 2.15.0+cu132.
func older(have, want string) bool { return slices.Compare(numbers(have), numbers(want)) < 0 }

func numbers(version string) []int {
	var out []int
	for part := range strings.SplitSeq(version, ".") {
		digits := strings.IndexFunc(part, func(r rune) bool { return r < '0' || r > '9' })
		if digits < 0 {
			digits = len(part)
		}
		n, err := strconv.Atoi(part[:digits])
		if err != nil {
			break
		}
		out = append(out, n)
		if digits < len(part) {
			break
		}
	}
	return out
}
