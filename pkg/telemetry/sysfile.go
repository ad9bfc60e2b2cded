package telemetry

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// readText reads a small file of /proc or /sys without the newline at its end.
func readText(files fs.FS, name string) (string, error) {
	b, err := fs.ReadFile(files, name)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

// readName reads a small file that holds the name of something.
func readName(files fs.FS, name string) (string, error) {
	text, err := readText(files, name)
	return strings.TrimSpace(clean(text)), err
}

// readUint reads a file that holds one unsigned decimal number.
func readUint(files fs.FS, name string) (uint64, error) {
	text, err := readText(files, name)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: saw %q, want an unsigned number", name, text)
	}
	return v, nil
}

// readInt reads a file that holds one signed decimal number.
func readInt(files fs.FS, name string) (int64, error) {
	text, err := readText(files, name)
	if err != nil {
		return 0, err
	}
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: saw %q, want a number", name, text)
	}
	return v, nil
}

// unsigned reads a file that is kept and holds one unsigned decimal number.
func unsigned(file *kept) (uint64, error) {
	v, err := file.number()
	if err == nil && v < 0 {
		err = fmt.Errorf("%s: saw %d, want an unsigned number", file.name, v)
	}
	return uint64(v), err
}

// cannotOpen turns the error of the first read of a source into what the registry knows: absent with the reason why,
// no permission with the command that grants it, or err itself.
func cannotOpen(err error, why, grant string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &unavailable{kind: ErrAbsent, why: why}
	case errors.Is(err, fs.ErrPermission):
		return &unavailable{kind: ErrPermission, why: place(err), fix: grant}
	}
	return err
}

// place is the text of an error of the file tree with the file's name as it is on the machine.
func place(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("/%s: %v", p.Path, p.Err)
	}
	return err.Error()
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// The pace of a source.
const (
	// slowEvery is how often readings are taken that change slowly and are dear to read: temperatures and clocks, some
	// of which make the kernel interrupt every processor or wait for a slow bus.
	slowEvery = time.Second
	// minRateSpan is the shortest span that a rate is computed over from the kernel's processor times, which tick every
	// 10 ms: ten ticks, so that one tick more or less is 10%; over two a busy machine seemed to draw 9.4 of its 7 W. Within
	// less, the rate is null and the energy counter still advances.
	minRateSpan = 100 * time.Millisecond
)

// pace lets a slow reading through at most once per slowEvery.
type pace struct{ last time.Time }

func (p *pace) due(now time.Time) bool {
	if !p.last.IsZero() && now.Sub(p.last) < slowEvery {
		return false
	}
	p.last = now
	return true
}
