package ollama

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// tailBytes is how much of the log goes into an error message.
const tailBytes = 2000

// logFile takes what the server writes. It is a file and not a pipe: a server whose parent has died must be able to write,
// or it dies of that before it has ended its runner.
type logFile struct {
	f     *os.File
	named bool // the file still has a name
}

// newLogFile makes a file without a name, where the system has such files, so that nothing can leave it behind.
func newLogFile() (*logFile, error) {
	f, err := os.CreateTemp("", "bh-ollama-*.log")
	if err != nil {
		return nil, fmt.Errorf("%w: that for temporary files: %w", ErrNoFolder, err)
	}
	return &logFile{f: f, named: os.Remove(f.Name()) != nil}, nil
}

// size is how much has been written.
func (l *logFile) size() (int64, error) {
	info, err := l.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// from is what has been written after the first at bytes.
func (l *logFile) from(at int64) ([]byte, error) {
	size, err := l.size()
	if err != nil {
		return nil, err
	}
	text := make([]byte, max(0, size-at))
	n, err := l.f.ReadAt(text, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text[:n], err
}

// tail is the end of the file. Nothing here moves the offset at which the server writes.
func (l *logFile) tail() string {
	size, err := l.size()
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	text, err := l.from(max(0, size-tailBytes))
	if err != nil {
		return "(no log: " + err.Error() + ")"
	}
	return strings.TrimSpace(string(text))
}

// Close removes the file.
func (l *logFile) Close() error {
	err := l.f.Close()
	if l.named {
		err = errors.Join(err, os.Remove(l.f.Name()))
	}
	return err
}
