package workload_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/workload"
)

// The ids are those of gpt-3-encoder 1.1.4 (npm), another implementation with OpenAI's original vocabulary files.
func TestEncode(t *testing.T) {
	for text, want := range map[string][]int64{
		"":              {},
		" ":             {220},
		"Hello, world!": {15496, 11, 995, 0},
		"The quick brown fox jumps over the lazy dog.": {464, 2068, 7586, 21831, 18045, 625, 262, 16931, 3290, 13},
		"<|endoftext|>":             {27, 91, 437, 1659, 5239, 91, 29},
		"I'll don't we've 1234 567": {40, 1183, 836, 470, 356, 1053, 1105, 2682, 642, 3134},
		" \n\n  x\ty":               {220, 628, 220, 2124, 197, 88},
		"naïve café 東京 🚀":           {2616, 38776, 40304, 10545, 251, 109, 12859, 105, 12520, 248, 222},
		"    indented":              {220, 220, 220, 773, 4714},
		"2025-12-31: 0x1F":          {1238, 1495, 12, 1065, 12, 3132, 25, 657, 87, 16, 37},
	} {
		got, err := workload.Encode(text)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("Encode(%q) = %v, %v, want %v", text, got, err, want)
		}
		if n, err := workload.CountTokens(text); err != nil || n != len(want) {
			t.Errorf("CountTokens(%q) = %d, %v, want %d", text, n, err, len(want))
		}
	}
}

func TestEncodeRefusesWhatItCannotEncode(t *testing.T) {
	for _, text := range []string{"ab\xffcd", "ab\x7fcd"} {
		if ids, err := workload.Encode(text); err == nil || !strings.Contains(err.Error(), "byte 2") {
			t.Errorf("%q: saw %v, %v, want an error that names byte 2", text, ids, err)
		}
	}
}

func TestDecodeUndoesEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.ReplaceAll(rapid.String().Draw(t, "text"), "\x7f", "")
		ids, err := workload.Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := workload.Decode(ids); err != nil || string(got) != text {
			t.Errorf("saw %q, %v, want %q", got, err, text)
		}
	})
}

func TestTokenIDUndoesDecode(t *testing.T) {
	for id := range int64(workload.VocabSize) {
		token, err := workload.Decode([]int64{id})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := workload.TokenID(token); !ok || got != id {
			t.Fatalf("token %q: saw id %d (%v), want %d", token, got, ok, id)
		}
	}
	if id, ok := workload.TokenID([]byte(" apple pie")); ok {
		t.Errorf("two tokens: saw the id %d", id)
	}
	for _, id := range []int64{-1, workload.VocabSize} {
		if token, err := workload.Decode([]int64{464, id}); err == nil || !strings.Contains(err.Error(), "position 1: saw id") {
			t.Errorf("id %d: saw %q, %v", id, token, err)
		}
	}
	if eos, err := workload.Decode([]int64{workload.EOS}); err != nil || string(eos) != "<|endoftext|>" {
		t.Errorf("EOS: saw %q, %v", eos, err)
	}
}

func TestFromTextPadsOnTheLeftAndRepeats(t *testing.T) {
	got, err := workload.FromText([]string{"Hello, world!", "Hello world"}, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := workload.Prompt{
		IDs:   [][]int64{{15496, 11, 995, 0}, {workload.EOS, workload.EOS, 15496, 995}, {15496, 11, 995, 0}},
		Mask:  [][]int64{{1, 1, 1, 1}, {0, 0, 1, 1}, {1, 1, 1, 1}},
		Texts: []string{"Hello, world!", "Hello world", "Hello, world!"},
	}
	if !reflect.DeepEqual(got, want) || got.Batch() != 3 || got.Tokens() != 4 {
		t.Errorf("saw %+v (batch %d, %d tokens), want %+v", got, got.Batch(), got.Tokens(), want)
	}
}

func TestFromTextRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		prompts []string
		batch   int
	}{
		"prompts: saw none":    {nil, 1},
		"batch: saw 1":         {[]string{"a", "b"}, 1},
		"prompt 2: saw no":     {[]string{"a", ""}, 2},
		"prompt 1: encode tex": {[]string{"\xff"}, 1},
	} {
		if _, err := workload.FromText(c.prompts, c.batch); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("FromText(%q, %d): saw error %v, want %q", c.prompts, c.batch, err, want)
		}
	}
}

// The ids of a seed must not change between versions of bh, or runs with one seed would not be comparable.
func TestFromCountsIsPinned(t *testing.T) {
	got, err := workload.FromCounts(2, 4, workload.VocabSize, 42, "single_short")
	if err != nil {
		t.Fatal(err)
	}
	want := workload.Prompt{
		IDs:   [][]int64{{43062, 4099, 13724, 13665}, {22578, 15785, 8694, 18468}},
		Mask:  [][]int64{{1, 1, 1, 1}, {1, 1, 1, 1}},
		Texts: []string{" warped suspect eru jer", " Catherine lbs Administration PE"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("saw %+v, want %+v", got, want)
	}
	small, err := workload.FromCounts(2, 4, 97, 42, "single_short")
	if err != nil {
		t.Fatal(err)
	}
	if want := [][]int64{{82, 6, 25, 25}, {43, 29, 15, 35}}; !reflect.DeepEqual(small.IDs, want) || small.Texts != nil {
		t.Errorf("a vocabulary of 97: saw %+v, want %v and no texts", small, want)
	}
}

func TestFromCountsProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		batch, tokens := rapid.IntRange(1, 5).Draw(t, "batch"), rapid.IntRange(1, 40).Draw(t, "tokens")
		vocab := rapid.OneOf(rapid.IntRange(2, 600), rapid.IntRange(50250, 50304)).Draw(t, "vocab")
		seed, name := rapid.Uint64().Draw(t, "seed"), rapid.String().Draw(t, "scenario")
		p, err := workload.FromCounts(batch, tokens, vocab, seed, name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Batch() != batch || p.Tokens() != tokens {
			t.Fatalf("saw %d x %d, want %d x %d", p.Batch(), p.Tokens(), batch, tokens)
		}
		for b, row := range p.IDs {
			for i, id := range row {
				if id < 0 || id >= int64(vocab)-1 || id >= workload.EOS || p.Mask[b][i] != 1 {
					t.Fatalf("sequence %d, position %d: saw id %d with mask %d", b, i, id, p.Mask[b][i])
				}
			}
		}
		if (len(p.Texts) == batch) != (vocab >= workload.VocabSize) {
			t.Fatalf("a vocabulary of %d: saw %d texts for %d sequences", vocab, len(p.Texts), batch)
		}
		for b, text := range p.Texts {
			if ids, err := workload.Encode(text); err != nil || !slices.Equal(ids, p.IDs[b]) {
				t.Fatalf("sequence %d: %q encodes to %v (%v), want %v", b, text, ids, err, p.IDs[b])
			}
		}
		larger, err := workload.FromCounts(batch+1, tokens, vocab, seed, name)
		if err != nil || !reflect.DeepEqual(larger.Slice(0, batch), p) {
			t.Fatalf("a batch of %d does not start with the sequences of a batch of %d (%v)", batch+1, batch, err)
		}
	})
}

func TestFromCountsDependsOnSeedAndScenario(t *testing.T) {
	ids := func(seed uint64, scenario string) [][]int64 {
		p, err := workload.FromCounts(1, 8, 50257, seed, scenario)
		if err != nil {
			t.Fatal(err)
		}
		return p.IDs
	}
	if reflect.DeepEqual(ids(1, "a"), ids(2, "a")) || reflect.DeepEqual(ids(1, "a"), ids(1, "b")) {
		t.Error("saw the same ids for another seed or scenario")
	}
}

func TestFromCountsRefuses(t *testing.T) {
	for _, c := range []struct {
		batch, tokens, vocab int
		want                 string
	}{{0, 1, 9, "batch"}, {1, 0, 9, "tokens"}, {1, -1, 9, "tokens"}, {1, 1, 1, "vocabulary"}} {
		_, err := workload.FromCounts(c.batch, c.tokens, c.vocab, 1, "short")
		if err == nil || !strings.Contains(err.Error(), "scenario short: "+c.want) {
			t.Errorf("%+v: saw error %v", c, err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 100)
	if _, err := workload.Encode(text); err != nil { // makes the vocabulary
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := workload.Encode(text); err != nil {
			b.Fatal(err)
		}
	}
}
