package monitor

import (
	"math"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// bounds adds up those of parts. Of a counter, what one part has too much at its edge the next has too little, so that the first
// and the last of a row of parts count; those of power are of chance and independent; of averages both are so, as the edges of a part
// are one span of many. In parts in which power did not change, nothing shows how far off it is, and it is taken to be as far off all
// the time as in the best of the others, or by half the step it is told in, at least half a watt, if that is less. Power told in
// whole watts or tenths may be off to one side in all parts.
type bounds struct {
	first, latest *units.Joules
	sum, squares  float64
	calm          time.Duration // of parts without change
	least         *units.Watts  // of the bounds of the others, by their length
	moving        time.Duration // of the others of power
	finer         [2]bool       // than each of grains is some reading of power
	latestW       float64       // power
	step          units.Watts   // the least between two readings of power
	none          bool          // a part has none
}

// grains are the steps that meters are told in, which package energy knows too.
var grains = [...]units.Watts{1, 0.1}

// told takes a reading of power in.
func (b *bounds) told(v float64) {
	if step := units.Watts(math.Abs(v - b.latestW)); step > 0 && b.latestW > 0 && (b.step == 0 || step < b.step) {
		b.step = step
	}
	b.latestW = v
	for i, grain := range grains {
		steps := v / float64(grain)
		b.finer[i] = b.finer[i] || math.Abs(steps-math.Round(steps)) > 1e-6
	}
}

// rounded is what coarse readings may be off by to one side in all parts, half a step.
func (b *bounds) rounded() units.Joules {
	for i, grain := range grains {
		if !b.finer[i] {
			return (grain / 2).For(b.moving)
		}
	}
	return 0
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
	if chance {
		b.moving += length
		b.squares += float64(*j * *j)
		return
	}
	if b.latest != nil {
		b.squares += float64(*b.latest * *b.latest)
	}
	b.count(j)
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
	sum := units.Joules(b.sum + max(math.Sqrt(b.squares), float64(b.rounded())))
	if b.least != nil {
		sum += min(*b.least, max(b.step, grains[0])/2).For(b.calm)
	}
	return &sum
}
