package telemetry

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// meterSpacing is the least time between two readings of one command that are both kept.
const meterSpacing = time.Millisecond

// commandMeter is a shell command that prints watts, one reading a line: once, or for as long as it runs.
type commandMeter string

var _ meterReader = commandMeter("")

// read runs the command once and gives each line as it comes.
func (c commandMeter) read(ctx context.Context, patience time.Duration, put func(units.Watts), fail func(error)) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silence := time.AfterFunc(patience, func() { stop(fmt.Errorf("%q gave nothing for %v", clip(string(c)), patience)) })
	defer silence.Stop()

	cmd := shell(ctx, string(c))
	var said tail
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fail(fmt.Errorf("%q: %w", clip(string(c)), err))
		return
	}
	lines, err := c.lines(out, func(line string) {
		silence.Reset(patience)
		if w, err := parseWatts(line); err != nil {
			fail(fmt.Errorf("%q: %w", clip(string(c)), err))
		} else {
			put(w)
		}
	})
	err = errors.Join(err, cmd.Wait())
	switch cause := context.Cause(ctx); {
	case cause != nil:
		fail(cause)
	case err != nil:
		fail(fmt.Errorf("%q: %w: %s", clip(string(c)), err, clean(said.String())))
	case lines == 0:
		fail(fmt.Errorf("%q printed nothing, want watts", clip(string(c))))
	}
}

// lines calls give for each line of out that is not blank, but not more often than meterSpacing.
func (c commandMeter) lines(out io.Reader, give func(string)) (n int, err error) {
	scan := bufio.NewScanner(out)
	last := time.Time{}
	for scan.Scan() {
		if len(bytes.TrimSpace(scan.Bytes())) == 0 {
			continue
		}
		n++
		if now := time.Now(); now.Sub(last) >= meterSpacing {
			last = now
			give(scan.Text())
		}
	}
	return n, scan.Err()
}

// tail keeps the last 200 bytes that were written.
type tail struct{ kept []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b...)
	t.kept = t.kept[max(0, len(t.kept)-200):]
	return len(b), nil
}

func (t *tail) String() string { return strings.TrimSpace(string(t.kept)) }

// shellWait is how long output is still read after a command was killed, in case others hold its pipe.
const shellWait = time.Second

// shell is a command of the system's shell that ends, together with what it started, when ctx does.
func shell(ctx context.Context, command string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, shellName[0], append(shellName[1:], command)...)
	cmd.WaitDelay = shellWait
	endTogether(cmd)
	return cmd
}
