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

	"github.com/banterhearts/bh/pkg/atomicfile"
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
	sum, err := convert(ctx, telemetry.JournalName(t.output), t.output, t.format)
	if err != nil {
		return err
	}
	return errors.Join(manifest.Record(t.output, tool, t.args, nil), sum.Err())
}

// saveLeftover turns a journal that an earlier recording to output left behind into a file of its own, named after the
// time at which it was cut off, as output itself is about to be written anew. It returns "" where there is nothing.
func saveLeftover(ctx context.Context, output string, format store.Format) (string, error) {
	journal := telemetry.JournalName(output)
	info, err := os.Stat(journal)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	at := info.ModTime()
	if err := cutTornLine(journal); err != nil {
		return "", err
	}
	if info, err = os.Stat(journal); err != nil {
		return "", err
	}
	if info.Size() == 0 { // it was cut off before its first sample
		return "", os.Remove(journal)
	}
	ext := filepath.Ext(output)
	saved := strings.TrimSuffix(output, ext) + at.UTC().Format("-20060102T150405Z") + ext
	sum, err := convert(ctx, journal, saved, format)
	if err == nil && sum.Rejected > 0 {
		saved += " (" + sum.Err().Error() + ")"
	}
	return saved, err
}

// convert turns a journal into output, row by row, and removes the journal when the output is on disk. The summary says
// which rows could not be read.
func convert(ctx context.Context, journal, output string, format store.Format) (store.Summary, error) {
	var sum store.Summary
	var err error
	if format == "" {
		if format, err = store.FormatOf(output); err != nil {
			return sum, err
		}
	}
	if err := cutTornLine(journal); err != nil {
		return sum, err
	}
	f, err := atomicfile.Create(output)
	if err != nil {
		return sum, err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	buf := bufio.NewWriter(f)
	w, err := store.NewWriter[record.Sample](buf, format)
	if err != nil {
		return sum, err
	}
	sum, err = store.Scan(ctx, store.Input{Paths: []string{journal}, From: store.JSONL}, store.Handlers{Sample: w.Write})
	if err == nil {
		err = errors.Join(w.Close(), buf.Flush())
	}
	if err != nil {
		return sum, fmt.Errorf("%s: %w", output, err)
	}
	if err := f.Commit(); err != nil {
		return sum, err
	}
	return sum, os.Remove(journal)
}

// cutTornLine cuts off the line that a crash left unfinished.
func cutTornLine(journal string) error {
	j, err := telemetry.OpenJournal(journal)
	if err != nil {
		return err
	}
	return j.Close()
}
