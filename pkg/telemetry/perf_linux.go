package telemetry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// eventFile is an event that the kernel counts.
type eventFile struct {
	fd  int
	buf [8]byte
}

// openPerfEvent counts an event on one processor for all processes (perf_event_open(2)).
func openPerfEvent(kind uint32, config uint64, cpu int) (perfCounter, error) {
	attr := unix.PerfEventAttr{Type: kind, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: config}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("perf_event_open", err)
	}
	return &eventFile{fd: fd}, nil
}

func (e *eventFile) count() (uint64, error) {
	for {
		n, err := unix.Read(e.fd, e.buf[:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n != len(e.buf): // the event could not be put on the processor
			return 0, fmt.Errorf("read of an event: saw %d bytes, want %d", n, len(e.buf))
		}
		return binary.NativeEndian.Uint64(e.buf[:]), nil
	}
}

func (e *eventFile) close() error { return unix.Close(e.fd) }
