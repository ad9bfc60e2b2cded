// Package stats holds the statistics that bh rests on: descriptions, intervals, tests, corrections, effect sizes and
// resampling, of plain float64 values. It reads and prints nothing and knows nothing of backends or costs: choosing a
// design is package compare's work.
//
// A precondition that does not hold (too few values, no variance, a NaN) is an error that errors.Is finds, so that no
// result is ever NaN or infinite; a doubt that leaves a result usable is a warning beside it. The tests take Moments
// (n, mean and standard deviation), because that is all that a published or archived table has kept.
//
// Distributions come from gonum.org/v1/gonum/stat/distuv, order statistics from github.com/montanaflynn/stats.
package stats

import (
	"errors"
	"fmt"
	"math"
)

// The preconditions that a caller can break.
var (
	ErrTooFew       = errors.New("too few values")
	ErrZeroVariance = errors.New("no variance")
	ErrNotFinite    = errors.New("not a finite number")
	ErrNotPositive  = errors.New("not above zero")
	ErrRange        = errors.New("out of range")
	ErrLengths      = errors.New("different lengths")
)

// DefaultConfidence is the confidence of the intervals of bh's records and reports.
const DefaultConfidence = 0.95

// Interval is a two-sided confidence interval.
type Interval struct {
	Lower      float64
	Upper      float64
	Confidence float64  // in (0, 1)
	Warnings   []string // doubts about it, for people
}

// noise is the relative spread below which values are taken as equal: a few units in the last place are what summing,
// dividing or taking logarithms of equal values leaves, and a test would read them as an effect of enormous significance.
const noise = 16 * 0x1p-52

// checkFinite reports the first value that is NaN or infinite.
func checkFinite(x []float64) error {
	for i, v := range x {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("value %d of %d is %v: %w", i+1, len(x), v, ErrNotFinite)
		}
	}
	return nil
}

// checkCount checks that there are at least want values.
func checkCount(n, want int) error {
	if n < want {
		return fmt.Errorf("saw %d, want at least %d: %w", n, want, ErrTooFew)
	}
	return nil
}

// checkPositive reports the first value that is not a finite number above zero.
func checkPositive(x []float64) error {
	if err := checkFinite(x); err != nil {
		return err
	}
	for i, v := range x {
		if v <= 0 {
			return fmt.Errorf("value %d of %d is %v: %w", i+1, len(x), v, ErrNotPositive)
		}
	}
	return nil
}

// checkConfidence checks that c is a probability that an interval can have.
func checkConfidence(c float64) error {
	if !(c > 0 && c < 1) {
		return fmt.Errorf("confidence %v, want one between 0 and 1: %w", c, ErrRange)
	}
	return nil
}
