package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// TInterval is the interval of the mean of a normal sample, mean ± t(1-α/2, n-1)·sd/√n: Student (1908), "The probable
// error of a mean", Biometrika 6(1), 1-25. It assumes independent values whose mean is about normal; of a skewed
// positive quantity it can reach below zero, which Estimate.LogInterval cannot.
//
// It fails with ErrTooFew for n < 2, with ErrZeroVariance, ErrNotFinite, and ErrRange for the confidence.
// Reference values: SciPy 1.17.1, scipy.stats.t.interval(0.95, n-1, mean, sd/sqrt(n)).
func (m Moments) TInterval(confidence float64) (Interval, error) {
	e, err := m.Estimate()
	if err != nil {
		return Interval{}, err
	}
	return e.Interval(confidence)
}

// fewWarnings doubts a spread that rests on fewer than three values.
func (m Moments) fewWarnings() []string { return fewWarnings(m.N) }

func fewWarnings(n int) []string {
	if n >= 3 {
		return nil
	}
	return []string{fmt.Sprintf("n = %d: the spread rests on too few values to mean much", n)}
}

// tQuantile is the two-sided critical value t(1-α/2, df) for α = 1-confidence.
func tQuantile(confidence, df float64) float64 {
	// The lower tail, so that a confidence near 1 does not cancel.
	return -distuv.StudentsT{Sigma: 1, Nu: df}.Quantile((1 - confidence) / 2)
}

// tTwoSided is the two-sided p value of t.
func tTwoSided(t, df float64) float64 {
	return 2 * distuv.StudentsT{Sigma: 1, Nu: df}.Survival(math.Abs(t))
}
