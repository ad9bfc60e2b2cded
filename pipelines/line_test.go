// Package pipelines has no code; its tests drive the real tools of bin/ through scripts: exit codes, bad input, and one line
// through all five; with the tag integration also interruption, resumption and the pipeline's file targets.
package pipelines

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/banterhearts/bh/pkg/ortlib"
)

func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// runScripts runs the scripts in dir with the tools of bin/ and a cache of their own.
func runScripts(t *testing.T, dir string) {
	t.Helper()
	bin, err := filepath.Abs("../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range []string{"bh-run", "bh-telemetry", "bh-cost", "bh-stats", "bh-report"} {
		if _, err := os.Stat(filepath.Join(bin, tool)); err != nil {
			t.Fatalf("%v; `make test` builds the tools first", err)
		}
	}
	lib, err := ortlib.Find()
	if err != nil {
		t.Fatalf("%v; `make test` fetches it first", err)
	}
	tree, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cache := t.TempDir() // models are built once for all scripts
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv(ortlib.EnvVar, lib.Path)
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("TREE", tree)
			return nil
		},
	})
}
