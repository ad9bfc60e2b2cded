package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/backend/backendtest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// asWorker makes the test binary a worker.
const asWorker = "BH_TEST_WORKER"

func TestMain(m *testing.M) {
	backendtest.Register()
	if os.Getenv(asWorker) == "" {
		os.Exit(m.Run())
	}
	out, err := TakeStdout()
	if err == nil {
		err = Serve(context.Background(), os.Stdin, out, func() { os.Exit(1) })
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

const limit = 20 * time.Second

var task = backend.Task{Mode: record.GenerateCached, MaxNewTokens: 3, Prompt: workload.Prompt{
	IDs: [][]int64{{1, 2}, {3, 4}}, Mask: [][]int64{{1, 1}, {1, 1}}}}

func start(t testing.TB, name string, env ...string) (*Client, error) {
	t.Helper()
	c, err := Start([]string{os.Args[0]}, append(env, asWorker+"=1"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // how a worker that was meant to crash ends is the test's own matter
	_, err = c.Open(context.Background(), name, backend.Spec{}, limit)
	return c, err
}

func prepared(t testing.TB, name string, env ...string) *Client {
	t.Helper()
	c, err := start(t, name, env...)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Prepare(context.Background(), "cell", task, limit); err != nil {
		t.Fatal(err)
	}
	return c
}

// BenchmarkRoundTrip is what a measured window costs beside the work in it: a request to a worker process and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	c := prepared(b, backendtest.Instant)
	for b.Loop() {
		if _, err := c.Measure(context.Background(), "cell", 0, limit); err != nil {
			b.Fatal(err)
		}
	}
}

func TestMeasure(t *testing.T) {
	c := prepared(t, backendtest.Steady)
	if _, err := c.Warmup(t.Context(), "cell", 2, limit); err != nil {
		t.Fatal(err)
	}
	const window = 50 * time.Millisecond
	w, err := c.Measure(t.Context(), "cell", window, limit)
	if err != nil {
		t.Fatal(err)
	}
	if got := time.Duration(w.EndUnixNS - w.StartUnixNS); got < window {
		t.Errorf("window: saw %s, want at least %s", got, window)
	}
	var sum int64
	for _, ns := range w.IterationNS {
		if ns < int64(backendtest.RunTime) {
			t.Errorf("iteration: saw %d ns, want at least %s", ns, backendtest.RunTime)
		}
		sum += ns
	}
	if len(w.IterationNS) < 2 || sum > w.EndUnixNS-w.StartUnixNS {
		t.Errorf("saw %d iterations of %d ns in a window of %d ns", len(w.IterationNS), sum, w.EndUnixNS-w.StartUnixNS)
	}
	if w.Processed != 4 || w.Generated != 6 || len(w.ITLNS) != 2 || w.TTFTNS <= 0 {
		t.Errorf("saw %+v, want 4 tokens in, 6 out, 2 gaps and a time to the first token", w)
	}
	if w.GCs != 0 {
		t.Errorf("saw %d garbage collections inside the window, want none", w.GCs)
	}
	if w.GapNS != 0 {
		t.Errorf("gap: saw %d before the first window, want 0", w.GapNS)
	}
	if w.RSSPeakBytes == nil || *w.RSSPeakBytes < 1<<20 {
		t.Errorf("peak memory: saw %v", w.RSSPeakBytes)
	}
	again, err := c.Measure(t.Context(), "cell", 0, limit)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.IterationNS) != 1 || again.GapNS <= 0 || Hash(again.Output) != Hash(w.Output) {
		t.Errorf("second window: saw %+v, want one iteration, a gap and the same output", again)
	}
}

// TestPaddingCountsWhereItIsComputed: a server is sent the prompts without their padding.
func TestPaddingCountsWhereItIsComputed(t *testing.T) {
	padded := task
	padded.Prompt = workload.Prompt{IDs: [][]int64{{0, 0, 2}, {3, 4, 5}, {0, 6, 7}}, Mask: [][]int64{{0, 0, 1}, {1, 1, 1}, {0, 1, 1}}}
	for name, want := range map[string]int64{backendtest.Instant: 9, backendtest.Served: 6} {
		c, err := start(t, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Prepare(t.Context(), "cell", padded, limit); err != nil {
			t.Fatal(err)
		}
		w, err := c.Measure(t.Context(), "cell", 0, limit)
		if err != nil {
			t.Fatal(err)
		}
		if w.Processed != want {
			t.Errorf("%s: saw %d tokens processed, want %d", name, w.Processed, want)
		}
	}
}

func TestWorkerSurvivesAFailingRun(t *testing.T) {
	for _, name := range []string{backendtest.Failing, backendtest.Panicking} {
		c := prepared(t, name)
		for range 2 {
			_, err := c.Measure(t.Context(), "cell", 0, limit)
			var broken *backend.RunError
			if !errors.As(err, &broken) || broken.Reason != backend.RunFailed {
				t.Errorf("%s: saw %v, want a RunError", name, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: the worker ended with %v, want a clean end", name, err)
		}
	}
}

func TestCrashIsAnError(t *testing.T) {
	c := prepared(t, backendtest.Crashing)
	_, err := c.Measure(t.Context(), "cell", 0, limit)
	var crash *CrashError
	if !errors.As(err, &crash) || crash.Reason != backend.WorkerCrashed || !strings.Contains(crash.Detail, "killed") {
		t.Errorf("saw %v, want a crash by SIGKILL", err)
	}
	if _, err := c.Measure(t.Context(), "cell", 0, limit); !errors.As(err, &crash) {
		t.Errorf("after the crash: saw %v, want a CrashError", err)
	}
}

// TestScratchGoesWithTheWorker: what a worker made for itself does not outlast it, also where it could not remove it.
func TestScratchGoesWithTheWorker(t *testing.T) {
	for name, end := range map[string]func(c *Client) error{
		backendtest.Crashing: func(c *Client) error { _, err := c.Measure(t.Context(), "cell", 0, limit); return err },
		backendtest.Hanging: func(c *Client) error {
			_, err := c.Measure(t.Context(), "cell", 0, 50*time.Millisecond)
			return err
		},
		backendtest.Steady: func(c *Client) error { return errors.Join(c.Close(), errors.New("closed")) },
	} {
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		c := prepared(t, name)
		if err := os.MkdirAll(filepath.Join(c.scratch, "deep"), 0o700); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(c.cmd.Env, envScratch+"="+c.scratch) || filepath.Dir(c.scratch) != temp {
			t.Errorf("%s: saw folder %s, want one in %s that the worker is told", name, c.scratch, temp)
		}
		if end(c) == nil {
			t.Fatalf("%s: it lives on", name)
		}
		if left, err := os.ReadDir(temp); err != nil || len(left) != 0 {
			t.Errorf("%s: saw %v left, %v", name, left, err)
		}
	}
}

func TestHangIsKilled(t *testing.T) {
	c := prepared(t, backendtest.Hanging)
	_, err := c.Measure(t.Context(), "cell", 0, 100*time.Millisecond)
	var crash *CrashError
	if !errors.As(err, &crash) || crash.Reason != backend.WorkerTimeout {
		t.Errorf("saw %v, want a timeout", err)
	}
	if c.cmd.ProcessState == nil {
		t.Error("the worker still runs")
	}
}

func TestCancelKills(t *testing.T) {
	c := prepared(t, backendtest.Hanging)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Measure(ctx, "cell", 0, limit); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("saw %v", err)
	}
	if c.cmd.ProcessState == nil {
		t.Error("the worker still runs")
	}
}

func TestPrintingLibraryDoesNotBreakTheProtocol(t *testing.T) {
	c := prepared(t, backendtest.Garbage)
	for range 3 {
		if _, err := c.Measure(t.Context(), "cell", 0, limit); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	_, err := start(t, backendtest.Unopenable)
	var missing *backend.Unavailable
	if !errors.As(err, &missing) || missing.Reason != backend.LibraryNotFound || !strings.Contains(missing.Detail, "no such library; install it") {
		t.Errorf("saw %v", err)
	}
	if _, err := start(t, "no-such-backend"); err == nil {
		t.Error("an unknown backend opened")
	}
}

func TestMeasureBeforePrepare(t *testing.T) {
	c, err := start(t, backendtest.Steady)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Measure(t.Context(), "cell", 0, limit); err == nil || !strings.Contains(err.Error(), "before it was prepared") {
		t.Errorf("saw %v", err)
	}
}

// TestUnreadableWorker starts programs that are no workers.
func TestUnreadableWorker(t *testing.T) {
	for _, argv := range [][]string{{"echo", "this is no reply"}, {"true"}, {"false"}, {"echo", `{"id":7}`}} {
		c, err := Start(argv, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Open(t.Context(), "x", backend.Spec{}, limit)
		var crash *CrashError
		if !errors.As(err, &crash) {
			t.Errorf("%v: saw %v, want a CrashError", argv, err)
		}
		_ = c.Close() // a program that is no worker may end as it likes
	}
	c, err := Start([]string{"sh", "-c", "echo fatal error: out of memory >&2; exit 2"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var crash *CrashError
	if _, err := c.Open(t.Context(), "x", backend.Spec{}, limit); !errors.As(err, &crash) || crash.Reason != backend.OutOfMemory {
		t.Errorf("a worker that ran out of memory: saw %v", err)
	}
	_ = c.Close() // it has ended
	if _, err := Start([]string{filepath.Join(t.TempDir(), "none")}, nil, nil); err == nil {
		t.Error("a program that is not there started")
	}
}

// TestServeAnswersEachRequest speaks the protocol by hand.
func TestServeAnswersEachRequest(t *testing.T) {
	in, out := io.Pipe()
	answers, answer := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), in, answer, func() { t.Error("abandoned while idle") }) }()
	dec := json.NewDecoder(answers)
	for i, line := range []string{
		`{"v":2,"id":1,"op":"open","backend":"` + backendtest.Steady + `","spec":{}}`,
		`{"v":99,"id":2,"op":"open"}`, `{"v":2,"id":3,"op":"dance"}`, `{"v":2,"id":4,"op":"prepare"}`,
	} {
		if _, err := io.WriteString(out, line+"\n"); err != nil {
			t.Fatal(err)
		}
		var r reply
		if err := dec.Decode(&r); err != nil {
			t.Fatal(err)
		}
		if r.ID != int64(i+1) || (i == 0) != (r.Error == nil) {
			t.Errorf("request %s: saw %+v", line, r)
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestOrphanEnds checks that a worker whose parent dies in the middle of a run does not live on.
func TestOrphanEnds(t *testing.T) {
	c := prepared(t, backendtest.Hanging)
	line, err := json.Marshal(request{V: Version, ID: 99, Op: opMeasure, Cell: "cell"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.stdin.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // let the run begin
	if err := c.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.wait(); close(ended) }() // it ends with an exit code, which says nothing here
	select {
	case <-ended:
	case <-time.After(limit):
		t.Error("the worker lives on without its parent")
	}
}

func TestHashTokens(t *testing.T) {
	a, b := Hash([][]int64{{1, 2}, {3}}), Hash([][]int64{{1}, {2, 3}})
	if a == b {
		t.Error("the same ids in other sequences gave the same hash")
	}
}

func TestLastWords(t *testing.T) {
	w := &lastWords{}
	for range 1000 {
		fmt.Fprintf(w, "noise\n")
	}
	fmt.Fprintf(w, "the end")
	if s := w.String(); len(s) > 2*lastWordsKept+len(" … ") || !strings.HasSuffix(s, "the end") {
		t.Errorf("saw %d bytes ending in %q", len(s), s[max(0, len(s)-20):])
	}
}

func TestLastWordsOfAGoCrashHaveNoStacks(t *testing.T) {
	w := &lastWords{}
	fmt.Fprintf(w, "SIGSEGV: segmentation violation\nPC=0x0 m=0 sigcode=1\n\ngoroutine 1 [syscall]:\nmain.main()\n\t/some/path.go:7 +0x1\n")
	if got := w.String(); got != "SIGSEGV: segmentation violation PC=0x0 m=0 sigcode=1" {
		t.Errorf("saw %q", got)
	}
}
