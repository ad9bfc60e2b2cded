package model_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/banterhearts/bh/pkg/model"
	"github.com/banterhearts/bh/pkg/model/modeltest"
)

// tolerance is the largest difference of a logit between ONNX Runtime in float32 and the plain forward pass in float64.
const tolerance = 1e-4

// subject is a model that conformance is tested on.
type subject struct {
	name string
	get  func() (*model.Folder, error)
}

// subjects are the models that every conformance test runs on.
var subjects = []subject{
	{"seeded", tiny},
	{"imported", small},
}

func forSubjects(t *testing.T, test func(*testing.T, *model.Folder, *modeltest.GPT2)) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			needRuntime(t)
			f := shared(t, s.get)
			m, err := modeltest.Load(f)
			if err != nil {
				t.Fatal(err)
			}
			test(t, f, m)
		})
	}
}

// prompts draws sequences of the given lengths and pads them.
func prompts(c model.Config, lengths ...int) (sequences, ids, mask [][]int64) {
	random := rand.New(rand.NewPCG(11, 0))
	for _, n := range lengths {
		s := make([]int64, n)
		for i := range s {
			s[i] = random.Int64N(int64(c.VocabSize) - 1)
		}
		sequences = append(sequences, s)
	}
	ids, mask = pad(c, sequences)
	return sequences, ids, mask
}

// pad fills sequences up with EOS on the left.
func pad(c model.Config, sequences [][]int64) (ids, mask [][]int64) {
	width := 0
	for _, s := range sequences {
		width = max(width, len(s))
	}
	for _, s := range sequences {
		left := width - len(s)
		ids = append(ids, append(slices.Repeat([]int64{c.EOSTokenID}, left), s...))
		mask = append(mask, append(make([]int64, left), slices.Repeat([]int64{1}, len(s))...))
	}
	return ids, mask
}

// compare demands that the last len(want) positions of got are want within tolerance, and that all of got is finite.
func compare(t *testing.T, what string, got [][]float32, want [][]float64) {
	t.Helper()
	worst := 0.0
	for i, row := range got {
		for id, v := range row {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: position %d, id %d: saw %v, want a finite logit", what, i, id, v)
			}
			if j := i - len(got) + len(want); j >= 0 {
				worst = max(worst, math.Abs(float64(v)-want[j][id]))
			}
		}
	}
	t.Logf("%s: max abs difference %.2g", what, worst)
	if worst > tolerance {
		t.Errorf("%s: max abs difference %g, want at most %g", what, worst, tolerance)
	}
}

// batches are the lengths of the sequences of a batch.
var batches = map[string][]int{"single": {6}, "one token": {1}, "batch": {4, 4}, "padded": {5, 1, 3}}

func TestPrefillAgreesWithPlainForwardPass(t *testing.T) {
	forSubjects(t, func(t *testing.T, f *model.Folder, m *modeltest.GPT2) {
		s := load(t, f, false)
		for name, lengths := range batches {
			sequences, ids, mask := prompts(f.Config, lengths...)
			for b, logits := range s.run(t, ids, mask, nil) {
				compare(t, name, logits, m.Logits(sequences[b]))
			}
		}
	})
}

// The cache is filled in three calls, so that past is nothing, then one call's tokens, then two calls', and the last call
// brings one token as decoding does.
func TestCachedAgreesWithPlainForwardPass(t *testing.T) {
	forSubjects(t, func(t *testing.T, f *model.Folder, m *modeltest.GPT2) {
		s := load(t, f, true)
		for name, lengths := range batches {
			sequences, ids, mask := prompts(f.Config, lengths...)
			got := make([][][]float32, len(ids))
			c, width := s.emptyCache(t, len(ids)), len(ids[0])
			for _, cut := range [][2]int{{0, width - width/2 - 1}, {width - width/2 - 1, width - 1}, {width - 1, width}} {
				if cut[0] == cut[1] {
					continue
				}
				for b, logits := range s.run(t, columns(ids, cut[0], cut[1]), columns(mask, 0, cut[1]), c) {
					got[b] = append(got[b], logits...)
				}
			}
			for b, logits := range got {
				compare(t, name, logits, m.Logits(sequences[b]))
			}
		}
	})
}

func columns(rows [][]int64, from, to int) [][]int64 {
	var cut [][]int64
	for _, r := range rows {
		cut = append(cut, r[from:to])
	}
	return cut
}

func TestGreedyDecodingGivesTheSameTokensWithAndWithoutCache(t *testing.T) {
	const tokens = 8
	forSubjects(t, func(t *testing.T, f *model.Folder, m *modeltest.GPT2) {
		uncached, cached := load(t, f, false), load(t, f, true)
		sequences := [][]int64{{5, 0, 96, 42, 17, 17, 3}, {1, 2, 3}}
		ids, mask := pad(f.Config, sequences)
		without := greedy(t, tokens, ids, mask, func(ids, mask [][]int64) [][][]float32 {
			return uncached.run(t, ids, mask, nil)
		})
		c, seen := cached.emptyCache(t, len(ids)), 0
		with := greedy(t, tokens, ids, mask, func(ids, mask [][]int64) [][][]float32 {
			fresh := columns(ids, seen, len(ids[0]))
			seen = len(ids[0])
			return cached.run(t, fresh, mask, c)
		})
		distinct := 0
		for b := range ids {
			if !slices.Equal(with[b], without[b]) {
				t.Errorf("sequence %d: with a cache %v, without %v", b, with[b], without[b])
			}
			want := m.Greedy(sequences[b], tokens)
			distinct = max(distinct, len(slices.Compact(slices.Sorted(slices.Values(want)))))
			t.Logf("sequence %d: %v", b, want)
			if got := with[b][:len(want)]; !slices.Equal(got, want) {
				t.Errorf("sequence %d: ONNX Runtime %v, plain forward pass %v", b, got, want)
			}
		}
		if distinct < 3 {
			t.Errorf("saw at most %d different tokens in a sequence, want 3 or the comparison says little", distinct)
		}
	})
}

// greedy appends the likeliest token n times to every sequence, EOS or not, and returns what was appended.
func greedy(t *testing.T, n int, ids, mask [][]int64, forward func(ids, mask [][]int64) [][][]float32) [][]int64 {
	t.Helper()
	out := make([][]int64, len(ids))
	ids, mask = slices.Clone(ids), slices.Clone(mask)
	for range n {
		for b, logits := range forward(ids, mask) {
			last := logits[len(logits)-1]
			best := int64(slices.Index(last, slices.Max(last)))
			out[b] = append(out[b], best)
			ids[b], mask[b] = append(slices.Clone(ids[b]), best), append(slices.Clone(mask[b]), 1)
		}
	}
	return out
}
