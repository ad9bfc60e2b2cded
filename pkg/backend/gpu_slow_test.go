//go:build integration

package backend

import (
	"errors"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/model/modeltest"
	"github.com/banterhearts/bh/pkg/ortlib"
	"github.com/banterhearts/bh/pkg/record"
)

// TestSlowTheGPUBuildIsReal fetches the GPU build, runs the model with it on the host, and asks it for its providers: with
// no libraries of CUDA loaded, it must refuse them and name the first that it misses.
func TestSlowTheGPUBuildIsReal(t *testing.T) {
	lib, err := ortlib.FetchGPU(t.Context(), func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	f := smallModel(t, 0)
	ref, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{ModelDir: f.Dir, Precision: "fp32", Threads: 1}
	e, err := openDevice(spec, lib, onHost("fp32", false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the jobs' own
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	prompt := []int64{3, 1, 4, 1, 5}
	got := do(t, e, record.GenerateCached, batchOf(prompt))
	if want := [][]int64{ref.Greedy(prompt, newTokens)}; !equalTokens(got.Output, want) {
		t.Errorf("saw %v, want %v", got.Output, want)
	}
	if findGPU("/") == nil {
		return // here CUDA may well be loaded; the conformance suite runs it
	}
	for missing, target := range map[string]target{"libcublasLt.so.13": cudaTarget(spec), "libcublas.so.13": tensorRTTarget(spec, f)} {
		var refused *Unavailable
		_, err := openDevice(spec, lib, target)
		if !errors.As(err, &refused) || refused.Reason != ProviderNotTaken || !strings.Contains(refused.Detail, missing) {
			t.Errorf("%s: saw %v, want it to miss %s", target.provider, err, missing)
		}
	}
	needs, err := ortlib.SystemLinker().Needs([]string{lib.CUDA(), lib.TensorRT()})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range needs.Missing {
		names = append(names, m.Name)
	}
	for _, want := range []string{"libcuda.so.1", "libnvinfer.so.10"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("missing here: saw %v, want %s among them", names, want)
		}
	}
}

// TestSlowOnAGPU is for machines that have one; elsewhere TestWithoutAGPUTheReasonIsSaid holds what is said instead. Tokens
// must be those of the plain forward pass, all nodes must be the provider's, and float16 must be near.
func TestSlowOnAGPU(t *testing.T) {
	f := smallModel(t, 0)
	ref, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	prompts := [][]int64{{8}, {3, 1, 4, 1, 5}, {2, 7}}
	var want [][]int64
	for _, p := range prompts {
		want = append(want, ref.Greedy(p, newTokens))
	}
	for _, name := range []string{"onnxruntime-gpu", "tensorrt"} {
		t.Run(name, func(t *testing.T) {
			b, _ := Lookup(name)
			if err := b.Check(); err != nil {
				t.Skip(err)
			}
			logits := map[string][]float32{}
			for _, precision := range []string{"fp32", "fp16"} {
				e, err := b.Open(t.Context(), Spec{ModelDir: f.Dir, Precision: precision, Threads: 1})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := e.Close(); err != nil {
						t.Error(err)
					}
				})
				t.Logf("%s: %v", precision, e.Info())
				logits[precision] = lastLogits(t, e, Task{Mode: record.Prefill, Prompt: batchOf(prompts...)})
				for _, mode := range []record.Mode{record.Generate, record.GenerateCached} {
					got := do(t, e, mode, batchOf(prompts...))
					if precision == "fp32" && !equalTokens(got.Output, want) {
						t.Errorf("%s: saw %v, want %v", mode, got.Output, want)
					}
					if got.Flags != nil {
						t.Errorf("%s %s: saw flags %v", precision, mode, got.Flags)
					}
				}
			}
			near(t, logits["fp16"], logits["fp32"])
		})
	}
}
