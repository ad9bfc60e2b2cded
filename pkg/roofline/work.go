package roofline

// Shape is the architecture of a decoder as far as its work depends on it.
type Shape struct {
	Parameters int64 // the tied output projection counted once
	Layers     int64
	Width      int64 // of the residual stream: heads times head width
	Vocabulary int64 // tokens that logits are computed of; needed where not all positions have any
}

// Step is one step of a model: a forward pass over tokens new positions of each sequence.
type Step struct {
	Batch   float64 // sequences
	Tokens  float64 // new positions of each sequence
	Context float64 // positions that each new one attends to, itself included
	Cached  bool    // keys and values of the positions before are read instead of computed
	Bare    float64 // new positions of each sequence of which no logits are computed
}

// Bytes is what memory has to give for the step at least: every parameter once, and with a cache the keys and values,
//
//	parameters * b + 2 * layers * width * context * b * batch
//
// at b bytes per element. Source: Agarwal, Qureshi, Sardana, Li, Quevedo and Khudia (2023), "LLM Inference Performance
// Engineering: Best Practices", Databricks, which defines model bandwidth utilisation as (parameter bytes + KV cache bytes)
// / time per output token / peak bandwidth. Assumption: activations stay in the cache, and a parameter is read once per
// step. An embedding of which few rows are read is counted whole, as there; of GPT-2's only the positions', 0.6%.
func (s Shape) Bytes(step Step, bytesPerElement float64) float64 {
	bytes := float64(s.Parameters) * bytesPerElement
	if step.Cached {
		bytes += 2 * float64(s.Layers) * float64(s.Width) * step.Context * bytesPerElement * step.Batch
	}
	return bytes
}

// FLOP is what the step has to compute at least: for each new position a multiplication and an addition per parameter, and
// 4 * layers * width * context for the two products of attention,
//
//	((2 * parameters + 4 * layers * width * context) * tokens - 2 * width * vocabulary * bare) * batch
//
// where a position without logits saves the product with the output projection, which is one of the parameters' matrices.
// Source: Chowdhery et al. (2022), "PaLM: Scaling Language Modeling with Pathways", appendix B, where forward and backward
// pass together are 6N + 12LHQT per token; the forward pass is a third of it. As there, the causal mask saves nothing:
// backends compute the masked products too.
func (s Shape) FLOP(step Step) float64 {
	each := 2*float64(s.Parameters) + 4*float64(s.Layers)*float64(s.Width)*step.Context
	return (each*step.Tokens - 2*float64(s.Width)*float64(s.Vocabulary)*step.Bare) * step.Batch
}
