package stats

import (
	"fmt"
	"math"
)

// Estimate is a mean with its standard error and the degrees of freedom of that error: all that an interval or a ratio
// needs, whatever was replicated, values or clusters of them.
type Estimate struct {
	Mean float64
	SE   float64 // standard error of Mean; 0 where nothing varies
	DF   float64
}

// Estimate is the mean of independent values: se = sd/√n, df = n-1.
//
// It fails with ErrTooFew for n < 2, with ErrNotFinite, and with ErrRange for a negative standard deviation.
func (m Moments) Estimate() (Estimate, error) {
	if err := m.check(2); err != nil {
		return Estimate{}, err
	}
	return Estimate{Mean: m.Mean, SE: m.SD / math.Sqrt(float64(m.N)), DF: float64(m.N - 1)}, nil
}

// ClusterMean is the mean over all values of independent clusters, whose values may be alike within a cluster: runs of
// one process, of one day. With k clusters of n_i values and mean m_i, N values in all,
//
//	mean = Σ n_i·m_i / N,  se² = k/(k-1) · Σ (n_i/N)²·(m_i - mean)²,  df = k-1
//
// which is the t interval over the k means where the clusters are of one size: more values within a cluster do not
// narrow it below what its own mean is off by. It is the variance between ultimate clusters of Hansen, Hurwitz and
// Madow (1953), "Sample Survey Methods and Theory", volume I, chapter 6, and the robust variance of Liang and Zeger
// (1986), "Longitudinal data analysis using generalized linear models", Biometrika 73(1), 13-22, of a mean, with the
// factor k/(k-1). It assumes that the sizes of the clusters say nothing about their means. The standard deviations of
// the clusters are not used.
//
// It fails with ErrTooFew for fewer than two clusters and for an empty one, and with ErrNotFinite.
// Reference values: SciPy 1.17.1, scipy.stats.sem of the means for clusters of one size; NumPy 2.4.6 from the formula.
func ClusterMean(clusters []Moments) (Estimate, error) {
	k := len(clusters)
	if k < 2 {
		return Estimate{}, fmt.Errorf("saw %d clusters, want at least 2: %w", k, ErrTooFew)
	}
	var n, sum float64
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, c := range clusters {
		if err := c.check(1); err != nil {
			return Estimate{}, fmt.Errorf("cluster %d: %w", i+1, err)
		}
		n += float64(c.N)
		sum += float64(c.N) * c.Mean
		lo, hi = min(lo, c.Mean), max(hi, c.Mean)
	}
	e := Estimate{Mean: sum / n, DF: float64(k - 1)}
	if hi-lo <= noise*max(math.Abs(lo), math.Abs(hi)) {
		return e, checkFinite([]float64{e.Mean})
	}
	squares := 0.0
	for _, c := range clusters {
		d := float64(c.N) / n * (c.Mean - e.Mean)
		squares += d * d
	}
	e.SE = math.Sqrt(float64(k) / float64(k-1) * squares)
	return e, checkFinite([]float64{e.Mean, e.SE})
}

// Interval is mean ± t(1-α/2, df)·se. It assumes that the mean is about normal; of a skewed positive quantity it can
// reach below zero, which LogInterval cannot.
//
// It fails with ErrZeroVariance for se = 0 and with ErrRange for the confidence.
func (e Estimate) Interval(confidence float64) (Interval, error) {
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	if e.SE == 0 {
		return Interval{}, fmt.Errorf("mean %v without spread: %w", e.Mean, ErrZeroVariance)
	}
	half := tQuantile(confidence, e.DF) * e.SE
	return Interval{Lower: e.Mean - half, Upper: e.Mean + half, Confidence: confidence, Warnings: e.fewWarnings()}, nil
}

// LogMean takes the mean to the log scale by the delta method: log = ln(mean), se = se/mean, the same degrees of
// freedom. Oehlert (1992), "A note on the delta method", The American Statistician 46(1), 27-29. It is the logarithm of
// the mean, not the mean of the logarithms: tokens are paid for by total time, which is n times the mean.
//
// It fails with ErrNotPositive for the mean.
func (e Estimate) LogMean() (LogMean, error) {
	if !(e.Mean > 0) {
		return LogMean{}, fmt.Errorf("mean %v: %w", e.Mean, ErrNotPositive)
	}
	return LogMean{Log: math.Log(e.Mean), SE: e.SE / e.Mean, DF: e.DF}, nil
}

// LogInterval is the interval of a positive mean on the log scale, LogMean().Interval(confidence), and fails as these do.
// Reference values: SciPy 1.17.1, exp(scipy.stats.t.interval(0.95, n-1, log(mean), sd/(mean*sqrt(n)))).
func (e Estimate) LogInterval(confidence float64) (Interval, error) {
	l, err := e.LogMean()
	if err != nil {
		return Interval{}, err
	}
	ci, err := l.Interval(confidence)
	ci.Warnings = append(ci.Warnings, e.fewWarnings()...)
	return ci, err
}

// fewWarnings doubts a standard error of one degree of freedom.
func (e Estimate) fewWarnings() []string { return fewWarnings(int(e.DF) + 1) }
