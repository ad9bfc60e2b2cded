package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// kept is a small file of /proc or /sys that is read again and again. A file of the system stays open and is read from
// its beginning, which makes the kernel write its content anew and costs a third of opening, reading and closing it. A
// file of any other tree (a fixture) is opened for each reading.
type kept struct {
	files fs.FS
	name  string
	open  *os.File // nil until the first reading, and in a tree that is not of the system
	buf   []byte
}

func keep(files fs.FS, name string) *kept { return &kept{files: files, name: name} }

// keepReadable keeps those files that hold a number now.
func keepReadable(files fs.FS, names ...string) []*kept {
	var out []*kept
	for _, name := range names {
		k := keep(files, name)
		if _, err := k.number(); err != nil {
			k.close() // nothing was written
			continue
		}
		out = append(out, k)
	}
	return out
}

// read returns the content of the file, which is valid until the next reading.
func (k *kept) read() ([]byte, error) {
	if k.open == nil {
		f, err := k.files.Open(k.name)
		if err != nil {
			return nil, err
		}
		file, ok := f.(*os.File)
		if !ok {
			defer f.Close()
			return io.ReadAll(f)
		}
		k.open = file
	}
	if k.buf == nil {
		k.buf = make([]byte, 128)
	}
	for n := 0; ; {
		got, err := k.open.ReadAt(k.buf[n:], int64(n))
		n += got
		switch {
		case err == io.EOF:
			return k.buf[:n], nil
		case err != nil:
			return nil, k.named(err)
		}
		k.buf = append(k.buf, make([]byte, len(k.buf))...)
	}
}

// named gives an error of the open file the name that the file has in its tree.
func (k *kept) named(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err
	}
	return &fs.PathError{Op: "read", Path: k.name, Err: err}
}

// number reads a file that holds one decimal number.
func (k *kept) number() (int64, error) {
	b, err := k.read()
	if err != nil {
		return 0, err
	}
	b = bytes.TrimSpace(b)
	v, ok := digits(bytes.TrimPrefix(b, []byte("-")))
	if !ok || v > math.MaxInt64 {
		return 0, fmt.Errorf("%s: saw %q, want a number", k.name, b)
	}
	if b[0] == '-' {
		return -int64(v), nil
	}
	return int64(v), nil
}

// close gives the file back.
func (k *kept) close() error {
	if k == nil || k.open == nil {
		return nil
	}
	err := k.open.Close()
	k.open = nil
	return err
}

// closeKept closes files, of which some may be nil.
func closeKept(files ...*kept) error {
	var errs []error
	for _, k := range files {
		errs = append(errs, k.close())
	}
	return errors.Join(errs...)
}

// digits is the number that decimal digits stand for: strconv.ParseUint without the string that it wants.
func digits(text []byte) (v uint64, ok bool) {
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || v > (math.MaxUint64-d)/10 {
			return 0, false
		}
		v = 10*v + d
	}
	return v, len(text) > 0
}

// word cuts the next word off a line and returns it and the rest.
func word(line []byte) (first, rest []byte) {
	line = bytes.TrimLeft(line, " \t")
	if i := bytes.IndexAny(line, " \t\n"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}

// keyed is the number after a key at the beginning of a line ("MemTotal:  1234 kB", "usage_usec 1234"); ok is false where
// no line has the key and a number.
func keyed(text []byte, key string) (v uint64, ok bool) {
	for line := range bytes.Lines(text) {
		if first, rest := word(line); string(first) == key {
			first, _ = word(rest)
			return digits(first)
		}
	}
	return 0, false
}

// every lets something through once per span, the first time included.
type every struct {
	span time.Duration
	last time.Time
}

func (e *every) due(now time.Time) bool {
	if !e.last.IsZero() && now.Sub(e.last) < e.span {
		return false
	}
	e.last = now
	return true
}

// sampleAt starts a row for a reading that was taken at another time than now, on the timeline of now.
func (e Environment) sampleAt(now, taken time.Time, source, device string) record.Sample {
	return e.sample(now.Add(taken.Sub(now)), source, device)
}
