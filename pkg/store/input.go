package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"github.com/banterhearts/bh/pkg/cli"
)

// stdinName is how messages and Summary.Files call standard input.
const stdinName = "-"

// sniffLen is how much of a stream is looked at to tell its format.
const sniffLen = 512

// source is one thing to read.
type source struct {
	path   string // stdinName for standard input
	format Format // empty: by content
}

// input is an open file or stream.
type input struct {
	*bufio.Reader
	file seekable // what Reader reads, where that is a regular file; nil for a stream
}

// seekable is what a format with its index at the end needs.
type seekable interface {
	io.Reader
	io.ReaderAt
	io.Seeker
}

// scanFile reads one file to its end.
func (s *sink) scanFile(f source, stdin io.Reader) error {
	s.file, s.byRow = f.path, false
	s.sum.Files = append(s.sum.Files, f.path)
	before := s.sum.Read
	in, done, err := s.open(f, stdin)
	if err != nil {
		return err
	}
	defer done()
	if _, err := in.Peek(1); errors.Is(err, io.EOF) {
		return cli.BadInputf("%s: empty, want records", f.path)
	}
	c, err := s.codec(f, in)
	if err != nil {
		return err
	}
	if err := c.read(in, s); err != nil {
		return err
	}
	if s.sum.Read == before {
		return cli.BadInputf("%s: empty, want records", f.path)
	}
	return nil
}

// open opens f; done closes it.
func (s *sink) open(f source, stdin io.Reader) (in *input, done func(), err error) {
	if f.path == stdinName {
		if stdin == nil {
			return nil, nil, cli.BadInputf("no standard input to read")
		}
		in, done = s.stream(stdin)
		return in, done, nil
	}
	fd, err := os.Open(f.path)
	if err != nil {
		return nil, nil, cannotRead(err)
	}
	closeFile := func() { _ = fd.Close() } // only read from: nothing can be lost
	info, err := fd.Stat()
	if err != nil {
		closeFile()
		return nil, nil, cannotRead(err)
	}
	if info.Mode().IsRegular() {
		return &input{Reader: bufio.NewReaderSize(fd, readBuffer), file: fd}, closeFile, nil
	}
	in, stop := s.stream(fd)
	return in, func() { stop(); closeFile() }, nil
}

// stream reads r (standard input, a pipe, a device) in a goroutine of its own, so that a cancelled context ends the scan
// even while the other end of a pipe is silent. That goroutine then stays blocked in its read until the process ends, as
// there is no way to interrupt it.
func (s *sink) stream(r io.Reader) (in *input, done func()) {
	pr, pw := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(pw, struct{ io.Reader }{r}, make([]byte, readBuffer))
		_ = pw.CloseWithError(err) // never fails
	}()
	stop := context.AfterFunc(s.ctx, func() { _ = pr.CloseWithError(context.Cause(s.ctx)) })
	return &input{Reader: bufio.NewReaderSize(pr, readBuffer)}, func() {
		stop()
		_ = pr.Close() // never fails
	}
}

// readBuffer is large enough that the cost of a system call vanishes and small beside a batch of rows.
const readBuffer = 256 << 10

// codec is how to read f: as its format says, else as its first bytes look.
func (s *sink) codec(f source, in *input) (*codec, error) {
	if f.format != "" {
		return readable(f.format)
	}
	head, err := in.Peek(sniffLen)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, s.corrupt(err)
	}
	for _, c := range codecs {
		if c.magic != nil && c.magic(head) {
			return c, nil
		}
	}
	return readable(JSONL)
}

// bom is the byte order mark that some editors put before UTF-8 text.
var bom = []byte("\xef\xbb\xbf")

// skipBOM passes over a byte order mark.
func skipBOM(r *bufio.Reader) {
	if head, _ := r.Peek(len(bom)); bytes.Equal(head, bom) {
		_, _ = r.Discard(len(bom)) // just peeked at
	}
}
