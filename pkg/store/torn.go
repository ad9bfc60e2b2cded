package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v17/arrow"

	"github.com/banterhearts/bh/pkg/cli"
)

// The end of a Parquet file: the length of the footer in four bytes, and this text (Parquet format, "File format").
const (
	parquetMagic = "PAR1"
	footerEnd    = 4 + len(parquetMagic)
)

// maxFooters is how many places that look like the end of a footer are tried, from the end of a file, before it is given
// up: real ones stand a row group apart.
const maxFooters = 64

// openParquet opens f by its last footer. Where the writer of a growing file was cut off behind one, torn says how many
// bytes follow it.
func openParquet(ctx context.Context, f seekable) (p *parquetFile, schema *arrow.Schema, torn int64, err error) {
	try := func(f seekable) error {
		p = &parquetFile{ctx: ctx}
		return guard(func() (err error) {
			schema, err = p.open(f)
			return err
		})
	}
	whole := try(f)
	if whole == nil {
		return p, schema, 0, nil
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, nil, 0, err
	}
	// An earlier footer counts only in a file that says it grows by them: elsewhere a match is chance.
	_, err = lastFooter(f, size, func(end int64) bool {
		torn = size - end
		return try(io.NewSectionReader(f, 0, end)) == nil && p.growing
	})
	if err != nil {
		return nil, nil, 0, whole
	}
	return p, schema, torn, nil
}

// errNoFooter says that a file has no whole footer.
var errNoFooter = errors.New("no whole footer")

// lastFooter looks backwards through the first size bytes of f for a footer that is whole, and returns where it ends.
func lastFooter(f io.ReaderAt, size int64, whole func(end int64) bool) (int64, error) {
	buf := make([]byte, pageBuffer)
	tried := 0
	for end := size; end > int64(footerEnd); {
		n := min(end, int64(len(buf)))
		if _, err := f.ReadAt(buf[:n], end-n); err != nil {
			return 0, err
		}
		for at := bytes.LastIndex(buf[:n], []byte(parquetMagic)); at >= 4; at = bytes.LastIndex(buf[:at+3], []byte(parquetMagic)) {
			length := int64(binary.LittleEndian.Uint32(buf[at-4:]))
			stop := end - n + int64(at+len(parquetMagic))
			if length == 0 || length > stop-int64(footerEnd+len(parquetMagic)) || stop == size {
				continue
			}
			if whole(stop) {
				return stop, nil
			}
			if tried++; tried == maxFooters {
				return 0, errNoFooter
			}
		}
		if n == end {
			break
		}
		end -= n - int64(footerEnd) + 1 // a mark across two parts is whole in one of them
	}
	return 0, errNoFooter
}

// cutOff notes that the writing of the file being read was not finished, or that its end is broken; torn is how many bytes were
// passed over.
func (s *sink) cutOff(f io.ReaderAt, size, torn int64) {
	passed := ""
	if torn > 0 {
		passed = fmt.Sprintf(" (%d bytes behind its last row group were passed over)", torn)
	}
	what := fmt.Sprintf("%s is cut off: its recording goes on or was killed, and its last rows are in its journal", s.file)
	switch {
	case torn > 0 && endsWhole(f, size):
		what = fmt.Sprintf("%s is damaged: its last footer cannot be read, and what that alone tells of is missing", s.file)
	case s.file == stdinName:
		what = "standard input is cut off: its recording went on or was killed"
	case !journalBeside(s.file):
		what = fmt.Sprintf("%s is cut off, and no journal with its last rows stands beside it", s.file)
	}
	s.sum.CutOff = append(s.sum.CutOff, what+passed)
}

// endsWhole reports whether a file ends as a Parquet file does, whatever stands before that.
func endsWhole(f io.ReaderAt, size int64) bool {
	end := make([]byte, len(parquetMagic))
	_, err := f.ReadAt(end, size-int64(len(end)))
	return err == nil && string(end) == parquetMagic
}

// journalBeside reports whether the recorder's journal of a file stands beside it.
func journalBeside(file string) bool {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	_, err := os.Stat(file + journalEnd)
	return err == nil
}

// journalEnd is what the recorder calls a journal behind the name of its file (telemetry.JournalName).
const journalEnd = ".journal.jsonl"

// CutOff reports whether the Parquet file path grew and was not finished: its writer is still at work, or was killed.
// A file that is no Parquet file is bad input.
func CutOff(ctx context.Context, path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, cannotRead(err)
	}
	defer f.Close() //nolint:errcheck // opened for reading only
	p, _, _, err := openParquet(ctx, f)
	if err != nil {
		return false, cli.BadInputf("%s: not a whole Parquet file: %w", path, err)
	}
	return p.growing && !p.finished, nil
}
