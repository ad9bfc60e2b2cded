//go:build !windows

package atomicfile

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLinksAreFollowed: writing to a symbolic link changes its target and leaves the link.
func TestLinksAreFollowed(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("target", link); err != nil {
		t.Fatal(err)
	}
	if err := Write(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "new" {
		t.Errorf("target: saw %q, %v", got, err)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("link: saw %v, %v", info, err)
	}
}

// TestPipesAreWrittenInPlace: a FIFO stays one, and its reader gets the content.
func TestPipesAreWrittenInPlace(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		f, err := os.Open(fifo)
		if err != nil {
			got <- err.Error()
			return
		}
		data, err := io.ReadAll(f)
		if err != nil {
			data = []byte(err.Error())
		}
		_ = f.Close() // only read
		got <- string(data)
	}()
	if err := Check(fifo); err != nil {
		t.Errorf("check: %v", err)
	}
	if err := Write(fifo, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "hello" {
		t.Errorf("the reader got %q", s)
	}
	if info, err := os.Lstat(fifo); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("saw %v, %v, want a pipe still", info, err)
	}
}

func TestCheckLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := Check(filepath.Join(dir, "x")); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("saw %v, %v", left, err)
	}
	if err := Check(filepath.Join(dir, "none", "x")); err == nil {
		t.Error("a folder that is not there passed")
	}
	if err := Check(dir); err == nil || !strings.Contains(err.Error(), "it is a folder") {
		t.Errorf("a folder: saw %v", err)
	}
}
