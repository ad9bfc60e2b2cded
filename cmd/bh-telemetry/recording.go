package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/monitor"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// FlushEvery is how often samples go to disk: what a kill -9 can lose.
const FlushEvery = 500 * time.Millisecond

// recording is a run of the command record.
type recording struct {
	opt     recordOptions
	args    []string
	streams cli.Streams

	rec     *telemetry.Recorder
	out     target
	figures *monitor.Monitor // what is served, and what the end of a recording tells
	mu      sync.Mutex       // of draining: a scrape does it too
	failed  error            // of out, to which then nothing more is written
}

func newRecording(opt recordOptions, args []string, s cli.Streams) *recording {
	return &recording{opt: opt, args: args, streams: s, figures: monitor.New()}
}

func (r *recording) note(format string, a ...any) {
	if !r.opt.Quiet {
		fmt.Fprintf(r.streams.Err, tool+": "+format+"\n", a...)
	}
}

// garbageShare is how much garbage the recorder lets lie before it collects, in percent of what is alive; Go's own 100 is
// meant for programs that have the machine to themselves.
const garbageShare = 20

// run records from end to end.
func (r *recording) run(ctx context.Context) error {
	defer debug.SetGCPercent(debug.SetGCPercent(garbageShare))
	ctx, stop := endedBy(ctx, endings)
	defer stop()
	if err := lookUp(r.opt.Command); err != nil {
		return err
	}
	set, err := openSensors(r.opt.Env, r.opt.Sensors, r.note)
	if err != nil {
		return err
	}
	server, err := r.serve(ctx)
	if err != nil {
		return errors.Join(err, set.Close())
	}
	defer server.close()
	if r.out, err = r.newTarget(ctx); err != nil {
		return errors.Join(err, set.Close())
	}
	// Sampling and writing take a few per cent of one processor and never need two at once. With one P a sweep wakes up half
	// as many threads, as none is woken to look for work (docs/bench/hour.txt).
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r.note("sampling %v every %v", set.Sources(), r.opt.Interval)
	r.mu.Lock()
	r.rec = telemetry.Start(context.WithoutCancel(ctx), set, r.opt.Interval)
	r.mu.Unlock()
	ended := r.keep(ctx)
	for _, f := range r.rec.Stop() {
		r.note("warning: %v", f)
	}
	flushed := r.flush()
	r.warnStopped()
	return firstOf(ended, errors.Join(flushed, set.Close(), r.out.finish(context.WithoutCancel(ctx))))
}

// warnStopped tells of sources that gave no more readings some time before the end.
func (r *recording) warnStopped() {
	told := map[string]bool{}
	for _, d := range r.figures.Snapshot().Devices {
		if d.StoppedS > 0 && !told[d.Source] {
			told[d.Source] = true
			r.note("warning: source %s gave its last reading of %s %.3g s before the end", d.Source, d.Name, d.StoppedS)
		}
	}
}

// firstOf is the command's exit code before a failure of the recording, but both are told.
func firstOf(ended, failed error) error {
	var coded *cli.Error
	if failed != nil && errors.As(ended, &coded) {
		return &cli.Error{Code: coded.Code, Err: errors.Join(ended, failed)}
	}
	return errors.Join(ended, failed)
}

// server is the OpenMetrics server where one is wanted.
type server struct{ *monitor.Server }

func (s server) close() {
	if s.Server != nil {
		_ = s.Close() // what is being scraped is of no more use
	}
}

// serve starts to serve the figures of the recording, where that is wanted.
func (r *recording) serve(ctx context.Context) (server, error) {
	if r.opt.Metrics == "" {
		return server{}, nil
	}
	s, err := r.figures.Serve(ctx, r.opt.Metrics, func() { _ = r.flush() }) // a failure is told when the recording ends
	var address *net.AddrError
	var name *net.DNSError
	switch {
	case errors.As(err, &address), errors.As(err, &name):
		return server{}, cli.BadInputf("record: --prometheus: %w, want [HOST]:PORT", err)
	case err != nil:
		return server{}, err
	}
	if _, port, err := net.SplitHostPort(r.opt.Metrics); err == nil && strings.Trim(port, "0") == "" { // nobody could know it
		fmt.Fprintf(r.streams.Err, tool+": serving OpenMetrics at %s\n", s.URL())
	} else {
		r.note("serving OpenMetrics at %s", s.URL())
	}
	return server{s}, nil
}

// target is where samples go as they come.
type target interface {
	append([]record.Sample) error
	finish(context.Context) error // makes the output whole
}

func (r *recording) newTarget(ctx context.Context) (target, error) {
	switch format := r.opt.Format; {
	case r.opt.Output != "":
		return newFileTarget(ctx, r.opt.Output, format, r.args, r.note)
	case r.opt.Metrics != "":
		return nowhere{}, nil
	default:
		if format == "" {
			format = store.JSONL
		}
		w, err := store.NewWriter[record.Sample](results(r.streams.Out), format)
		return stream{w}, err
	}
}

// nowhere is the target of a recording that is only served.
type nowhere struct{}

func (nowhere) append([]record.Sample) error { return nil }
func (nowhere) finish(context.Context) error { return nil }

// stream is samples on standard output.
type stream struct{ w *store.Writer[record.Sample] }

func (t stream) append(samples []record.Sample) error {
	for i := range samples {
		if err := t.w.Write(&samples[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t stream) finish(context.Context) error { return t.w.Close() }

var (
	_ target    = nowhere{}
	_ target    = stream{}
	_ io.Writer = (*growingTarget)(nil)
)

// flush passes on what was sampled since the last time, and returns how the target has failed, if it has.
func (r *recording) flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rec == nil {
		return nil // not begun
	}
	samples := r.rec.Drain()
	r.figures.Add(samples...)
	if r.failed == nil {
		r.failed = r.out.append(samples)
	}
	return r.failed
}

// keep passes samples on until the recording ends: with the command, whose failure it returns; after the duration; or with
// the first interrupt, which is an error only where it cut something short. A target that fails ends the recording, but
// never the command; run tells of it.
func (r *recording) keep(ctx context.Context) error {
	if r.flush() != nil {
		return nil
	}
	if len(r.opt.Command) > 0 {
		return r.keepCommand(ctx)
	}
	var over <-chan time.Time
	if r.opt.Duration > 0 {
		over = time.After(r.opt.Duration)
	}
	if err := r.until(over, nil, ctx.Done()); errors.Is(err, errInterrupted) && r.opt.Duration > 0 {
		return fmt.Errorf("interrupted before the duration was over: %w", ctx.Err())
	}
	return nil
}

// keepCommand runs the command, with the machine left idle before and after it where that is wanted.
func (r *recording) keepCommand(ctx context.Context) error {
	err := r.idle(ctx)
	switch {
	case errors.Is(err, errInterrupted):
		return fmt.Errorf("interrupted before the command was started: %w", ctx.Err())
	case err != nil:
		return nil // the target failed
	}
	pid, done, err := startCommand(r.opt.Command, r.streams, r.rec.Now)
	if err != nil {
		return err
	}
	r.rec.Track(pid)
	ended := r.until(nil, done, nil) // the command gets the signals, and its end ends the recording
	r.rec.Track()
	_ = r.idle(ctx) // an interrupt only makes it shorter
	return ended
}

// idle leaves the machine alone for the time that is wanted, marked in the recording. An interrupt that came before is one
// too: the command that it stands before is not to be started.
func (r *recording) idle(ctx context.Context) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	if r.opt.Idle == 0 {
		return nil
	}
	r.rec.Mark(record.EventIdleBegin)
	defer r.rec.Mark(record.EventIdleEnd)
	return r.until(time.After(r.opt.Idle), nil, ctx.Done())
}

// Why a wait ended early.
var (
	errInterrupted = errors.New("interrupted")
	errFailed      = errors.New("the recording cannot be written")
)

// until passes samples on until a time is over, a command is done, whose error it returns, or the user interrupts. It ends
// early with errFailed where the target fails, except under a command.
func (r *recording) until(over <-chan time.Time, command <-chan error, interrupted <-chan struct{}) error {
	flush := time.NewTicker(FlushEvery)
	defer flush.Stop()
	for {
		select {
		case <-flush.C:
			if r.flush() != nil && command == nil {
				return errFailed
			}
		case err := <-command:
			return err
		case <-over:
			return nil
		case <-interrupted:
			return errInterrupted
		}
	}
}
