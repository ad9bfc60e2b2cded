//go:build !windows

package worker

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TakeStdout gives the protocol the process's standard output and sends what else is printed there, by a library that
// does not know better, to standard error.
func TakeStdout() (*os.File, error) {
	fd, err := unix.Dup(1)
	if err != nil {
		return nil, fmt.Errorf("worker: keep standard output for the protocol: %w", err)
	}
	if err := unix.Dup2(2, 1); err != nil {
		return nil, fmt.Errorf("worker: keep standard output for the protocol: %w", err)
	}
	return os.NewFile(uintptr(fd), "protocol"), nil
}
