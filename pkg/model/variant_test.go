package model_test

import (
	"bytes"
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// TestVariantsShareTheWeights: a variant refers to the same bytes as model.onnx, also where it computes in float16.
func TestVariantsShareTheWeights(t *testing.T) {
	f := shared(t, small)
	file, err := os.ReadFile(f.ONNXPath())
	if err != nil {
		t.Fatal(err)
	}
	references := bytes.Count(file, []byte(model.WeightsFile))
	for _, v := range []model.Variant{{}, {Half: true}, {Cache: model.NextCache}, {Cache: model.FirstCache, Half: true}} {
		g, err := f.Graph(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Count(g.ONNX, []byte(model.WeightsFile)); got != references {
			t.Errorf("%+v: saw %d references to %s, want %d", v, got, model.WeightsFile, references)
		}
		if !bytes.Contains(g.ONNX, []byte(model.LastLogits)) {
			t.Errorf("%+v: has no output %s", v, model.LastLogits)
		}
		past := bytes.Contains(g.ONNX, []byte(model.PastKey(0)))
		present := bytes.Contains(g.ONNX, []byte(model.PresentKey(0)))
		if past != (v.Cache == model.NextCache) || present != (v.Cache != model.NoCache) {
			t.Errorf("%+v: past %v, present %v", v, past, present)
		}
		want := []string{"Concat_1", "Concat_2", "Shape_1", "Shape_2", "Shape_3", "Squeeze_1"}
		if past {
			want = append(want, "Sub_1") // how many are cached
		}
		if got := slices.Sorted(maps.Keys(g.Shapes)); !slices.Equal(got, want) {
			t.Errorf("%+v: nodes that compute with dimensions: saw %v, want %v", v, got, want)
		}
	}
}
