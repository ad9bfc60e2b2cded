package monitor

import (
	"math"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// bounds adds up those of parts. Of a counter, what one part has too much at its edge the next has too little, so that the first
// and the last of a row of parts count; those of power are of chance and independent; of averages all count. In parts in which power
// did not change, nothing shows how far off it is, and it is taken to be as far off all the time as in the best of the others.
type bounds struct {
	first, latest *units.Joules
	sum, squares  float64
	calm          time.Duration // of parts without change
	least         *units.Watts  // of the bounds of the others, by their length
	none          bool          // a part has none
}

// count takes the bound of a counter's part in.
func (b *bounds) count(j *units.Joules) {
	switch {
	case j == nil:
		b.none = true
	case b.first == nil:
		b.first = j
	default:
		b.latest = j
	}
}

// power takes the bound of a part of power in, or of moving averages.
func (b *bounds) power(j *units.Joules, length time.Duration, chance bool) {
	if j == nil {
		b.none = true
		return
	}
	if off := j.Over(length); b.least == nil || off < *b.least {
		b.least = &off
	}
	switch {
	case chance:
		b.squares += float64(*j * *j)
	default:
		b.sum += float64(*j)
	}
}

// close ends a row of parts.
func (b *bounds) close() {
	for _, j := range []*units.Joules{b.first, b.latest} {
		if j != nil {
			b.sum += float64(*j)
		}
	}
	b.first, b.latest = nil, nil
}

// joules is the bound of all parts.
func (b *bounds) joules() *units.Joules {
	if b.none {
		return nil
	}
	sum := units.Joules(b.sum + math.Sqrt(b.squares))
	if b.least != nil {
		sum += b.least.For(b.calm)
	}
	return &sum
}
