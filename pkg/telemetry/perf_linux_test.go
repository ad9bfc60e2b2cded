package telemetry

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The system call itself, on the event that every kernel has: the clock of a processor, counted while the test runs.
func TestPerfEventFile(t *testing.T) {
	if _, err := openPerfEvent(1<<31, 0, 0); err == nil {
		t.Error("saw no error for a unit that does not exist")
	}
	c, err := openPerfEvent(unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_CLOCK, 0)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			t.Skipf("this user may not count events of whole processors: %v", err)
		}
		t.Fatal(err)
	}
	a, err := c.count()
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	if b, err := c.count(); err != nil || b <= a {
		t.Errorf("saw %d, %v after %d, want more", b, err, a)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if _, err := c.count(); err == nil {
		t.Error("saw no error for an event that is closed")
	}
}
