package stats

import (
	"fmt"
	"math"
	"slices"

	mstats "github.com/montanaflynn/stats"
	"gonum.org/v1/gonum/stat"
)

// Moments are what the tests need to know of a sample.
type Moments struct {
	N    int
	Mean float64
	SD   float64 // sample standard deviation, n-1; 0 for one value and for equal values
}

// Of computes the moments of x: mean = sum(x)/n and sd = sqrt(sum((x-mean)^2)/(n-1)), by the compensated two-pass
// algorithm of gonum (Chan, Golub and LeVeque, 1983, "Algorithms for computing the sample variance", The American
// Statistician 37(3), 242-247, equation 1.7). Values that differ by rounding alone have sd exactly 0.
//
// It fails with ErrTooFew for no values and with ErrNotFinite.
// Reference values: NumPy 2.4.6, np.mean(x) and np.std(x, ddof=1).
func Of(x []float64) (Moments, error) {
	if err := checkCount(len(x), 1); err != nil {
		return Moments{}, err
	}
	if err := checkFinite(x); err != nil {
		return Moments{}, err
	}
	lo, hi := slices.Min(x), slices.Max(x)
	if hi-lo <= noise*max(math.Abs(lo), math.Abs(hi)) {
		return Moments{N: len(x), Mean: lo/2 + hi/2}, nil
	}
	m := Moments{N: len(x)}
	m.Mean, m.SD = stat.MeanStdDev(x, nil)
	return m, m.check(1)
}

// check validates moments that may come from outside: a published summary, an archived table.
func (m Moments) check(minN int) error {
	if err := checkCount(m.N, minN); err != nil {
		return err
	}
	if err := checkFinite([]float64{m.Mean, m.SD}); err != nil {
		return fmt.Errorf("mean %v, standard deviation %v: %w", m.Mean, m.SD, ErrNotFinite)
	}
	if m.SD < 0 {
		return fmt.Errorf("standard deviation %v: %w", m.SD, ErrRange)
	}
	return nil
}

// variance is the sample variance, n-1.
func (m Moments) variance() float64 { return m.SD * m.SD }

// sem2 is the squared standard error of the mean.
func (m Moments) sem2() float64 { return m.variance() / float64(m.N) }

// Median is the middle value, or the mean of the two middle ones.
//
// It fails with ErrTooFew for no values and with ErrNotFinite.
// Reference values: NumPy 2.4.6, np.median(x).
func Median(x []float64) (float64, error) { return Percentile(x, 50) }

// Percentile is the p-th percentile of x, p from 0 to 100, by linear interpolation between order statistics at
// position (n-1)p/100: type 7 of Hyndman and Fan (1996), "Sample quantiles in statistical packages", The American
// Statistician 50(4), 361-365, the default of R and NumPy.
//
// The work is done by montanaflynn/stats: since v0.8.0 its Percentile is type 7 (before, it was a definition of its own,
// so a test holds the pinned version against NumPy); it rejects p = 0, which is the minimum. gonum's stat.Quantile was
// not used: its LinInterp is type 4.
//
// It fails with ErrTooFew for no values, with ErrNotFinite, and with ErrRange for p outside 0 to 100.
// Reference values: NumPy 2.4.6, np.percentile(x, p, method="linear").
func Percentile(x []float64, p float64) (float64, error) {
	if err := checkCount(len(x), 1); err != nil {
		return 0, err
	}
	if err := checkFinite(x); err != nil {
		return 0, err
	}
	if !(p >= 0 && p <= 100) {
		return 0, fmt.Errorf("percentile %v, want one from 0 to 100: %w", p, ErrRange)
	}
	if p == 0 {
		return slices.Min(x), nil
	}
	v, err := mstats.Percentile(x, p)
	if err != nil {
		return 0, fmt.Errorf("percentile %v: %w", p, err)
	}
	return v, nil
}

// GeoMean is the geometric mean exp(mean(ln x)), the mean that ratios between samples are consistent under: Fleming
// and Wallace (1986), "How not to lie with statistics: the correct way to summarize benchmark results", Communications
// of the ACM 29(3), 218-221.
//
// It fails with ErrTooFew for no values, with ErrNotFinite, and with ErrNotPositive.
// Reference values: SciPy 1.17.1, scipy.stats.gmean(x).
func GeoMean(x []float64) (float64, error) {
	if err := checkCount(len(x), 1); err != nil {
		return 0, err
	}
	if err := checkPositive(x); err != nil {
		return 0, err
	}
	return stat.GeometricMean(x, nil), nil
}
