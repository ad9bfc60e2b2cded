package model_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/model/safetensors"
)

// source writes a Hugging Face folder of the small model after change had its way with the tensors.
func source(t *testing.T, change func(map[string]*modeltest.Tensor) []modeltest.Tensor) string {
	t.Helper()
	dir, c := t.TempDir(), modeltest.SmallConfig()
	list := modeltest.Weights(c, modeltest.Seed)
	byName := map[string]*modeltest.Tensor{}
	for i := range list {
		byName[list[i].Name] = &list[i]
	}
	var extra []modeltest.Tensor
	if change != nil {
		extra = change(byName)
	}
	if err := modeltest.WriteHuggingFace(dir, c, append(extra, list...)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func head(of *modeltest.Tensor) modeltest.Tensor {
	return modeltest.Tensor{Name: "lm_head.weight", DType: of.DType, Shape: of.Shape, Values: of.Values}
}

// What real files differ in must not show in the result: every variant gives the bytes of the plain one.
func TestImportOfVariantsGivesTheSameWeights(t *testing.T) {
	want := shared(t, small).WeightsSHA256
	for name, change := range map[string]func(map[string]*modeltest.Tensor) []modeltest.Tensor{
		"names without prefix": func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			for _, w := range m {
				w.Name = strings.TrimPrefix(w.Name, "transformer.")
			}
			return nil
		},
		"mask buffers": func(map[string]*modeltest.Tensor) []modeltest.Tensor {
			return []modeltest.Tensor{
				{Name: "h.0.attn.bias", DType: safetensors.F32, Shape: []int64{1, 1, 2, 2}, Values: []float32{1, 0, 1, 1}},
				{Name: "transformer.h.1.attn.masked_bias", DType: safetensors.F32, Values: []float32{-1e4}},
			}
		},
		"tied head": func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			return []modeltest.Tensor{head(m["transformer.wte.weight"])}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := model.Import(context.Background(), source(t, change), filepath.Join(t.TempDir(), "m"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if f.WeightsSHA256 != want {
				t.Errorf("SHA-256 of the weights: saw %s, want %s", f.WeightsSHA256, want)
			}
			if f.Name != "m" || f.Seed != nil || !reflect.DeepEqual(f.Config, modeltest.SmallConfig()) {
				t.Errorf("saw %+v", f)
			}
		})
	}
}

func TestImportWidensHalfPrecision(t *testing.T) {
	for dtype, step := range map[safetensors.DType]float64{safetensors.F16: 1.0 / (1 << 10), safetensors.BF16: 1.0 / (1 << 7)} {
		src := source(t, func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			for _, w := range m {
				w.DType = dtype
			}
			return nil
		})
		f, err := model.Import(context.Background(), src, filepath.Join(t.TempDir(), "m"), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := modeltest.Load(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range modeltest.Weights(modeltest.SmallConfig(), modeltest.Seed) {
			for i, v := range got.Weight(w.Name) {
				want := float64(w.Values[i])
				if diff := math.Abs(float64(v) - want); diff > step*math.Abs(want)+1.0/(1<<14) {
					t.Fatalf("%s: %s[%d]: saw %v, want %v cut to the type", dtype, w.Name, i, v, want)
				}
			}
		}
	}
}

func TestImportRefuses(t *testing.T) {
	one := func(name string, change func(*modeltest.Tensor)) func(map[string]*modeltest.Tensor) []modeltest.Tensor {
		return func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			change(m["transformer."+name])
			return nil
		}
	}
	for name, c := range map[string]struct {
		change func(map[string]*modeltest.Tensor) []modeltest.Tensor
		want   string
	}{
		"NaN": {one("h.1.ln_2.bias", func(w *modeltest.Tensor) { w.Values[3] = float32(math.NaN()) }),
			"model.safetensors: tensor transformer.h.1.ln_2.bias: element 3: saw NaN"},
		"infinity": {one("wpe.weight", func(w *modeltest.Tensor) { w.Values[0] = float32(math.Inf(-1)) }),
			"tensor transformer.wpe.weight: element 0: saw -Inf"},
		"dtype": {one("ln_f.bias", func(w *modeltest.Tensor) { w.DType = "I32" }), "tensor transformer.ln_f.bias: saw dtype I32"},
		"shape": {one("h.0.attn.c_attn.weight", func(w *modeltest.Tensor) { w.Shape = []int64{72, 24} }),
			"tensor transformer.h.0.attn.c_attn.weight: saw shape [72 24], want [24 72]"},
		"missing": {one("h.2.mlp.c_fc.bias", func(w *modeltest.Tensor) { w.Name = "h.0.attn.bias" }),
			"tensor transformer.h.2.mlp.c_fc.bias: saw none, want shape [40]"},
		"unknown": {func(map[string]*modeltest.Tensor) []modeltest.Tensor {
			return []modeltest.Tensor{{Name: "h.3.ln_1.bias", DType: safetensors.F32, Shape: []int64{1}, Values: []float32{0}}}
		}, "tensor h.3.ln_1.bias: saw one that GPT-2 with 3 layers does not have"},
		"both names": {func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			again := *m["transformer.ln_f.bias"]
			again.Name = "ln_f.bias"
			return []modeltest.Tensor{again}
		}, "tensor transformer.ln_f.bias: saw it also as ln_f.bias"},
		"untied head": {func(m map[string]*modeltest.Tensor) []modeltest.Tensor {
			h := head(m["transformer.wte.weight"])
			h.Values = append([]float32(nil), h.Values...)
			h.Values[len(h.Values)-1]++
			return []modeltest.Tensor{h}
		}, "tensor lm_head.weight differs from transformer.wte.weight"},
		"head shape": {func(map[string]*modeltest.Tensor) []modeltest.Tensor {
			return []modeltest.Tensor{{Name: "lm_head.weight", DType: safetensors.F32, Shape: []int64{1}, Values: []float32{0}}}
		}, "tensor lm_head.weight: saw shape [1]"},
	} {
		t.Run(name, func(t *testing.T) { refused(t, source(t, c.change), filepath.Join(t.TempDir(), "m"), c.want) })
	}
}

// refused demands bad input, a message with want in it, and that nothing was left of the attempt.
func refused(t *testing.T, src, dst, want string) {
	t.Helper()
	before := entries(t, filepath.Dir(dst))
	_, err := model.Import(context.Background(), src, dst, nil)
	if err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("saw error %v with exit code %d, want %q with 2", err, cli.ExitCode(err), want)
	}
	if after := entries(t, filepath.Dir(dst)); after != before {
		t.Errorf("saw %d entries in the destination's folder, want %d as before", after, before)
	}
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestImportRefusesBrokenFolders(t *testing.T) {
	for name, c := range map[string]struct {
		damage damage
		want   string
	}{
		"no folder":      {removing("."), "config.json: no such file"},
		"no weights":     {removing(model.WeightsFile), "model.safetensors: no such file"},
		"empty weights":  {cutting(model.WeightsFile, 0), "saw a file of 0 bytes"},
		"cut header":     {cutting(model.WeightsFile, 100), "safetensors header length: saw"},
		"cut data":       {cutting(model.WeightsFile, 20000), "inside the file's"},
		"other model":    {editing(model.ConfigFile, `"gpt2"`, `"llama"`), `config.json: field model_type: saw "llama", want "gpt2"`},
		"fewer layers":   {editing(model.ConfigFile, `"n_layer":3`, `"n_layer":2`), "GPT-2 with 2 layers does not have"},
		"broken marking": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, model.MetaFile), "{") }, "bh_model.json: unexpected"},
	} {
		t.Run(name, func(t *testing.T) {
			src := source(t, nil)
			c.damage(t, src)
			refused(t, src, filepath.Join(t.TempDir(), "m"), c.want)
		})
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestImportRefusesAFullDestination(t *testing.T) {
	dst := t.TempDir()
	write(t, filepath.Join(dst, "notes.txt"), "mine")
	refused(t, source(t, nil), dst, "saw files there, want a new or empty folder")
	src := source(t, nil)
	refused(t, src, src, "saw files there")
}

// Random weights stay marked as such, whatever they are imported as.
func TestImportOfASeededFolderStaysSeeded(t *testing.T) {
	src := shared(t, tiny)
	f, err := model.Import(context.Background(), src.Dir, filepath.Join(t.TempDir(), "gpt2"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if f.Name != "gpt2-seeded" || f.Seed == nil || *f.Seed != *src.Seed || f.WeightsSHA256 != src.WeightsSHA256 {
		t.Errorf("saw name %s, seed %v, weights %s", f.Name, f.Seed, f.WeightsSHA256)
	}
}
