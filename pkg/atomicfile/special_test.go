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

// A link to a file that is not there yet stays one, and the file appears where it points; one that leads back to itself is told.
func TestLinkToNothingYet(t *testing.T) {
	dir := t.TempDir()
	for link, to := range map[string]string{"far": "folder/file", "near": "far", "ring": "gnir", "gnir": "ring"} {
		if err := os.Symlink(filepath.FromSlash(to), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		if err := Write(filepath.Join(dir, "near"), []byte(text)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(dir, "folder", "file"))
		if err != nil || string(got) != text {
			t.Errorf("saw %q, %v, want %q", got, err, text)
		}
		for _, link := range []string{"near", "far"} {
			if info, err := os.Lstat(filepath.Join(dir, link)); err != nil || info.Mode()&os.ModeSymlink == 0 {
				t.Errorf("%s: saw %v, %v, want the link", link, info, err)
			}
		}
	}
	if err := Write(filepath.Join(dir, "ring"), nil); err == nil || !strings.Contains(err.Error(), "ring: the symbolic link leads back to itself") {
		t.Errorf("saw %v", err)
	}
}
