package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/runner"
	"github.com/banterhearts/bh/pkg/store"
)

// output is where finished runs go.
type output interface {
	runner.Sink
	done() map[string]bool
	// finish writes what is written at the end, and gives the error that bh-run ends with.
	finish(ctx context.Context, out *runner.Outcome, runErr error) error
	close() error
}

var (
	_ output = (*folderOutput)(nil)
	_ output = (*streamOutput)(nil)
)

func openOutput(ctx context.Context, o *Options, s cli.Streams, fo runner.FolderOptions) (output, error) {
	if o.toFolder() {
		f, err := runner.OpenFolder(ctx, fo)
		return &folderOutput{Folder: f, streams: s}, err
	}
	return newStream(o, s)
}

// folderOutput is a results folder.
type folderOutput struct {
	*runner.Folder
	streams cli.Streams
}

func (f *folderOutput) done() map[string]bool { return f.Done }
func (f *folderOutput) close() error          { return f.Close() }

func (f *folderOutput) finish(ctx context.Context, out *runner.Outcome, runErr error) error {
	err := f.Note(out)
	if runErr != nil {
		if errors.Is(runErr, context.Canceled) {
			runErr = &cli.Error{Code: cli.ExitInterrupted, Err: fmt.Errorf("interrupted: %d runs are finished and kept in %s; continue with --resume", len(f.Done)+out.Finished(), f.Dir)}
		}
		return errors.Join(runErr, err)
	}
	if err := errors.Join(err, f.Finish(ctx), verdict(out)); err != nil || f.Unmeasured == 0 {
		return err
	}
	return cli.Partialf("%d of the %d runs that were finished before are degraded or broke", f.Unmeasured, len(f.Done))
}

// verdict is nil when every run is good, else the error for exit code 3.
func verdict(out *runner.Outcome) error {
	if out.Degraded+out.Failed == 0 {
		return nil
	}
	return cli.Partialf("%d runs measured, %d degraded, %d broke; the field reason of their records says why", out.OK, out.Degraded, out.Failed)
}

// streamOutput is standard output or a file. Records that go down a pipe leave as soon as they are finished.
type streamOutput struct {
	options store.Output
	live    *store.Writer[record.Run] // nil where the records are written at the end
	runs    []record.Run
}

func newStream(o *Options, s cli.Streams) (*streamOutput, error) {
	out := &streamOutput{options: store.Output{Path: o.Output, Format: store.Format(o.Format), Stdout: s.Out}}
	toPipe := o.Output == "" || o.Output == "-"
	if !toPipe {
		if err := atomicfile.Check(o.Output); err != nil {
			return nil, cli.BadInput(err)
		}
	}
	if !toPipe || (o.Format == "" && cli.IsTerminal(s.Out)) || (o.Format != "" && o.Format != string(store.JSONL)) {
		return out, nil
	}
	w, err := store.NewWriter[record.Run](s.Out, store.JSONL)
	out.live = w
	return out, err
}

func (s *streamOutput) done() map[string]bool         { return nil }
func (s *streamOutput) close() error                  { return nil }
func (s *streamOutput) Samples([]record.Sample) error { return nil }

func (s *streamOutput) Run(r *record.Run) error {
	if s.live != nil {
		return s.live.Write(r)
	}
	s.runs = append(s.runs, *r)
	return nil
}

func (s *streamOutput) finish(_ context.Context, out *runner.Outcome, runErr error) error {
	if s.live != nil {
		return errors.Join(runErr, s.live.Close(), verdict(out))
	}
	if len(s.runs) == 0 {
		return runErr
	}
	return errors.Join(runErr, store.Put(s.options, s.runs), verdict(out))
}
