// Package workload turns scenarios into token ids: text through GPT-2's byte-pair encoding, or seeded random ids where a
// scenario gives only counts.
package workload

import "errors"

// Prompt is a batch of token sequences, padded on the left to one length.
type Prompt struct {
	IDs  [][]int64 // batch x padded length
	Mask [][]int64 // batch x padded length; 1 is a real token, 0 padding
}

// Batch is the number of sequences.
func (p Prompt) Batch() int { return len(p.IDs) }

// Tokens is the padded length.
func (p Prompt) Tokens() int {
	if len(p.IDs) == 0 {
		return 0
	}
	return len(p.IDs[0])
}

var errPending = errors.New("workload: not there yet")

// FromCounts makes a batch of sequences of random ids.
func FromCounts(batch, tokens, vocab int, seed uint64, scenario string) (Prompt, error) {
	return Prompt{}, errPending
}

// FromText encodes prompts, pads them on the left with EOS and repeats them until the batch is full.
func FromText(prompts []string, batch int) (Prompt, error) { return Prompt{}, errPending }

// CountTokens is the number of tokens that text encodes to.
func CountTokens(text string) (int, error) { return 0, errPending }
