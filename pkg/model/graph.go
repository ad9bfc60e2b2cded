package model

import (
	"math"

	"github.com/banterhearts/bh/pkg/model/onnx"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// The versions that the graphs are written for. Opset 20 is the first with GELU's tanh approximation as one operator;
// IR version 9 is the one that came with it, so any ONNX Runtime from 1.17 on reads them.
const (
	graphOpset     = 20
	graphIRVersion = 9
	graphProducer  = "bh"
)

// graph builds the network over one layout of weights. Values flow as strings, named after what they hold.
//
// How it is cut was measured with ONNX Runtime 1.30.0 on CPU, one thread, GPT-2 124M, per operator with its profiler. At 1x27
// tokens, 4x19 tokens and one cached token, the 49 products with weights take more than nine tenths of the time, so what
// counts is that nothing stands in their way:
//   - The network runs on [tokens, width] matrices, so that each linear layer is one Gemm, bias included, with the weight
//     as it is stored. MatMul and Add on [batch, seq, width] add 36 passes over activations.
//   - The tied output projection is Gemm with transB. Transpose and MatMul folds to a second copy of the embedding, 154 MB,
//     and makes loading take two to three times as long.
//   - FusedMatMul (com.microsoft) would spare the last copy of the logits, 1% to 3%; MultiHeadAttention (com.microsoft) and
//     opset 23's Attention were not faster. All nodes are standard operators, so that TensorRT and others read the same file.
//   - GELU as one operator is as fast as com.microsoft's FastGelu, which is what ONNX Runtime makes of it written out.
type graph struct {
	*onnx.Builder
	c      Config
	layout *safetensors.Layout
	cached bool // model_kv.onnx
	Variant
	narrowed map[string]string // constants and weights in float16, by their names in float32

	flat  string // shape [tokens, width]
	bsw   string // shape [batch, seq, width], width inferred
	heads string // shape [batch, seq, heads, head width]
	bias  string // [batch, 1, seq, total]: 0 where a position may look, the lowest number where not
}

// The names of the graphs' dynamic dimensions.
const (
	dimBatch = "batch"
	dimSeq   = "seq"
	dimPast  = "past"
	dimTotal = "total" // past + seq
)

// onnxGraph encodes model.onnx, or model_kv.onnx where cached is set.
func onnxGraph(c Config, l *safetensors.Layout, cached bool) []byte {
	g := &graph{Builder: onnx.NewBuilder("gpt2"), c: c, layout: l, cached: cached}
	g.build()
	return g.marshal()
}

func (g *graph) marshal() []byte {
	m := onnx.Model{IRVersion: graphIRVersion, Opset: graphOpset, Producer: graphProducer, Graph: g.Graph()}
	return m.Marshal()
}

func (g *graph) build() {
	total := dimSeq
	if g.cached {
		total = dimTotal
	}
	ids := g.Input(InputIDs, onnx.Int64, onnx.Dyn(dimBatch), onnx.Dyn(dimSeq))
	mask := g.Input(AttentionMask, onnx.Int64, onnx.Dyn(dimBatch), onnx.Dyn(total))
	g.Output(Logits, g.elem(), onnx.Dyn(dimBatch), onnx.Dyn(dimSeq), onnx.Fix(g.c.VocabSize))
	x := g.embed(ids, mask)
	for layer := range g.c.NLayer {
		x = g.block(x, layer, total)
	}
	x = g.norm(x, finalNorm)
	y := g.Op("Gemm", []string{x, g.weight(tokenEmbedding)}, onnx.IntAttr("transB", 1))
	g.Named(Logits, "Reshape", []string{y, g.bsw})
}

// embed adds the embeddings of ids and of their positions, as [tokens, width], and prepares the shapes and the attention
// bias that all layers share. A token's position is the number of real tokens before it, so left padding shifts nothing.
func (g *graph) embed(ids, mask string) string {
	batch := g.Op("Shape", []string{ids}, onnx.IntAttr("start", 0), onnx.IntAttr("end", 1))
	seq := g.Op("Shape", []string{ids}, onnx.IntAttr("start", 1))
	total := g.Op("Shape", []string{mask}, onnx.IntAttr("start", 1))
	past := ""
	if g.cached {
		past = g.Op("Sub", []string{total, seq})
	}
	g.flat = g.Ints(-1, int64(g.c.NEmbd))
	g.bsw = g.Op("Concat", []string{batch, seq, g.Ints(-1)}, onnx.IntAttr("axis", 0))
	g.heads = g.Op("Concat", []string{batch, seq, g.Ints(int64(g.c.NHead), int64(g.c.HeadDim()))}, onnx.IntAttr("axis", 0))
	g.attentionBias(mask, past, total)

	count := g.Op("CumSum", []string{mask, g.Int(1)})
	position := g.Op("Max", []string{g.Op("Sub", []string{count, g.Int(1)}), g.Int(0)})
	position = g.newOnly(position, past, total, 1)
	token := g.Op("Gather", []string{g.weight(tokenEmbedding), ids})
	x := g.Op("Add", []string{token, g.Op("Gather", []string{g.weight(positionEmbedding), position})})
	return g.Op("Reshape", []string{x, g.flat})
}

// newOnly keeps the last seq of past+seq entries along axis: all of them where nothing is cached.
func (g *graph) newOnly(value, past, total string, axis int64) string {
	if !g.cached {
		return value
	}
	return g.Op("Slice", []string{value, past, total, g.Ints(axis)})
}

// attentionBias forbids positions that come later and positions that are padding. The lowest finite number stands for
// "forbidden", as transformers has it: with minus infinity, the softmax of a padding position, which may look nowhere,
// would be NaN.
func (g *graph) attentionBias(mask, past, total string) {
	index := g.Op("Range", []string{g.Int(0), g.Op("Squeeze", []string{total}), g.Int(1)})
	query := g.newOnly(index, past, total, 0)
	causal := g.Op("LessOrEqual", []string{
		g.Op("Unsqueeze", []string{index, g.Ints(0)}), // [1, total]
		g.Op("Unsqueeze", []string{query, g.Ints(1)}), // [seq, 1]
	})
	token := g.Op("Cast", []string{mask}, onnx.IntAttr("to", int64(onnx.Bool)))
	token = g.Op("Unsqueeze", []string{token, g.Ints(1, 2)}) // [batch, 1, 1, total]
	allowed := g.Op("And", []string{causal, token})
	g.bias = g.Op("Where", []string{allowed, g.number(0), g.number(g.lowest())})
}

func (g *graph) block(x string, layer int, total string) string {
	p := blockPrefix(layer)
	x = g.Op("Add", []string{x, g.attention(g.norm(x, p+"ln_1"), layer, total)})
	y := g.linear(g.norm(x, p+"ln_2"), p+"mlp.c_fc")
	y = g.Op("Gelu", []string{y}, onnx.StringAttr("approximate", "tanh"))
	return g.Op("Add", []string{x, g.linear(y, p+"mlp.c_proj")})
}

// attention is scaled dot-product attention over the heads. The scale is a product after the first MatMul, which ONNX
// Runtime folds into it together with the transposition of the keys.
func (g *graph) attention(x string, layer int, total string) string {
	p := blockPrefix(layer)
	width := int64(g.c.NEmbd)
	qkv := g.Ops("Split", []string{g.linear(x, p+"attn.c_attn"), g.Ints(width, width, width)}, 3, onnx.IntAttr("axis", 1))
	q, k, v := g.split(qkv[0]), g.split(qkv[1]), g.split(qkv[2])
	if g.cached || g.Cache == FirstCache {
		k = g.extend(PastKey(layer), PresentKey(layer), k, total)
		v = g.extend(PastValue(layer), PresentValue(layer), v, total)
	}
	scores := g.Op("MatMul", []string{q, g.Op("Transpose", []string{k}, onnx.IntsAttr("perm", 0, 1, 3, 2))})
	scores = g.Op("Mul", []string{scores, g.number(float32(1 / math.Sqrt(float64(g.c.HeadDim()))))})
	weights := g.Op("Softmax", []string{g.Op("Add", []string{scores, g.bias})}, onnx.IntAttr("axis", -1))
	y := g.Op("Transpose", []string{g.Op("MatMul", []string{weights, v})}, onnx.IntsAttr("perm", 0, 2, 1, 3))
	return g.linear(g.Op("Reshape", []string{y, g.flat}), p+"attn.c_proj")
}

// split turns [tokens, width] into [batch, heads, seq, head width].
func (g *graph) split(x string) string {
	return g.Op("Transpose", []string{g.Op("Reshape", []string{x, g.heads})}, onnx.IntsAttr("perm", 0, 2, 1, 3))
}

// extend appends the new keys or values to the cached ones, if there are any.
func (g *graph) extend(past, present, value, total string) string {
	heads, width := onnx.Fix(g.c.NHead), onnx.Fix(g.c.HeadDim())
	g.Output(present, g.elem(), onnx.Dyn(dimBatch), heads, onnx.Dyn(total), width)
	if !g.cached {
		return g.Named(present, "Identity", []string{value})
	}
	g.Input(past, g.elem(), onnx.Dyn(dimBatch), heads, onnx.Dyn(dimPast), width)
	return g.Named(present, "Concat", []string{past, value}, onnx.IntAttr("axis", 2))
}

func (g *graph) linear(x, name string) string {
	return g.Op("Gemm", []string{x, g.weight(name + ".weight"), g.weight(name + ".bias")})
}

func (g *graph) norm(x, name string) string {
	return g.Op("LayerNormalization", []string{x, g.weight(name + ".weight"), g.weight(name + ".bias")},
		onnx.IntAttr("axis", -1), onnx.FloatAttr("epsilon", float32(g.c.LayerNormEpsilon)))
}

// weight refers to a tensor where it stands in the safetensors file, so that both graphs and every reader of that file
// use the same bytes and the disk holds them once.
func (g *graph) weight(name string) string {
	t, _ := g.layout.Tensor(name) // the layout is made from the same list of names
	return g.narrow(g.Weight(onnx.Tensor{
		Name: name, Type: onnx.Float, Dims: t.Shape,
		External: &onnx.External{Location: WeightsFile, Offset: t.Offset, Length: t.Length},
	}))
}
