package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
)

func init() {
	register(codec{rank: 2, format: Arrow, ext: ".arrow", read: readArrow, write: newArrowWriter, magic: func(head []byte) bool {
		return bytes.HasPrefix(head, []byte("\xff\xff\xff\xff"))
	}})
}

// errCut is the end of an Arrow stream without its end marker. The format allows it, but then a stream that was cut off
// between two batches looks whole, and every writer in use writes the marker.
var errCut = errors.New("corrupt: cut off before the end of the stream")

// readArrow reads an Arrow IPC stream, one record batch of the file at a time.
func readArrow(in *input, s *sink) error {
	if head, _ := in.Peek(6); string(head) == "ARROW1" {
		return s.corrupt(errors.New("an Arrow IPC file, want an Arrow IPC stream"))
	}
	stream := &arrowStream{}
	err := checkSchemaMessage(in)
	if err != nil {
		return s.corrupt(fmt.Errorf("not an Arrow IPC stream: %w", err))
	}
	err = guard(func() (err error) {
		stream.r, err = ipc.NewReader(endMarked{in}, ipc.WithAllocator(&boundedAllocator{}))
		return err
	})
	if err != nil {
		return s.corrupt(fmt.Errorf("not an Arrow IPC stream: %w", err))
	}
	defer stream.r.Release()
	t, err := newArrowTable(stream.r.Schema(), stream.first, s)
	if err != nil {
		return err
	}
	return t.scan(s, func() ([]arrow.Array, error) { return stream.next(t) })
}

// arrowStream yields the record batches of a stream in slices.
type arrowStream struct {
	r    *ipc.Reader
	rec  arrow.Record // the batch being read, nil before the first
	done int64        // rows of it already yielded
}

// load makes rec a batch that has rows left.
func (a *arrowStream) load() error {
	for a.rec == nil || a.done == a.rec.NumRows() {
		if !a.r.Next() {
			if err := a.r.Err(); err != nil {
				return err
			}
			return io.EOF
		}
		a.rec, a.done = a.r.Record(), 0
	}
	return nil
}

// first is the first value of a column of texts.
func (a *arrowStream) first(index int) (string, error) {
	if err := a.load(); err != nil {
		return "", err
	}
	return textAt(a.rec.Column(index))(0), nil
}

func (a *arrowStream) next(t *arrowTable) ([]arrow.Array, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	end := min(a.done+rowsAtOnce, a.rec.NumRows())
	arrays := make([]arrow.Array, len(t.fields))
	for i, f := range t.fields {
		arrays[i] = array.NewSlice(a.rec.Column(f.index), a.done, end)
	}
	a.done = end
	return arrays, nil
}

// endMarked turns the end of a reader into errCut: Arrow's reader does not ask beyond the end marker.
type endMarked struct{ r io.Reader }

func (e endMarked) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = errCut
	}
	return n, err
}

// The bounds of a record batch: small, as a stream is read as it comes.
const (
	streamRows  = 1 << 13
	streamBytes = 8 << 20
)

// newArrowWriter starts an Arrow IPC stream.
func newArrowWriter(w io.Writer, k *kind, _ []*column) (rowWriter, error) {
	schema := k.arrowSchema()
	stream := ipc.NewWriter(w, ipc.WithSchema(schema))
	batches := &batchWriter{maxRows: streamRows, maxBytes: streamBytes, flush: stream.Write, end: stream.Close}
	return batches.start(k, schema), nil
}
