package onnx_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/banterhearts/bh/pkg/model/onnx"
)

// sample uses every kind of attribute, constant, dimension and naming once.
func sample() onnx.Model {
	b := onnx.NewBuilder("sample")
	x := b.Input("x", onnx.Float, onnx.Dyn("batch"), onnx.Fix(2))
	weight := onnx.Tensor{
		Name: "w", Type: onnx.Float, Dims: []int64{2, 3},
		External: &onnx.External{Location: "w.safetensors", Offset: 64, Length: 24},
	}
	x = b.Op("Reshape", []string{x, b.Ints(-1, 2)})
	x = b.Op("Gemm", []string{x, b.Weight(weight)}, onnx.FloatAttr("alpha", 0.25), onnx.IntAttr("transA", 0))
	x = b.Op("Gelu", []string{x}, onnx.StringAttr("approximate", "tanh"))
	x = b.Op("Transpose", []string{x}, onnx.IntsAttr("perm", 1, 0))
	x = b.Ops("Split", []string{x}, 2, onnx.IntAttr("axis", -2), onnx.IntAttr("num_outputs", 2))[0]
	b.Output(b.Named("y", "Mul", []string{x, b.Float(0.5)}), onnx.Float, onnx.Fix(2), onnx.Dyn("batch"))
	return onnx.Model{IRVersion: 9, Opset: 20, Producer: "bh", Graph: b.Graph()}
}

// The golden file was written by the reference implementation, onnx 1.23.2 (Python), with protobuf's own encoder and the
// same names.
func TestMarshalAgreesWithReference(t *testing.T) {
	want, err := os.ReadFile(filepath.Join("testdata", "sample.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if got := sample().Marshal(); !bytes.Equal(got, want) {
		t.Errorf("saw\n%q\nwant\n%q", got, want)
	}
}

func TestBuilderKeepsOneOfEqualConstantsAndWeights(t *testing.T) {
	b := onnx.NewBuilder("g")
	first, weight := b.Ints(1, 2), onnx.Tensor{Name: "w", Type: onnx.Float}
	if b.Ints(1, 2) != first || b.Ints(1, 3) == first || b.Int(1) == b.Ints(1) {
		t.Error("constants: want one name for equal content and shape, and another for other content or shape")
	}
	b.Weight(weight)
	b.Weight(weight)
	if n := len(b.Graph().Initializers); n != 5 { // [1 2], [1 3], 1, [1], w
		t.Errorf("saw %d initializers, want 5", n)
	}
}
