//go:build unix

package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// forwarded are the signals that a command under this tool gets as if it had been started alone.
var forwarded = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2}

// endings are the signals beside Ctrl-C's and SIGTERM that end a recording as those do: a terminal that was closed, a dropped
// connection, and Ctrl-\.
var endings = []os.Signal{syscall.SIGHUP, syscall.SIGQUIT}

// forward passes a signal on, except one that the terminal has sent to the command as well: a second Ctrl-C means
// "at once" to many programs.
func forward(p *os.Process, sig os.Signal) {
	if (sig == syscall.SIGINT || sig == syscall.SIGQUIT) && inForeground() {
		return
	}
	_ = p.Signal(sig) // the command may have just ended, and then there is nobody to tell
}

// inForeground reports whether this process is in the foreground group of its terminal, which is the group that the
// terminal signals.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close() //nolint:errcheck // opened for reading only
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
