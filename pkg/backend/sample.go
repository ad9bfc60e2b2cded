package backend

import (
	"math"
	"sort"
)

// sampler draws tokens at a temperature above 0. The draw depends on the seed, the sequence and the position alone, and
// goes through the vocabulary in the order of the ids, so that every backend that computes the same probabilities draws
// the same token: a difference between backends is never a difference between their random numbers.
type sampler struct {
	temperature float64
	seed        uint64
	offset      int
	cumulative  []float64
}

// sharedSampler says in Info that a backend draws as sampler does.
const sharedSampler = "bh"

// newSampler is the task's sampler, nil for greedy decoding.
func newSampler(task Task) *sampler {
	if task.Temperature == 0 {
		return nil
	}
	return &sampler{temperature: task.Temperature, seed: uint64(task.Seed), offset: task.Offset}
}

// sample draws from softmax(logits / temperature) by inversion: the first id whose cumulative probability exceeds a
// uniform number.
func (s *sampler) sample(logits []float32, sequence, position int) (int64, error) {
	best, err := argmax(logits)
	if err != nil {
		return 0, err
	}
	if len(s.cumulative) != len(logits) {
		s.cumulative = make([]float64, len(logits))
	}
	high, sum := float64(logits[best]), 0.0
	for i, v := range logits {
		if e := math.Exp((float64(v) - high) / s.temperature); e > 0 { // false for NaN, which has no probability
			sum += e
		}
		s.cumulative[i] = sum
	}
	threshold := uniform(s.seed, s.offset+sequence, position) * sum
	id := sort.Search(len(s.cumulative), func(i int) bool { return s.cumulative[i] > threshold })
	return int64(min(id, len(logits)-1)), nil
}

// Constants of SplitMix64 (Steele, Lea and Flood, 2014, Fast splittable pseudorandom number generators, OOPSLA).
const (
	splitMixStep   = 0x9E3779B97F4A7C15
	splitMixFirst  = 0xBF58476D1CE4E5B9
	splitMixSecond = 0x94D049BB133111EB
	sequenceShift  = 20 // positions stay below 2^20
)

// uniform is a number in [0, 1): SplitMix64 of the seed, jumped to the place of the sequence and position.
func uniform(seed uint64, sequence, position int) float64 {
	z := seed + (1+uint64(sequence)<<sequenceShift+uint64(position))*splitMixStep
	z = (z ^ z>>30) * splitMixFirst
	z = (z ^ z>>27) * splitMixSecond
	z ^= z >> 31
	return float64(z>>11) / (1 << 53)
}
