//go:build integration

package model_test

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/banterhearts/bh/pkg/model"
)

// The slow tests run the conformance suite on GPT-2 124M too: half a minute of processor time, half a gigabyte of disk.
func init() {
	subjects = append(subjects, subject{"124m", sync.OnceValues(func() (*model.Folder, error) {
		dir := filepath.Join(root, model.SeededName(model.PresetGPT2))
		return model.Build(context.Background(), model.PresetGPT2, dir, model.DefaultSeed, nil)
	})})
}
