//go:build cgo && unix

package main

/*
#include <errno.h>
#include <fcntl.h>

static int closed;

// Go's runtime opens /dev/null for a standard stream that is closed, before any code of a program. This runs before that.
__attribute__((constructor)) static void look(void) { closed = fcntl(1, F_GETFD) == -1 && errno == EBADF; }

static int stdout_closed(void) { return closed; }
*/
import "C"

// stdoutClosed reports whether the process was started without a standard output.
func stdoutClosed() bool { return C.stdout_closed() != 0 }
