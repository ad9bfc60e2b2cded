package atomicfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Journal appends lines to a file and syncs each write, so that a line that AppendLines has returned for survives a crash of
// the process or of the machine.
type Journal struct {
	f    *os.File
	name string
}

// OpenJournal opens name for appending, creating it if needed, and locks it: two writers would tear each other's lines. A last line without its newline, which is what a crash in
// the middle of a write leaves, is cut off; dropped says how many bytes that were.
func OpenJournal(name string) (j *Journal, dropped int64, err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot open journal: %w", err)
	}
	j = &Journal{f: f, name: name}
	if err := lockFile(f); err != nil {
		return nil, 0, errors.Join(fmt.Errorf("journal %s is being written by another process: %w", name, err), f.Close())
	}
	if dropped, err = j.cutTornLine(); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	if err := syncDir(filepath.Dir(name)); err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return j, dropped, nil
}

// cutTornLine truncates the file after its last newline and leaves the offset there.
func (j *Journal) cutTornLine() (int64, error) {
	size, err := j.f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("journal %s: %w", j.name, err)
	}
	end, buf := size, make([]byte, 64<<10)
	for end > 0 {
		n := min(end, int64(len(buf)))
		if _, err := j.f.ReadAt(buf[:n], end-n); err != nil {
			return 0, fmt.Errorf("journal %s: %w", j.name, err)
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			end += int64(i) + 1 - n
			break
		}
		end -= n
	}
	if end < size {
		if err := j.f.Truncate(end); err != nil {
			return 0, fmt.Errorf("journal %s: cut off a torn line: %w", j.name, err)
		}
	}
	_, err = j.f.Seek(end, io.SeekStart)
	return size - end, err
}

// AppendLines writes whole lines, each with its newline, in one write and syncs the file.
func (j *Journal) AppendLines(lines []byte) error {
	if err := j.AppendUnsynced(lines); err != nil || len(lines) == 0 {
		return err
	}
	if err := j.f.Sync(); err != nil {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	return nil
}

// AppendUnsynced is AppendLines without the sync: the lines survive the end of the process, but a crash of the machine may
// lose those since the last sync, which Close makes up for.
func (j *Journal) AppendUnsynced(lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	if lines[len(lines)-1] != '\n' {
		return fmt.Errorf("journal %s: saw a last line without its newline", j.name)
	}
	if _, err := j.f.Write(lines); err != nil {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	return nil
}

// Restart empties the journal, when what it held is safe elsewhere. It stays open and locked.
func (j *Journal) Restart() error {
	if err := j.f.Truncate(0); err != nil {
		return fmt.Errorf("journal %s: %w", j.name, err)
	}
	_, err := j.f.Seek(0, io.SeekStart)
	return err
}

// Close syncs and closes the file.
func (j *Journal) Close() error { return errors.Join(j.f.Sync(), j.f.Close()) }
