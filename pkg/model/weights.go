package model

import (
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/banterhearts/bh/pkg/model/safetensors"
	"github.com/banterhearts/bh/pkg/units"
)

// initialiser is how the weights of a tensor start: normal with mean 0 and the given deviation, or constant where the
// deviation is 0.
type initialiser struct{ deviation, constant float64 }

// tensor is one weight of the architecture, with the name that GPT2LMHeadModel gives it.
type tensor struct {
	name  string
	shape []int64
	init  initialiser
}

// The tensors of the embeddings and of the last layer norm. The output projection is tied to tokenEmbedding.
const (
	prefix            = "transformer."
	tokenEmbedding    = prefix + "wte.weight" // [vocabulary, n_embd]
	positionEmbedding = prefix + "wpe.weight" // [n_positions, n_embd]
	finalNorm         = prefix + "ln_f"
)

// blockPrefix starts the names of the tensors of a layer.
func blockPrefix(layer int) string { return fmt.Sprintf("%sh.%d.", prefix, layer) }

// tensors lists the weights in the order of the file: that of a forward pass. Linear weights are [in, out] (transformers'
// Conv1D), so a graph multiplies by them as they are stored. The deviations are those of GPT-2's initialiser
// (Radford et al., Language Models are Unsupervised Multitask Learners, 2019, section 2.3): residual projections are
// scaled down by the square root of the number of residual layers.
func (c Config) tensors() []tensor {
	e, inner := int64(c.NEmbd), int64(c.Inner())
	normal := initialiser{deviation: c.InitializerRange}
	residual := initialiser{deviation: c.InitializerRange / math.Sqrt(2*float64(c.NLayer))}
	list := []tensor{
		{tokenEmbedding, []int64{int64(c.VocabSize), e}, normal},
		{positionEmbedding, []int64{int64(c.NPositions), e}, normal},
	}
	for layer := range c.NLayer {
		p := blockPrefix(layer)
		list = append(list, norm(p+"ln_1", e)...)
		list = append(list, linear(p+"attn.c_attn", e, 3*e, normal)...)
		list = append(list, linear(p+"attn.c_proj", e, e, residual)...)
		list = append(list, norm(p+"ln_2", e)...)
		list = append(list, linear(p+"mlp.c_fc", e, inner, normal)...)
		list = append(list, linear(p+"mlp.c_proj", inner, e, residual)...)
	}
	return append(list, norm(finalNorm, e)...)
}

func linear(name string, in, out int64, weight initialiser) []tensor {
	return []tensor{{name + ".weight", []int64{in, out}, weight}, {name + ".bias", []int64{out}, initialiser{}}}
}

func norm(name string, width int64) []tensor {
	one := initialiser{constant: 1}
	return []tensor{{name + ".weight", []int64{width}, one}, {name + ".bias", []int64{width}, initialiser{}}}
}

// layout is where the weights of c stand in model.safetensors. It depends on c alone.
func (c Config) layout() (*safetensors.Layout, error) {
	var list []safetensors.Tensor
	for _, t := range c.tensors() {
		list = append(list, safetensors.Tensor{Name: t.name, DType: safetensors.F32, Shape: t.shape})
	}
	return safetensors.NewLayout(map[string]string{"format": "pt"}, list)
}

// source gives the values of a tensor: each call of the function it returns fills dst with the next len(dst) of them.
type source func(t tensor) (next func(dst []float32) error)

// seeded draws each tensor from a random stream of its own, chosen by seed and the tensor's name, so that the tensors can
// be filled in any order and at the same time.
func seeded(seed uint64) source {
	return func(t tensor) func([]float32) error {
		name := fnv.New64a()
		_, _ = name.Write([]byte(t.name)) // a hash never fails
		random := rand.New(rand.NewPCG(seed, name.Sum64()))
		return func(dst []float32) error {
			for i := range dst {
				dst[i] = float32(t.init.constant)
				if t.init.deviation > 0 {
					dst[i] = float32(random.NormFloat64() * t.init.deviation)
				}
			}
			return nil
		}
	}
}

// chunk is how many numbers are converted and written at once.
const chunk = 1 << 18

// writeWeights writes a whole model.safetensors to w, several tensors at a time, holding one chunk of each.
func writeWeights(ctx context.Context, w io.WriterAt, c Config, from source, count *counter) error {
	l, err := c.layout()
	if err != nil {
		return err
	}
	if _, err := w.WriteAt(l.Bytes, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	count.add(l.DataStart)
	var workers sync.WaitGroup
	jobs := placed(c.tensors(), l)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for j := range jobs {
				if err := writeTensor(ctx, w, j, from(j.tensor), count); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}

// job is a tensor to be written at offset.
type job struct {
	tensor
	at safetensors.Tensor
}

// placed hands out the tensors, largest first so that no worker is left alone with the token embedding at the end.
func placed(tensors []tensor, l *safetensors.Layout) <-chan job {
	jobs := make(chan job, len(tensors))
	list := make([]job, len(tensors))
	for i, t := range tensors {
		list[i] = job{t, l.Tensors[i]}
	}
	slices.SortStableFunc(list, func(a, b job) int { return int(b.at.Length - a.at.Length) })
	for _, j := range list {
		jobs <- j
	}
	close(jobs)
	return jobs
}

func writeTensor(ctx context.Context, w io.WriterAt, j job, next func([]float32) error, count *counter) error {
	values, raw := make([]float32, chunk), make([]byte, 4*chunk)
	for done := int64(0); done < j.at.Elements(); {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(chunk, j.at.Elements()-done)
		if err := next(values[:n]); err != nil {
			return err
		}
		safetensors.Encode(raw, values[:n])
		if _, err := w.WriteAt(raw[:4*n], j.at.Offset+4*done); err != nil {
			return err
		}
		done += n
		count.add(4 * n)
	}
	return nil
}

// counter adds up the bytes that the workers write.
type counter struct {
	mu          sync.Mutex
	done, total int64
	tell        Progress
}

func (c *counter) add(n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += n
	if c.tell != nil {
		c.tell(units.Bytes(c.done), units.Bytes(c.total))
	}
}
