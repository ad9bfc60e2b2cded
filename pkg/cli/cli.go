// Package cli is what the five tools share at their edges: exit codes, how errors become one clear line, signals,
// choosing input and output, progress, and the version. It knows nothing of records or measurements.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	urfave "github.com/urfave/cli/v2"
)

// The exit codes of every tool.
const (
	ExitOK          = 0   // done
	ExitFailed      = 1   // failed
	ExitBadInput    = 2   // wrong use or bad input
	ExitPartial     = 3   // done, but some runs are degraded or some rows were rejected
	ExitGate        = 4   // a gate or verification did not hold
	ExitInterrupted = 130 // interrupted, with everything finished kept
)

// Error is an error with the exit code it ends the tool with.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// BadInput marks err as the caller's mistake: exit code 2.
func BadInput(err error) error { return withCode(ExitBadInput, err) }

// BadInputf is BadInput of a formatted error.
func BadInputf(format string, args ...any) error { return BadInput(fmt.Errorf(format, args...)) }

// Partial marks a result that is there but not whole: exit code 3.
func Partial(err error) error { return withCode(ExitPartial, err) }

// Partialf is Partial of a formatted error.
func Partialf(format string, args ...any) error { return Partial(fmt.Errorf(format, args...)) }

// Gatef says that a gate or verification did not hold: exit code 4.
func Gatef(format string, args ...any) error {
	return withCode(ExitGate, fmt.Errorf(format, args...))
}

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: code, Err: err}
}

// ExitCode is the exit code for err: the code of the outermost Error, ExitInterrupted for a cancelled context, ExitOK
// for nil and for a closed pipe, ExitFailed otherwise.
func ExitCode(err error) int {
	var coded *Error
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE):
		return ExitOK
	case errors.As(err, &coded):
		return coded.Code
	case errors.Is(err, context.Canceled):
		return ExitInterrupted
	}
	return ExitFailed
}

// Streams are the standard streams of a tool, so that tests can run it in-process.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Main runs a tool with the process's arguments, streams and signals, and returns its exit code. The first SIGINT or
// SIGTERM cancels the context; a second one kills the process, as signal handling is back to normal by then.
func Main(run func(ctx context.Context, args []string, s Streams) int) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	signal.Ignore(syscall.SIGPIPE) // a closed pipe comes back as EPIPE from the write, and ExitCode makes it a quiet exit
	return run(ctx, os.Args, Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}

// Run runs app and turns its error into one line on standard error and an exit code.
func Run(ctx context.Context, app *urfave.App, args []string, s Streams) int {
	prepare(app, s)
	err := app.RunContext(ctx, append(args[:1:1], flagsFirst(app.Flags, app.Commands, args[1:])...))
	code := ExitCode(err)
	if err != nil && code != ExitOK {
		fmt.Fprintf(s.Err, "%s: %s\n", app.Name, oneLine(err))
	}
	return code
}

// prepare sets what all tools have in common: streams, version, completion, and errors that come back to Run instead of
// ending the process inside the library.
func prepare(app *urfave.App, s Streams) {
	app.Reader, app.Writer, app.ErrWriter = s.In, s.Out, s.Err
	app.Version = Version()
	app.EnableBashCompletion = true
	app.Suggest = true
	app.ExitErrHandler = func(*urfave.Context, error) {}
	app.OnUsageError = func(_ *urfave.Context, err error, _ bool) error {
		return BadInputf("%w; see %s --help", err, app.Name)
	}
	if app.Action == nil {
		app.Action = unknownCommand(app.Name)
	}
	for _, c := range app.Commands {
		setUsageError(c, app.Name)
	}
	app.Commands = append(app.Commands, manCommand(app))
}

func setUsageError(c *urfave.Command, path string) {
	path += " " + c.Name
	c.OnUsageError = func(_ *urfave.Context, err error, _ bool) error {
		return BadInputf("%w; see %s --help", err, path)
	}
	if c.Action == nil {
		c.Action = unknownCommand(path)
	}
	for _, sub := range c.Subcommands {
		setUsageError(sub, path)
	}
}

// unknownCommand is the action of a tool or command that only has subcommands: the library's own would print the help of
// a name it does not know, or end with a code of its own.
func unknownCommand(path string) urfave.ActionFunc {
	return func(c *urfave.Context) error {
		if name := c.Args().First(); name != "" {
			return BadInputf("unknown command %q; see %s --help", name, path)
		}
		return urfave.ShowSubcommandHelp(c)
	}
}

// manCommand prints the tool's man page, generated from its help.
func manCommand(app *urfave.App) *urfave.Command {
	return &urfave.Command{
		Name: "man", Usage: "print the man page (roff), made from this help", Hidden: true,
		Action: func(c *urfave.Context) error {
			page, err := app.ToMan()
			if err != nil {
				return err
			}
			_, err = io.WriteString(c.App.Writer, page)
			return err
		},
	}
}

// oneLine joins the lines of an error: joined errors and library errors span several, and users and their scripts get
// one line for one problem.
func oneLine(err error) string {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' })
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}
