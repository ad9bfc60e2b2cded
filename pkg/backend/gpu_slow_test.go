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
		if _, err := openDevice(spec, lib, target); !errors.As(err, &refused) || refused.Reason != ProviderNotTaken || !strings.Contains(refused.Detail, missing) {
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
