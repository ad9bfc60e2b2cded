package model_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/workload"
)

// words is modeltest.SmallConfig with GPT-2's vocabulary, imported; its weights all differ.
var words = sync.OnceValues(func() (*model.Folder, error) {
	src := filepath.Join(root, "words source")
	if err := os.Mkdir(src, 0o755); err != nil {
		return nil, err
	}
	c := modeltest.SmallConfig()
	c.VocabSize, c.BOSTokenID, c.EOSTokenID = workload.VocabSize, 50255, 50254
	if err := modeltest.WriteHuggingFace(src, c, modeltest.Weights(c, modeltest.Seed)); err != nil {
		return nil, err
	}
	return model.Import(context.Background(), src, filepath.Join(root, "words"), nil)
})

func readGGUF(t *testing.T, f *model.Folder) *modeltest.GGUF {
	t.Helper()
	g, err := modeltest.ReadGGUF(f.GGUFPath())
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// ggufNames are transformers' names of the tensors of a model with one layer, and llama.cpp's.
var ggufNames = map[string]string{
	"transformer.wte.weight": "token_embd.weight", "transformer.wpe.weight": "position_embd.weight",
	"transformer.h.0.ln_1.weight": "blk.0.attn_norm.weight", "transformer.h.0.ln_1.bias": "blk.0.attn_norm.bias",
	"transformer.h.0.attn.c_attn.weight": "blk.0.attn_qkv.weight", "transformer.h.0.attn.c_attn.bias": "blk.0.attn_qkv.bias",
	"transformer.h.0.attn.c_proj.weight": "blk.0.attn_output.weight", "transformer.h.0.attn.c_proj.bias": "blk.0.attn_output.bias",
	"transformer.h.0.ln_2.weight": "blk.0.ffn_norm.weight", "transformer.h.0.ln_2.bias": "blk.0.ffn_norm.bias",
	"transformer.h.0.mlp.c_fc.weight": "blk.0.ffn_up.weight", "transformer.h.0.mlp.c_fc.bias": "blk.0.ffn_up.bias",
	"transformer.h.0.mlp.c_proj.weight": "blk.0.ffn_down.weight", "transformer.h.0.mlp.c_proj.bias": "blk.0.ffn_down.bias",
	"transformer.ln_f.weight": "output_norm.weight", "transformer.ln_f.bias": "output_norm.bias",
}

func TestGGUFHoldsTheSameWeights(t *testing.T) {
	for _, s := range []subject{{"seeded", tiny}, {"imported", words}} {
		t.Run(s.name, func(t *testing.T) { checkGGUF(t, shared(t, s.get)) })
	}
}

// checkGGUF compares every tensor with that of model.safetensors.
func checkGGUF(t *testing.T, f *model.Folder) {
	t.Helper()
	g := readGGUF(t, f)
	m, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for ours, theirs := range ggufNames {
		for layer := range f.Config.NLayer {
			ours := strings.Replace(ours, ".h.0.", fmt.Sprintf(".h.%d.", layer), 1)
			theirs := strings.Replace(theirs, "blk.0.", fmt.Sprintf("blk.%d.", layer), 1)
			if err := sameTensor(ours, m.Weight(ours), g.Tensors[theirs]); err != nil {
				t.Errorf("%s: %v", theirs, err)
			}
			seen++
			if !strings.Contains(ours, ".h.") {
				break
			}
		}
	}
	if seen != len(g.Tensors) {
		t.Errorf("saw %d tensors, want %d", len(g.Tensors), seen)
	}
}

// sameTensor compares bit by bit. A linear weight, [in, out] in safetensors, must be [out, in] here.
func sameTensor(name string, want []float32, got modeltest.GGUFTensor) error {
	if len(want) == 0 || len(got.Values) != len(want) {
		return fmt.Errorf("saw %d numbers, want %d", len(got.Values), len(want))
	}
	in, out := 1, len(want)
	if len(got.Dims) == 2 && !strings.Contains(name, ".wte.") && !strings.Contains(name, ".wpe.") {
		in, out = int(got.Dims[0]), int(got.Dims[1])
	}
	for i := range in {
		for o := range out {
			if a, b := want[i*out+o], got.Values[o*in+i]; math.Float32bits(a) != math.Float32bits(b) {
				return fmt.Errorf("input %d, output %d: saw %v, want %v", i, o, b, a)
			}
		}
	}
	return nil
}

func TestGGUFSaysWhatTheModelIs(t *testing.T) {
	f := shared(t, words)
	g := readGGUF(t, f)
	c := f.Config
	for key, want := range map[string]any{
		"general.architecture": "gpt2", "general.name": "words", "general.type": "model", "general.file_type": uint32(0),
		"bh.weights_sha256":   f.WeightsSHA256,
		"gpt2.context_length": uint32(c.NPositions), "gpt2.embedding_length": uint32(c.NEmbd),
		"gpt2.feed_forward_length": uint32(40), "gpt2.block_count": uint32(c.NLayer), "gpt2.attention.head_count": uint32(c.NHead),
		"gpt2.attention.layer_norm_epsilon": float32(1e-3),
		"tokenizer.ggml.model":              "gpt2", "tokenizer.ggml.pre": "gpt-2",
		"tokenizer.ggml.bos_token_id": uint32(50255), "tokenizer.ggml.eos_token_id": uint32(50254), "tokenizer.ggml.add_bos_token": false,
	} {
		if got := g.Values[key]; got != want {
			t.Errorf("%s: saw %v (%T), want %v (%T)", key, got, got, want, want)
		}
	}
	if dims := g.Tensors["blk.0.ffn_up.weight"].Dims; !slices.Equal(dims, []uint64{24, 40}) {
		t.Errorf("blk.0.ffn_up.weight: saw %v, want the inputs first", dims)
	}
	tokens, types := g.Values["tokenizer.ggml.tokens"].([]any), g.Values["tokenizer.ggml.token_type"].([]any)
	for id, want := range map[int]string{0: "!", 220: "Ġ", 198: "Ċ", 262: "Ġthe", 50256: "<|endoftext|>"} {
		if tokens[id] != want {
			t.Errorf("token %d: saw %v, want %s", id, tokens[id], want)
		}
	}
	if len(tokens) != 50257 || len(types) != 50257 || types[262] != int32(1) || types[50256] != int32(3) {
		t.Errorf("saw %d tokens and %d types, of Ġthe %v and of EOS %v", len(tokens), len(types), types[262], types[50256])
	}
}

// The merges of OpenAI's own file, encoder.json's companion, begin and end like this.
func TestGGUFHasOpenAIsMerges(t *testing.T) {
	merges := readGGUF(t, shared(t, tiny)).Values["tokenizer.ggml.merges"].([]any)
	if len(merges) != 50000 {
		t.Fatalf("saw %d merges, want 50000", len(merges))
	}
	for i, want := range map[int]string{0: "Ġ t", 1: "Ġ a", 2: "h e", 3: "i n", 49998: "Ġinform ants", 49999: "Ġg azed"} {
		if merges[i] != want {
			t.Errorf("merge %d: saw %v, want %s", i, merges[i], want)
		}
	}
}

// What llama.cpp does with a word, and what our encoder does with it, must be the same.
func TestMergesEncodeWordsAsWeDo(t *testing.T) {
	g := readGGUF(t, shared(t, tiny))
	tokens := g.Values["tokenizer.ggml.tokens"].([]any)
	ids, ranks := map[string]int64{}, map[string]int{}
	for id, token := range tokens {
		ids[token.(string)] = int64(id)
	}
	for rank, merge := range g.Values["tokenizer.ggml.merges"].([]any) {
		ranks[merge.(string)] = rank
	}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(` ?[a-zA-Zéüßøλж東]+`).Draw(t, "word")
		want, err := workload.Encode(word)
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, b := range []byte(word) {
			id, _ := workload.TokenID([]byte{b}) // every byte is a token
			parts = append(parts, tokens[id].(string))
		}
		var got []int64
		for _, part := range merge(parts, ranks) {
			got = append(got, ids[part])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: saw %v, want %v", word, got, want)
		}
	})
}

// merge is byte-pair encoding as GPT-2's encoder.py does it: the pair with the lowest rank first.
func merge(parts []string, ranks map[string]int) []string {
	for {
		best, at := math.MaxInt, -1
		for i := range len(parts) - 1 {
			if rank, ok := ranks[parts[i]+" "+parts[i+1]]; ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			return parts
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
}

// A changed model.gguf needs a new ggufFormat, or folders keep the one they have: change both together.
func TestGGUFIsPinned(t *testing.T) {
	const want = "17eb9401f08ffcdaba3e5258a95330f4796f32a5b8038bff5fb53764db484107"
	if f := shared(t, tiny); f.GGUFSHA256 != want {
		t.Errorf("SHA-256: saw %s, want %s", f.GGUFSHA256, want)
	}
}

// older turns a folder into one of a version that knew no model.gguf.
func older(t *testing.T, dir string) {
	t.Helper()
	meta := filepath.Join(dir, model.MetaFile)
	data, err := os.ReadFile(meta)
	if err != nil {
		t.Fatal(err)
	}
	from, to := strings.Index(string(data), `    "model.gguf"`), strings.Index(string(data), `    "model.onnx"`)
	if from < 0 || to < from {
		t.Fatalf("saw %s", data)
	}
	text := string(data[:from]) + strings.Replace(string(data[to:]), ",\n  \"gguf_format\": 1", "", 1)
	if strings.Contains(text, "gguf") {
		t.Fatalf("saw %s", text)
	}
	if err := os.WriteFile(meta, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, model.GGUFFile)); err != nil {
		t.Fatal(err)
	}
}

func TestOlderFolderGetsAGGUF(t *testing.T) {
	f := private(t, tiny)
	older(t, f.Dir)
	before := modified(t, f.SafetensorsPath())
	old, err := model.Open(f.Dir)
	if err != nil || old.GGUFSHA256 != "" {
		t.Fatalf("an older folder: saw %+v, %v", old, err)
	}
	var done, total units.Bytes
	again, err := model.Build(context.Background(), model.PresetTiny, f.Dir, model.DefaultSeed, func(d, n units.Bytes) { done, total = d, n })
	if err != nil {
		t.Fatal(err)
	}
	if again.GGUFSHA256 != f.GGUFSHA256 || modified(t, f.SafetensorsPath()) != before {
		t.Errorf("saw %s, want %s and the weights untouched", again.GGUFSHA256, f.GGUFSHA256)
	}
	if info, err := os.Stat(f.GGUFPath()); err != nil || done != total || int64(done) != info.Size() {
		t.Errorf("progress ended at %d of %d (%v)", done, total, err)
	}
	if reopened, err := model.Open(f.Dir); err != nil || reopened.GGUFSHA256 != f.GGUFSHA256 {
		t.Errorf("opened again: saw %+v, %v", reopened, err)
	}
}

func TestEnsureGGUF(t *testing.T) {
	f := private(t, words)
	older(t, f.Dir)
	old, err := model.Open(f.Dir)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := old.EnsureGGUF(context.Background(), nil); err != nil || old.GGUFSHA256 != f.GGUFSHA256 {
			t.Errorf("saw %s (%v), want %s", old.GGUFSHA256, err, f.GGUFSHA256)
		}
	}
	small := shared(t, small)
	err = small.EnsureGGUF(context.Background(), nil)
	if err == nil || cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), "its vocabulary of 97 tokens is not GPT-2's") {
		t.Errorf("a vocabulary of 97: saw %v", err)
	}
	if _, err := os.Stat(small.GGUFPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a vocabulary of 97: saw a GGUF (%v)", err)
	}
}

func TestCancelledGGUFLeavesNothing(t *testing.T) {
	f := private(t, tiny)
	older(t, f.Dir)
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("enough")
	_, err := model.Build(ctx, model.PresetTiny, f.Dir, model.DefaultSeed, func(units.Bytes, units.Bytes) { cancel(stop) })
	if !errors.Is(err, stop) {
		t.Errorf("saw %v, want the cause", err)
	}
	entries, err := os.ReadDir(f.Dir)
	if err != nil || len(entries) != 5 {
		t.Errorf("saw %v, %v, want the five files of before", entries, err)
	}
}
