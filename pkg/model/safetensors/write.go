package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// dataAlign is the alignment of the first tensor in the file, in bytes: a cache line. The format asks for 8, as the
// reference writer does; with 64, tensors whose sizes are multiples of 64 stay aligned for vector loads when the file is
// mapped into memory.
const dataAlign = 64

// Layout is a header ready to be written.
type Layout struct {
	Header
	// Bytes is what stands at the start of the file, up to DataStart.
	Bytes []byte
}

// NewLayout places tensors one after the other in the given order; their Offset and Length are computed from DType and
// Shape. metadata may be nil; transformers refuses a file without {"format": "pt"}.
func NewLayout(metadata map[string]string, tensors []Tensor) (*Layout, error) {
	placed := make([]Tensor, len(tensors))
	end := int64(0)
	for i, t := range tensors {
		n, err := byteLength(t.DType, t.Shape)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		t.Offset, t.Length = end, n
		placed[i], end = t, end+n
	}
	raw, err := encodeHeader(metadata, placed)
	if err != nil {
		return nil, err
	}
	start := int64(len(raw))
	for i := range placed {
		placed[i].Offset += start
	}
	return &Layout{
		Header: Header{Metadata: metadata, Tensors: placed, DataStart: start, Size: start + end},
		Bytes:  raw,
	}, nil
}

// encodeHeader writes the length and the JSON object, padded with spaces. The keys stand in the order of the data, so the
// same tensors always give the same bytes.
func encodeHeader(metadata map[string]string, tensors []Tensor) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, lengthBytes))
	b.WriteByte('{')
	if len(metadata) > 0 {
		if err := writeMember(&b, metadataKey, metadata); err != nil {
			return nil, err
		}
	}
	for _, t := range tensors {
		e := entry{DType: t.DType, Shape: t.Shape, Offsets: &[]int64{t.Offset, t.Offset + t.Length}}
		if err := writeMember(&b, t.Name, e); err != nil {
			return nil, err
		}
	}
	b.WriteByte('}')
	for b.Len()%dataAlign != 0 {
		b.WriteByte(' ')
	}
	raw := b.Bytes()
	binary.LittleEndian.PutUint64(raw, uint64(len(raw)-lengthBytes))
	return raw, nil
}

func writeMember(b *bytes.Buffer, name string, value any) error {
	key, err := json.Marshal(name)
	if err != nil {
		return fmt.Errorf("tensor name %q: %w", name, err)
	}
	val, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	if b.Len() > lengthBytes+1 {
		b.WriteByte(',')
	}
	b.Write(key)
	b.WriteByte(':')
	b.Write(val)
	return nil
}
