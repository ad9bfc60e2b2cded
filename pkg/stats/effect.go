package stats

import "math"

// CohensD is the difference of two means in units of s = √((s1²+s2²)/2), the root mean square of the two standard
// deviations, whatever the sample sizes. Cohen (1988), "Statistical Power Analysis for the Behavioral Sciences", 2nd
// edition, page 44, equation 2.3.2. With equal n it equals CohensDPooled. It is what Technical Report 119 used.
//
// It fails with ErrTooFew for n < 2, ErrZeroVariance when neither sample varies, and ErrNotFinite.
// Reference values: NumPy 2.4.6, (mean(a)-mean(b))/sqrt((var(a, ddof=1)+var(b, ddof=1))/2).
func CohensD(a, b Moments) (float64, error) {
	return standardized(a, b, func() float64 { return a.variance()/2 + b.variance()/2 })
}

// CohensDPooled is the difference of two means in units of the pooled standard deviation of Pooled, which weights the
// variances by their degrees of freedom. Cohen (1988), as CohensD, pages 66-67, equation 2.5.2.
//
// It fails as CohensD does.
// Reference values: NumPy 2.4.6, from the formula.
func CohensDPooled(a, b Moments) (float64, error) {
	return standardized(a, b, func() float64 { s2, _ := pooledVariance(a, b); return s2 })
}

// standardized divides the difference of the means by the square root of a variance, which must not be read before the
// samples are checked.
func standardized(a, b Moments, variance func() float64) (float64, error) {
	if err := checkPair(a, b); err != nil {
		return 0, err
	}
	d := (a.Mean - b.Mean) / math.Sqrt(variance())
	return d, checkFinite([]float64{d})
}
