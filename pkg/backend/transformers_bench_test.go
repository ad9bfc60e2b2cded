//go:build integration

package backend_test

import (
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/record"
)

// BenchmarkRoundTripTransformers is what a measured window costs beside the work in it: a request to the worker in Python
// and its answer, less the pass over the model, here a small one. Package worker has the same for the worker in Go.
func BenchmarkRoundTripTransformers(b *testing.B) {
	c, _ := openPython(b, "transformers-cpu", oddModel(b, 1).Dir, nil)
	task := backend.Task{Mode: record.Prefill, Prompt: padded([]int64{1, 2, 3})}
	if err := c.Prepare(b.Context(), "cell", task, slowLimit); err != nil {
		b.Fatal(err)
	}
	var beside []time.Duration
	for b.Loop() {
		start := time.Now()
		w, err := c.Measure(b.Context(), "cell", 0, slowLimit)
		if err != nil {
			b.Fatal(err)
		}
		beside = append(beside, time.Since(start)-time.Duration(w.IterationNS[0]))
	}
	slices.Sort(beside)
	b.ReportMetric(float64(beside[len(beside)/2]), "beside-p50-ns")
	b.ReportMetric(float64(beside[len(beside)*95/100]), "beside-p95-ns")
}
