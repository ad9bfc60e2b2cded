package model

import (
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/model/onnx"
)

// LastLogits is the output that the variants have beside Logits: the last position's, float32 [B, 1, vocabulary].
const LastLogits = "last_logits"

// Cache says what a variant does with keys and values.
type Cache int

// The caches.
const (
	NoCache   Cache = iota // none, as model.onnx
	NextCache              // past in and present out, as model_kv.onnx
	// FirstCache is present out without a past in: the first pass, for providers that cannot take an empty past.
	FirstCache
)

// Variant is a graph for a device with memory of its own. It computes what the graphs of the folder compute, all logits
// included, and gives the last position's once more: choosing the next token needs no others, and on the host they would
// cost the copying of batch x seq x vocabulary numbers. It stands in no file.
type Variant struct {
	Cache Cache
	// Half computes in float16, with past, present and all logits in it too. Its weights are the folder's, cast where the
	// graph is loaded: one copy on disk, and the same numbers rounded.
	Half bool
}

// Graph is a variant's graph.
type Graph struct {
	ONNX []byte // its weights are beside the folder's model.onnx
	// Shapes names the nodes that compute with nothing but dimensions. ONNX Runtime has them done by the CPU on purpose,
	// where the numbers are needed, so there they are no sign of an operator that a provider lacks.
	Shapes map[string]bool
}

// Graph makes a variant's graph over the folder's weights.
func (f *Folder) Graph(v Variant) (Graph, error) {
	l, err := f.Config.layout()
	if err != nil {
		return Graph{}, err
	}
	g := &graph{Builder: onnx.NewBuilder("gpt2"), c: f.Config, layout: l, cached: v.Cache == NextCache, Variant: v}
	g.build()
	g.lastLogits()
	return Graph{ONNX: g.marshal(), Shapes: shapeNodes(g.Graph())}, nil
}

func (g *graph) lastLogits() {
	g.Output(LastLogits, onnx.Float, onnx.Dyn(dimBatch), onnx.Fix(1), onnx.Fix(g.c.VocabSize))
	last := []string{Logits, g.Ints(-1), g.Ints(math.MaxInt64), g.Ints(1)}
	if g.Half {
		g.Named(LastLogits, "Cast", []string{g.Op("Slice", last)}, onnx.IntAttr("to", int64(onnx.Float)))
		return
	}
	g.Named(LastLogits, "Slice", last)
}

// shapeNodes are the nodes that take dimensions and what follows from them by arithmetic.
func shapeNodes(g onnx.Graph) map[string]bool {
	nodes, dimensions := map[string]bool{}, map[string]bool{}
	for _, t := range g.Initializers {
		dimensions[t.Name] = t.Type == onnx.Int64
	}
	for _, n := range g.Nodes {
		computes := slices.Contains([]string{"Concat", "Sub", "Squeeze"}, n.Op) &&
			!slices.ContainsFunc(n.Inputs, func(in string) bool { return !dimensions[in] })
		if n.Op == "Shape" || computes {
			nodes[n.Name] = true
			for _, out := range n.Outputs {
				dimensions[out] = true
			}
		}
	}
	return nodes
}

// elem is the type that the network computes in.
func (g *graph) elem() onnx.ElemType {
	if g.Half {
		return onnx.Float16
	}
	return onnx.Float
}

// narrow casts a float32 constant to the type that the network computes in. A runtime does it once, where it loads the
// graph.
func (g *graph) narrow(constant string) string {
	if !g.Half {
		return constant
	}
	if g.narrowed == nil {
		g.narrowed = map[string]string{}
	}
	if g.narrowed[constant] == "" {
		g.narrowed[constant] = g.Op("Cast", []string{constant}, onnx.IntAttr("to", int64(onnx.Float16)))
	}
	return g.narrowed[constant]
}

// number is a scalar constant of the type that the network computes in.
func (g *graph) number(v float32) string { return g.narrow(g.Float(v)) }

// lowest stands for "forbidden" in the attention. In float16 it leaves room below: the lowest number plus a score would
// be minus infinity, and a row of nothing else has no softmax.
func (g *graph) lowest() float32 {
	if g.Half {
		return -1 << 15
	}
	return -math.MaxFloat32
}
