package onnx

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// message is an encoded protocol buffer message that fields are appended to.
type message []byte

func (m *message) varint(field protowire.Number, v int64) {
	*m = protowire.AppendTag(*m, field, protowire.VarintType)
	*m = protowire.AppendVarint(*m, uint64(v))
}

func (m *message) float(field protowire.Number, v float32) {
	*m = protowire.AppendTag(*m, field, protowire.Fixed32Type)
	*m = protowire.AppendFixed32(*m, math.Float32bits(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendTag(*m, field, protowire.BytesType)
	*m = protowire.AppendBytes(*m, v)
}

func (m *message) string(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

// Marshal encodes the model as a ModelProto. The same model always gives the same bytes.
func (m Model) Marshal() []byte {
	var opset message
	opset.string(1, "") // domain
	opset.varint(2, m.Opset)

	var b message
	b.varint(1, m.IRVersion)
	b.string(2, m.Producer)
	b.bytes(7, m.Graph.marshal())
	b.bytes(8, opset)
	return b
}

// marshal encodes a GraphProto.
func (g Graph) marshal() message {
	var b message
	for _, n := range g.Nodes {
		b.bytes(1, n.marshal())
	}
	b.string(2, g.Name)
	for _, t := range g.Initializers {
		b.bytes(5, t.marshal())
	}
	for _, v := range g.Inputs {
		b.bytes(11, v.marshal())
	}
	for _, v := range g.Outputs {
		b.bytes(12, v.marshal())
	}
	return b
}

// marshal encodes a NodeProto.
func (n Node) marshal() message {
	var b message
	for _, name := range n.Inputs {
		b.string(1, name)
	}
	for _, name := range n.Outputs {
		b.string(2, name)
	}
	b.string(3, n.Name)
	b.string(4, n.Op)
	for _, a := range n.Attributes {
		b.bytes(5, a.marshal())
	}
	return b
}

// The values of AttributeProto.AttributeType that are written here.
const (
	attrFloat  = 1
	attrInt    = 2
	attrString = 3
	attrInts   = 7
)

// marshal encodes an AttributeProto.
func (a Attribute) marshal() message {
	const kind = 20 // field number of the type
	var b message
	b.string(1, a.Name)
	switch {
	case a.float != nil:
		b.float(2, *a.float)
		b.varint(kind, attrFloat)
	case a.int != nil:
		b.varint(3, *a.int)
		b.varint(kind, attrInt)
	case a.str != nil:
		b.string(4, *a.str)
		b.varint(kind, attrString)
	default:
		for _, v := range a.ints {
			b.varint(8, v)
		}
		b.varint(kind, attrInts)
	}
	return b
}

// marshal encodes a TensorProto.
func (t Tensor) marshal() message {
	const external = 1 // TensorProto.DataLocation
	var b message
	for _, d := range t.Dims {
		b.varint(1, d)
	}
	b.varint(2, int64(t.Type))
	b.string(8, t.Name)
	if t.External == nil {
		b.bytes(9, t.Raw)
		return b
	}
	b.bytes(13, entry("location", t.External.Location))
	b.bytes(13, entry("offset", strconv.FormatInt(t.External.Offset, 10)))
	b.bytes(13, entry("length", strconv.FormatInt(t.External.Length, 10)))
	b.varint(14, external)
	return b
}

// entry encodes a StringStringEntryProto.
func entry(key, value string) message {
	var b message
	b.string(1, key)
	b.string(2, value)
	return b
}

// marshal encodes a ValueInfoProto with the type of a tensor.
func (v Value) marshal() message {
	var shape message
	for _, d := range v.Dims {
		var dim message
		if d.Name != "" {
			dim.string(2, d.Name)
		} else {
			dim.varint(1, d.Size)
		}
		shape.bytes(1, dim)
	}
	var tensor, typ, b message
	tensor.varint(1, int64(v.Type))
	tensor.bytes(2, shape)
	typ.bytes(1, tensor)
	b.string(1, v.Name)
	b.bytes(2, typ)
	return b
}
