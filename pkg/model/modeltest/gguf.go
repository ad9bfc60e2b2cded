package modeltest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
)

// GGUF is a GGUF file held in memory, read by the format's description alone
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), of the types of values that a GPT-2 needs.
type GGUF struct {
	Values  map[string]any // uint32, int32, float32, bool, string, and []any of them
	Tensors map[string]GGUFTensor
	Order   []string // of the tensors
}

// GGUFTensor is an F32 tensor. The numbers along the first dimension stand side by side.
type GGUFTensor struct {
	Dims   []uint64
	Offset uint64 // from the start of the tensors' data
	Values []float32
}

// ReadGGUF reads a whole file.
func ReadGGUF(path string) (*GGUF, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	r := &ggufReader{r: bufio.NewReader(file)}
	g := &GGUF{Values: map[string]any{}, Tensors: map[string]GGUFTensor{}}
	magic, version, tensors, values := r.uint32(), r.uint32(), r.uint64(), r.uint64()
	if magic != 0x46554747 || version != 3 {
		return nil, fmt.Errorf("saw magic number %#x and version %d", magic, version)
	}
	for range values {
		key := r.string()
		g.Values[key] = r.value(r.uint32())
	}
	for range tensors {
		name := r.string()
		t := GGUFTensor{Dims: make([]uint64, r.uint32())}
		for i := range t.Dims {
			t.Dims[i] = r.uint64()
		}
		if kind := r.uint32(); kind != 0 {
			return nil, fmt.Errorf("tensor %s: saw type %d, want F32", name, kind)
		}
		t.Offset = r.uint64()
		g.Tensors[name] = t
		g.Order = append(g.Order, name)
	}
	if r.err != nil {
		return nil, r.err
	}
	return g, g.readData(file, (r.at+31)/32*32)
}

// readData reads the numbers of all tensors, which must fill the file.
func (g *GGUF) readData(file *os.File, start int64) error {
	end := start
	for _, name := range g.Order {
		t := g.Tensors[name]
		n := uint64(1)
		for _, d := range t.Dims {
			n *= d
		}
		t.Values = make([]float32, n)
		from := start + int64(t.Offset)
		if t.Offset%32 != 0 || from < end || from-end >= 32 {
			return fmt.Errorf("tensor %s: saw offset %d, want the first multiple of 32 from %d on", name, t.Offset, end-start)
		}
		if err := binary.Read(io.NewSectionReader(file, from, int64(4*n)), binary.LittleEndian, t.Values); err != nil {
			return fmt.Errorf("tensor %s: %w", name, err)
		}
		end = from + int64(4*n)
		g.Tensors[name] = t
	}
	info, err := file.Stat()
	if err == nil && info.Size() != (end+31)/32*32 {
		err = fmt.Errorf("saw %d bytes, want the end at %d", info.Size(), end)
	}
	return err
}

// ggufReader reads one value after the other and keeps the first error.
type ggufReader struct {
	r   io.Reader
	at  int64
	err error
}

func (r *ggufReader) bytes(n uint64) []byte {
	b := make([]byte, n)
	if r.err == nil {
		_, r.err = io.ReadFull(r.r, b)
	}
	r.at += int64(n)
	return b
}

func (r *ggufReader) uint32() uint32 { return binary.LittleEndian.Uint32(r.bytes(4)) }
func (r *ggufReader) uint64() uint64 { return binary.LittleEndian.Uint64(r.bytes(8)) }
func (r *ggufReader) string() string { return string(r.bytes(r.uint64())) }

func (r *ggufReader) value(kind uint32) any {
	switch kind {
	case 4:
		return r.uint32()
	case 5:
		return int32(r.uint32())
	case 6:
		return math.Float32frombits(r.uint32())
	case 7:
		return r.bytes(1)[0] == 1
	case 8:
		return r.string()
	case 9:
		of := r.uint32()
		list := make([]any, r.uint64())
		for i := range list {
			list[i] = r.value(of)
		}
		return list
	}
	if r.err == nil {
		r.err = fmt.Errorf("at byte %d: saw a value of type %d", r.at, kind)
	}
	return nil
}
