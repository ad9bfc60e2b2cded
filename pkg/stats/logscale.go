package stats

import (
	"fmt"
	"math"
)

// LogMean is the logarithm of a mean with the uncertainty of that logarithm: what intervals of positive quantities and
// of their ratios are made of.
type LogMean struct {
	Log float64 // natural logarithm of the mean
	SE  float64 // standard error of Log
	DF  float64 // degrees of freedom of SE
}

// largeRelativeSE is the standard error of a log mean above which the delta method is doubted: at 0.3 its second-order
// term, se^2/2, moves the mean by 5%.
const largeRelativeSE = 0.3

// LogMeanFromInterval recovers a LogMean from a mean and its t interval on the log scale with n-1 degrees of freedom:
// se = ln(upper/lower) / (2·t(1-α/2, n-1)), the inverse of LogMean.Interval.
//
// It fails with ErrTooFew for n < 2, with ErrNotPositive, ErrNotFinite, and with ErrRange for bounds in the wrong order
// and for the confidence.
func LogMeanFromInterval(mean float64, ci Interval, n int) (LogMean, error) {
	if err := checkCount(n, 2); err != nil {
		return LogMean{}, err
	}
	if err := checkPositive([]float64{mean, ci.Lower, ci.Upper}); err != nil {
		return LogMean{}, err
	}
	if err := checkConfidence(ci.Confidence); err != nil {
		return LogMean{}, err
	}
	if ci.Upper < ci.Lower {
		return LogMean{}, fmt.Errorf("interval from %v to %v: %w", ci.Lower, ci.Upper, ErrRange)
	}
	df := float64(n - 1)
	width := math.Log(ci.Upper) - math.Log(ci.Lower)
	return LogMean{Log: math.Log(mean), SE: width / (2 * tQuantile(ci.Confidence, df)), DF: df}, nil
}

// Interval is exp(log ± t(1-α/2, df)·se): an interval of the mean that is always above zero.
//
// It fails with ErrZeroVariance for se = 0, with ErrRange for the confidence, and with ErrNotPositive or ErrNotFinite
// where a bound is too small or too large for a float64.
func (l LogMean) Interval(confidence float64) (Interval, error) {
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	if l.SE == 0 {
		return Interval{}, fmt.Errorf("mean %v without spread: %w", math.Exp(l.Log), ErrZeroVariance)
	}
	half := tQuantile(confidence, l.DF) * l.SE
	ci := Interval{Lower: math.Exp(l.Log - half), Upper: math.Exp(l.Log + half), Confidence: confidence}
	if l.SE > largeRelativeSE {
		ci.Warnings = append(ci.Warnings, fmt.Sprintf(
			"the standard error is %.0f%% of the mean: an interval on the log scale is rough there", 100*l.SE))
	}
	return ci, checkPositive([]float64{ci.Lower, ci.Upper}) // exp may have left the range of a float64
}

// Ratio is a ratio of two positive quantities with its interval.
type Ratio struct {
	Ratio float64
	CI    Interval
	DF    float64
}

// RatioOfMeans is the ratio of the mean of a to the mean of b, two independent samples, with Welch's interval on the log
// scale: exp(ln a - ln b ± t(1-α/2, df)·√(se_a^2+se_b^2)), df of Welch and Satterthwaite (see Welch). Unlike a
// difference it needs no common unit, and unlike Fieller's interval it is always bounded and above zero.
//
// It fails with ErrZeroVariance when neither mean has spread, and with ErrRange for the confidence.
// Reference values: SciPy 1.17.1, from scipy.stats.t.ppf and the formula above.
func RatioOfMeans(a, b LogMean, confidence float64) (Ratio, error) {
	va, vb := a.SE*a.SE, b.SE*b.SE
	if va+vb == 0 {
		return Ratio{}, fmt.Errorf("neither mean has spread: %w", ErrZeroVariance)
	}
	d := LogMean{Log: a.Log - b.Log, SE: math.Sqrt(va + vb), DF: satterthwaite(va, a.DF, vb, b.DF)}
	ci, err := d.Interval(confidence)
	if err != nil {
		return Ratio{}, err
	}
	return Ratio{Ratio: math.Exp(d.Log), CI: ci, DF: d.DF}, nil
}
