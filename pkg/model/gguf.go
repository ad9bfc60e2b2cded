package model

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model/gguf"
	"github.com/banterhearts/bh/pkg/workload"
)

// ggufFormat counts the changes of what this package writes into model.gguf; a folder with another number gets a new one.
const ggufFormat = 1

// hasGGUF says whether the model gets a model.gguf: its tokeniser is part of that file, and only GPT-2's is known.
func (c Config) hasGGUF() bool { return c.VocabSize == workload.VocabSize }

// ggufTensor is a weight as llama.cpp wants it.
type ggufTensor struct {
	name       string
	from       tensor
	transposed bool
}

// shape is that of the tensor in the file.
func (t ggufTensor) shape() []int64 {
	if t.transposed {
		return []int64{t.from.shape[1], t.from.shape[0]}
	}
	return t.from.shape
}

// ggufNames are llama.cpp's names of the parts of a layer (src/llama-arch.cpp, LLM_ARCH_GPT2). The last part of the name,
// weight or bias, is the same in both.
var ggufNames = map[string]string{
	"ln_1": "attn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
	"ln_2": "ffn_norm", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down",
}

// ggufTensors lists the weights in the order of model.safetensors. Linear weights are [out, in]. The output projection is
// left out: llama.cpp takes the token embedding where there is none, which is what GPT-2 does.
func (c Config) ggufTensors() []ggufTensor {
	names := map[string]string{
		tokenEmbedding: "token_embd.weight", positionEmbedding: "position_embd.weight",
		finalNorm + ".weight": "output_norm.weight", finalNorm + ".bias": "output_norm.bias",
	}
	for layer := range c.NLayer {
		for from, to := range ggufNames {
			for _, part := range []string{".weight", ".bias"} {
				names[blockPrefix(layer)+from+part] = fmt.Sprintf("blk.%d.%s%s", layer, to, part)
			}
		}
	}
	var list []ggufTensor
	for _, t := range c.tensors() {
		embedding := t.name == tokenEmbedding || t.name == positionEmbedding
		list = append(list, ggufTensor{names[t.name], t, len(t.shape) == 2 && !embedding})
	}
	return list
}

// ggufLayout is the header of model.gguf. weightsSHA256 says in the file itself which weights it holds.
func (c Config) ggufLayout(name, weightsSHA256 string) (*gguf.Layout, error) {
	h := &gguf.Header{}
	h.String("general.architecture", "gpt2")
	h.String("general.type", "model")
	h.String("general.name", name)
	h.Uint32("general.file_type", 0) // all F32
	h.String("bh.weights_sha256", weightsSHA256)
	h.Uint32("gpt2.context_length", uint32(c.NPositions))
	h.Uint32("gpt2.embedding_length", uint32(c.NEmbd))
	h.Uint32("gpt2.feed_forward_length", uint32(c.Inner()))
	h.Uint32("gpt2.block_count", uint32(c.NLayer))
	h.Uint32("gpt2.attention.head_count", uint32(c.NHead))
	h.Float32("gpt2.attention.layer_norm_epsilon", float32(c.LayerNormEpsilon))
	if err := addTokenizer(h, c); err != nil {
		return nil, err
	}
	for _, t := range c.ggufTensors() {
		h.Tensor(t.name, t.shape())
	}
	return h.Layout(), nil
}

// EnsureGGUF writes model.gguf into a folder that an older version of bh made without one, and does nothing where it is
// there. A model without GPT-2's vocabulary cannot have one, which is bad input. progress may be nil.
func (f *Folder) EnsureGGUF(ctx context.Context, progress Progress) error {
	if !f.Config.hasGGUF() {
		return cli.BadInputf("model %s has no %s: its vocabulary of %d tokens is not GPT-2's", f.Name, GGUFFile, f.Config.VocabSize)
	}
	if f.meta.hasGGUF() {
		return nil
	}
	l, err := f.Config.ggufLayout(f.Name, f.WeightsSHA256)
	if err != nil {
		return err
	}
	sum, err := writeGGUF(ctx, f.GGUFPath(), f.Config, l, &counter{total: l.Size, tell: progress})
	if err != nil {
		return err
	}
	m := f.meta
	m.Files = maps.Clone(m.Files)
	m.addGGUF(l.Size, sum)
	if err := m.write(f.Dir); err != nil {
		return err
	}
	f.meta, f.GGUFSHA256 = m, sum
	return nil
}

// writeGGUF writes the file path from the model.safetensors beside it, holding a strip of one tensor at a time, and
// returns its SHA-256.
func writeGGUF(ctx context.Context, path string, c Config, l *gguf.Layout, count *counter) (sum string, err error) {
	weights, err := os.Open(filepath.Join(filepath.Dir(path), WeightsFile))
	if err != nil {
		return "", err
	}
	defer weights.Close() //nolint:errcheck // opened for reading
	from, err := c.layout()
	if err != nil {
		return "", err
	}
	file, err := atomicfile.Create(path)
	if err != nil {
		return "", err
	}
	defer file.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	hash := sha256.New()
	out := &countingWriter{ctx, io.MultiWriter(file, hash), count}
	if _, err := out.Write(l.Bytes); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	tensors := &copier{weights: weights, stripBytes: stripBytes}
	for i, t := range c.ggufTensors() {
		do := tensors.plain
		if t.transposed {
			do = tensors.transposed
		}
		if err := do(out, from.Tensors[i]); err != nil {
			return "", fmt.Errorf("%s: tensor %s: %w", path, t.name, err)
		}
		if n := l.Tensors[i].Padding; n > 0 {
			if _, err := out.Write(make([]byte, n)); err != nil {
				return "", err
			}
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), file.Commit()
}

// countingWriter tells of what it writes, and stops when the context ends.
type countingWriter struct {
	ctx   context.Context
	w     io.Writer
	count *counter
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	n, err := c.w.Write(p)
	c.count.add(int64(n))
	return n, err
}
