package main

import (
	"errors"

	"golang.org/x/sys/unix"
)

// awaitExit returns when a child has ended, and leaves it to be waited for.
func awaitExit(pid int) {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			return // where it fails, the wait that follows tells why
		}
	}
}
