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
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// noteFunc tells the user something that is not an error.
type noteFunc func(format string, a ...any)

// newFileTarget saves what a crash left of an earlier recording to output and starts a new one: a file that grows where it
// is to be Parquet, else a journal that becomes the file.
func newFileTarget(ctx context.Context, output string, format store.Format, args []string, note noteFunc) (target, error) {
	var err error
	if format == "" {
		if format, err = store.FormatOf(output); err != nil {
			return nil, err
		}
	}
	if output, err = atomicfile.Target(output); err != nil {
		return nil, err
	}
	if err := saveLeftover(ctx, output, format, note); err != nil {
		return nil, err
	}
	j, err := telemetry.OpenJournal(telemetry.JournalName(output))
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(output); format == store.Parquet && (err != nil || info.Mode().IsRegular()) {
		t, err := newGrowingTarget(output, j, args)
		if err != nil {
			return nil, err
		}
		return t, nil
	}
	return &journalTarget{journal: j, output: output, format: format, args: args}, nil
}

// journalTarget is a recording that becomes a file: a journal while it grows, the file when it is finished.
type journalTarget struct {
	journal *telemetry.Journal
	output  string
	format  store.Format
	args    []string
}

func (t *journalTarget) append(samples []record.Sample) error { return t.journal.Append(samples) }

// finish turns the journal into the file. Where that fails the journal stays, for recover.
func (t *journalTarget) finish(ctx context.Context) error {
	journal := telemetry.JournalName(t.output)
	there := fileExists(journal)
	if err := t.journal.Close(); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%s is not written: its journal %s was removed while it was recorded", t.output, journal)
	}
	sum, err := leftover{journal: journal}.moveTo(ctx, t.output, t.format)
	if err != nil {
		return err
	}
	return errors.Join(manifest.Record(t.output, tool, t.args, nil), sum.Err())
}

// saveLeftover makes what an earlier recording to output left behind when it was cut off a file of its own, named after the
// time at which that was, as output itself is about to be written anew.
func saveLeftover(ctx context.Context, output string, format store.Format, note noteFunc) error {
	left, at, err := findLeftover(ctx, output)
	if err != nil || left == (leftover{}) {
		return err
	}
	saved := savedName(output, at)
	sum, err := left.moveTo(ctx, saved, format)
	switch {
	case err != nil:
		return err
	case sum.Read == 0: // it was cut off before its first sample
	case sum.Rejected > 0:
		note("an earlier recording to %s was cut off; what it had is in %s (%v)", output, saved, sum.Err())
	default:
		note("an earlier recording to %s was cut off; what it had is in %s", output, saved)
	}
	return nil
}

// savedName is the name of a recording that was to become output and cannot: output with the time of its end.
func savedName(output string, at time.Time) string {
	ext := filepath.Ext(output)
	return strings.TrimSuffix(output, ext) + at.UTC().Format("-20060102T150405Z") + ext
}

// leftover is what there is of a recording that was cut off. The zero value is nothing.
type leftover struct {
	grown   string // the file that grew; "" where there is none, or one that is whole
	journal string // its last rows, or all of them where the file did not grow; "" where there is none
}

// findLeftover looks for what a recording to output left behind, and when it was cut off.
func findLeftover(ctx context.Context, output string) (left leftover, at time.Time, err error) {
	if info, err := os.Stat(output); err == nil && info.Mode().IsRegular() {
		if cut, err := store.CutOff(ctx, output); err == nil && cut { // another kind of file is not of our making
			left.grown, at = output, info.ModTime()
		}
	}
	journal := telemetry.JournalName(output)
	info, err := os.Stat(journal)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return left, at, nil
	case err != nil:
		return leftover{}, at, err
	case info.ModTime().After(at):
		at = info.ModTime()
	}
	left.journal = journal
	return left, at, nil
}

// moveTo is copyTo, and removes the leftover when the output is on disk.
func (l leftover) moveTo(ctx context.Context, output string, format store.Format) (store.Summary, error) {
	sum, err := l.copyTo(ctx, output, format)
	if err != nil {
		return sum, err
	}
	return sum, l.remove(output)
}

// copyTo writes the samples of a leftover to output, row by row. The summary says which rows could not be read. Without any
// row nothing is written.
func (l leftover) copyTo(ctx context.Context, output string, format store.Format) (store.Summary, error) {
	var sum store.Summary
	var err error
	if format == "" {
		if format, err = store.FormatOf(output); err != nil {
			return sum, err
		}
	}
	if l.journal != "" {
		if err := cutTornLine(l.journal); err != nil { // fails where the recording still goes on
			return sum, err
		}
		if info, err := os.Stat(l.journal); err != nil || info.Size() == 0 {
			if err != nil || l.grown == "" {
				return sum, err
			}
		}
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
	sum, err = l.copy(ctx, w)
	if err == nil {
		err = errors.Join(w.Close(), buf.Flush())
	}
	if err != nil {
		return sum, fmt.Errorf("%s: %w", output, err)
	}
	return sum, f.Commit()
}

// copy writes the rows of the file that grew, and then those of the journal that are not in it: a crash between the footer
// and the restart of the journal leaves them in both. A recording is in order of time.
func (l leftover) copy(ctx context.Context, w *store.Writer[record.Sample]) (store.Summary, error) {
	var sum store.Summary
	var last int64
	if l.grown != "" {
		grown, err := store.Scan(ctx, store.Input{Paths: []string{l.grown}, From: store.Parquet},
			store.Handlers{Sample: func(s *record.Sample) error {
				last = max(last, s.TSUnixNS)
				return w.Write(s)
			}})
		if err != nil {
			return grown, err
		}
		sum = grown
		sum.CutOff = nil // that is what is being mended
	}
	if info, err := os.Stat(l.journal); l.journal == "" || err == nil && info.Size() == 0 {
		return sum, nil
	}
	tail, err := store.Scan(ctx, store.Input{Paths: []string{l.journal}, From: store.JSONL},
		store.Handlers{Sample: func(s *record.Sample) error {
			if s.TSUnixNS <= last {
				return nil
			}
			sum.Read++
			return w.Write(s)
		}})
	sum.Read += tail.Rejected
	sum.Rejected += tail.Rejected
	sum.Errors = append(sum.Errors, tail.Errors...)
	return sum, err
}

// remove removes what has been moved to output.
func (l leftover) remove(output string) error {
	var errs []error
	if l.journal != "" {
		errs = append(errs, os.Remove(l.journal))
	}
	if l.grown != "" && l.grown != output {
		errs = append(errs, os.Remove(l.grown))
	}
	return errors.Join(errs...)
}

// cutTornLine cuts off the line that a crash left unfinished.
func cutTornLine(journal string) error {
	j, err := telemetry.OpenJournal(journal)
	if err != nil {
		return err
	}
	return j.Close()
}
