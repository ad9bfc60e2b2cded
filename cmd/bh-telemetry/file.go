package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// noteFunc tells the user something that is not an error.
type noteFunc func(format string, a ...any)

// fileTarget is a recording that becomes a file: a journal while it grows, the file when it is finished.
type fileTarget struct {
	journal *telemetry.Journal
	output  string
	format  store.Format // "" by extension
	args    []string
}

// newFileTarget saves what a crash left in the journal of an earlier recording and starts a new journal.
func newFileTarget(ctx context.Context, output string, format store.Format, args []string, note noteFunc) (target, error) {
	saved, err := saveLeftover(ctx, output, format)
	if err != nil {
		return nil, err
	}
	if saved != "" {
		note("an earlier recording to %s was cut off; what it had is in %s", output, saved)
	}
	j, err := telemetry.OpenJournal(telemetry.JournalName(output))
	if err != nil {
		return nil, err
	}
	return &fileTarget{journal: j, output: output, format: format, args: args}, nil
}

func (t *fileTarget) append(samples []record.Sample) error { return t.journal.Append(samples) }

// finish turns the journal into the file. Where that fails the journal stays, for recover.
func (t *fileTarget) finish(ctx context.Context) error {
	if err := t.journal.Close(); err != nil {
		return err
	}
	if err := convert(ctx, telemetry.JournalName(t.output), t.output, t.format); err != nil {
		return err
	}
	return manifest.Record(t.output, tool, t.args, nil)
}

// saveLeftover turns a journal that an earlier recording to output left behind into a file of its own, named after the
// time at which it began, as output itself is about to be written anew. It returns "" where there is none.
func saveLeftover(ctx context.Context, output string, format store.Format) (string, error) {
	journal := telemetry.JournalName(output)
	info, err := os.Stat(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	ext := filepath.Ext(output)
	saved := strings.TrimSuffix(output, ext) + info.ModTime().UTC().Format("-20060102T150405Z") + ext
	if info.Size() == 0 { // nothing was recorded yet
		return "", os.Remove(journal)
	}
	return saved, convert(ctx, journal, saved, format)
}

// convert turns a journal into output, row by row, and removes the journal when the output is on disk.
func convert(ctx context.Context, journal, output string, format store.Format) error {
	if format == "" {
		var err error
		if format, err = store.FormatOf(output); err != nil {
			return err
		}
	}
	if err := cutTornLine(journal); err != nil {
		return err
	}
	f, err := atomicfile.Create(output)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	buf := bufio.NewWriter(f)
	w, err := store.NewWriter[record.Sample](buf, format)
	if err != nil {
		return err
	}
	sum, err := store.Scan(ctx, store.Input{Paths: []string{journal}, From: store.JSONL}, store.Handlers{Sample: w.Write})
	if err == nil {
		err = errors.Join(w.Close(), buf.Flush())
	}
	if err != nil {
		return fmt.Errorf("%s: %w", output, err)
	}
	if err := f.Commit(); err != nil {
		return err
	}
	if err := sum.Err(); err != nil { // keep a journal that had more in it than could be read
		return err
	}
	return os.Remove(journal)
}

// cutTornLine cuts off the line that a crash left unfinished.
func cutTornLine(journal string) error {
	j, err := telemetry.OpenJournal(journal)
	if err != nil {
		return err
	}
	return j.Close()
}

// recoverOptions are the settings of recover.
type recoverOptions struct {
	Recording string // the output that the recording was to become
	Output    string // where to write it; "" is Recording
	Format    store.Format
}

// Validate reports settings that cannot be meant.
func (o recoverOptions) Validate() error {
	if o.Recording == "" {
		return cli.BadInputf("recover: no recording given, want the FILE that it was to become")
	}
	journal := telemetry.JournalName(o.Recording)
	if _, err := os.Stat(journal); err != nil {
		return cli.BadInputf("recover: nothing to recover: %w", err)
	}
	if _, err := os.Stat(o.target()); err == nil {
		return cli.BadInputf("recover: %s exists, give the recovered recording another name with -o", o.target())
	}
	return nil
}

func (o recoverOptions) target() string {
	if o.Output != "" {
		return o.Output
	}
	return o.Recording
}

// recoverRecording turns the journal of a recording that was cut off into a file.
func recoverRecording(ctx context.Context, opt recoverOptions, args []string, note noteFunc) error {
	begun := time.Now()
	if err := convert(ctx, telemetry.JournalName(opt.Recording), opt.target(), opt.Format); err != nil {
		return err
	}
	note("recovered %s in %v", opt.target(), time.Since(begun).Round(time.Millisecond))
	return manifest.Record(opt.target(), tool, args, nil)
}
