package ortbind

// #include "shim.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// The names of memories.
const (
	HostMemory   = "Cpu"
	DeviceMemory = "Cuda"
	// PinnedMemory is the host's memory that the device reaches without a copy in between.
	PinnedMemory = "CudaPinned"
)

// Memory is a place where tensors can lie, as a session knows it.
type Memory struct {
	Name      string
	lib       *Library
	info      *C.OrtMemoryInfo
	allocator *C.OrtAllocator
}

// Memory finds the memory of that name of the device with that number. A session without a provider for the device has none.
func (s *Session) Memory(name string, device int) (*Memory, error) {
	kind := C.int(C.OrtMemTypeDefault)
	if name == PinnedMemory {
		kind = C.OrtMemTypeCPUOutput
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	m := &Memory{Name: name, lib: s.lib}
	if err := failure(C.bh_memory(s.lib.api, s.ptr, text, C.int(device), kind, &m.info, &m.allocator)); err != nil {
		m.Close()
		return nil, fmt.Errorf("memory %s of device %d: %w", name, device, err)
	}
	return m, nil
}

// Close frees what stands for the memory; its buffers must be freed before.
func (m *Memory) Close() { C.bh_memory_free(m.lib.api, m.info, m.allocator) }

// Buffer is a piece of a memory.
type Buffer struct {
	memory *Memory
	ptr    unsafe.Pointer
	bytes  int
}

// Alloc reserves a piece of the memory; its content is undefined.
func (m *Memory) Alloc(bytes int) (*Buffer, error) {
	b := &Buffer{memory: m, bytes: bytes}
	if err := failure(C.bh_alloc(m.lib.api, m.allocator, C.size_t(bytes), &b.ptr)); err != nil {
		return nil, fmt.Errorf("%d bytes of %s: %w", bytes, m.Name, err)
	}
	return b, nil
}

// Free gives the piece back; its tensors must be freed before.
func (b *Buffer) Free() { C.bh_free(b.memory.lib.api, b.memory.allocator, b.ptr) }

// Int64s is the content of a buffer in the host's memory.
func (b *Buffer) Int64s() []int64 { return unsafe.Slice((*int64)(b.host()), b.bytes/8) }

// Floats is the content of a buffer in the host's memory.
func (b *Buffer) Floats() []float32 { return unsafe.Slice((*float32)(b.host()), b.bytes/4) }

func (b *Buffer) host() unsafe.Pointer {
	if b.memory.Name != HostMemory && b.memory.Name != PinnedMemory {
		panic("ortbind: the host cannot read " + b.memory.Name) // reading it would end the process without a word
	}
	return b.ptr
}

// Type is the type of a tensor's elements; the numbers are the C API's.
type Type int

// The types.
const (
	Float   Type = C.ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT
	Float16 Type = C.ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT16
	Int64   Type = C.ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64
)

// Size is the bytes of one element.
func (t Type) Size() int { return map[Type]int{Float: 4, Float16: 2, Int64: 8}[t] }

// Tensor is a view of the beginning of a buffer.
type Tensor struct {
	lib *Library
	ptr *C.OrtValue
}

// Tensor makes a view of the given type and shape; many views of one buffer may exist.
func (b *Buffer) Tensor(t Type, shape ...int) (*Tensor, error) {
	dims, bytes := make([]C.int64_t, len(shape)), t.Size()
	for i, d := range shape {
		dims[i] = C.int64_t(d)
		bytes *= d
	}
	if bytes > b.bytes {
		return nil, fmt.Errorf("tensor %v: saw %d bytes of %s, want %d", shape, b.bytes, b.memory.Name, bytes)
	}
	out := &Tensor{lib: b.memory.lib}
	err := failure(C.bh_tensor(out.lib.api, b.memory.info, b.ptr, C.size_t(bytes),
		unsafe.SliceData(dims), C.size_t(len(dims)), C.int(t), &out.ptr))
	if err != nil {
		return nil, fmt.Errorf("tensor %v: %w", shape, err)
	}
	return out, nil
}

// Free frees the view, not the buffer.
func (t *Tensor) Free() { C.bh_tensor_free(t.lib.api, t.ptr) }
