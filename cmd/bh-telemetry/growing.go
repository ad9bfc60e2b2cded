package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// FooterEvery is the shortest time between two footers of a recording that grows; store.Growing makes it longer, the more
// row groups there are, and footerAtLeast bounds that.
const FooterEvery = time.Second

// The longest time between two footers while there are new samples: a minute, or a tenth of the recording so far where that is
// longer. Every footer lists all row groups before it, so as many as there are minutes would outgrow the samples of a slow
// recording; this way there are some 30 in an hour and 60 in a day.
const (
	footerAtLeast      = time.Minute
	footerShareOfSoFar = 10
)

// PreviousName is where the recording that output held stays while a new one to output is not finished.
func PreviousName(output string) string { return output + ".previous" }

// growingTarget is a recording whose file grows, and is whole after every footer. The samples since the last footer are in
// a journal beside it.
type growingTarget struct {
	journal *telemetry.Journal
	output  string
	args    []string

	grow   *store.Growing
	head   bytes.Buffer // the file, up to its first footer
	file   *os.File     // nil before
	size   int64        // up to the last footer
	footed time.Time    // when that was
	began  time.Time    // when the first one was
	now    func() time.Time
	failed bool

	inFile, waiting int  // samples up to the last footer, and those behind it
	spoilt          bool // the file is no longer what was written; see intact
}

func newGrowingTarget(output string, j *telemetry.Journal, args []string) (*growingTarget, error) {
	if err := atomicfile.Check(output); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	t := &growingTarget{journal: j, output: output, args: args, now: time.Now}
	var err error
	t.grow, err = store.NewGrowing(t)
	return t, err
}

// Write takes what the Growing has encoded.
func (t *growingTarget) Write(p []byte) (int, error) {
	if t.file == nil {
		return t.head.Write(p)
	}
	n, err := t.file.Write(p)
	if err == nil {
		t.size += int64(n)
	}
	return n, err
}

func (t *growingTarget) append(samples []record.Sample) error {
	if len(samples) == 0 || t.failed {
		return nil // the failure has been told
	}
	t.waiting += len(samples)
	if !t.intact() {
		return t.journal.Append(samples)
	}
	for i := range samples {
		if err := t.grow.Write(&samples[i]); err != nil {
			return err
		}
	}
	if !t.due() {
		return t.journal.Append(samples)
	}
	if err := t.foot(t.grow.Footer); err != nil || t.spoilt {
		return errors.Join(err, t.journal.Append(samples))
	}
	return nil
}

// due reports whether a footer is to be written behind the samples that came.
func (t *growingTarget) due() bool {
	if t.file == nil {
		return true
	}
	now := t.now()
	since := now.Sub(t.footed)
	return since >= max(footerAtLeast, now.Sub(t.began)/footerShareOfSoFar) || since >= FooterEvery && t.grow.Due()
}

// foot has write bring everything into the file, up to a footer, and empties the journal. Where that fails the file is cut
// back to the footer before, and what the journal has goes on being there.
func (t *growingTarget) foot(write func() error) error {
	err := write()
	if err == nil && t.file == nil {
		err = t.appear()
	} else if err == nil {
		err = t.file.Sync()
	}
	if err != nil {
		t.failed = true
		if t.file != nil {
			err = errors.Join(err, t.file.Truncate(t.size))
		}
		return fmt.Errorf("write %s: %w; bh-telemetry recover %s keeps what was recorded until then", t.output, err, t.output)
	}
	if !t.intact() {
		return nil // the journal still has the rows
	}
	t.footed = t.now()
	if t.began.IsZero() {
		t.began = t.footed
	}
	t.inFile, t.waiting = t.inFile+t.waiting, 0
	return t.journal.Restart()
}

// appear gives the file its name, once it is whole, and moves a file of that name aside.
func (t *growingTarget) appear() error {
	f, err := atomicfile.Create(t.output)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	if _, err := f.Write(t.head.Bytes()); err != nil {
		return err
	}
	if err := os.Rename(t.output, PreviousName(t.output)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := f.Commit(); err != nil {
		return err
	}
	t.size = int64(t.head.Len())
	t.head = bytes.Buffer{}
	t.file, err = os.OpenFile(t.output, os.O_RDWR|os.O_APPEND, 0)
	return err
}

// finish writes the last footer. The journal, and the recording that this one replaces, are removed when that is on disk.
func (t *growingTarget) finish(ctx context.Context) error {
	if !t.failed && t.intact() {
		if err := t.foot(t.grow.Finish); err != nil {
			return errors.Join(err, t.close())
		}
	}
	if t.spoilt {
		return t.saveRest(ctx)
	}
	displaced := t.displaced()
	if err := t.close(); err != nil || t.failed {
		return errors.Join(displaced, err)
	}
	names := []string{telemetry.JournalName(t.output), PreviousName(t.output)}
	if displaced != nil {
		names = names[:1]
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(displaced, err)
		}
	}
	if displaced != nil {
		return displaced
	}
	return manifest.Record(t.output, tool, t.args, nil)
}

func (t *growingTarget) close() error {
	err := t.journal.Close()
	if t.file != nil {
		err = errors.Join(err, t.file.Close())
	}
	return err
}
