package worker

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/machine"
)

// Client is the parent's end of a worker process.
type Client struct {
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	replies chan reply // closed when the worker's output ends
	words   *lastWords
	nextID  int64
	waited  sync.Once
	waitErr error
	// scratch is where the worker may make a folder for what is of no use after it; it goes when the worker has ended,
	// however it ended.
	scratch string
	// oomKills is the machine's count of kills for lack of memory when the worker started.
	oomKills int64
}

// patience is how long a worker that was told to end gets before it is killed.
const patience = 10 * time.Second

// lastWordsKept is how much of the beginning, and of the end, of a worker's standard error goes into the record of a crash.
const lastWordsKept = 1024

// envScratch tells a worker the name of a folder that it may make.
const envScratch = "BH_WORKER_SCRATCH"

// Start starts argv as a worker, bound to cpus unless there are none. It is put into a process group of its own, so that
// Ctrl-C on the terminal reaches only the parent, which decides.
func Start(argv, env []string, cpus machine.CPUSet) (*Client, error) {
	c := &Client{cmd: exec.Command(argv[0], argv[1:]...), replies: make(chan reply), words: &lastWords{}, oomKills: machine.OOMKills()}
	c.scratch = filepath.Join(os.TempDir(), "bh-worker-"+rand.Text())
	c.cmd.Env = append(append(os.Environ(), env...), envScratch+"="+c.scratch)
	c.cmd.Stderr = c.words
	c.cmd.WaitDelay = patience // something the worker started may hold its standard error open
	ownGroup(c.cmd)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	start := c.cmd.Start
	if len(cpus) > 0 {
		start = func() error { return machine.Bound(cpus, c.cmd.Start) }
	}
	if err := start(); err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	go c.read(stdout)
	return c, nil
}

// PID is the worker's process id.
func (c *Client) PID() int { return c.cmd.Process.Pid }

// read passes replies on until the output ends or holds something that is no reply, which ends the worker.
func (c *Client) read(stdout io.Reader) {
	defer close(c.replies)
	dec := json.NewDecoder(bufio.NewReader(stdout))
	for {
		var rep reply
		if err := dec.Decode(&rep); err != nil {
			if !errors.Is(err, io.EOF) {
				_, _ = fmt.Fprintf(c.words, "bh: unreadable reply: %v\n", err) // lastWords never fails
				_ = c.cmd.Process.Kill()                                       // it may have ended already
			}
			return
		}
		c.replies <- rep
	}
}

// Open makes the worker load a model and returns what it says of itself.
func (c *Client) Open(ctx context.Context, name string, spec backend.Spec, limit time.Duration) (*Opened, error) {
	rep, err := c.call(ctx, request{Op: opOpen, Backend: name, Spec: &spec}, limit)
	if err == nil && rep.Opened == nil {
		err = c.kill(backend.WorkerCrashed, "the worker answered without saying what it opened")
	}
	return rep.Opened, err
}

// Prepare makes the worker allocate what a cell's task needs.
func (c *Client) Prepare(ctx context.Context, cell string, task backend.Task, limit time.Duration) error {
	_, err := c.call(ctx, request{Op: opPrepare, Cell: cell, Task: &task}, limit)
	return err
}

// Warmup makes the worker run a cell's task without measuring, and returns what that compiled; nil where nothing compiles.
func (c *Client) Warmup(ctx context.Context, cell string, times int, limit time.Duration) (*Compile, error) {
	rep, err := c.call(ctx, request{Op: opWarmup, Cell: cell, Times: times}, limit)
	return rep.Compile, err
}

// Measure measures one window of a cell's task.
func (c *Client) Measure(ctx context.Context, cell string, minWindow, limit time.Duration) (*Window, error) {
	rep, err := c.call(ctx, request{Op: opMeasure, Cell: cell, MinWindowNS: int64(minWindow)}, limit)
	if err == nil && (rep.Window == nil || len(rep.Window.IterationNS) == 0) {
		err = c.kill(backend.WorkerCrashed, "the worker answered without a measurement")
	}
	return rep.Window, err
}

// call sends a request and waits for its reply. A worker that does not answer within limit, or while ctx ends, is killed:
// nothing else stops a foreign library in the middle of its work.
func (c *Client) call(ctx context.Context, req request, limit time.Duration) (reply, error) {
	c.nextID++
	req.V, req.ID = Version, c.nextID
	line, err := json.Marshal(req)
	if err != nil {
		return reply{}, fmt.Errorf("request to worker: %w", err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		return reply{}, c.crashed()
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case rep, ok := <-c.replies:
		return c.checked(req, rep, ok)
	case <-timer.C:
		return reply{}, c.kill(backend.WorkerTimeout, fmt.Sprintf("no answer to %s within %s", req.Op, limit))
	case <-ctx.Done():
		_ = c.kill(backend.WorkerCrashed, "") // cancelled: the run is dropped, how the worker ends does not matter
		return reply{}, ctx.Err()
	}
}

// checked makes sure that a reply is the one to req.
func (c *Client) checked(req request, rep reply, ok bool) (reply, error) {
	switch {
	case !ok:
		return reply{}, c.crashed()
	case rep.ID != req.ID:
		return reply{}, c.kill(backend.WorkerCrashed, fmt.Sprintf("saw a reply to request %d, want %d", rep.ID, req.ID))
	case rep.Error != nil:
		return reply{}, rep.Error.err()
	}
	return rep, nil
}

// kill ends the worker and gives the error for it.
func (c *Client) kill(reason backend.Reason, detail string) error {
	_ = c.cmd.Process.Kill() // it may have ended by itself
	go func() {
		for range c.replies { // let the reader end
		}
	}()
	_ = c.wait() // how it ended is known: by our hand
	return &CrashError{Reason: reason, Detail: detail}
}

// crashed waits for the worker that has ended by itself and describes its end. It is for lack of memory where the worker's
// last words say so, as the Go runtime's do, or where it was killed and the kernel counted a kill for that.
func (c *Client) crashed() error {
	how := "exit code 0"
	if err := c.wait(); err != nil {
		how = err.Error()
	}
	if w := c.words.String(); w != "" {
		how += ": " + w
	}
	reason := backend.WorkerCrashed
	if c.killed() && machine.OOMKills() > c.oomKills || strings.Contains(how, "out of memory") {
		reason = backend.OutOfMemory
	}
	return &CrashError{Reason: reason, Detail: how}
}

func (c *Client) wait() error {
	c.waited.Do(func() {
		c.waitErr = c.cmd.Wait()
		_ = os.RemoveAll(c.scratch) // what cannot be removed is in the system's folder for what is temporary
	})
	return c.waitErr
}

// Close lets the worker end by closing its input, and kills it when it does not.
func (c *Client) Close() error {
	_ = c.stdin.Close() // a worker that has crashed has closed it
	kill := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	for range c.replies { // none is expected; the channel closes with the worker's output
	}
	return c.wait()
}

// lastWords is a writer that keeps the beginning and the end of what is written to it.
type lastWords struct {
	mu   sync.Mutex
	head []byte
	tail []byte
}

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(p), lastWordsKept-len(w.head))
	w.head = append(w.head, p[:n]...)
	w.tail = append(w.tail, p[n:]...)
	if cut := len(w.tail) - lastWordsKept; cut > 0 {
		w.tail = append(w.tail[:0], w.tail[cut:]...)
	}
	return len(p), nil
}

// String is the words in one line. Of a crash of the Go runtime it is what went wrong, without the stacks.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(w.head)
	if i := strings.Index(text, "\ngoroutine "); i >= 0 {
		return strings.Join(strings.Fields(text[:i]), " ")
	}
	if len(w.tail) > 0 {
		text += " … " + string(w.tail)
	}
	return strings.Join(strings.Fields(text), " ")
}
