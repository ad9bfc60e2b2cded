package modeltest_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
)

// transformers.json holds what GPT2LMHeadModel.from_pretrained makes of the folder that WriteHuggingFace writes, on CPU in
// float32; the file names the versions.
func TestForwardPassAgreesWithTransformers(t *testing.T) {
	const tolerance = 1e-5
	var want struct {
		IDs    []int64     `json:"ids"`
		Greedy []int64     `json:"greedy"`
		Logits [][]float64 `json:"logits"`
	}
	data, err := os.ReadFile(filepath.Join("testdata", "transformers.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	m := loadSmall(t)
	worst := 0.0
	for i, row := range m.Logits(want.IDs) {
		if len(row) != len(want.Logits[i]) {
			t.Fatalf("saw %d logits, want %d", len(row), len(want.Logits[i]))
		}
		for id, v := range row {
			worst = max(worst, math.Abs(v-want.Logits[i][id]))
		}
	}
	if len(want.IDs) != len(want.Logits) || worst > tolerance || math.IsNaN(worst) {
		t.Errorf("max abs difference %g over %d positions, want at most %g", worst, len(want.Logits), tolerance)
	}
	if got := m.Greedy(want.IDs, len(want.Greedy)); !slices.Equal(got, want.Greedy) {
		t.Errorf("greedy decoding: saw %v, want %v", got, want.Greedy)
	}
}

func loadSmall(t *testing.T) *modeltest.GPT2 {
	t.Helper()
	src, c := t.TempDir(), modeltest.SmallConfig()
	if err := modeltest.WriteHuggingFace(src, c, modeltest.Weights(c, modeltest.Seed)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Import(context.Background(), src, filepath.Join(t.TempDir(), "small"), nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := modeltest.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
