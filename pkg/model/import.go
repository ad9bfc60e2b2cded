package model

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// lmHead is the output projection, which some writers store although it is tied to the token embedding.
const lmHead = "lm_head.weight"

// maskBuffer matches the causal masks that older versions of transformers stored among the weights.
var maskBuffer = regexp.MustCompile(`^(transformer\.)?h\.\d+\.attn\.(bias|masked_bias)$`)

// Import makes a model folder at dstDir, named after dstDir's last element, from the Hugging Face GPT-2 folder srcDir
// (config.json and model.safetensors). F16 and BF16 weights are widened to F32; names may lack "transformer."; mask
// buffers are dropped, as is an output projection equal to the token embedding. A folder that Build made keeps its seed and
// the ending of its name. dstDir must not exist, or be empty. What is wrong in srcDir is bad input (exit 2). progress may
// be nil.
func Import(ctx context.Context, srcDir, dstDir string, progress Progress) (*Folder, error) {
	c, err := readConfig(filepath.Join(srcDir, ConfigFile))
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dstDir)
	if err != nil {
		return nil, fmt.Errorf("import to %s: %w", dstDir, err)
	}
	src, err := openWeights(filepath.Join(srcDir, WeightsFile), c)
	if err != nil {
		return nil, err
	}
	defer src.file.Close() //nolint:errcheck // opened for reading
	w := writer{dir: dstDir, name: filepath.Base(abs), config: c, from: src.values, progress: progress}
	w.config.TorchDType = "float32"
	if err := w.keepSeed(srcDir); err != nil {
		return nil, err
	}
	if err := empty(dstDir); err != nil {
		return nil, err
	}
	if err := src.checkHead(ctx); err != nil {
		return nil, err
	}
	if err := w.write(ctx); err != nil {
		return nil, fmt.Errorf("import %s to %s: %w", srcDir, dstDir, err)
	}
	return Open(dstDir)
}

// keepSeed marks the model as seeded where the source is a folder that Build made, so that importing does not turn random
// weights into anonymous ones.
func (w *writer) keepSeed(srcDir string) error {
	m, err := readMeta(srcDir)
	switch {
	case errors.Is(err, errNoMeta):
		return nil
	case err != nil:
		return cli.BadInput(err)
	}
	if w.seed = m.Seed; w.seed != nil {
		w.name = strings.TrimSuffix(w.name, SeededSuffix) + SeededSuffix
	}
	return nil
}

// empty refuses a destination that holds anything.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && len(entries) == 0:
		return nil
	case err != nil:
		return cli.BadInputf("import to: %w", err)
	}
	return cli.BadInputf("import to %s: saw files there, want a new or empty folder", dir)
}

// imported is an open safetensors file whose tensors were found to be those of a configuration.
type imported struct {
	path    string
	file    *os.File
	tensors map[string]safetensors.Tensor // by full name
}

// openWeights checks the file's header against the configuration.
func openWeights(path string, c Config) (*imported, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	src := &imported{path: path, file: file, tensors: map[string]safetensors.Tensor{}}
	if err := src.readTensors(c); err != nil {
		return nil, errors.Join(cli.BadInputf("%s: %w", path, err), file.Close())
	}
	return src, nil
}

func (src *imported) readTensors(c Config) error {
	info, err := src.file.Stat()
	if err != nil {
		return err
	}
	h, err := safetensors.Read(src.file, info.Size())
	if err != nil {
		return err
	}
	for _, t := range h.Tensors {
		if maskBuffer.MatchString(t.Name) {
			continue
		}
		name := t.Name
		if name != lmHead && !strings.HasPrefix(name, prefix) {
			name = prefix + name
		}
		if other, twice := src.tensors[name]; twice {
			return fmt.Errorf("tensor %s: saw it also as %s, want it once", t.Name, other.Name)
		}
		src.tensors[name] = t
	}
	return src.match(c)
}

// match demands the tensors of the architecture, each of the right shape and of a type that can be widened, and no others.
func (src *imported) match(c Config) error {
	want := c.tensors()
	if head, ok := src.tensors[lmHead]; ok {
		if err := checkTensor(head, []int64{int64(c.VocabSize), int64(c.NEmbd)}); err != nil {
			return err
		}
	}
	known := map[string]bool{lmHead: true}
	for _, t := range want {
		known[t.name] = true
		got, ok := src.tensors[t.name]
		if !ok {
			return fmt.Errorf("tensor %s: saw none, want shape %s", t.name, safetensors.FormatShape(t.shape))
		}
		if err := checkTensor(got, t.shape); err != nil {
			return err
		}
	}
	for name, t := range src.tensors {
		if !known[name] {
			return fmt.Errorf("tensor %s: saw one that GPT-2 with %d layers does not have", t.Name, c.NLayer)
		}
	}
	return nil
}

func checkTensor(t safetensors.Tensor, shape []int64) error {
	if !slices.Equal(t.Shape, shape) {
		return fmt.Errorf("tensor %s: saw shape %s, want %s",
			t.Name, safetensors.FormatShape(t.Shape), safetensors.FormatShape(shape))
	}
	switch t.DType {
	case safetensors.F32, safetensors.F16, safetensors.BF16:
		return nil
	}
	return fmt.Errorf("tensor %s: saw dtype %s, want F32, F16 or BF16", t.Name, t.DType)
}

// values is the source of the imported weights.
func (src *imported) values(t tensor) func([]float32) error {
	return src.reader(src.tensors[t.name])
}

// reader reads a tensor from its start, len(dst) numbers a call, and refuses NaN and infinity: every logit would be NaN.
func (src *imported) reader(t safetensors.Tensor) func(dst []float32) error {
	var raw []byte
	at := int64(0)
	return func(dst []float32) error {
		raw = slices.Grow(raw[:0], len(dst)*int(t.DType.Size()))[:len(dst)*int(t.DType.Size())]
		if _, err := src.file.ReadAt(raw, t.Offset+at*t.DType.Size()); err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if err := safetensors.Widen(dst, t.DType, raw); err != nil {
			return err
		}
		for i, v := range dst {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				return cli.BadInputf("%s: tensor %s: element %d: saw %v, want a finite number", src.path, t.Name, at+int64(i), v)
			}
		}
		at += int64(len(dst))
		return nil
	}
}

// checkHead demands that a stored output projection equals the token embedding, as the graphs use only that.
func (src *imported) checkHead(ctx context.Context) error {
	head, ok := src.tensors[lmHead]
	if !ok {
		return nil
	}
	embedding := src.tensors[tokenEmbedding]
	nextHead, nextEmbedding := src.reader(head), src.reader(embedding)
	a, b := make([]float32, chunk), make([]float32, chunk)
	for done := int64(0); done < head.Elements(); done += chunk {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(chunk, head.Elements()-done)
		if err := errors.Join(nextHead(a[:n]), nextEmbedding(b[:n])); err != nil {
			return err
		}
		if !slices.Equal(a[:n], b[:n]) {
			return cli.BadInputf("%s: tensor %s differs from %s: an untied output projection is not supported",
				src.path, head.Name, embedding.Name)
		}
	}
	return nil
}
