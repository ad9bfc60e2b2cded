// Package gguf writes the header of a GGUF file, the format of llama.cpp and what is built on it. As with package
// safetensors, the caller writes the tensor data, at the offsets that the header gives.
//
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, version 3, little-endian. Key-value pairs, the
// tensors' descriptions, then the data of all tensors, each of which begins at a multiple of 32 bytes.
package gguf

import (
	"encoding/binary"
	"math"
)

// alignment is the format's default, to which every tensor's data is padded.
const alignment = 32

// The types of values that this package writes, and of F32 tensors, as the format numbers them.
const (
	typeUint32  = 4
	typeInt32   = 5
	typeFloat32 = 6
	typeBool    = 7
	typeString  = 8
	typeArray   = 9

	tensorF32 = 0
)

// Header describes a file that is being put together: first all values, then all tensors. The zero value is empty.
type Header struct {
	values  []byte
	keys    uint64
	infos   []byte
	tensors []Tensor
	data    int64 // bytes of the tensors so far, padded
}

// Tensor says where the data of an F32 tensor goes.
type Tensor struct {
	Name    string
	Offset  int64 // from the start of the file
	Length  int64 // in bytes
	Padding int64 // zero bytes after the data
}

// Layout is a finished header.
type Layout struct {
	Bytes   []byte // of the file up to the first tensor's data
	Tensors []Tensor
	Size    int64 // of the whole file, in bytes
}

func (h *Header) key(name string, kind uint32) {
	h.keys++
	h.values = appendString(h.values, name)
	h.values = binary.LittleEndian.AppendUint32(h.values, kind)
}

// String adds a value.
func (h *Header) String(key, v string) {
	h.key(key, typeString)
	h.values = appendString(h.values, v)
}

// Uint32 adds a value.
func (h *Header) Uint32(key string, v uint32) {
	h.key(key, typeUint32)
	h.values = binary.LittleEndian.AppendUint32(h.values, v)
}

// Float32 adds a value.
func (h *Header) Float32(key string, v float32) {
	h.key(key, typeFloat32)
	h.values = binary.LittleEndian.AppendUint32(h.values, math.Float32bits(v))
}

// Bool adds a value.
func (h *Header) Bool(key string, v bool) {
	h.key(key, typeBool)
	b := byte(0)
	if v {
		b = 1
	}
	h.values = append(h.values, b)
}

// Strings adds an array.
func (h *Header) Strings(key string, list []string) {
	h.array(key, typeString, len(list))
	for _, v := range list {
		h.values = appendString(h.values, v)
	}
}

// Int32s adds an array.
func (h *Header) Int32s(key string, list []int32) {
	h.array(key, typeInt32, len(list))
	for _, v := range list {
		h.values = binary.LittleEndian.AppendUint32(h.values, uint32(v))
	}
}

func (h *Header) array(key string, kind uint32, n int) {
	h.key(key, typeArray)
	h.values = binary.LittleEndian.AppendUint32(h.values, kind)
	h.values = binary.LittleEndian.AppendUint64(h.values, uint64(n))
}

// Tensor adds an F32 tensor. shape is in the order of safetensors and of Go's nested arrays, the last dimension being the
// one whose numbers stand side by side; the file has them the other way round.
func (h *Header) Tensor(name string, shape []int64) {
	h.infos = appendString(h.infos, name)
	h.infos = binary.LittleEndian.AppendUint32(h.infos, uint32(len(shape)))
	length := int64(4)
	for i := len(shape) - 1; i >= 0; i-- {
		h.infos = binary.LittleEndian.AppendUint64(h.infos, uint64(shape[i]))
		length *= shape[i]
	}
	h.infos = binary.LittleEndian.AppendUint32(h.infos, tensorF32)
	h.infos = binary.LittleEndian.AppendUint64(h.infos, uint64(h.data))
	h.tensors = append(h.tensors, Tensor{Name: name, Offset: h.data, Length: length, Padding: padding(length)})
	h.data += length + padding(length)
}

// Layout finishes the header.
func (h *Header) Layout() *Layout {
	l := &Layout{Tensors: h.tensors}
	l.Bytes = append(l.Bytes, "GGUF"...)
	l.Bytes = binary.LittleEndian.AppendUint32(l.Bytes, 3)
	l.Bytes = binary.LittleEndian.AppendUint64(l.Bytes, uint64(len(h.tensors)))
	l.Bytes = binary.LittleEndian.AppendUint64(l.Bytes, h.keys)
	l.Bytes = append(l.Bytes, h.values...)
	l.Bytes = append(l.Bytes, h.infos...)
	l.Bytes = append(l.Bytes, make([]byte, padding(int64(len(l.Bytes))))...)
	for i := range l.Tensors {
		l.Tensors[i].Offset += int64(len(l.Bytes))
	}
	l.Size = int64(len(l.Bytes)) + h.data
	return l
}

// padding is how many bytes bring n to a multiple of the alignment.
func padding(n int64) int64 { return -n & (alignment - 1) }

func appendString(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}
