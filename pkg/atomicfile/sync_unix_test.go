//go:build !windows

package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSyncDir: a folder that is there can be synced, and one that is not is an error that names it. What the sync itself
// is for, that the rename survives the loss of power, no test can show.
func TestSyncDir(t *testing.T) {
	dir := t.TempDir()
	if err := syncDir(dir); err != nil {
		t.Error(err)
	}
	gone := filepath.Join(dir, "gone")
	if err := syncDir(gone); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "sync folder "+gone) {
		t.Errorf("got %v", err)
	}
}

// TestCommitSyncsTheFolder: a folder that went away between Create and Commit is noticed.
func TestCommitSyncsTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := Create(filepath.Join(dir, "a.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := f.Commit(); err == nil || !strings.Contains(err.Error(), "a.txt") {
		t.Errorf("got %v", err)
	}
}

// TestReadableByOthers: an artifact has the permissions of an ordinary file and not those of a temporary one.
func TestReadableByOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.txt")
	if err := Write(path, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("%v: mode %v, want -rw-r--r--", err, info.Mode())
	}
}
