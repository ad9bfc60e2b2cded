package backend

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

const newTokens = 6

// smallModel makes a model folder whose greedy decoding wanders, with eos as the end of sequence.
func smallModel(t *testing.T, eos int64) *model.Folder {
	t.Helper()
	cfg := modeltest.SmallConfig()
	cfg.EOSTokenID, cfg.BOSTokenID = eos, eos
	src := t.TempDir()
	if err := modeltest.WriteHuggingFace(src, cfg, modeltest.Weights(cfg, 7)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Import(t.Context(), src, filepath.Join(t.TempDir(), "small"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// openSmall opens a model with ONNX Runtime, which `make test` puts where the tests find it.
func openSmall(t *testing.T, f *model.Folder, settings map[string]string) Engine {
	t.Helper()
	if _, err := ortlib.Find(); err != nil {
		t.Fatalf("%v; `make test` fetches it", err)
	}
	b, _ := Lookup("onnxruntime-cpu")
	e, err := b.Open(t.Context(), Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 2, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// do prepares a task and runs it twice, which must give the same.
func do(t *testing.T, e Engine, mode record.Mode, p workload.Prompt) Result {
	t.Helper()
	job, err := e.Prepare(Task{Mode: mode, Prompt: p, MaxNewTokens: newTokens})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := job.Close(); err != nil {
			t.Error(err)
		}
	})
	first, err := job.Run()
	if err != nil {
		t.Fatal(err)
	}
	tokens := copyTokens(first.Output)
	second, err := job.Run()
	if err != nil {
		t.Fatal(err)
	}
	if !equalTokens(tokens, second.Output) {
		t.Errorf("%s: two runs gave %v and %v", mode, tokens, second.Output)
	}
	if second.Latency <= 0 {
		t.Errorf("%s: latency %s", mode, second.Latency)
	}
	second.Output = tokens
	return second
}

func copyTokens(in [][]int64) [][]int64 {
	out := make([][]int64, len(in))
	for i := range in {
		out[i] = slices.Clone(in[i])
	}
	return out
}

func equalTokens(a, b [][]int64) bool { return slices.EqualFunc(a, b, slices.Equal[[]int64]) }

// batchOf pads prompts on the left.
func batchOf(prompts ...[]int64) workload.Prompt {
	long := 0
	for _, p := range prompts {
		long = max(long, len(p))
	}
	var out workload.Prompt
	for _, p := range prompts {
		ids, mask := make([]int64, long), make([]int64, long)
		copy(ids[long-len(p):], p)
		for i := long - len(p); i < long; i++ {
			mask[i] = 1
		}
		out.IDs, out.Mask = append(out.IDs, ids), append(out.Mask, mask)
	}
	return out
}

// TestModesAgreeWithThePlainForwardPass compares the tokens of all modes with those of the independent Go model, for
// single prompts, batches and batches with padding.
func TestModesAgreeWithThePlainForwardPass(t *testing.T) {
	const noEOS = 0 // a token that none of these prompts leads to, as the reference would then stop early
	f := smallModel(t, noEOS)
	ref, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	e := openSmall(t, f, nil)
	for name, prompts := range map[string][][]int64{
		"one token": {{5}},
		"single":    {{3, 1, 4, 1, 5, 9, 2, 6}},
		"batch":     {{3, 1, 4}, {2, 7, 1}, {9, 9, 9}},
		"padded":    {{8}, {3, 1, 4, 1, 5}, {2, 7}},
	} {
		var want [][]int64
		for _, p := range prompts {
			w := ref.Greedy(p, newTokens)
			if len(w) != newTokens {
				t.Fatalf("%s: the reference met EOS after %d tokens: choose another prompt", name, len(w))
			}
			want = append(want, w)
		}
		p := batchOf(prompts...)
		prefill := do(t, e, record.Prefill, p)
		for i := range want {
			if prefill.Output[i][0] != want[i][0] {
				t.Errorf("%s: prefill of sequence %d chose %d, want %d", name, i, prefill.Output[i][0], want[i][0])
			}
		}
		for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
			got := do(t, e, mode, p)
			if !equalTokens(got.Output, want) {
				t.Errorf("%s, %s: saw %v, want %v", name, mode, got.Output, want)
			}
			if got.Generated != int64(newTokens*len(prompts)) || len(got.ITL) != newTokens-1 || got.TTFT <= 0 {
				t.Errorf("%s, %s: saw %d tokens, %d gaps, first after %s", name, mode, got.Generated, len(got.ITL), got.TTFT)
			}
			sum := got.TTFT
			for _, gap := range got.ITL {
				sum += gap
			}
			if sum != got.Latency {
				t.Errorf("%s, %s: first token and gaps sum to %s, latency is %s", name, mode, sum, got.Latency)
			}
		}
	}
}

// lateToken finds a prompt whose third new token is none of the first two, and that token.
func lateToken(t *testing.T, ref *modeltest.GPT2) (prompt []int64, token int64) {
	t.Helper()
	for first := int64(1); first < 90; first++ {
		prompt = []int64{first, 1, 4}
		got := ref.Greedy(prompt, newTokens)
		if len(got) == newTokens && !slices.Contains(got[:2], got[2]) {
			return prompt, got[2]
		}
	}
	t.Fatal("no prompt leads to a third token that is new")
	return nil, 0
}

// TestEOSEndsASequence makes the third token that a prompt leads to the end of sequence: that sequence ends there, the
// other goes on, and both are as if they were alone.
func TestEOSEndsASequence(t *testing.T) {
	ref, err := modeltest.Load(smallModel(t, 0))
	if err != nil {
		t.Fatal(err)
	}
	prompt, eos := lateToken(t, ref)
	f := smallModel(t, eos)
	if ref, err = modeltest.Load(f); err != nil {
		t.Fatal(err)
	}
	other := []int64{9, 9, 9}
	want := [][]int64{ref.Greedy(prompt, newTokens), ref.Greedy(other, newTokens)}
	if len(want[0]) != 3 || len(want[1]) == 3 {
		t.Fatalf("the prompts lead to %v: choose others", want)
	}
	e := openSmall(t, f, nil)
	for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
		both := do(t, e, mode, batchOf(prompt, other))
		if !equalTokens(both.Output, want) || both.Generated != int64(len(want[0])+len(want[1])) {
			t.Errorf("%s: saw %v and %d tokens, want %v", mode, both.Output, both.Generated, want)
		}
		alone := do(t, e, mode, batchOf(prompt))
		if !equalTokens(alone.Output, want[:1]) || len(alone.ITL) != 2 {
			t.Errorf("%s alone: saw %v with %d gaps, want %v with 2", mode, alone.Output, len(alone.ITL), want[:1])
		}
	}
}

func TestGraphOptimizationLevelsGiveTheSameTokens(t *testing.T) {
	f := smallModel(t, 0)
	p := batchOf([]int64{3, 1, 4, 1, 5}, []int64{2, 7})
	var first Result
	for i, level := range []string{"all", "extended", "basic", "disable"} {
		got := do(t, openSmall(t, f, map[string]string{graphOptimization: level}), record.GenerateCached, p)
		if i == 0 {
			first = got
		} else if !equalTokens(got.Output, first.Output) {
			t.Errorf("%s: saw %v, want %v", level, got.Output, first.Output)
		}
	}
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	b, _ := Lookup("onnxruntime-cpu")
	var missing *Unavailable
	if _, err := b.Open(t.Context(), Spec{ModelDir: t.TempDir(), Threads: 1}); !errors.As(err, &missing) || missing.Reason != ModelNotFound {
		t.Errorf("empty model folder: saw %v", err)
	}
	t.Setenv(ortlib.EnvVar, filepath.Join(t.TempDir(), "none.so"))
	if err := b.Check(); !errors.As(err, &missing) || missing.Reason != LibraryNotFound || missing.Remedy == "" {
		t.Errorf("check without the library: saw %v", err)
	}
	if _, err := b.Open(t.Context(), Spec{}); !errors.As(err, &missing) || missing.Reason != LibraryNotFound {
		t.Errorf("open without the library: saw %v", err)
	}
}

func TestInfoNamesVersionAndWeights(t *testing.T) {
	f := smallModel(t, 0)
	info := openSmall(t, f, nil).Info()
	if info["library"] != "onnxruntime "+ortlib.Version || info["weights"] != f.WeightsSHA256 {
		t.Errorf("saw %v", info)
	}
}
