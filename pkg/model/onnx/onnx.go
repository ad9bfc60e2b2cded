// Package onnx writes ONNX models: the parts of the format that a hand-written graph with external weights needs, encoded
// straight to protocol buffers. It reads nothing and checks no operator: ONNX Runtime does, when a graph is loaded.
//
// Field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/v1.16.0/onnx/onnx.proto), whose IR version is
// 10; the messages used here have not changed since IR version 4.
package onnx

// ElemType is the type of a tensor's elements (TensorProto.DataType).
type ElemType int32

// The element types of the graphs that bh writes.
const (
	Float   ElemType = 1
	Int64   ElemType = 7
	Bool    ElemType = 9
	Float16 ElemType = 10
)

// Model is a graph with the versions it was written for.
type Model struct {
	IRVersion int64
	Opset     int64 // of the standard operators, domain ""
	Producer  string
	Graph     Graph
}

// Graph is a list of nodes in an order in which each one's inputs are known before it.
type Graph struct {
	Name         string
	Nodes        []Node
	Initializers []Tensor
	Inputs       []Value
	Outputs      []Value
}

// Node is one operator. Values are named; an output's name is unique in the graph.
type Node struct {
	Name       string
	Op         string
	Inputs     []string
	Outputs    []string
	Attributes []Attribute
}

// Attribute is a parameter of an operator: made by one of the constructors below.
type Attribute struct {
	Name  string
	float *float32
	int   *int64
	str   *string
	ints  []int64
}

// FloatAttr is an attribute of type FLOAT.
func FloatAttr(name string, v float32) Attribute { return Attribute{Name: name, float: &v} }

// IntAttr is an attribute of type INT.
func IntAttr(name string, v int64) Attribute { return Attribute{Name: name, int: &v} }

// StringAttr is an attribute of type STRING.
func StringAttr(name, v string) Attribute { return Attribute{Name: name, str: &v} }

// IntsAttr is an attribute of type INTS, of at least one number.
func IntsAttr(name string, v ...int64) Attribute { return Attribute{Name: name, ints: v} }

// Tensor is a constant of the graph: its bytes are Raw, or stand in the file External names.
type Tensor struct {
	Name     string
	Type     ElemType
	Dims     []int64 // none for a scalar
	Raw      []byte  // little-endian
	External *External
}

// External says where a tensor's bytes stand: a range of a file in the model's own folder.
type External struct {
	Location string // file name
	Offset   int64
	Length   int64
}

// Value is an input or output of the graph.
type Value struct {
	Name string
	Type ElemType
	Dims []Dim
}

// Dim is one dimension: a name for a size known only at run time, else a fixed size.
type Dim struct {
	Name string
	Size int64
}

// Dyn is a dimension that is known only at run time; equal names are equal sizes.
func Dyn(name string) Dim { return Dim{Name: name} }

// Fix is a dimension of fixed size.
func Fix(size int) Dim { return Dim{Size: int64(size)} }
