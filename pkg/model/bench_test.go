package model_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// BenchmarkBuild writes the tiny model, syncs included; bytes are those of the weights.
func BenchmarkBuild(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "m")
	for b.Loop() {
		f, err := model.Build(context.Background(), model.PresetTiny, dir, 42, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(4 * f.Config.Parameters())
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen checks a complete folder, as every run of a backend does first.
func BenchmarkOpen(b *testing.B) {
	dir := filepath.Join(b.TempDir(), "m")
	if _, err := model.Build(context.Background(), model.PresetTiny, dir, 42, nil); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := model.Open(dir); err != nil {
			b.Fatal(err)
		}
	}
}
