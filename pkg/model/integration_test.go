//go:build integration

package model_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// The slow tests run the conformance suite on GPT-2 124M too: half a minute of processor time, half a gigabyte of disk.
func init() { subjects = append(subjects, subject{"124m", full}) }

var full = sync.OnceValues(func() (*model.Folder, error) {
	dir := filepath.Join(root, model.SeededName(model.PresetGPT2))
	return model.Build(context.Background(), model.PresetGPT2, dir, model.DefaultSeed, nil)
})

func TestBuildOfGPT2IsPinned(t *testing.T) {
	const want = "c06abd4888679f7067bf24cc05985cecf4dcfa9b5d19b1fbb66b9142adfbf89b"
	if f := shared(t, full); f.WeightsSHA256 != want || f.Verify(context.Background()) != nil {
		t.Errorf("SHA-256 of the weights: saw %s (%v), want %s", f.WeightsSHA256, f.Verify(context.Background()), want)
	}
}
