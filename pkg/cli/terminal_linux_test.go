package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTerminal opens a pseudo-terminal. What is written to tty comes out of output when tty is closed.
func newTerminal(t *testing.T) (tty *os.File, output func() string) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 100}); err != nil {
		t.Fatal(err)
	}
	read := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(control) // ends with EIO when the terminal is closed
		read <- string(b)
	}()
	return tty, func() string {
		_ = tty.Close() // ends the reader
		out := <-read
		_ = control.Close() // of no more use
		return out
	}
}

func TestIsTerminal(t *testing.T) {
	tty, output := newTerminal(t)
	t.Setenv("NO_COLOR", "")
	if !IsTerminal(tty) || !UseColor(tty) {
		t.Error("a terminal is not taken for one")
	}
	t.Setenv("NO_COLOR", "1")
	if UseColor(tty) {
		t.Error("NO_COLOR is not respected")
	}
	output()
}

// TestProgressBar: on a terminal there is a bar, and Done ends it, also where steps were left out.
func TestProgressBar(t *testing.T) {
	for name, steps := range map[string]int{"all steps": 4, "interrupted": 1, "before the first step": 0} {
		tty, output := newTerminal(t)
		p := NewProgress(tty, "measure", 4, 400*time.Millisecond, false)
		for i := range steps {
			p.Step(fmt.Sprintf("step %d", i), 100*time.Millisecond)
		}
		done := make(chan struct{})
		go func() { p.Done(); close(done) }()
		select {
		case <-done:
		case <-time.After(time.Minute):
			t.Fatalf("%s: Done does not return", name)
		}
		if got := output(); !strings.Contains(got, "measure ") || steps < 4 && !strings.Contains(got, "ETA") {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
