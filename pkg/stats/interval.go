package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// TInterval is the interval of the mean of a normal sample, mean ± t(1-α/2, n-1)·sd/√n: Student (1908), "The probable
// error of a mean", Biometrika 6(1), 1-25. It assumes independent values whose mean is about normal; of a skewed
// positive quantity it can reach below zero, which LogTInterval cannot.
//
// It fails with ErrTooFew for n < 2, with ErrZeroVariance, ErrNotFinite, and ErrRange for the confidence.
// Reference values: SciPy 1.17.1, scipy.stats.t.interval(0.95, n-1, mean, sd/sqrt(n)).
func (m Moments) TInterval(confidence float64) (Interval, error) {
	if err := m.check(2); err != nil {
		return Interval{}, err
	}
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	if m.SD == 0 {
		return Interval{}, fmt.Errorf("all %d values are %v: %w", m.N, m.Mean, ErrZeroVariance)
	}
	half := tQuantile(confidence, float64(m.N-1)) * math.Sqrt(m.sem2())
	return Interval{
		Lower: m.Mean - half, Upper: m.Mean + half, Confidence: confidence, Warnings: m.fewWarnings(),
	}, nil
}

// fewWarnings doubts a spread that rests on fewer than three values.
func (m Moments) fewWarnings() []string {
	if m.N >= 3 {
		return nil
	}
	return []string{fmt.Sprintf("n = %d: the spread rests on too few values to mean much", m.N)}
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
