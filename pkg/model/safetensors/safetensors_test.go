package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// file puts a length and data around a JSON header.
func file(header string, data int) []byte {
	raw := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(raw, header...), make([]byte, data)...)
}

func read(raw []byte) (*safetensors.Header, error) {
	return safetensors.Read(bytes.NewReader(raw), int64(len(raw)))
}

// The file was written by safetensors 0.8.0 (Python), save({"b": [[1, 2]] in float16, "a": [3] in float32}, {"format": "pt"}).
func TestReadReference(t *testing.T) {
	raw := []byte("\x90\x00\x00\x00\x00\x00\x00\x00" +
		`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},` +
		`"b":{"dtype":"F16","shape":[1,2],"data_offsets":[4,8]}}    ` + "\x00\x00@@\x00<\x00@")
	h, err := read(raw)
	if err != nil {
		t.Fatal(err)
	}
	start := int64(len(raw) - 8)
	want := &safetensors.Header{
		Metadata: map[string]string{"format": "pt"}, DataStart: start, Size: start + 8,
		Tensors: []safetensors.Tensor{
			{Name: "a", DType: safetensors.F32, Shape: []int64{1}, Offset: start, Length: 4},
			{Name: "b", DType: safetensors.F16, Shape: []int64{1, 2}, Offset: start + 4, Length: 4},
		},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("saw %+v, want %+v", h, want)
	}
	if b, ok := h.Tensor("b"); !ok || b.Elements() != 2 {
		t.Errorf("tensor b: saw %+v, %v, want two elements", b, ok)
	}
	if _, ok := h.Tensor("c"); ok {
		t.Error("saw a tensor c, want none")
	}
}

func TestReadRefuses(t *testing.T) {
	length := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	one := `"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"empty file":        {nil, "saw a file of 0 bytes"},
		"half a length":     {[]byte{1, 0, 0}, "saw a file of 3 bytes"},
		"huge length":       {length(math.MaxUint64), "safetensors header length: saw 18446744073709551615"},
		"length past end":   {append(length(9), '{', '}'), "saw 9, want at most 2"},
		"no header":         {length(0), "saw no JSON object"},
		"not an object":     {file(`[]`, 0), "saw no JSON object"},
		"cut object":        {file(`{"a":{"dtype":"F32"`, 0), `tensor "a": unexpected EOF`},
		"unclosed object":   {file(`{`+one, 4), "safetensors header: "},
		"key only":          {file(`{"a"`, 0), `tensor "a"`},
		"text after object": {file(`{`+one+`}x`, 4), "saw 1 bytes after the JSON object"},
		"metadata type":     {file(`{"__metadata__":3}`, 0), "__metadata__: json"},
		"tensor type":       {file(`{"a":3}`, 0), `tensor "a": json`},
		"duplicate":         {file(`{`+one+`,`+one+`}`, 4), `tensor "a": saw it twice`},
		"dtype":             {file(`{"a":{"dtype":"F31","shape":[1],"data_offsets":[0,4]}}`, 4), `dtype: saw "F31"`},
		"no dtype":          {file(`{"a":{"shape":[1],"data_offsets":[0,4]}}`, 4), `dtype: saw ""`},
		"no offsets":        {file(`{"a":{"dtype":"F32","shape":[1]}}`, 4), "data_offsets: want two numbers"},
		"one offset":        {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}`, 4), "data_offsets: want two numbers"},
		"negative offset":   {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "data_offsets: saw [-4 0]"},
		"swapped offsets":   {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}`, 4), "data_offsets: saw [4 0]"},
		"past the end":      {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 4), "inside the file's 4 bytes of data"},
		"lying shape":       {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 4), "saw 4 bytes, want 8 for F32 [2]"},
		"negative shape":    {file(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, 4), "shape: saw [-1 -1]"},
		"huge shape":        {file(`{"a":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,4]}}`, 4), "fits 64 bits"},
		"overlap":           {file(`{`+one+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6), `"b" overlaps "a"`},
		"gap":               {file(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6), `saw 2 bytes before tensor "b"`},
		"unclaimed end":     {file(`{`+one+`}`, 5), "that its header describes"},
	} {
		h, err := read(c.raw)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: saw %v, error %v, want %q", name, h, err, c.want)
		}
	}
}

func TestLayoutRoundTrips(t *testing.T) {
	dtypes := []safetensors.DType{safetensors.F32, safetensors.F16, safetensors.BF16, "I64", "U8"}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringN(1, 20, -1), rapid.ID[string]).Draw(t, "names")
		var tensors []safetensors.Tensor
		for _, name := range names {
			if name == "__metadata__" || strings.ContainsRune(name, '\uFFFD') {
				continue
			}
			shape := rapid.SliceOfN(rapid.Int64Range(0, 4), 0, 3).Draw(t, "shape")
			tensors = append(tensors, safetensors.Tensor{Name: name, DType: rapid.SampledFrom(dtypes).Draw(t, "dtype"), Shape: shape})
		}
		l, err := safetensors.NewLayout(map[string]string{"format": "pt"}, tensors)
		if err != nil {
			t.Fatal(err)
		}
		if l.DataStart%64 != 0 || l.DataStart != int64(len(l.Bytes)) {
			t.Fatalf("data starts at %d after %d bytes, want a multiple of 64", l.DataStart, len(l.Bytes))
		}
		h, err := read(append(l.Bytes, make([]byte, l.Size-l.DataStart)...))
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Tensors) != len(tensors) || h.Metadata["format"] != "pt" {
			t.Fatalf("saw %d tensors and metadata %v, want %d", len(h.Tensors), h.Metadata, len(tensors))
		}
		for _, want := range l.Tensors {
			if got, ok := h.Tensor(want.Name); !ok || !reflect.DeepEqual(got, want) {
				t.Fatalf("saw %+v, want %+v", got, want)
			}
		}
	})
}

func TestNewLayoutRefuses(t *testing.T) {
	for want, tensor := range map[string]safetensors.Tensor{
		`tensor "a": dtype: saw "F31"`: {Name: "a", DType: "F31", Shape: []int64{1}},
		`tensor "a": shape: saw [-1]`:  {Name: "a", DType: "F32", Shape: []int64{-1}},
	} {
		if _, err := safetensors.NewLayout(nil, []safetensors.Tensor{tensor}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("saw error %v, want %q", err, want)
		}
	}
}

// Every half-precision number has one value; those of binary16 are NumPy 2.4.6's, those of bfloat16 follow from its
// definition as the upper half of a float32.
func TestWiden(t *testing.T) {
	for _, c := range []struct {
		dtype safetensors.DType
		bits  uint16
		want  float32
	}{
		{safetensors.F16, 0x0000, 0},
		{safetensors.F16, 0x0001, 5.9604645e-08}, // smallest subnormal
		{safetensors.F16, 0x83ff, -6.097555e-05}, // largest subnormal, negative
		{safetensors.F16, 0x0400, 6.1035156e-05}, // smallest normal
		{safetensors.F16, 0x3555, 0.33325195},
		{safetensors.F16, 0xc000, -2},
		{safetensors.F16, 0x7bff, 65504}, // largest
		{safetensors.F16, 0xfc00, float32(math.Inf(-1))},
		{safetensors.BF16, 0x3f80, 1},
		{safetensors.BF16, 0xc049, -3.140625},
		{safetensors.BF16, 0x0001, 9.1835e-41},
	} {
		dst := make([]float32, 1)
		if err := safetensors.Widen(dst, c.dtype, binary.LittleEndian.AppendUint16(nil, c.bits)); err != nil || dst[0] != c.want {
			t.Errorf("%s %#04x: saw %v, %v, want %v", c.dtype, c.bits, dst[0], err, c.want)
		}
	}
	dst := make([]float32, 1)
	if err := safetensors.Widen(dst, safetensors.F16, []byte{0x01, 0xfe}); err != nil || !math.IsNaN(float64(dst[0])) {
		t.Errorf("F16 0xfe01: saw %v, %v, want NaN", dst[0], err)
	}
	if !math.Signbit(float64(dst[0])) {
		t.Error("F16 0xfe01: the sign was lost")
	}
}

func TestEncodeAndWidenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Float32()).Draw(t, "values")
		raw, got := make([]byte, 4*len(want)), make([]float32, len(want))
		safetensors.Encode(raw, want)
		if err := safetensors.Widen(got, safetensors.F32, raw); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("saw %v, %v, want %v", got, err, want)
		}
	})
}

func TestWidenRefuses(t *testing.T) {
	if err := safetensors.Widen(make([]float32, 2), safetensors.F16, make([]byte, 3)); err == nil {
		t.Error("2 numbers of 3 bytes: saw no error")
	}
	if err := safetensors.Widen(make([]float32, 1), "I32", make([]byte, 4)); err == nil || !strings.Contains(err.Error(), `"I32"`) {
		t.Errorf("I32: saw error %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(`{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, 8))
	f.Add(file(`{"a":{"dtype":"F16","shape":[],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}`, 2))
	f.Add(file(`{}`, 0))
	f.Add([]byte{255, 255, 255, 255, 255, 255, 255, 127, '{'})
	f.Fuzz(func(t *testing.T, raw []byte) {
		h, err := read(raw)
		if err != nil {
			return
		}
		end := h.DataStart
		for _, tensor := range h.Tensors {
			if tensor.Offset != end || tensor.Length < 0 || tensor.Elements()*tensor.DType.Size() != tensor.Length {
				t.Fatalf("tensor %+v does not start at %d or does not fill its bytes", tensor, end)
			}
			end += tensor.Length
		}
		if end != int64(len(raw)) {
			t.Fatalf("tensors end at %d of %d", end, len(raw))
		}
	})
}
