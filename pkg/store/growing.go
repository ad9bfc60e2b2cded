package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/apache/arrow/go/v17/arrow"
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

// growingRows bounds the row groups of a growing file, and with them its writer's memory: rows wait in memory, some 400
// bytes each, until a row group is written.
const growingRows = 1 << 14

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
	batches *batchWriter
	ctx     context.Context

	footers    bool // one has been written
	footerSize int  // of the last one
	groupRows  int  // of the last row group
	groupSize  int
}

// NewGrowing starts a file on w.
func NewGrowing(w io.Writer) (*Growing, error) {
	k := kindOf[record.Sample]()
	schema := k.arrowSchema()
	props := append(k.parquetProperties(), parquet.WithStats(false), parquet.WithStatsFor("ts_unix_ns", true))
	g := &Growing{w: w, ctx: pqarrow.NewArrowWriteContext(context.Background(), nil)}
	writer := parquet.NewWriterProperties(props...)
	ps, err := pqarrow.ToParquet(schema, writer, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, fmt.Errorf("write parquet: %w", err)
	}
	meta := metadata.NewKeyValueMetadata()
	if err := errors.Join(meta.Append(schemaKey, string(k.schema)), meta.Append(growingKey, "true")); err != nil {
		return nil, err
	}
	g.file = file.NewParquetWriter(&g.encoded, ps.Root(), file.WithWriterProps(writer), file.WithWriteMetadata(meta))
	g.batches = &batchWriter{maxRows: growingRows, maxBytes: groupBytes, flush: g.rowGroup}
	g.batches.start(k, schema)
	return g, nil
}

// Write adds a sample, and refuses one that does not pass Validate. It is in the file after the next Footer.
func (g *Growing) Write(s *record.Sample) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("write sample: %w", err)
	}
	if err := g.batches.write(reflect.ValueOf(s).Elem()); err != nil {
		return fmt.Errorf("write sample: %w", err)
	}
	return nil
}

// rowGroup encodes a row group.
func (g *Growing) rowGroup(rec arrow.Record) error {
	before := g.encoded.Len()
	group := g.file.AppendRowGroup()
	levels := make([]int16, rec.NumRows())
	for i, column := range rec.Columns() {
		w, err := group.NextColumn()
		if err != nil {
			return err
		}
		nullable := rec.Schema().Field(i).Nullable
		if err := pqarrow.WriteArrowToColumn(g.ctx, w, column, definitions(levels, column, nullable), nil, nullable); err != nil {
			return fmt.Errorf("column %s: %w", rec.ColumnName(i), err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("column %s: %w", rec.ColumnName(i), err)
		}
	}
	if err := group.Close(); err != nil {
		return err
	}
	g.groupRows, g.groupSize = int(rec.NumRows()), g.encoded.Len()-before
	return nil
}

// definitions are the definition levels of a column without nesting: 1 for a value, 0 for null; none where there are no
// nulls.
func definitions(levels []int16, column arrow.Array, nullable bool) []int16 {
	if !nullable {
		return nil
	}
	for i := range levels {
		levels[i] = 1
		if column.IsNull(i) {
			levels[i] = 0
		}
	}
	return levels
}

// Due reports whether the rows since the last footer are worth another one.
func (g *Growing) Due() bool {
	if !g.footers {
		return true
	}
	waiting := g.encoded.Len() + g.batches.rows*g.groupSize/max(g.groupRows, 1)
	return waiting >= footerShare*g.footerSize
}

// Footer writes the rows since the last footer and a footer, with one call of the writer's Write.
func (g *Growing) Footer() error {
	if g.batches.rows > 0 {
		if err := g.batches.flushBatch(); err != nil {
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
	if g.batches.rows == 0 { // Arrow writes no footer without a row group since the last one
		if err := g.batches.flushBatch(); err != nil {
			return err
		}
	}
	return g.Footer()
}
