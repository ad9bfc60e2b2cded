package calibrate

import (
	"fmt"

	"github.com/banterhearts/bh/pkg/model/onnx"
	"github.com/banterhearts/bh/pkg/ortbind"
	"github.com/banterhearts/bh/pkg/ortlib"
)

// gemvRows is the length of the vector that is multiplied: the width of a model's layers is of this size.
const gemvRows = 4096

// library measures what ONNX Runtime reaches: bytes of a weight matrix read per second in a product of a vector and the
// matrix, which is what decoding does, and FLOP/s in a product of square matrices.
func (m *measurement) library() error {
	found, err := ortlib.Find()
	if err == nil {
		var lib *ortbind.Library
		if lib, err = ortbind.Load(found.Path); err == nil {
			m.out.Versions["onnxruntime"] = lib.Version
			return m.products(lib)
		}
	}
	m.out.FLOPAbsent = fmt.Sprintf("%v; run bh-run setup", err)
	return nil
}

func (m *measurement) products(lib *ortbind.Library) error {
	columns := max(8*m.words/4/gemvRows, 1)
	gemv, err := m.product(lib, "matrix-vector product of ONNX Runtime", "bytes of the matrix", [3]int{1, gemvRows, columns}, 4*gemvRows*float64(columns))
	if err != nil {
		return err
	}
	m.out.Bandwidths = append(m.out.Bandwidths, *gemv)
	n := m.Square
	gemm, err := m.product(lib, fmt.Sprintf("matrix product of ONNX Runtime, %d square", n), "2 n^3 floating point operations", [3]int{n, n, n}, 2*float64(n)*float64(n)*float64(n))
	if err != nil {
		return err
	}
	m.out.FLOPs, m.out.FLOPPrecision = append(m.out.FLOPs, *gemm), "fp32"
	return nil
}

// graph is y = a b for matrices of fixed sizes.
func graph(rows, inner, columns int) []byte {
	b := onnx.NewBuilder("product")
	x := b.Input("a", onnx.Float, onnx.Fix(rows), onnx.Fix(inner))
	w := b.Input("b", onnx.Float, onnx.Fix(inner), onnx.Fix(columns))
	b.Output(b.Named("y", "MatMul", []string{x, w}), onnx.Float, onnx.Fix(rows), onnx.Fix(columns))
	m := onnx.Model{IRVersion: 9, Opset: 20, Producer: "bh", Graph: b.Graph()}
	return m.Marshal()
}
