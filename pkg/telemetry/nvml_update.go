//go:build linux && cgo

package telemetry

import (
	"math"
	"slices"
	"time"
)

const (
	// updatesWanted is how many updates in a row an update period is told from.
	updatesWanted = 16
	// readingsPerUpdate is how many readings there must be for each update, on average, to tell its period: where each
	// reading shows another value, the period is shorter than the sampling interval and not known.
	readingsPerUpdate = 1.5
	// stillness is how many updates in a row may show the same value.
	stillness = 4
)

// updates learns from samples how often the driver updates a reading. Nothing else tells: NVIDIA documents no periods, they
// differ between generations of GPUs (Yang et al., see powerReading), and to measure one when the source is opened would
// take a second.
type updates struct {
	period time.Duration // 0 until known

	value    uint64
	changed  time.Time // when the value was first seen; zero before the first change
	begun    bool
	readings int // since then
	gaps     []time.Duration
	reads    []int
}

// saw takes in a reading.
func (u *updates) saw(at time.Time, value uint64) {
	u.readings++
	if u.begun && value == u.value {
		return
	}
	if !u.changed.IsZero() {
		u.gaps = append(u.gaps, at.Sub(u.changed))
		u.reads = append(u.reads, u.readings)
	}
	if u.begun {
		u.changed = at
	}
	u.begun, u.value, u.readings = true, value, 0
	if len(u.gaps) == updatesWanted {
		u.learn()
		u.gaps, u.reads = u.gaps[:0], u.reads[:0]
	}
}

// learn takes the mean gap between updates, which is that between changes where no value stayed the same over an update;
// a gap of about twice the median is two updates, and so on. A long stillness tells nothing. The least mean so far stands,
// as what was taken for one update and was two only lengthens it.
func (u *updates) learn() {
	median := slices.Sorted(slices.Values(u.gaps))[len(u.gaps)/2]
	var sum time.Duration
	passed, readings := 0, 0
	for i, gap := range u.gaps {
		if n := int(math.Round(float64(gap) / float64(max(median, 1)))); n <= stillness {
			sum += gap
			passed += max(n, 1)
			readings += u.reads[i]
		}
	}
	period := sum / time.Duration(passed)
	if float64(readings) < readingsPerUpdate*float64(passed) || period <= 0 {
		return
	}
	if u.period == 0 || period < u.period {
		u.period = period
	}
}
