package onnx

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// Builder grows a graph node by node. Values are strings, as in the format; names that nobody outside the graph needs are
// made up: the operator and a running number.
type Builder struct {
	g       Graph
	counts  map[string]int
	weights map[string]bool
	consts  map[string]string // content -> name, so that a constant stands in the graph once
}

// NewBuilder starts an empty graph.
func NewBuilder(name string) *Builder {
	return &Builder{
		g: Graph{Name: name}, counts: map[string]int{}, weights: map[string]bool{}, consts: map[string]string{},
	}
}

// Graph returns what was built.
func (b *Builder) Graph() Graph { return b.g }

// Input declares an input of the graph and returns its name.
func (b *Builder) Input(name string, t ElemType, dims ...Dim) string {
	b.g.Inputs = append(b.g.Inputs, Value{name, t, dims})
	return name
}

// Output declares that the value of that name, which Named gives, is an output of the graph; outputs keep the order of
// their declarations.
func (b *Builder) Output(value string, t ElemType, dims ...Dim) {
	b.g.Outputs = append(b.g.Outputs, Value{value, t, dims})
}

// Weight adds an initializer once and returns its name.
func (b *Builder) Weight(t Tensor) string {
	if !b.weights[t.Name] {
		b.weights[t.Name] = true
		b.g.Initializers = append(b.g.Initializers, t)
	}
	return t.Name
}

// Op adds a node with one output and returns the output's name.
func (b *Builder) Op(op string, inputs []string, attrs ...Attribute) string {
	return b.Ops(op, inputs, 1, attrs...)[0]
}

// Ops adds a node with n outputs and returns their names.
func (b *Builder) Ops(op string, inputs []string, n int, attrs ...Attribute) []string {
	name := b.fresh(op)
	outputs := make([]string, n)
	for i := range outputs {
		outputs[i] = fmt.Sprintf("%s:%d", name, i)
	}
	b.add(Node{name, op, inputs, outputs, attrs})
	return outputs
}

// Named adds a node whose one output is called output: how an output of the graph gets its name.
func (b *Builder) Named(output, op string, inputs []string, attrs ...Attribute) string {
	b.add(Node{b.fresh(op), op, inputs, []string{output}, attrs})
	return output
}

func (b *Builder) add(n Node) {
	n.Inputs = slices.Clone(n.Inputs)
	b.g.Nodes = append(b.g.Nodes, n)
}

func (b *Builder) fresh(op string) string {
	b.counts[op]++
	return fmt.Sprintf("%s_%d", op, b.counts[op])
}

// Ints is a constant vector of type int64.
func (b *Builder) Ints(v ...int64) string {
	return b.constant(Int64, []int64{int64(len(v))}, int64s(v))
}

// Int is a constant scalar of type int64.
func (b *Builder) Int(v int64) string { return b.constant(Int64, nil, int64s([]int64{v})) }

// Float is a constant scalar of type float32.
func (b *Builder) Float(v float32) string {
	return b.constant(Float, nil, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
}

func int64s(v []int64) []byte {
	var raw []byte
	for _, n := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(n))
	}
	return raw
}

func (b *Builder) constant(t ElemType, dims []int64, raw []byte) string {
	key := fmt.Sprint(t, dims, raw)
	if b.consts[key] == "" {
		b.consts[key] = b.fresh("const")
		b.Weight(Tensor{Name: b.consts[key], Type: t, Dims: dims, Raw: raw})
	}
	return b.consts[key]
}
