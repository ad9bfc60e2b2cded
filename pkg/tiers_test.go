// Package pkg has no code; its test holds the tiers of ARCHITECTURE.md.
package pkg

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/banterhearts/bh/"

// tiers reads the table of ARCHITECTURE.md: the tier of each package.
func tiers(t *testing.T) map[string]int {
	t.Helper()
	data, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	tier := -1
	row := regexp.MustCompile("^\\| (?:T(\\d))? ?\\| `(pkg/[a-z]+)` \\|")
	for line := range strings.Lines(string(data)) {
		m := row.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		if m[1] != "" {
			if tier, err = strconv.Atoi(m[1]); err != nil {
				t.Fatal(err)
			}
		}
		out[m[2]] = tier
	}
	return out
}

// TestImportsGoDownwards checks the imports of every package, its sub-packages counted with it. Test files may import
// upwards, as they check packages together.
func TestImportsGoDownwards(t *testing.T) {
	tier := tiers(t)
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "test/") {
			return err
		}
		from := "pkg/" + strings.Split(filepath.ToSlash(path), "/")[0]
		seen[from] = true
		have, ok := tier[from]
		if !ok {
			t.Errorf("%s is in no tier of ARCHITECTURE.md", from)
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range file.Imports {
			to, ok := strings.CutPrefix(strings.Trim(imp.Path.Value, `"`), module+"pkg/")
			if !ok {
				continue
			}
			to = "pkg/" + strings.Split(to, "/")[0]
			if to != from && tier[to] >= have {
				t.Errorf("pkg/%s (T%d) imports %s (T%d)", path, have, to, tier[to])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range tier {
		if !seen[name] {
			t.Errorf("ARCHITECTURE.md lists %s, which is not there", name)
		}
	}
}
