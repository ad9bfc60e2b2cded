package model

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/atomicfile"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/units"
)

// Progress is told how much of the weights has been written; it may be called from several goroutines, never at once.
type Progress func(done, total units.Bytes)

// Build makes sure that dir is the folder of the preset's model with random weights from seed: it leaves alone a complete
// folder that matches, and otherwise writes one, whole or not at all. It refuses to replace a folder that it could not
// build again: one with other files, or with imported weights. progress may be nil.
func Build(ctx context.Context, preset, dir string, seed uint64, progress Progress) (*Folder, error) {
	c, err := Preset(preset)
	if err != nil {
		return nil, err
	}
	w := writer{dir: dir, name: SeededName(preset), config: c, seed: &seed, from: seeded(seed), progress: progress}
	return w.ensure(ctx)
}

// writer makes one model folder.
type writer struct {
	dir      string
	name     string
	config   Config
	seed     *uint64 // nil for imported weights
	from     source
	progress Progress
}

// ensure opens the folder where it is what w would write, and writes it otherwise.
func (w writer) ensure(ctx context.Context) (*Folder, error) {
	if f, err := w.matching(); err == nil {
		if f.Config.hasGGUF() {
			err = f.EnsureGGUF(ctx, w.progress) // an older version made the folder
		}
		return f, err
	}
	if err := replaceable(w.dir); err != nil {
		return nil, err
	}
	if err := w.write(ctx); err != nil {
		return nil, fmt.Errorf("write model %s to %s: %w", w.name, w.dir, err)
	}
	return Open(w.dir)
}

var errOther = errors.New("another model")

// matching opens the folder if it holds the same model with the graphs that this version writes.
func (w writer) matching() (*Folder, error) {
	f, err := Open(w.dir)
	if err != nil {
		return nil, err
	}
	if f.Name != w.name || f.Seed == nil || w.seed == nil || *f.Seed != *w.seed || !reflect.DeepEqual(f.Config, w.config) {
		return nil, errOther
	}
	small, err := w.smallFiles()
	if err != nil {
		return nil, err
	}
	for name, content := range small {
		if f.meta.Files[name].SHA256 != hashBytes(content).SHA256 {
			return nil, errOther
		}
	}
	return f, nil
}

// replaceable reports whether writing to dir loses nothing: there is no such folder, it is empty, or it holds only the files
// of a model whose weights came from a seed.
func replaceable(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return cli.BadInputf("model folder: %w", err)
	}
	m, err := readMeta(dir)
	switch {
	case err != nil:
		return cli.BadInputf("%s is in the way: it holds files and is no model folder (%w); name another folder", dir, err)
	case m.Seed == nil:
		return cli.BadInputf("%s is in the way: it holds the imported model %s; name another folder or remove it", dir, m.Name)
	}
	for _, e := range entries {
		if e.Name() != MetaFile && e.Name() != GGUFFile && !slices.Contains(required(), e.Name()) {
			return cli.BadInputf("%s is in the way: it also holds %s; name another folder or remove it", dir, e.Name())
		}
	}
	return nil
}

// write fills a temporary folder beside dir and puts it in dir's place.
func (w writer) write(ctx context.Context) (err error) {
	parent := filepath.Dir(w.dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "."+filepath.Base(w.dir)+".tmp-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }() // after install, what is left there is a folder that is not needed
	fresh := filepath.Join(tmp, "new")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	if err := w.fill(ctx, fresh); err != nil {
		return err
	}
	return w.install(fresh, filepath.Join(tmp, "old"))
}

// install renames fresh to w's folder. Where another process wrote the same model there in the meantime, that one stays: to move it
// away, if only for a moment, would take it from under a process that opens it. Another model is moved to old. The parent folder
// is not synced: a power failure may undo the renames, but never leave half a model.
func (w writer) install(fresh, old string) error {
	if err := os.Rename(fresh, w.dir); !errors.Is(err, os.ErrExist) {
		return err
	}
	if _, err := w.matching(); err == nil {
		return nil
	}
	if err := os.Rename(w.dir, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := os.Rename(fresh, w.dir)
	if errors.Is(err, os.ErrExist) {
		return nil // put there since; the caller opens and so checks what it gets
	}
	return err
}

// fill writes all files of the model, bh_model.json last.
func (w writer) fill(ctx context.Context, dir string) error {
	m := meta{Schema: metaSchema, Name: w.name, Seed: w.seed, Files: map[string]fileMeta{}}
	count, err := w.newCounter()
	if err != nil {
		return err
	}
	if m.Files[WeightsFile], err = w.fillWeights(ctx, filepath.Join(dir, WeightsFile), count); err != nil {
		return err
	}
	if w.config.hasGGUF() {
		if err := w.fillGGUF(ctx, dir, &m, count); err != nil {
			return err
		}
	}
	small, err := w.smallFiles()
	if err != nil {
		return err
	}
	for name, content := range small {
		m.Files[name] = hashBytes(content)
		if err := atomicfile.Write(filepath.Join(dir, name), content); err != nil {
			return err
		}
	}
	return m.write(dir)
}

// newCounter counts up to the bytes of both files that hold the weights.
func (w writer) newCounter() (*counter, error) {
	l, err := w.config.layout()
	if err != nil {
		return nil, err
	}
	count := &counter{total: l.Size, tell: w.progress}
	if !w.config.hasGGUF() {
		return count, nil
	}
	g, err := w.config.ggufLayout(w.name, strings.Repeat("?", 2*sha256.Size)) // of the same size as the real one
	if err != nil {
		return nil, err
	}
	count.total += g.Size
	return count, nil
}

func (w writer) fillWeights(ctx context.Context, path string, count *counter) (fileMeta, error) {
	f, err := atomicfile.Create(path)
	if err != nil {
		return fileMeta{}, err
	}
	defer f.Close() //nolint:errcheck // a no-op after Commit, and the earlier error is the one to report
	if err := writeWeights(ctx, f, w.config, w.from, count); err != nil {
		return fileMeta{}, err
	}
	if err := f.Commit(); err != nil {
		return fileMeta{}, err
	}
	return hashFile(ctx, path)
}

// fillGGUF writes model.gguf from the weights that m describes, and describes it in m.
func (w writer) fillGGUF(ctx context.Context, dir string, m *meta, count *counter) error {
	l, err := w.config.ggufLayout(w.name, m.Files[WeightsFile].SHA256)
	if err != nil {
		return err
	}
	sum, err := writeGGUF(ctx, filepath.Join(dir, GGUFFile), w.config, l, count)
	m.addGGUF(l.Size, sum)
	return err
}

// smallFiles are the files that follow from the configuration: it and the two graphs.
func (w writer) smallFiles() (map[string][]byte, error) {
	l, err := w.config.layout()
	if err != nil {
		return nil, err
	}
	config, err := json.MarshalIndent(w.config, "", "  ")
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		ConfigFile: append(config, '\n'),
		ONNXFile:   onnxGraph(w.config, l, false),
		ONNXKVFile: onnxGraph(w.config, l, true),
	}, nil
}
