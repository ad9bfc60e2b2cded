// Package atomicfile writes files that appear whole or not at all: the content goes to a temporary file in the target's
// folder, which is synced, renamed over the target, and made durable by syncing the folder. The order of these steps is
// the one of restic's local backend (internal/backend/local/local.go). It also has the append-and-sync journal, which is
// the one kind of file that grows in place.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a file being written. Commit makes it appear under its name; Close without Commit leaves nothing behind.
type File struct {
	*os.File
	target string
	direct bool // a device or a pipe: written in place, as there is nothing to rename
	done   bool
}

// maxLinks is how many symbolic links are followed, one after the other.
const maxLinks = 40

// Target is the file that name stands for: symbolic links are followed, also to a file that is not there yet.
func Target(name string) (string, error) {
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		return resolved, nil
	}
	target := name
	for range maxLinks {
		info, err := os.Lstat(target)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return target, nil // what is wrong with it shows when it is written
		}
		to, err := os.Readlink(target)
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if !filepath.IsAbs(to) { // not cleaned: .. of a folder that is a link itself is elsewhere
			to = filepath.Dir(target) + string(filepath.Separator) + to
		}
		target = to
	}
	return "", fmt.Errorf("%s: the symbolic link leads back to itself", name)
}

// Create starts writing the file that will be called name. The folder must exist. A symbolic link is followed, and what
// is no regular file (a pipe, a device) is written in place: renaming over it would replace it.
func Create(name string) (*File, error) {
	target, err := Target(name)
	if err != nil {
		return nil, fmt.Errorf("cannot write %w", err)
	}
	if info, err := os.Stat(target); err == nil && !info.Mode().IsRegular() {
		return createDirect(name, target, info)
	}
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".tmp-*")
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", name, err)
	}
	if err := f.Chmod(0o644); err != nil {
		_ = f.Close() // the chmod error is the one to report
		_ = os.Remove(f.Name())
		return nil, fmt.Errorf("cannot write %s: %w", name, err)
	}
	return &File{File: f, target: target}, nil
}

func createDirect(name, target string, info fs.FileInfo) (*File, error) {
	if info.IsDir() {
		return nil, fmt.Errorf("cannot write %s: it is a folder", name)
	}
	f, err := os.OpenFile(target, os.O_WRONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot write %s: %w", name, err)
	}
	return &File{File: f, target: target, direct: true}, nil
}

// Check says whether name could be written, and leaves nothing behind: for tools that work long before they write.
func Check(name string) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil // opening a pipe would wait for its reader
	}
	f, err := Create(name)
	if err != nil {
		return err
	}
	return f.Close()
}

// Commit syncs the content, gives the file its name and syncs the folder.
func (f *File) Commit() error {
	if f.done {
		return fmt.Errorf("write %s: %w", f.target, fs.ErrClosed)
	}
	f.done = true
	if f.direct {
		return f.File.Close() // a pipe or a device cannot be synced
	}
	err := f.Sync()
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), f.target)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", f.target, err), removeIfThere(f.Name()))
	}
	return syncDir(filepath.Dir(f.target))
}

// Close drops the file when it was not committed, and does nothing after Commit, so it can be deferred.
func (f *File) Close() error {
	if f.done {
		return nil
	}
	f.done = true
	if f.direct {
		return f.File.Close()
	}
	return errors.Join(f.File.Close(), removeIfThere(f.Name()))
}

// Write writes data as the whole content of name.
func Write(name string, data []byte) error {
	f, err := Create(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	if _, err := f.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return f.Commit()
}

func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
