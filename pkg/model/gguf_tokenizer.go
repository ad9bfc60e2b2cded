package model

import (
	"fmt"
	"slices"
	"sync"

	"github.com/banterhearts/bh/pkg/model/gguf"
	"github.com/banterhearts/bh/pkg/workload"
)

// The types of tokens, as llama.cpp numbers them.
const (
	tokenNormal  = 1
	tokenControl = 3
)

// addTokenizer writes GPT-2's vocabulary and merges, so that a server can take text. Nothing is put before a prompt.
func addTokenizer(h *gguf.Header, c Config) error {
	t, err := gpt2Tokenizer()
	if err != nil {
		return err
	}
	h.String("tokenizer.ggml.model", "gpt2")
	h.String("tokenizer.ggml.pre", "gpt-2")
	h.Strings("tokenizer.ggml.tokens", t.tokens)
	h.Int32s("tokenizer.ggml.token_type", t.types)
	h.Strings("tokenizer.ggml.merges", t.merges)
	h.Uint32("tokenizer.ggml.bos_token_id", uint32(c.BOSTokenID))
	h.Uint32("tokenizer.ggml.eos_token_id", uint32(c.EOSTokenID))
	h.Bool("tokenizer.ggml.add_bos_token", false)
	return nil
}

// tokenizer is GPT-2's vocabulary as llama.cpp wants it.
type tokenizer struct {
	tokens, merges []string
	types          []int32
}

// gpt2Tokenizer is made once, as finding the merges takes a while.
var gpt2Tokenizer = sync.OnceValues(func() (*tokenizer, error) {
	t := &tokenizer{}
	for id := range int64(workload.VocabSize) {
		token, err := workload.Decode([]int64{id})
		if err != nil {
			return nil, err
		}
		if id == workload.EOS {
			t.tokens, t.types = append(t.tokens, string(token)), append(t.types, tokenControl)
			continue
		}
		t.tokens, t.types = append(t.tokens, printable(token)), append(t.types, tokenNormal)
		if len(token) > 1 {
			left, right, err := parts(token, id)
			if err != nil {
				return nil, err
			}
			t.merges = append(t.merges, printable(left)+" "+printable(right))
		}
	}
	return t, nil
})

// parts are the two tokens that byte-pair encoding merges into token. The vocabulary as tiktoken has it holds no merges,
// but its ids are in the order in which training found them (Sennrich, Haddow, Birch, Neural Machine Translation of Rare
// Words with Subword Units, 2016, algorithm 1), so merging with the tokens of lower ids alone leaves exactly two.
func parts(token []byte, id int64) (left, right []byte, err error) {
	bounds := make([]int, len(token)+1)
	for i := range bounds {
		bounds[i] = i
	}
	for len(bounds) > 3 {
		best, at := id, -1
		for i := range len(bounds) - 2 {
			if rank, ok := workload.TokenID(token[bounds[i]:bounds[i+2]]); ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			return nil, nil, fmt.Errorf("token %d (%q): saw %d parts, want two", id, token, len(bounds)-1)
		}
		bounds = slices.Delete(bounds, at+1, at+2)
	}
	return token[:bounds[1]], token[bounds[1]:], nil
}

// printable writes bytes as GPT-2's vocabulary files do: each byte as a character that can be seen, most as themselves and
// the others, in order, as those from U+0100.
func printable(token []byte) string {
	out := make([]rune, len(token))
	for i, b := range token {
		out[i] = byteRunes[b]
	}
	return string(out)
}

var byteRunes = func() (table [256]rune) {
	next := rune(0x100)
	for b := range table {
		switch {
		case b >= '!' && b <= '~', b >= 0xa1 && b <= 0xac, b >= 0xae:
			table[b] = rune(b)
		default:
			table[b] = next
			next++
		}
	}
	return table
}()
