// Package safetensors reads and writes the header of a safetensors file and widens its half-precision numbers. The tensor
// data itself is read and written by the caller at the offsets that the header gives, in chunks of its own choosing and
// from several goroutines, so that no tensor has to fit into memory.
//
// Format: https://github.com/huggingface/safetensors#format. An eight-byte little-endian length, a JSON object of that
// length, then the data of all tensors without gaps.
package safetensors

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// DType is an element type, as the format names it.
type DType string

// The element types that callers ask for by name.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
)

// sizes are the widths in bytes of all types of the format that fill whole bytes.
var sizes = map[DType]int64{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, F16: 2, BF16: 2,
	"U32": 4, "I32": 4, F32: 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// Size is the width of one element in bytes, 0 for a type that this package does not know.
func (d DType) Size() int64 { return sizes[d] }

// Tensor says where in the file a tensor stands.
type Tensor struct {
	Name   string
	DType  DType
	Shape  []int64
	Offset int64 // of the first byte, from the start of the file
	Length int64 // in bytes
}

// Elements is the number of elements.
func (t Tensor) Elements() int64 { return t.Length / t.DType.Size() }

// Header is the description of a whole file.
type Header struct {
	Metadata  map[string]string
	Tensors   []Tensor // in the order of their data
	DataStart int64    // offset of the first tensor's data
	Size      int64    // of the whole file, in bytes
}

// Tensor finds a tensor by name.
func (h *Header) Tensor(name string) (Tensor, bool) {
	i := slices.IndexFunc(h.Tensors, func(t Tensor) bool { return t.Name == name })
	if i < 0 {
		return Tensor{}, false
	}
	return h.Tensors[i], true
}

// byteLength is the size in bytes that dtype and shape ask for.
func byteLength(dtype DType, shape []int64) (int64, error) {
	n := dtype.Size()
	if n == 0 {
		return 0, fmt.Errorf("dtype: saw %q, want one of the format's types", string(dtype))
	}
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape: saw %v, want no negative dimension", shape)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape: saw %v, want a size that fits 64 bits", shape)
		}
		n *= d
	}
	return n, nil
}

// FormatShape writes a shape as messages show it: [50257 768].
func FormatShape(shape []int64) string {
	return "[" + strings.Trim(fmt.Sprint(shape), "[]") + "]"
}
