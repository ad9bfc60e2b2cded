package monitor

import (
	"math"

	"github.com/banterhearts/bh/pkg/units"
)

// bounds adds up those of parts. Of a counter, what one part has too much at its edge the next has too little, so that the first
// and the last of a row of parts count; those of power are of chance and independent; of averages all count.
type bounds struct {
	first, latest *units.Joules
	sum, squares  float64
	none          bool // a part has none
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
func (b *bounds) power(j *units.Joules, chance bool) {
	switch {
	case j == nil:
		b.none = true
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
	return units.Ptr(units.Joules(b.sum + math.Sqrt(b.squares)))
}
