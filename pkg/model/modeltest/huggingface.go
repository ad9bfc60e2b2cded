package modeltest

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// Tensor is a weight with its values.
type Tensor struct {
	Name   string
	DType  safetensors.DType
	Shape  []int64
	Values []float32
}

// SmallConfig is a GPT-2 that nothing about is a default or a power of two: 3 layers of 4 heads of width 6, a feed-forward
// width of its own, a vocabulary of 97 and a context of 32.
func SmallConfig() model.Config {
	inner := 40
	return model.Config{
		ModelType: "gpt2", Architectures: []string{"GPT2LMHeadModel"},
		NLayer: 3, NHead: 4, NEmbd: 24, NInner: &inner, VocabSize: 97, NPositions: 32,
		LayerNormEpsilon: 1e-3, Activation: "gelu_new", InitializerRange: 0.02, BOSTokenID: 96, EOSTokenID: 96,
		TieWordEmbeddings: true, ScaleAttn: true, TorchDType: "float32",
	}
}

// Seed is the seed for Weights of SmallConfig with which greedy decoding wanders: with others it soon repeats one token,
// and a decoder that did nothing else would pass for right.
const Seed uint64 = 10

// Weights draws weights for c as GPT2LMHeadModel names them, in F32. Unlike a fresh initialisation, no bias is zero, no
// gain is one and the deviations are large (0.3), so that every weight shows in the logits.
func Weights(c model.Config, seed uint64) []Tensor {
	random := rand.New(rand.NewPCG(seed, 0))
	var list []Tensor
	add := func(name string, mean float64, shape ...int64) {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		t := Tensor{Name: "transformer." + name, DType: safetensors.F32, Shape: shape, Values: make([]float32, n)}
		for i := range t.Values {
			t.Values[i] = float32(mean + 0.3*random.NormFloat64())
		}
		list = append(list, t)
	}
	width, inner := int64(c.NEmbd), int64(c.Inner())
	add("wte.weight", 0, int64(c.VocabSize), width)
	add("wpe.weight", 0, int64(c.NPositions), width)
	for layer := range c.NLayer {
		p := fmt.Sprintf("h.%d.", layer)
		add(p+"ln_1.weight", 1, width)
		add(p+"ln_1.bias", 0, width)
		add(p+"attn.c_attn.weight", 0, width, 3*width)
		add(p+"attn.c_attn.bias", 0, 3*width)
		add(p+"attn.c_proj.weight", 0, width, width)
		add(p+"attn.c_proj.bias", 0, width)
		add(p+"ln_2.weight", 1, width)
		add(p+"ln_2.bias", 0, width)
		add(p+"mlp.c_fc.weight", 0, width, inner)
		add(p+"mlp.c_fc.bias", 0, inner)
		add(p+"mlp.c_proj.weight", 0, inner, width)
		add(p+"mlp.c_proj.bias", 0, width)
	}
	add("ln_f.weight", 1, width)
	add("ln_f.bias", 0, width)
	return list
}

// WriteHuggingFace writes a folder as transformers saves one: config.json and model.safetensors. Values of tensors of type
// F16 and BF16 are truncated to what the type can hold.
func WriteHuggingFace(dir string, c model.Config, tensors []Tensor) error {
	config, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, model.ConfigFile), config, 0o644); err != nil {
		return err
	}
	list := make([]safetensors.Tensor, len(tensors))
	for i, t := range tensors {
		list[i] = safetensors.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape}
	}
	l, err := safetensors.NewLayout(map[string]string{"format": "pt"}, list)
	if err != nil {
		return err
	}
	raw := l.Bytes
	for _, t := range tensors {
		raw = t.append(raw)
	}
	return os.WriteFile(filepath.Join(dir, model.WeightsFile), raw, 0o644)
}

// append writes the values in the tensor's type, little-endian.
func (t Tensor) append(raw []byte) []byte {
	for _, v := range t.Values {
		bits := math.Float32bits(v)
		switch t.DType {
		case safetensors.F16:
			h := half(bits)
			raw = append(raw, byte(h), byte(h>>8))
		case safetensors.BF16:
			raw = append(raw, byte(bits>>16), byte(bits>>24))
		default:
			raw = append(raw, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
		}
	}
	return raw
}

// half cuts a float32 between 2^-14 and 2^16 in size down to binary16; anything smaller becomes zero.
func half(bits uint32) uint16 {
	sign, exponent := uint16(bits>>16)&0x8000, int(bits>>23&0xff)-127+15
	if exponent <= 0 {
		return sign
	}
	return sign | uint16(exponent)<<10 | uint16(bits>>13)&0x3ff
}
