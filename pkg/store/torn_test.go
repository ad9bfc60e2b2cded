package store

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What is missing of a file is told by what is there: a journal is spoken of only where there is one, and a file that was
// finished and whose last footer is broken is not one whose recording goes on.
func TestWhatIsMissing(t *testing.T) {
	var out bytes.Buffer
	g, err := NewGrowing(&out)
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{}
	for i := range 3 {
		for j := range 20 {
			s := reading(20*i + j)
			if err := g.Write(&s); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.Footer(); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, out.Len())
	}
	if err := g.Finish(); err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(out.Bytes())
	for i := range 40 {
		flipped[len(flipped)-20-i] ^= 0xff
	}
	for name, c := range map[string]struct {
		data    []byte
		journal bool
		want    string
		never   string
	}{
		"alone":        {out.Bytes()[:sizes[2]], false, "is cut off, and no journal with its last rows stands beside it", "goes on"},
		"torn":         {out.Bytes()[:sizes[1]+9], false, "beside it (9 bytes behind its last row group were passed over)", "goes on"},
		"with journal": {out.Bytes()[:sizes[1]+9], true, "its last rows are in its journal (9 bytes", "no journal"},
		"flipped":      {flipped, false, "is damaged: its last footer cannot be read, and what that alone tells of is missing (", "journal"},
	} {
		path := filepath.Join(t.TempDir(), "s.parquet")
		put(t, path, c.data)
		if c.journal {
			put(t, path+journalEnd, nil)
		}
		_, sum := readSamples(t, path)
		if saw := strings.Join(sum.CutOff, ""); !strings.Contains(saw, c.want) || strings.Contains(saw, c.never) || sum.Err() == nil {
			t.Errorf("%s: saw %q, want %q", name, saw, c.want)
		}
	}
}
