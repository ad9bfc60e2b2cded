package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// maxHeader is the longest header that the reference implementation accepts (100 MB); a longer one is taken for a
// corrupt length, and is not allocated.
const maxHeader = 100_000_000

const (
	lengthBytes = 8
	metadataKey = "__metadata__"
)

// entry is a tensor as the JSON header describes it; offsets count from the start of the data.
type entry struct {
	DType   DType    `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets *[]int64 `json:"data_offsets"`
}

// Read reads and checks the header of a file of size bytes. The tensors must fill the file exactly, without gap or
// overlap, as the reference implementation demands: a truncated file is found here, before any data is read.
func Read(r io.ReaderAt, size int64) (*Header, error) {
	raw, err := readRaw(r, size)
	if err != nil {
		return nil, err
	}
	h := &Header{Metadata: map[string]string{}, DataStart: lengthBytes + int64(len(raw)), Size: size}
	if err := h.parse(raw); err != nil {
		return nil, err
	}
	slices.SortFunc(h.Tensors, func(a, b Tensor) int {
		return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Length, b.Length), cmp.Compare(a.Name, b.Name))
	})
	return h, h.checkCoverage()
}

func readRaw(r io.ReaderAt, size int64) ([]byte, error) {
	if size < lengthBytes {
		return nil, fmt.Errorf("safetensors header: saw a file of %d bytes, want at least %d", size, lengthBytes)
	}
	var prefix [lengthBytes]byte
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	if n > maxHeader || int64(n) > size-lengthBytes {
		return nil, fmt.Errorf("safetensors header length: saw %d, want at most %d (file has %d bytes)",
			n, min(maxHeader, size-lengthBytes), size)
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, lengthBytes); err != nil && (!errors.Is(err, io.EOF) || n > 0) {
		return nil, fmt.Errorf("safetensors header: %w", err)
	}
	return raw, nil
}

// parse reads the JSON object key by key, because encoding/json alone would keep the last of two tensors of one name and
// say nothing.
func (h *Header) parse(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return errors.New("safetensors header: saw no JSON object, want one after the length")
	}
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return fmt.Errorf("safetensors header: %w", err)
		}
		name, _ := tok.(string) // the decoder accepts nothing but a string as a key
		if seen[name] {
			return fmt.Errorf("safetensors header: tensor %q: saw it twice, want it once", name)
		}
		seen[name] = true
		if err := h.parseValue(dec, name); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("safetensors header: %w", err)
	}
	if rest := bytes.TrimSpace(raw[dec.InputOffset():]); len(rest) > 0 {
		return fmt.Errorf("safetensors header: saw %d bytes after the JSON object, want only spaces", len(rest))
	}
	return nil
}

func (h *Header) parseValue(dec *json.Decoder, name string) error {
	if name == metadataKey {
		if err := dec.Decode(&h.Metadata); err != nil {
			return fmt.Errorf("safetensors header: %s: %w", metadataKey, err)
		}
		return nil
	}
	var e entry
	if err := dec.Decode(&e); err != nil {
		return fmt.Errorf("safetensors header: tensor %q: %w", name, err)
	}
	t, err := e.tensor(name, h.DataStart, h.Size)
	if err != nil {
		return fmt.Errorf("safetensors header: tensor %q: %w", name, err)
	}
	h.Tensors = append(h.Tensors, t)
	return nil
}

func (e entry) tensor(name string, dataStart, size int64) (Tensor, error) {
	want, err := byteLength(e.DType, e.Shape)
	if err != nil {
		return Tensor{}, err
	}
	if e.Offsets == nil || len(*e.Offsets) != 2 {
		return Tensor{}, errors.New("data_offsets: want two numbers")
	}
	begin, end := (*e.Offsets)[0], (*e.Offsets)[1]
	if begin < 0 || end < begin || end > size-dataStart {
		return Tensor{}, fmt.Errorf("data_offsets: saw [%d %d], want a range inside the file's %d bytes of data",
			begin, end, size-dataStart)
	}
	if end-begin != want {
		return Tensor{}, fmt.Errorf("data_offsets: saw %d bytes, want %d for %s %s",
			end-begin, want, e.DType, FormatShape(e.Shape))
	}
	return Tensor{Name: name, DType: e.DType, Shape: e.Shape, Offset: dataStart + begin, Length: want}, nil
}

// checkCoverage demands that each tensor starts where the one before it ends and the last one ends with the file.
func (h *Header) checkCoverage() error {
	next := h.DataStart
	for i, t := range h.Tensors {
		switch {
		case t.Offset < next:
			return fmt.Errorf("safetensors header: tensor %q overlaps %q", t.Name, h.Tensors[i-1].Name)
		case t.Offset > next:
			return fmt.Errorf("safetensors header: saw %d bytes before tensor %q that belong to none, want no gap",
				t.Offset-next, t.Name)
		}
		next = t.Offset + t.Length
	}
	if next != h.Size {
		return fmt.Errorf("safetensors file: saw %d bytes, want the %d that its header describes", h.Size, next)
	}
	return nil
}
