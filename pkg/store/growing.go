package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/metadata"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"

	"github.com/banterhearts/bh/pkg/record"
)

// The metadata keys of a growing file: every footer has the first, the last footer of a finished file the second too.
const (
	growingKey  = "bh.growing"
	finishedKey = "bh.finished"
)

// growingRows bounds the row groups of a growing file, and with them its writer's memory: what a row holds waits for its row
// group, some 150 bytes each.
const growingRows = 1 << 15

// footerShare bounds what footers add to a growing file. Each lists all row groups so far, some 3 KB each, so one is due
// when the rows since the last one take this many times its size.
const footerShare = 4

// Growing writes samples as a Parquet file that is whole after every Footer: each footer covers all row groups before it,
// and together with its row groups it is written by one call of Write, so that a process killed at any other moment leaves
// a file that every Parquet reader takes. The footers in between stay in the file as unused bytes.
type Growing struct {
	w       io.Writer
	encoded bytes.Buffer // row groups since the last footer
	file    *file.Writer // on encoded
	columns []*growingColumn
	rows    int // in columns

	footers    bool // one has been written
	footerSize int  // of the last one
	groupRows  int  // of the last row group
	groupSize  int
}

// NewGrowing starts a file on w.
func NewGrowing(w io.Writer) (*Growing, error) {
	k := kindOf[record.Sample]()
	props := append(k.parquetProperties(), parquet.WithStats(false), parquet.WithStatsFor("ts_unix_ns", true))
	g := &Growing{w: w}
	writer := parquet.NewWriterProperties(props...)
	ps, err := pqarrow.ToParquet(k.arrowSchema(), writer, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, fmt.Errorf("write parquet: %w", err)
	}
	meta := metadata.NewKeyValueMetadata()
	if err := errors.Join(meta.Append(schemaKey, string(k.schema)), meta.Append(growingKey, "true")); err != nil {
		return nil, err
	}
	g.file = file.NewParquetWriter(&g.encoded, ps.Root(), file.WithWriterProps(writer), file.WithWriteMetadata(meta))
	for _, c := range k.columns {
		if c.typ == truth || c.typ == integers {
			return nil, fmt.Errorf("write parquet: column %s: saw %s, which no sample has", c.name, c.typ.want())
		}
		g.columns = append(g.columns, &growingColumn{column: c, ids: map[string]int32{}})
	}
	return g, nil
}

// Write adds a sample, and refuses one that does not pass Validate. It is in the file after the next Footer.
func (g *Growing) Write(s *record.Sample) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("write sample: %w", err)
	}
	row := reflect.ValueOf(s).Elem()
	for _, c := range g.columns {
		c.append(row)
	}
	if g.rows++; g.rows < growingRows {
		return nil
	}
	return g.rowGroup()
}

// rowGroup encodes the rows that wait.
func (g *Growing) rowGroup() error {
	before := g.encoded.Len()
	group := g.file.AppendRowGroup()
	for _, c := range g.columns {
		w, err := group.NextColumn()
		if err == nil {
			err = errors.Join(c.write(w), w.Close())
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c.name, err)
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	g.groupRows, g.groupSize, g.rows = g.rows, g.encoded.Len()-before, 0
	return nil
}

// Due reports whether the rows since the last footer are worth another one.
func (g *Growing) Due() bool {
	if !g.footers {
		return true
	}
	waiting := g.encoded.Len() + g.rows*g.groupSize/max(g.groupRows, 1)
	return waiting >= footerShare*g.footerSize
}

// Footer writes the rows since the last footer and a footer, with one call of the writer's Write.
func (g *Growing) Footer() error {
	if g.rows > 0 {
		if err := g.rowGroup(); err != nil {
			return err
		}
	}
	before := g.encoded.Len()
	if err := g.file.FlushWithFooter(); err != nil {
		return err
	}
	g.footers, g.footerSize = true, g.encoded.Len()-before
	_, err := g.w.Write(g.encoded.Bytes())
	g.encoded.Reset()
	return err
}

// Finish writes the last footer, which says that nothing is missing.
func (g *Growing) Finish() error {
	if err := g.file.AppendKeyValueMetadata(finishedKey, "true"); err != nil {
		return err
	}
	if g.rows == 0 { // Arrow writes no footer without a row group since the last one
		if err := g.rowGroup(); err != nil {
			return err
		}
	}
	return g.Footer()
}
