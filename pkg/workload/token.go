package workload

import (
	"fmt"
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

// Encode gives the ids of text. Special tokens are not known in text: "<|endoftext|>" encodes to its characters.
func Encode(text string) ([]int64, error) {
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
