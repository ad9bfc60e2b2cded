package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
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
	file *os.File // the regular file behind Reader, nil for a stream
	size int64    // of file
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

// open opens f; done closes it. A stream (standard input, a pipe, a device) is read in a goroutine of its own, so that a
// cancelled context ends the scan even while the other end of the pipe is silent; that goroutine then stays blocked in
// its read until the process ends, as there is no way to interrupt it.
func (s *sink) open(f source, stdin io.Reader) (in *input, done func(), err error) {
	var stream io.Reader
	closeFile := func() {}
	if f.path == stdinName {
		if stdin == nil {
			return nil, nil, cli.BadInputf("no standard input to read")
		}
		stream = stdin
	} else {
		fd, err := os.Open(f.path)
		if err != nil {
			return nil, nil, cli.BadInputf("cannot read %w", err)
		}
		closeFile = func() { _ = fd.Close() } // only read from: nothing can be lost
		info, err := fd.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder inside a folder of records", f.path)
		}
		if err != nil {
			closeFile()
			return nil, nil, cli.BadInput(err)
		}
		if info.Mode().IsRegular() {
			return &input{Reader: bufio.NewReaderSize(fd, readBuffer), file: fd, size: info.Size()}, closeFile, nil
		}
		stream = fd
	}
	pr, pw := io.Pipe()
	go func() {
		_, err := io.CopyBuffer(pw, struct{ io.Reader }{stream}, make([]byte, readBuffer))
		_ = pw.CloseWithError(err) // never fails
	}()
	stop := context.AfterFunc(s.ctx, func() { _ = pr.CloseWithError(context.Cause(s.ctx)) })
	return &input{Reader: bufio.NewReaderSize(pr, readBuffer)}, func() { stop(); _ = pr.Close(); closeFile() }, nil
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
