// Package workload turns scenarios into token ids: text through GPT-2's byte-pair encoding, or seeded random ids where a
// scenario gives only counts. It knows no model: the ids fit every model with GPT-2's vocabulary.
package workload

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// EOS is GPT-2's end-of-text id, which also pads.
const EOS = 50256

// Prompt is a batch of token sequences, padded on the left with EOS to one length.
type Prompt struct {
	IDs  [][]int64 // batch x padded length
	Mask [][]int64 // batch x padded length; 1 is a real token, 0 padding
	// Texts has for each sequence a text that encodes to exactly its ids, for servers that take text; empty where there is none.
	Texts []string
}

// Batch is the number of sequences.
func (p Prompt) Batch() int { return len(p.IDs) }

// Slice is the sequences from (included) to (excluded), padded as they are.
func (p Prompt) Slice(from, to int) Prompt {
	out := Prompt{IDs: p.IDs[from:to], Mask: p.Mask[from:to]}
	if p.Texts != nil {
		out.Texts = p.Texts[from:to]
	}
	return out
}

// Length is the number of tokens of sequence i, padding left out.
func (p Prompt) Length(i int) (n int64) {
	for _, real := range p.Mask[i] {
		n += real
	}
	return n
}

// Tokens is the padded length.
func (p Prompt) Tokens() int {
	if len(p.IDs) == 0 {
		return 0
	}
	return len(p.IDs[0])
}

// FromCounts makes batch sequences of tokens random ids each. With GPT-2's vocabulary, or one that begins with it, the ids
// are uniform over the tokens that are a space and then ASCII letters, such as " apple": text can be made of them that
// encodes to exactly them, so that servers which take text get the same prompt. A smaller vocabulary has no text, and its
// ids are uniform over all but the last, where its EOS stands. The ids depend on seed, scenario (its name) and which of the
// two it is alone; a larger batch starts with the sequences of a smaller one.
func FromCounts(batch, tokens, vocab int, seed uint64, scenario string) (Prompt, error) {
	switch {
	case batch < 1:
		return Prompt{}, fmt.Errorf("scenario %s: batch: saw %d, want at least 1", scenario, batch)
	case tokens < 1:
		return Prompt{}, fmt.Errorf("scenario %s: tokens: saw %d, want at least 1", scenario, tokens)
	case vocab < 2:
		return Prompt{}, fmt.Errorf("scenario %s: vocabulary: saw %d, want at least 2", scenario, vocab)
	}
	name := fnv.New64a()
	_, _ = name.Write([]byte(scenario)) // a hash never fails
	random := rand.New(rand.NewPCG(seed, name.Sum64()))
	draw := func() int64 { return random.Int64N(int64(vocab) - 1) }
	if vocab >= VocabSize {
		words := gpt2().words
		draw = func() int64 { return words[random.Int64N(int64(len(words)))] }
	}
	sequences := make([][]int64, batch)
	for i := range sequences {
		sequences[i] = make([]int64, tokens)
		for j := range sequences[i] {
			sequences[i][j] = draw()
		}
	}
	p := pad(sequences)
	if vocab >= VocabSize {
		return p.withTexts(sequences)
	}
	return p, nil
}

// withTexts decodes each sequence.
func (p Prompt) withTexts(sequences [][]int64) (Prompt, error) {
	p.Texts = make([]string, len(sequences))
	for i, ids := range sequences {
		text, err := Decode(ids)
		if err != nil {
			return Prompt{}, err
		}
		p.Texts[i] = string(text)
	}
	return p, nil
}

// FromText encodes prompts and repeats them in turn until there are batch sequences. A prompt that encodes to nothing is
// refused, and so is a batch too small for all prompts.
func FromText(prompts []string, batch int) (Prompt, error) {
	if len(prompts) == 0 {
		return Prompt{}, fmt.Errorf("prompts: saw none, want at least one")
	}
	if batch < len(prompts) {
		return Prompt{}, fmt.Errorf("batch: saw %d, want at least %d, the number of prompts", batch, len(prompts))
	}
	encoded := make([][]int64, len(prompts))
	for i, text := range prompts {
		ids, err := Encode(text)
		if err != nil {
			return Prompt{}, fmt.Errorf("prompt %d: %w", i+1, err)
		}
		if len(ids) == 0 {
			return Prompt{}, fmt.Errorf("prompt %d: saw no text, want at least one token", i+1)
		}
		encoded[i] = ids
	}
	sequences, texts := make([][]int64, batch), make([]string, batch)
	for i := range sequences {
		sequences[i], texts[i] = encoded[i%len(encoded)], prompts[i%len(prompts)]
	}
	p := pad(sequences)
	p.Texts = texts
	return p, nil
}

// pad copies sequences into rows of one length, on the right, and masks what is left of them.
func pad(sequences [][]int64) Prompt {
	width := 0
	for _, s := range sequences {
		width = max(width, len(s))
	}
	var p Prompt
	for _, s := range sequences {
		ids, mask := make([]int64, width), make([]int64, width)
		start := width - len(s)
		copy(ids[start:], s)
		for i := range width {
			if i < start {
				ids[i] = EOS
			} else {
				mask[i] = 1
			}
		}
		p.IDs, p.Mask = append(p.IDs, ids), append(p.Mask, mask)
	}
	return p
}
