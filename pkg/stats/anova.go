package stats

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// ANOVA is the result of a one-way analysis of variance.
type ANOVA struct {
	F         float64
	DFBetween float64
	DFWithin  float64
	P         float64
	Warnings  []string
}

// OneWay tests whether independent normal samples of one common variance all have the same mean:
// F = (Σ n_i(m_i-m)²/(k-1)) / (Σ (n_i-1)s_i²/(N-k)), from F(k-1, N-k). Fisher (1925), "Statistical Methods for Research
// Workers", chapter VII. A group of one value adds to the means and not to the variance.
//
// It fails with ErrTooFew for fewer than two groups, an empty group, or no group of two values; with ErrZeroVariance
// when no group varies; and with ErrNotFinite.
// Reference values: SciPy 1.17.1, scipy.stats.f_oneway(*groups).
func OneWay(groups []Moments) (ANOVA, error) {
	if len(groups) < 2 {
		return ANOVA{}, fmt.Errorf("saw %d groups, want at least 2: %w", len(groups), ErrTooFew)
	}
	n, sum, within := 0, 0.0, 0.0
	for i, g := range groups {
		if err := g.check(1); err != nil {
			return ANOVA{}, fmt.Errorf("group %d: %w", i+1, err)
		}
		n += g.N
		sum += float64(g.N) * g.Mean
		within += float64(g.N-1) * g.variance()
	}
	r := ANOVA{DFBetween: float64(len(groups) - 1), DFWithin: float64(n - len(groups))}
	if r.DFWithin < 1 {
		return ANOVA{}, fmt.Errorf("%d values in %d groups leave no variance within them: %w", n, len(groups), ErrTooFew)
	}
	if within == 0 {
		return ANOVA{}, fmt.Errorf("no group varies: %w", ErrZeroVariance)
	}
	grand, between := sum/float64(n), 0.0
	for _, g := range groups {
		between += float64(g.N) * (g.Mean - grand) * (g.Mean - grand)
	}
	r.F = (between / r.DFBetween) / (within / r.DFWithin)
	if math.IsNaN(r.F) || math.IsInf(r.F, 0) {
		return ANOVA{}, fmt.Errorf("statistic F = %v: %w", r.F, ErrNotFinite)
	}
	r.P = fSurvival(r.F, r.DFBetween, r.DFWithin)
	r.Warnings = spreadWarnings(groups)
	return r, nil
}

// fSurvival is P(F > f) as the regularised incomplete beta function I_x(d2/2, d1/2) at x = d2/(d2+d1·f). gonum's
// F.Survival is 1-CDF, which is 0 or noise for the p values below 1e-16 that published tables are proud of.
func fSurvival(f, d1, d2 float64) float64 {
	return mathext.RegIncBeta(d2/2, d1/2, d2/(d2+d1*f))
}

// spreadWarnings doubts a common variance.
func spreadWarnings(groups []Moments) []string {
	lo, hi := math.Inf(1), 0.0
	for _, g := range groups {
		if g.N < 2 {
			continue
		}
		lo, hi = min(lo, g.variance()), max(hi, g.variance())
	}
	if hi > unequalVariances*lo {
		return []string{"the variances of the groups differ by more than four times, and the test takes them as equal"}
	}
	return nil
}
