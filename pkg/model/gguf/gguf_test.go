package gguf_test

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/model/gguf"
	"github.com/banterhearts/bh/pkg/model/modeltest"
)

// drawn is a file's content.
type drawn struct {
	values  map[string]any
	shapes  map[string][]int64
	numbers map[string][]float32
}

// draw fills a header with values and tensors of any kind and says what they are.
func draw(t *rapid.T, h *gguf.Header) drawn {
	d := drawn{map[string]any{}, map[string][]int64{}, map[string][]float32{}}
	for _, key := range rapid.SliceOfDistinct(rapid.String(), rapid.ID).Draw(t, "keys") {
		d.values[key] = drawValue(t, h, key)
	}
	for _, name := range rapid.SliceOfDistinct(rapid.String(), rapid.ID).Draw(t, "names") {
		shape := rapid.SliceOfN(rapid.Int64Range(1, 5), 1, 4).Draw(t, "shape")
		n := int64(1)
		for _, s := range shape {
			n *= s
		}
		h.Tensor(name, shape)
		d.shapes[name] = shape
		d.numbers[name] = rapid.SliceOfN(rapid.Float32(), int(n), int(n)).Draw(t, "numbers")
	}
	return d
}

func drawValue(t *rapid.T, h *gguf.Header, key string) any {
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		v := rapid.String().Draw(t, "string")
		h.String(key, v)
		return v
	case 1:
		v := rapid.Uint32().Draw(t, "uint32")
		h.Uint32(key, v)
		return v
	case 2:
		v := rapid.Float32().Draw(t, "float32")
		h.Float32(key, v)
		return v
	case 3:
		v := rapid.Bool().Draw(t, "bool")
		h.Bool(key, v)
		return v
	case 4:
		v := rapid.SliceOf(rapid.String()).Draw(t, "strings")
		h.Strings(key, v)
		return anys(v)
	}
	v := rapid.SliceOf(rapid.Int32()).Draw(t, "int32s")
	h.Int32s(key, v)
	return anys(v)
}

func anys[T any](list []T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
	}
	return out
}

// file is the file that l and the numbers make.
func (d drawn) file(l *gguf.Layout) []byte {
	out := slices.Clone(l.Bytes)
	for _, t := range l.Tensors {
		out = append(out, make([]byte, t.Offset-int64(len(out)))...)
		for _, v := range d.numbers[t.Name] {
			b := math.Float32bits(v)
			out = append(out, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
		}
		out = append(out, make([]byte, t.Padding)...)
	}
	return out
}

func TestAnyHeaderReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.gguf")
	rapid.Check(t, func(t *rapid.T) {
		h := &gguf.Header{}
		d := draw(t, h)
		l := h.Layout()
		data := d.file(l)
		if int64(len(data)) != l.Size {
			t.Fatalf("saw %d bytes, want %d", len(data), l.Size)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := modeltest.ReadGGUF(path)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.Values, d.values) {
			t.Errorf("values: saw %v, want %v", got.Values, d.values)
		}
		for name, shape := range d.shapes {
			tensor := got.Tensors[name]
			dims := slices.Clone(shape)
			slices.Reverse(dims)
			if !reflect.DeepEqual(anys(tensor.Dims), anys(unsigned(dims))) || !slices.Equal(tensor.Values, d.numbers[name]) {
				t.Errorf("tensor %q: saw %v %v, want %v %v", name, tensor.Dims, tensor.Values, dims, d.numbers[name])
			}
		}
		if len(got.Tensors) != len(d.shapes) {
			t.Errorf("saw %d tensors, want %d", len(got.Tensors), len(d.shapes))
		}
	})
}

func unsigned(list []int64) []uint64 {
	out := make([]uint64, len(list))
	for i, v := range list {
		out[i] = uint64(v)
	}
	return out
}
