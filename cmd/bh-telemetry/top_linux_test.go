package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal opens a pseudo-terminal. What is written to tty comes out of control, and what is written there is typed.
func terminal(t *testing.T) (control, tty *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	if err := unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 60}); err != nil {
		t.Fatal(err)
	}
	return control, tty
}

// shown reads a terminal until it shows some text, and returns all of it.
func shown(t *testing.T, control *os.File, want string) string {
	t.Helper()
	var all []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(all, []byte(want)) {
		n, err := control.Read(buf)
		if err != nil {
			t.Fatalf("saw %v before %q in %q", err, want, all)
		}
		all = append(all, buf[:n]...)
	}
	return string(all)
}

// The live view takes the terminal over and gives it back, whichever way it ends.
func TestTopOnATerminal(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*exec.Cmd, *os.File) error
		args []string
		env  string
	}{
		"q":          {end: func(_ *exec.Cmd, c *os.File) error { _, err := c.WriteString("xq"); return err }},
		"Ctrl-C":     {end: func(_ *exec.Cmd, c *os.File) error { _, err := c.WriteString("\x03"); return err }},
		"SIGTERM":    {end: func(cmd *exec.Cmd, _ *os.File) error { return cmd.Process.Signal(syscall.SIGTERM) }},
		"two views":  {end: func(*exec.Cmd, *os.File) error { return nil }, args: []string{"-n", "2"}},
		"no colours": {end: func(_ *exec.Cmd, c *os.File) error { _, err := c.WriteString("q"); return err }, env: "NO_COLOR=1"},
	} {
		t.Run(name, func(t *testing.T) {
			control, tty := terminal(t)
			before, err := term.GetState(int(tty.Fd()))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(tool, append([]string{"top", "--refresh", "100ms", "--interval", "20ms"}, c.args...)...)
			cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, os.Stderr
			cmd.Env = append(os.Environ(), "NO_COLOR=", c.env)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			view := shown(t, control, eraseBelow)
			if !strings.HasPrefix(view, enterScreen+home) || !strings.Contains(view, "host") || !strings.Contains(view, "recorder: ") {
				t.Errorf("saw %q", view)
			}
			if colours := strings.Contains(view, "\x1b[1m"); colours == (c.env != "") {
				t.Errorf("saw colours %t in %q", colours, view)
			}
			if err := c.end(cmd, control); err != nil {
				t.Fatal(err)
			}
			rest := shown(t, control, leaveScreen)
			if err := cmd.Wait(); err != nil {
				t.Errorf("saw %v, want exit code 0", err)
			}
			if !strings.HasSuffix(rest, leaveScreen) {
				t.Errorf("saw %q, want the screen left at the end", rest)
			}
			if after, err := term.GetState(int(tty.Fd())); err != nil || *after != *before {
				t.Errorf("the terminal is not as it was: %v", err)
			}
		})
	}
}

// A recording is served while it goes on, also without a file.
func TestRecordServesMetrics(t *testing.T) {
	cmd := exec.Command(tool, "record", "--prometheus", "127.0.0.1:0", "--interval", "10ms")
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	url := ""
	for lines.Scan() && url == "" {
		_, url, _ = strings.Cut(lines.Text(), "serving OpenMetrics at ")
	}
	sweepsAbove(t, url, sweepsAbove(t, url, 0))
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || out.Len() > 0 {
		t.Errorf("saw %v and output %q", err, out.String())
	}
}

// sweepsAbove scrapes until there have been more than so many sweeps, and returns how many.
func sweepsAbove(t *testing.T, url string, before float64) (sweeps float64) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/openmetrics-text")
	for range 10_000 {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !bytes.HasSuffix(body, []byte("# EOF\n")) {
			t.Fatalf("saw %v, %q", err, body)
		}
		for line := range strings.Lines(string(body)) {
			if n, _ := fmt.Sscanf(line, "bh_recorder_sweeps_total %g", &sweeps); n == 1 && sweeps > before {
				return sweeps
			}
		}
	}
	t.Fatalf("saw no more sweeps than %v", sweeps)
	return 0
}
