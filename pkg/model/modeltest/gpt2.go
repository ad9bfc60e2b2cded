// Package modeltest holds what tests of models and of backends compare with: a plain Go forward pass of GPT-2, written from
// the architecture and sharing nothing with the ONNX graphs, and Hugging Face folders with weights of a test's choosing.
package modeltest

import (
	"fmt"
	"math"
	"os"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// GPT2 is a model held in memory: weights in float32, arithmetic in float64, so that its own rounding is far below what is
// compared with it. It follows Radford et al., Language Models are Unsupervised Multitask Learners (2019), with the tensor
// layout of transformers' GPT2LMHeadModel.
type GPT2 struct {
	config  model.Config
	weights map[string][]float32
}

// Load reads the weights of a model folder.
func Load(f *model.Folder) (*GPT2, error) {
	file, err := os.Open(f.SafetensorsPath())
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // opened for reading
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	h, err := safetensors.Read(file, info.Size())
	if err != nil {
		return nil, err
	}
	m := &GPT2{config: f.Config, weights: map[string][]float32{}}
	for _, t := range h.Tensors {
		raw, values := make([]byte, t.Length), make([]float32, t.Elements())
		if _, err := file.ReadAt(raw, t.Offset); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if err := safetensors.Widen(values, t.DType, raw); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		m.weights[t.Name] = values
	}
	return m, nil
}

// Weight is the tensor of that name, nil where there is none.
func (m *GPT2) Weight(name string) []float32 { return m.weights[name] }

// State is one sequence being read: the keys and values of the tokens so far.
type State struct {
	m      *GPT2
	tokens int
	keys   [][][]float64 // layer, token, width
	values [][][]float64
}

// Start begins an empty sequence.
func (m *GPT2) Start() *State {
	return &State{m: m, keys: make([][][]float64, m.config.NLayer), values: make([][][]float64, m.config.NLayer)}
}

// Next reads one more token and returns the logits of what follows it, one per entry of the vocabulary.
func (s *State) Next(id int64) []float64 {
	x := s.m.embed(id, s.tokens)
	s.tokens++
	for layer := range s.m.config.NLayer {
		p := fmt.Sprintf("transformer.h.%d.", layer)
		add(x, s.m.linear(s.attend(s.m.norm(x, p+"ln_1"), layer), p+"attn.c_proj"))
		hidden := s.m.linear(s.m.norm(x, p+"ln_2"), p+"mlp.c_fc")
		for i, v := range hidden {
			hidden[i] = gelu(v)
		}
		add(x, s.m.linear(hidden, p+"mlp.c_proj"))
	}
	return s.m.unembed(s.m.norm(x, "transformer.ln_f"))
}

// attend mixes the values of all tokens so far, head by head, weighted by the softmax of query times key.
func (s *State) attend(x []float64, layer int) []float64 {
	width, dim := s.m.config.NEmbd, s.m.config.HeadDim()
	qkv := s.m.linear(x, fmt.Sprintf("transformer.h.%d.attn.c_attn", layer))
	query := qkv[:width]
	s.keys[layer] = append(s.keys[layer], qkv[width:2*width])
	s.values[layer] = append(s.values[layer], qkv[2*width:])
	out := make([]float64, width)
	for from := 0; from < width; from += dim {
		weights := make([]float64, s.tokens)
		for t, key := range s.keys[layer] {
			weights[t] = dot(query[from:from+dim], key[from:from+dim]) / math.Sqrt(float64(dim))
		}
		softmax(weights)
		for t, value := range s.values[layer] {
			for i := from; i < from+dim; i++ {
				out[i] += weights[t] * value[i]
			}
		}
	}
	return out
}

// Logits reads a sequence from its start and returns the logits after each token.
func (m *GPT2) Logits(ids []int64) [][]float64 {
	s := m.Start()
	logits := make([][]float64, len(ids))
	for i, id := range ids {
		logits[i] = s.Next(id)
	}
	return logits
}

// Greedy continues a prompt by n tokens, always the likeliest (the lowest id of equals), and ends early after EOS.
func (m *GPT2) Greedy(prompt []int64, n int) []int64 {
	s := m.Start()
	var logits []float64
	for _, id := range prompt {
		logits = s.Next(id)
	}
	var out []int64
	for len(out) < n {
		best := 0
		for i, v := range logits {
			if v > logits[best] {
				best = i
			}
		}
		if out = append(out, int64(best)); int64(best) == m.config.EOSTokenID {
			break
		}
		logits = s.Next(int64(best))
	}
	return out
}

func (m *GPT2) embed(id int64, position int) []float64 {
	width := m.config.NEmbd
	token := m.weights["transformer.wte.weight"][int(id)*width:]
	place := m.weights["transformer.wpe.weight"][position*width:]
	x := make([]float64, width)
	for i := range x {
		x[i] = float64(token[i]) + float64(place[i])
	}
	return x
}

// unembed is the product with the transposed token embedding, to which GPT-2 ties its output.
func (m *GPT2) unembed(x []float64) []float64 {
	embedding := m.weights["transformer.wte.weight"]
	logits := make([]float64, m.config.VocabSize)
	for id := range logits {
		row := embedding[id*len(x) : (id+1)*len(x)]
		for i, v := range row {
			logits[id] += x[i] * float64(v)
		}
	}
	return logits
}

// linear is x times weight [in, out] plus bias [out].
func (m *GPT2) linear(x []float64, name string) []float64 {
	weight, bias := m.weights[name+".weight"], m.weights[name+".bias"]
	y := make([]float64, len(bias))
	for j, b := range bias {
		y[j] = float64(b)
	}
	for i, v := range x {
		row := weight[i*len(y) : (i+1)*len(y)]
		for j, w := range row {
			y[j] += v * float64(w)
		}
	}
	return y
}

// norm is layer normalisation with the biased variance (Ba, Kiros, Hinton, Layer Normalization, 2016).
func (m *GPT2) norm(x []float64, name string) []float64 {
	gain, bias := m.weights[name+".weight"], m.weights[name+".bias"]
	mean, variance := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = (v-mean)/math.Sqrt(variance+m.config.LayerNormEpsilon)*float64(gain[i]) + float64(bias[i])
	}
	return y
}

// gelu is the tanh approximation of Hendrycks and Gimpel, Gaussian Error Linear Units (2016), section 2.
func gelu(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func softmax(x []float64) {
	high, sum := math.Inf(-1), 0.0
	for _, v := range x {
		high = max(high, v)
	}
	for i, v := range x {
		x[i] = math.Exp(v - high)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func add(x, y []float64) {
	for i, v := range y {
		x[i] += v
	}
}
