package telemetry

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/banterhearts/bh/pkg/record"
)

// epoch is when readings of fixtures begin.
var epoch = time.Unix(1_700_000_000, 0)

// fixture is a tree of /proc and /sys. The trees are archives because their names have colons, which Windows and module
// downloads refuse.
func fixture(t testing.TB, name string) fstest.MapFS {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	for _, f := range a.Files {
		tree[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return tree
}

func fixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".txtar")
	}
	return files
}

func set(tree fstest.MapFS, name, content string) {
	tree[name] = &fstest.MapFile{Data: []byte(content + "\n")}
}

// denied is a tree in which some files may not be read, whoever runs the test.
type denied struct {
	fs.FS
	suffix string
}

func (d denied) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, d.suffix) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return d.FS.Open(name)
}

func machine(files fs.FS) Environment {
	return Environment{Host: "testhost", files: files, perf: (&powerUnit{}).open}
}

// read samples src and fails the test on an error.
func read(t *testing.T, src Source, now time.Time) []record.Sample {
	t.Helper()
	got, err := src.Sample(now, nil)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func finding1(t *testing.T, findings []Finding, source string) Finding {
	t.Helper()
	for _, f := range findings {
		if f.Source == source {
			return f
		}
	}
	t.Fatalf("no finding of %s in %+v", source, findings)
	return Finding{}
}
