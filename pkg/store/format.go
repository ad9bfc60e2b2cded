package store

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
)

// Format is a file format of records.
type Format string

// The formats. The first four are read and written; the others are only written.
const (
	Parquet  Format = "parquet" // Apache Parquet, zstd
	Arrow    Format = "arrow"   // Arrow IPC stream
	JSONL    Format = "jsonl"   // one JSON object a line
	CSV      Format = "csv"     // RFC 4180 with a header
	Markdown Format = "md"      // a table for people
	JSON     Format = "json"    // one JSON array of objects
	Text     Format = "table"   // a table for a terminal
)

// codec is a format: how to tell it, and how to read and write it. Adding a format is adding a file that registers one.
type codec struct {
	rank   int // order of preference: of files with one base name in a folder, the first format is read
	format Format
	ext    string // file name extension with the dot; empty for a format that files do not have
	// magic reports whether a stream that begins with head (up to sniffLen bytes) is of this format; nil if it cannot be told.
	magic func(head []byte) bool
	// read hands the rows of in to s; nil for a format that is only written.
	read func(in *input, s *sink) error
	// write starts a stream of rows of k on w. cols are the columns for people; formats for machines write them all.
	write func(w io.Writer, k *kind, cols []*column) (rowWriter, error)
}

// codecs are all formats by rank.
var codecs []*codec

func register(c codec) {
	codecs = append(codecs, &c)
	slices.SortFunc(codecs, func(a, b *codec) int { return a.rank - b.rank })
}

func codecOf(f Format) (*codec, error) {
	for _, c := range codecs {
		if c.format == f {
			return c, nil
		}
	}
	return nil, cli.BadInputf("unknown format %q, want one of %s", f, formats(func(*codec) bool { return true }))
}

// readable is codecOf for a format that can be read.
func readable(f Format) (*codec, error) {
	c, err := codecOf(f)
	if err == nil && c.read == nil {
		err = cli.BadInputf("format %q is only written, want one of %s", f, formats((*codec).reads))
	}
	return c, err
}

// CheckFormat says whether f can be written, for tools that work long before they write. The error is bad input.
func CheckFormat(f Format) error {
	_, err := codecOf(f)
	return err
}

// CheckReadable says whether what is written as f can be read again, for tools whose output other tools go on from. The
// error is bad input.
func CheckReadable(f Format) error {
	_, err := readable(f)
	return err
}

func (c *codec) reads() bool { return c.read != nil }

func formats(which func(*codec) bool) string {
	var names []string
	for _, c := range codecs {
		if which(c) {
			names = append(names, string(c.format))
		}
	}
	return strings.Join(names, ", ")
}

// FormatOf is the format that path's extension names.
func FormatOf(path string) (Format, error) { return formatOf(path, func(*codec) bool { return true }) }

// ReadableFormatOf is FormatOf for what is read, now or later: one that is only written is bad input, as any other extension is.
func ReadableFormatOf(path string) (Format, error) {
	format, err := formatOf(path, (*codec).reads)
	if err == nil {
		if _, err = readable(format); err != nil {
			err = cli.BadInputf("%s: %w", path, err)
		}
	}
	return format, err
}

// formatOf lists the extensions of the formats that are wanted where path's is none.
func formatOf(path string, wanted func(*codec) bool) (Format, error) {
	ext := strings.ToLower(filepath.Ext(path))
	i := slices.IndexFunc(codecs, func(c *codec) bool { return c.ext != "" && c.ext == ext })
	if i < 0 {
		var known []string
		for _, c := range codecs {
			if c.ext != "" && wanted(c) {
				known = append(known, c.ext)
			}
		}
		saw := "no extension"
		if ext != "" {
			saw = fmt.Sprintf("unknown extension %q", ext)
		}
		return "", cli.BadInputf("%s: %s, want one of %s", path, saw, strings.Join(known, " "))
	}
	return codecs[i].format, nil
}
