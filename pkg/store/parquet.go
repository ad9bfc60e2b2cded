package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

func init() {
	register(codec{rank: 1, format: Parquet, ext: ".parquet", read: readParquet, write: newParquetWriter, magic: func(head []byte) bool {
		return bytes.HasPrefix(head, []byte("PAR1"))
	}})
}

// readParquet reads a Parquet file, a slice of a row group at a time. Parquet has its index at the end, so a stream is
// spooled to a temporary file first.
func readParquet(in *input, s *sink) error {
	f := in.file
	if f == nil {
		spooled, err := spool(in)
		if err != nil {
			return s.corrupt(err)
		}
		defer os.Remove(spooled.Name()) //nolint:errcheck // the system's temporary folder is cleaned anyway
		defer spooled.Close()           //nolint:errcheck // of no more use
		f = spooled
	}
	p, schema, torn, err := openParquet(s.ctx, f)
	if err != nil {
		return s.corrupt(fmt.Errorf("not a whole Parquet file: %w", err))
	}
	if p.growing && !p.finished {
		size, err := f.Seek(0, io.SeekEnd)
		if err != nil {
			return s.corrupt(err)
		}
		s.cutOff(f, size, torn)
	}
	if p.rows == 0 {
		return nil
	}
	t, err := newArrowTable(schema, p.first, s)
	if err != nil {
		return err
	}
	return t.scan(s, func() ([]arrow.Array, error) { return p.next(t) })
}

// spool copies a stream into a temporary file.
func spool(r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "bh-*.parquet")
	if err != nil {
		return nil, err
	}
	if _, err := io.Copy(f, r); err != nil {
		_ = f.Close()           // the copy's error is the one to report
		_ = os.Remove(f.Name()) // likewise
		return nil, err
	}
	return f, nil
}

// parquetFile yields the row groups of a file in slices. It reads column by column with pqarrow's column readers, and
// not with its record reader: that one starts goroutines, and a panic in one of those could not be recovered from.
type parquetFile struct {
	ctx     context.Context
	r       *pqarrow.FileReader
	rows    int64                   // in the file
	group   int                     // the next row group
	left    int64                   // rows left in the row group being read
	columns []*pqarrow.ColumnReader // of the row group being read

	growing, finished bool // what Growing says of the file
}

// pageBuffer is how much of each column is read ahead, in bytes.
const pageBuffer = 64 << 10

func (p *parquetFile) open(f seekable) (*arrow.Schema, error) {
	props := parquet.NewReaderProperties(&boundedAllocator{})
	props.BufferedStreamEnabled, props.BufferSize = true, pageBuffer
	pf, err := file.NewParquetReader(f, file.WithReadProps(props))
	if err != nil {
		return nil, err
	}
	p.rows = pf.NumRows()
	// The schema that Arrow's writers leave in the metadata is dropped: the types of Parquet say all that is needed here,
	// and decoding a corrupt one can exhaust the memory (see checkSchemaMessage).
	meta := pf.MetaData()
	kind := meta.KeyValueMetadata().FindValue(schemaKey)
	p.growing = meta.KeyValueMetadata().FindValue(growingKey) != nil
	p.finished = meta.KeyValueMetadata().FindValue(finishedKey) != nil
	meta.FileMetaData.KeyValueMetadata = nil
	p.r, err = pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{BatchSize: rowsAtOnce}, &boundedAllocator{})
	if err != nil {
		return nil, err
	}
	schema, err := p.r.Schema()
	if err != nil || kind == nil {
		return schema, err
	}
	own := arrow.NewMetadata([]string{schemaKey}, []string{*kind})
	return arrow.NewSchema(schema.Fields(), &own), nil
}

// column opens one column of the schema in one row group.
func (p *parquetFile) column(index, group int) (*pqarrow.ColumnReader, error) {
	leaves := map[int]bool{}
	addLeaves(&p.r.Manifest.Fields[index], leaves)
	return p.r.GetFieldReader(p.ctx, index, leaves, []int{group})
}

func addLeaves(f *pqarrow.SchemaField, leaves map[int]bool) {
	if f.IsLeaf() {
		leaves[f.ColIndex] = true
	}
	for i := range f.Children {
		addLeaves(&f.Children[i], leaves)
	}
}

// first is the first value of a column of texts.
func (p *parquetFile) first(index int) (string, error) {
	r, err := p.column(index, 0)
	if err != nil {
		return "", err
	}
	defer r.Release()
	a, err := nextArray(r, 1)
	if err != nil {
		return "", err
	}
	return textAt(a)(0), nil
}

func (p *parquetFile) next(t *arrowTable) ([]arrow.Array, error) {
	for p.left == 0 {
		if err := p.nextGroup(t); err != nil {
			return nil, err
		}
	}
	arrays := make([]arrow.Array, len(t.fields))
	for i, r := range p.columns {
		a, err := nextArray(r, min(p.left, rowsAtOnce))
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", t.fields[i].column.name, err)
		}
		arrays[i] = a
	}
	p.left -= int64(arrays[0].Len())
	return arrays, nil
}

// nextGroup opens the columns of the next row group.
func (p *parquetFile) nextGroup(t *arrowTable) error {
	for _, c := range p.columns {
		c.Release()
	}
	p.columns = p.columns[:0]
	pf := p.r.ParquetReader()
	if p.group == pf.NumRowGroups() {
		return io.EOF
	}
	for _, f := range t.fields {
		c, err := p.column(f.index, p.group)
		if err != nil {
			return fmt.Errorf("column %s: %w", f.column.name, err)
		}
		p.columns = append(p.columns, c)
	}
	p.left = pf.MetaData().RowGroup(p.group).NumRows()
	p.group++
	return nil
}

// nextArray reads want values of a column. Arrow's reader ends a column early, without an error, where a page is broken.
func nextArray(r *pqarrow.ColumnReader, want int64) (arrow.Array, error) {
	chunked, err := r.NextBatch(want)
	if err != nil {
		return nil, err
	}
	if int64(chunked.Len()) != want {
		return nil, fmt.Errorf("saw %d values, want %d", chunked.Len(), want)
	}
	if chunks := chunked.Chunks(); len(chunks) == 1 {
		return chunks[0], nil
	}
	return array.Concatenate(chunked.Chunks(), &boundedAllocator{})
}

// The bounds of a row group: large enough to compress well and to keep the index small, small enough that a handful of
// them fit in any memory.
const (
	groupRows  = 1 << 16
	groupBytes = 32 << 20
)

// newParquetWriter starts a Parquet file, compressed with zstd, a row group for each batch.
func newParquetWriter(w io.Writer, k *kind, _ []*column) (rowWriter, error) {
	schema := k.arrowSchema()
	props := parquet.NewWriterProperties(append(k.parquetProperties(), parquet.WithMaxRowGroupLength(groupRows))...)
	// The bare io.Writer keeps the writer from closing w.
	fw, err := pqarrow.NewFileWriter(schema, struct{ io.Writer }{w}, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	batches := &batchWriter{maxRows: groupRows, maxBytes: groupBytes, flush: fw.Write, end: fw.Close}
	return batches.start(k, schema), nil
}

// parquetProperties are how the columns of a kind are encoded and compressed.
func (k *kind) parquetProperties() []parquet.WriterProperty {
	props := []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd),
		parquet.WithDictionaryDefault(false), // of numbers: they hardly repeat, and Arrow allocates for each
	}
	for _, c := range k.columns {
		if c.typ == text {
			props = append(props, parquet.WithDictionaryFor(c.name, true))
		}
	}
	return props
}
