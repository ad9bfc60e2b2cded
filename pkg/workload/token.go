package workload

import (
	"fmt"
	"strings"
	"sync"

	"github.com/tiktoken-go/tokenizer/codec"
)

// bpe is GPT-2's byte-pair encoding, which OpenAI's libraries call r50k_base; making it takes a while, so it is made once,
// when first needed. Text that is not UTF-8 is refused rather than encoded as something else.
var bpe = sync.OnceValue(func() *codec.Codec {
	c := codec.NewR50kBase()
	c.SetErrorMode(codec.ErrorModeStrict)
	return c
})

// Encode gives the ids of text. Special tokens are not known in text: "<|endoftext|>" encodes to its characters. The
// character U+007F is refused: the library that encodes would leave it out.
func Encode(text string) ([]int64, error) {
	if i := strings.IndexByte(text, 0x7f); i >= 0 {
		return nil, fmt.Errorf("encode text: saw the control character U+007F at byte %d, want text without it", i)
	}
	ids, _, err := bpe().Encode(text)
	if err != nil {
		return nil, fmt.Errorf("encode text: %w", err)
	}
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out, nil
}

// CountTokens is the number of tokens that text encodes to.
func CountTokens(text string) (int, error) {
	ids, err := Encode(text)
	return len(ids), err
}

// VocabSize is the size of GPT-2's vocabulary, EOS included.
const VocabSize = EOS + 1

// eosText is how EOS is written where tokens are shown as text.
const eosText = "<|endoftext|>"

// vocabulary is GPT-2's tokens in both directions.
type vocabulary struct {
	tokens [VocabSize]string
	ids    map[string]int64
	words  []int64 // ids of the words that FromCounts draws from, ascending
}

var gpt2 = sync.OnceValue(func() *vocabulary {
	v := &vocabulary{ids: make(map[string]int64, VocabSize)}
	c := codec.NewR50kBase() // a token alone need not be UTF-8, so this one is not strict
	for id := range int64(VocabSize) {
		v.tokens[id] = eosText
		if id != EOS {
			token, err := c.Decode([]uint{uint(id)})
			if err != nil {
				panic(fmt.Sprintf("GPT-2's vocabulary has no token %d: %v", id, err)) // it is part of the program
			}
			v.tokens[id] = token
		}
		v.ids[v.tokens[id]] = id
		if isWord(v.tokens[id]) {
			v.words = append(v.words, id)
		}
	}
	return v
})

// isWord says whether a token is a space and then ASCII letters. Encoding splits text before each such space, and takes
// what is a token as a whole, so a text made of such tokens encodes to exactly them.
func isWord(token string) bool {
	if len(token) < 2 || token[0] != ' ' {
		return false
	}
	for _, c := range []byte(token[1:]) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// Decode gives the bytes that ids stand for, EOS as <|endoftext|>. They need not be UTF-8 where ids end in the middle of a
// character.
func Decode(ids []int64) ([]byte, error) {
	var out []byte
	for i, id := range ids {
		if id < 0 || id >= VocabSize {
			return nil, fmt.Errorf("decode tokens: position %d: saw id %d, want one below %d", i, id, VocabSize)
		}
		out = append(out, gpt2().tokens[id]...)
	}
	return out, nil
}

// TokenID is the id of the one token that is exactly these bytes, <|endoftext|> being EOS.
func TokenID(token []byte) (int64, bool) {
	id, ok := gpt2().ids[string(token)]
	return id, ok
}
