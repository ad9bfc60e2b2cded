package cli

import (
	"math"
	"time"
)

// eta says how much time is left of work whose steps were estimated. It begins with what was estimated and corrects it by
// what the steps took, the more of the estimated total is behind them: the first steps take long against small estimates,
// as a worker starts in one of them, and say little of the others.
type eta struct {
	total, past time.Duration // estimated: of all steps, of those that ran
	usual       time.Duration // what those that ran took, each up to unusual times its estimate
	excess      time.Duration // what they took beyond that
	exceeded    int           // steps that took more than that
}

const (
	priorShare = 0.03 // of the estimated total: how much the estimate weighs against what was seen
	unusual    = 10   // times its estimate: what a step takes beyond that is no measure of the next one
	// A step that took less than both did not run, such as one of a backend that is missing.
	instant      = 50 * time.Millisecond
	instantShare = 20 // the estimate divided by this
)

// step takes note of a step that was estimated to take est.
func (e *eta) step(est, took time.Duration) {
	if took < instant && (est == 0 || took < est/instantShare) {
		e.total -= est
		return
	}
	e.past += est
	e.usual += min(took, unusual*est)
	if took > unusual*est {
		e.excess += took - unusual*est
		e.exceeded++
	}
}

// left is how much time is left, and false where nothing was estimated or all that was is done. What exceeded its estimate
// once is taken to have been the start; from the second time on it is expected again, as often as so far.
func (e *eta) left() (time.Duration, bool) {
	if e.total <= e.past {
		return 0, false
	}
	share := float64(e.past) / float64(e.total)
	left := float64(e.total - e.past)
	if e.usual > 0 {
		left *= math.Pow(float64(e.usual)/float64(e.past), share/(share+priorShare))
	}
	if e.exceeded > 1 {
		again := float64(e.exceeded-1) / float64(e.exceeded)
		left += float64(e.excess) * again * (1 - share) / (share + priorShare)
	}
	return time.Duration(left), true
}
