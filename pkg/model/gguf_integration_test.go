//go:build integration

package model_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
)

// TestSlowGGUFTakesLittleMemory writes half a gigabyte and counts all that was allocated meanwhile, garbage included: two
// strips of 9 MB, and the header with its vocabulary.
func TestSlowGGUFTakesLittleMemory(t *testing.T) {
	f := shared(t, full)
	dir := filepath.Join(t.TempDir(), "old")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{model.MetaFile, model.ConfigFile, model.WeightsFile, model.ONNXFile, model.ONNXKVFile, model.GGUFFile} {
		if err := os.Link(filepath.Join(f.Dir, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, model.MetaFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, model.MetaFile)); err != nil { // it is also the shared folder's
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, model.MetaFile), string(data))
	older(t, dir)
	old, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := old.EnsureGGUF(context.Background(), nil); err != nil || old.GGUFSHA256 != f.GGUFSHA256 {
		t.Fatalf("saw %s (%v), want %s", old.GGUFSHA256, err, f.GGUFSHA256)
	}
	runtime.ReadMemStats(&after)
	const limit = 64 << 20
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("saw %d MiB allocated, want at most %d", got>>20, limit>>20)
	} else {
		t.Logf("%d MiB allocated", got>>20)
	}
}

func TestSlowGGUFOfGPT2HoldsTheSameWeights(t *testing.T) { checkGGUF(t, shared(t, full)) }
