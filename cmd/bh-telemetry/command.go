package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/banterhearts/bh/pkg/cli"
)

// The exit codes of shells for a command that cannot be run or is not found, and the base of those for one that a signal
// ended.
const (
	exitCannotRun = 126
	exitNotFound  = 127
	exitSignal    = 128
)

// lookUp reports a program that cannot be started, before anything is recorded for it.
func lookUp(argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	_, err := exec.LookPath(argv[0])
	return cannotStart(err)
}

// cannotStart carries the exit code that shells give for a program that is not found or cannot be run.
func cannotStart(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return &cli.Error{Code: exitNotFound, Err: err}
	}
	return &cli.Error{Code: exitCannotRun, Err: err}
}

// startCommand starts a program with this tool's own standard streams, passes signals on to it, and returns its process id
// and a channel that gets nil or an error with the program's exit code. ending is called when the program has ended, and, on
// Linux, while the kernel still tells what it took.
func startCommand(argv []string, s cli.Streams, ending func()) (pid int, done <-chan error, err error) {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // running what the user names, until it ends, is the purpose
	cmd.Stdin, cmd.Stdout, cmd.Stderr = s.In, s.Out, s.Err
	// This tool ignores SIGPIPE, and a program inherits what is ignored but not what is handled; signal.Reset would leave
	// it ignored.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	err = cmd.Start()
	signal.Ignore(syscall.SIGPIPE)
	if err != nil {
		return 0, nil, cannotStart(err)
	}
	signals := make(chan os.Signal, 8)
	notify(signals, forwarded)
	result := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				forward(cmd.Process, sig)
			case <-ended:
				return
			}
		}
	}()
	go func() {
		awaitExit(cmd.Process.Pid)
		ending()
		err := cmd.Wait()
		signal.Stop(signals)
		close(ended)
		result <- exitError(argv[0], err)
	}()
	return cmd.Process.Pid, result, nil
}

// notify has signals sent to a channel, but not those that this process was started to ignore, as by nohup.
func notify(to chan<- os.Signal, signals []os.Signal) {
	for _, sig := range signals {
		if !signal.Ignored(sig) {
			signal.Notify(to, sig)
		}
	}
}

// endedBy is a context that signals end too. Until stop they do so any number of times: a terminal that is closed sends more
// than one.
func endedBy(ctx context.Context, signals []os.Signal) (ended context.Context, stop func()) {
	ended, cancel := context.WithCancel(ctx)
	got := make(chan os.Signal, 1)
	notify(got, signals)
	go func() {
		select {
		case <-got:
			cancel()
		case <-ended.Done():
		}
	}()
	return ended, func() {
		signal.Stop(got)
		cancel()
	}
}

// exitError carries the exit code of a program, as a shell would give it.
func exitError(name string, err error) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	code := exit.ExitCode()
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = exitSignal + int(status.Signal())
	}
	return &cli.Error{Code: code, Err: fmt.Errorf("%s: %w", name, err)}
}
