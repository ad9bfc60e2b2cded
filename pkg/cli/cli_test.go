package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	urfave "github.com/urfave/cli/v2"
)

func TestExitCode(t *testing.T) {
	plain := errors.New("plain")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, ExitOK},
		{plain, ExitFailed},
		{BadInput(plain), ExitBadInput},
		{BadInputf("line %d", 3), ExitBadInput},
		{Partial(plain), ExitPartial},
		{Partialf("%d rows", 3), ExitPartial},
		{Gatef("off by %d", 3), ExitGate},
		{fmt.Errorf("outside: %w", BadInput(plain)), ExitBadInput},
		{Partial(BadInput(plain)), ExitPartial},
		{errors.Join(plain, Gatef("x")), ExitGate},
		{context.Canceled, ExitInterrupted},
		{fmt.Errorf("scan: %w", context.Canceled), ExitInterrupted},
		{BadInput(context.Canceled), ExitBadInput},
		{context.DeadlineExceeded, ExitFailed},
		{syscall.EPIPE, ExitOK},
		{fmt.Errorf("write: %w", &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}), ExitOK},
		{BadInput(nil), ExitOK},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestErrorKeepsItsCause(t *testing.T) {
	cause := errors.New("cause")
	if err := BadInputf("file: %w", cause); !errors.Is(err, cause) || err.Error() != "file: cause" {
		t.Errorf("got %v", err)
	}
}

// newApp has a flag, and a command whose action returns what the test says.
func newApp(result error) *urfave.App {
	action := func(c *urfave.Context) error {
		if _, err := fmt.Fprintf(c.App.Writer, "ran %s %s\n", c.Command.Name, strings.Join(c.Args().Slice(), " ")); err != nil {
			return err
		}
		return result
	}
	return &urfave.App{
		Name: "bh-test", Usage: "test", Action: action,
		Flags: []urfave.Flag{&urfave.IntFlag{Name: "n", Usage: "how many"}, &urfave.BoolFlag{Name: "quiet"}},
		Commands: []*urfave.Command{{
			Name: "join", Usage: "join", Action: action,
			Flags:       []urfave.Flag{&urfave.DurationFlag{Name: "every", Usage: "how often"}},
			Subcommands: []*urfave.Command{{Name: "deep", Usage: "deeper", Action: action}},
		}},
	}
}

// runApp is Run with the streams caught.
func runApp(ctx context.Context, app *urfave.App, args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = Run(ctx, app, append([]string{"bh-test"}, args...), Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// TestUsageErrors: wrong use is exit code 2 and one line on standard error that says what and where to read on, with
// nothing on standard output, where a pipe would take it for data.
func TestUsageErrors(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--nonsense"}, "bh-test: flag provided but not defined: -nonsense; see bh-test --help\n"},
		{[]string{"--n", "many"}, `bh-test: invalid value "many" for flag -n: parse error; see bh-test --help` + "\n"},
		{[]string{"--n"}, "bh-test: flag needs an argument: -n; see bh-test --help\n"},
		{[]string{"join", "--nonsense"}, "bh-test: flag provided but not defined: -nonsense; see bh-test join --help\n"},
		{[]string{"join", "--every", "often"}, `bh-test: invalid value "often" for flag -every: parse error; see bh-test join --help` + "\n"},
		{[]string{"join", "deep", "--nonsense"}, "bh-test: flag provided but not defined: -nonsense; see bh-test join deep --help\n"},
	} {
		code, out, errOut := runApp(context.Background(), newApp(nil), c.args...)
		if code != ExitBadInput || errOut != c.want || out != "" {
			t.Errorf("%v: exit code %d\nstdout %q\nstderr %q, want %q", c.args, code, out, errOut, c.want)
		}
	}
}

// TestUnknownCommand: so is a command that is not there; without any the help is shown.
func TestUnknownCommand(t *testing.T) {
	app := func() *urfave.App {
		a := newApp(nil)
		a.Action, a.Commands[0].Action = nil, nil
		return a
	}
	for want, args := range map[string][]string{
		"bh-test: unknown command \"split\"; see bh-test --help\n":      {"split"},
		"bh-test: unknown command \"split\"; see bh-test join --help\n": {"join", "split"},
	} {
		code, out, errOut := runApp(context.Background(), app(), args...)
		if code != ExitBadInput || errOut != want || out != "" {
			t.Errorf("%v: exit code %d\nstdout %q\nstderr %q, want %q", args, code, out, errOut, want)
		}
	}
	for _, args := range [][]string{nil, {"join"}} {
		if code, out, errOut := runApp(context.Background(), app(), args...); code != ExitOK || !strings.Contains(out, "USAGE:") || errOut != "" {
			t.Errorf("%v: exit code %d\nstdout %q\nstderr %q", args, code, out, errOut)
		}
	}
}

// TestRunErrors: what an action returns becomes its exit code and one line.
func TestRunErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, ExitOK, ""},
		{errors.New("broke"), ExitFailed, "bh-test: broke\n"},
		{BadInputf("a.csv: empty"), ExitBadInput, "bh-test: a.csv: empty\n"},
		{Partialf("2 rows rejected"), ExitPartial, "bh-test: 2 rows rejected\n"},
		{Gatef("3 of 4 hashes differ"), ExitGate, "bh-test: 3 of 4 hashes differ\n"},
		{context.Canceled, ExitInterrupted, "bh-test: context canceled\n"},
		{fmt.Errorf("write: %w", syscall.EPIPE), ExitOK, ""},
		{errors.Join(errors.New("one"), errors.New("  two\r\nthree ")), ExitFailed, "bh-test: one; two; three\n"},
	} {
		code, out, errOut := runApp(context.Background(), newApp(c.err))
		if code != c.code || errOut != c.want || out != "ran bh-test \n" {
			t.Errorf("%v: exit code %d, want %d\nstdout %q\nstderr %q, want %q", c.err, code, c.code, out, errOut, c.want)
		}
	}
}

func TestRunHelpVersionMan(t *testing.T) {
	for flag, want := range map[string]string{"--help": "USAGE:", "--version": "bh-test version dev (", "man": ".SH NAME"} {
		code, out, errOut := runApp(context.Background(), newApp(errors.New("ran")), flag)
		if code != ExitOK || !strings.Contains(out, want) || errOut != "" {
			t.Errorf("%s: exit code %d\nstdout %q\nstderr %q", flag, code, out, errOut)
		}
	}
}

func TestRunPassesContextAndArgs(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	app := &urfave.App{Name: "bh-test", Action: func(c *urfave.Context) error { return c.Err() }}
	if code, _, _ := runApp(ctx, app); code != ExitInterrupted {
		t.Errorf("exit code %d, want %d", code, ExitInterrupted)
	}
	if _, out, _ := runApp(context.Background(), newApp(nil), "join", "a", "--every", "1s", "b"); out != "ran join a b\n" {
		t.Errorf("got %q", out)
	}
}

func TestOutputIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []io.Writer{w, new(bytes.Buffer), io.Discard} {
		if IsTerminal(out) || UseColor(out) {
			t.Errorf("%T is taken for a terminal", out)
		}
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Error(err)
	}
}

func TestVersion(t *testing.T) {
	if got := Version(); !strings.HasPrefix(got, "dev (") || !strings.Contains(got, "go1.") {
		t.Errorf("got %q", got)
	}
	defer func(r string) { revision = r }(revision)
	if revision = "abc+dirty"; Revision() != "abc+dirty" {
		t.Errorf("got %q", Revision())
	}
}
