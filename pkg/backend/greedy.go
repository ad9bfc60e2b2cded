package backend

import (
	"fmt"
	"math"
)

// argmax is the index of the largest logit, the lowest index on a tie: greedy decoding's choice. Logits that hold no
// number at all are an error.
func argmax(logits []float32) (int64, error) {
	best, at := float32(math.Inf(-1)), -1
	// Eight at a time, as looking one by one takes twice as long: 45 us instead of 22 us for GPT-2's vocabulary, which a GPU
	// that decodes a batch would feel.
	const block = 8
	start := 0
	for ; start+block <= len(logits); start += block {
		v := (*[block]float32)(logits[start:])
		if v[0] > best || v[1] > best || v[2] > best || v[3] > best || v[4] > best || v[5] > best || v[6] > best || v[7] > best {
			best, at = higher(v[:], best, at, start)
		}
	}
	_, at = higher(logits[start:], best, at, start)
	if at < 0 {
		return 0, &RunError{Reason: OutputInvalid, Detail: fmt.Sprintf("saw %d logits without a number among them", len(logits))}
	}
	return int64(at), nil
}

// higher is the best of the values, the first of which has the index start, and of the best so far.
func higher(values []float32, best float32, at, start int) (float32, int) {
	for i, v := range values {
		if v > best {
			best, at = v, start+i
		}
	}
	return best, at
}

// decoding keeps the state of greedy decoding over a batch: what each sequence has produced and which have ended.
type decoding struct {
	eos      int64
	out      [][]int64 // per sequence, capacity maxNew
	next     []int64   // the ids to feed next; a sequence that has ended is fed EOS, which no other sequence sees
	finished []bool
	left     int // sequences that have not ended
	count    int64
	sampler  *sampler // nil: greedy
}

func newDecoding(task Task, eos int64) *decoding {
	batch, maxNew := task.Prompt.Batch(), task.MaxNewTokens
	d := &decoding{eos: eos, out: make([][]int64, batch), next: make([]int64, batch), finished: make([]bool, batch), sampler: newSampler(task)}
	for i := range d.out {
		d.out[i] = make([]int64, 0, maxNew)
	}
	return d
}

func (d *decoding) reset() {
	d.left, d.count = len(d.out), 0
	for i := range d.out {
		d.out[i], d.finished[i] = d.out[i][:0], false
	}
}

// step chooses each sequence's next token from the logits of its last position.
func (d *decoding) step(p pass) error {
	for b := range d.out {
		if d.finished[b] {
			d.next[b] = d.eos
			continue
		}
		id, err := d.choose(p.last(b), b)
		if err != nil {
			return err
		}
		d.out[b] = append(d.out[b], id)
		d.next[b] = id
		d.count++
		if id == d.eos {
			d.finished[b] = true
			d.left--
		}
	}
	return nil
}

// choose is the next token of sequence b.
func (d *decoding) choose(logits []float32, b int) (int64, error) {
	if d.sampler == nil {
		return argmax(logits)
	}
	return d.sampler.sample(logits, b, len(d.out[b]))
}
