package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/store"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// intact reports whether the file has the size that was written to it. One that another program wrote into or cut off never
// is again: its row groups are lost, and what comes from then on stays in the journal.
func (t *growingTarget) intact() bool {
	if t.file != nil && !t.spoilt {
		info, err := t.file.Stat()
		t.spoilt = err != nil || info.Size() != t.size
	}
	return !t.spoilt
}

// saveRest saves what the journal has of a recording whose file was overwritten, under another name: the file as it is now is
// somebody else's. It always returns an error, which tells what is lost.
func (t *growingTarget) saveRest(ctx context.Context) error {
	lost := fmt.Errorf("%s was overwritten by another program while it was recorded, and its first %d samples are lost",
		t.output, t.inFile)
	if err := t.close(); err != nil {
		return errors.Join(lost, err)
	}
	saved := savedName(t.output, t.now())
	sum, err := leftover{journal: telemetry.JournalName(t.output)}.moveTo(ctx, saved, store.Parquet)
	switch {
	case err != nil:
		return errors.Join(lost, err)
	case sum.Read == 0:
		return fmt.Errorf("%w; there were none after them%s", lost, t.andPrevious())
	}
	return errors.Join(fmt.Errorf("%w; the %d after them are in %s%s", lost, sum.Read-sum.Rejected, saved, t.andPrevious()),
		manifest.Record(saved, tool, t.args, nil), sum.Err())
}

// displaced is an error where the output no longer is the file that was written, and says where that is: under the name that
// it was moved to, or in a copy, as what is open can be read until it is closed.
func (t *growingTarget) displaced() error {
	if t.file == nil {
		return nil
	}
	mine, err := t.file.Stat()
	if err != nil {
		return err
	}
	how := "moved or removed"
	switch there, err := os.Stat(t.output); {
	case err == nil && os.SameFile(mine, there):
		return nil
	case err == nil:
		how = "replaced by another file"
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if name := nameOf(t.file, mine); name != "" {
		return fmt.Errorf("%s was %s while it was recorded; what was recorded is in %s%s", t.output, how, name, t.andPrevious())
	}
	saved := savedName(t.output, t.now())
	if err := t.copyTo(saved); err != nil {
		return fmt.Errorf("%s was %s while it was recorded (if it was moved, it is whole there), and cannot be copied: %w",
			t.output, how, err)
	}
	return errors.Join(fmt.Errorf("%s was %s while it was recorded; what was recorded is in %s%s", t.output, how, saved, t.andPrevious()),
		manifest.Record(saved, tool, t.args, nil))
}

// nameOf is the name that an open file has now, "" where the system does not tell or it has none.
func nameOf(f *os.File, mine fs.FileInfo) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return ""
	}
	if there, err := os.Stat(name); err != nil || !os.SameFile(mine, there) { // one that was removed has " (deleted)" behind it
		return ""
	}
	if folder, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(folder, name); err == nil && filepath.IsLocal(short) {
			return short
		}
	}
	return name
}

// copyTo copies what was written to a file of another name.
func (t *growingTarget) copyTo(name string) error {
	f, err := atomicfile.Create(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	if _, err := io.Copy(f, io.NewSectionReader(t.file, 0, t.size)); err != nil {
		return err
	}
	return f.Commit()
}

// andPrevious tells of the recording before this one, which stays where this one has not taken its place.
func (t *growingTarget) andPrevious() string {
	if previous := PreviousName(t.output); fileExists(previous) {
		return "; the recording before it is in " + previous
	}
	return ""
}
