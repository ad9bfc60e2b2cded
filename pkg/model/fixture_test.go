package model_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
)

// root holds the model folders that tests only read; its name has a space and letters beyond ASCII.
var root string

func TestMain(m *testing.M) {
	code, err := runIn(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runIn(m *testing.M) (code int, err error) {
	if root, err = os.MkdirTemp("", "Modelle für bh 模型 *"); err != nil {
		return 1, err
	}
	code = m.Run()
	return code, os.RemoveAll(root)
}

var tiny = sync.OnceValues(func() (*model.Folder, error) {
	dir := filepath.Join(root, model.SeededName(model.PresetTiny))
	return model.Build(context.Background(), model.PresetTiny, dir, model.DefaultSeed, nil)
})

// small is modeltest.SmallConfig, imported, with weights that all show in the logits.
var small = sync.OnceValues(func() (*model.Folder, error) {
	src := filepath.Join(root, "source")
	if err := os.Mkdir(src, 0o755); err != nil {
		return nil, err
	}
	c := modeltest.SmallConfig()
	if err := modeltest.WriteHuggingFace(src, c, modeltest.Weights(c, modeltest.Seed)); err != nil {
		return nil, err
	}
	return model.Import(context.Background(), src, filepath.Join(root, "small"), nil)
})

// shared gives a folder to read.
func shared(t *testing.T, get func() (*model.Folder, error)) *model.Folder {
	t.Helper()
	f, err := get()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// private gives a copy of a folder to damage.
func private(t *testing.T, get func() (*model.Folder, error)) *model.Folder {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(shared(t, get).Dir)); err != nil {
		t.Fatal(err)
	}
	f, err := model.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
