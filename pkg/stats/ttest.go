package stats

import (
	"fmt"
	"math"
)

// TTest is the result of a t test.
type TTest struct {
	Diff     float64 // mean of the first sample minus mean of the second, or mean difference
	SE       float64 // standard error of Diff
	T        float64 // Diff/SE
	DF       float64
	P        float64 // two-sided
	Warnings []string
}

// newTTest completes a test from its difference, standard error and degrees of freedom.
func newTTest(diff, se, df float64) (TTest, error) {
	r := TTest{Diff: diff, SE: se, T: diff / se, DF: df}
	if err := checkFinite([]float64{r.T, r.DF}); err != nil {
		return TTest{}, fmt.Errorf("t = %v/%v: %w", diff, se, ErrNotFinite)
	}
	r.P = tTwoSided(r.T, df)
	return r, nil
}

// Interval is the interval of the difference, Diff ± t(1-α/2, DF)·SE.
//
// It fails with ErrRange for the confidence.
func (r TTest) Interval(confidence float64) (Interval, error) {
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	half := tQuantile(confidence, r.DF) * r.SE
	return Interval{Lower: r.Diff - half, Upper: r.Diff + half, Confidence: confidence, Warnings: r.Warnings}, nil
}

// Welch tests whether two independent normal samples, whose variances may differ, have the same mean:
// t = (m1-m2)/√(s1²/n1+s2²/n2), df = (v1+v2)²/(v1²/(n1-1)+v2²/(n2-1)) with v = s²/n. Welch (1947), "The generalization
// of 'Student's' problem when several different population variances are involved", Biometrika 34(1-2), 28-35;
// Satterthwaite (1946), "An approximate distribution of estimates of variance components", Biometrics Bulletin 2(6),
// 110-114.
//
// It fails with ErrTooFew for n < 2, ErrZeroVariance when neither sample varies, and ErrNotFinite.
// Reference values: SciPy 1.17.1, scipy.stats.ttest_ind(a, b, equal_var=False).
func Welch(a, b Moments) (TTest, error) {
	if err := checkPair(a, b); err != nil {
		return TTest{}, err
	}
	va, vb := a.sem2(), b.sem2()
	r, err := newTTest(a.Mean-b.Mean, math.Sqrt(va+vb), satterthwaite(va, float64(a.N-1), vb, float64(b.N-1)))
	r.Warnings = append(a.fewWarnings(), b.fewWarnings()...)
	return r, err
}

// satterthwaite is the degrees of freedom of the sum of two independent variance estimates, not both zero. It divides
// by the larger first, so that squares of small variances do not vanish.
func satterthwaite(va, dfa, vb, dfb float64) float64 {
	m := max(va, vb)
	x, y := va/m, vb/m
	return (x + y) * (x + y) / (x*x/dfa + y*y/dfb)
}

// unequalVariances is the ratio of two variances above which a test that assumes them equal is doubted. The limit is
// ours; that the level of such a test drifts with the ratio, and with unequal n much, is Box (1954), "Some theorems on
// quadratic forms applied in the study of analysis of variance problems, I", Annals of Mathematical Statistics 25(2),
// 290-302.
const unequalVariances = 4

// Pooled tests whether two independent normal samples of one common variance have the same mean:
// t = (m1-m2)/(s·√(1/n1+1/n2)), s² = ((n1-1)s1²+(n2-1)s2²)/(n1+n2-2), df = n1+n2-2. Student (1908), as TInterval;
// Fisher (1925), "Applications of 'Student's' distribution", Metron 5, 90-104. It is what Technical Report 119 used;
// Welch needs less.
//
// It fails with ErrTooFew for n < 2, ErrZeroVariance when neither sample varies, and ErrNotFinite.
// Reference values: SciPy 1.17.1, scipy.stats.ttest_ind(a, b).
func Pooled(a, b Moments) (TTest, error) {
	if err := checkPair(a, b); err != nil {
		return TTest{}, err
	}
	s2, df := pooledVariance(a, b)
	r, err := newTTest(a.Mean-b.Mean, math.Sqrt(s2*(1/float64(a.N)+1/float64(b.N))), df)
	r.Warnings = append(a.fewWarnings(), b.fewWarnings()...)
	if lo, hi := min(a.variance(), b.variance()), max(a.variance(), b.variance()); hi > unequalVariances*lo {
		r.Warnings = append(r.Warnings, "the variances differ by more than four times, and the test takes them as equal")
	}
	return r, err
}

// pooledVariance is the common variance of two samples, and its degrees of freedom.
func pooledVariance(a, b Moments) (s2, df float64) {
	df = float64(a.N + b.N - 2)
	return (float64(a.N-1)*a.variance() + float64(b.N-1)*b.variance()) / df, df
}

// checkPair checks two samples that are to be compared through their variances.
func checkPair(a, b Moments) error {
	if err := a.check(2); err != nil {
		return fmt.Errorf("first sample: %w", err)
	}
	if err := b.check(2); err != nil {
		return fmt.Errorf("second sample: %w", err)
	}
	if a.variance()+b.variance() == 0 {
		return fmt.Errorf("neither sample varies: %w", ErrZeroVariance)
	}
	return nil
}

// Paired tests whether the differences x[i]-y[i] of a normal sample of pairs have mean zero: t = mean(d)/(sd(d)/√n),
// df = n-1. Student (1908), as TInterval.
//
// It fails with ErrLengths, with ErrTooFew for fewer than two pairs, with ErrZeroVariance when all differences are equal
// up to the rounding of x and y, and with ErrNotFinite.
// Reference values: SciPy 1.17.1, scipy.stats.ttest_rel(x, y).
func Paired(x, y []float64) (TTest, error) {
	scale, err := pairScale(x, y, 2)
	if err != nil {
		return TTest{}, err
	}
	return paired(x, y, scale)
}

// PairedClusters is Paired for pairs that come in independent clusters, x[i] and y[i] the two sides of cluster i: the mean
// difference over all pairs with the standard error and the degrees of freedom of ClusterMean of the differences. With
// clusters of one size it is Paired of their means.
//
// It fails as Paired and ClusterMean do.
// Reference values: SciPy 1.17.1, scipy.stats.ttest_rel of the clusters' means, for clusters of one size.
func PairedClusters(x, y [][]float64) (TTest, error) {
	if len(x) != len(y) {
		return TTest{}, fmt.Errorf("saw %d and %d clusters, want pairs: %w", len(x), len(y), ErrLengths)
	}
	clusters, largest := make([]Moments, len(x)), 0.0
	for i := range x {
		scale, err := pairScale(x[i], y[i], 1)
		if err == nil {
			clusters[i], err = differences(x[i], y[i])
		}
		if err != nil {
			return TTest{}, fmt.Errorf("cluster %d: %w", i+1, err)
		}
		largest = max(largest, scale)
	}
	e, err := ClusterMean(clusters)
	if err != nil {
		return TTest{}, err
	}
	if e.SE <= noise*largest {
		return TTest{}, fmt.Errorf("the mean differences of all %d clusters are equal: %w", len(x), ErrZeroVariance)
	}
	r, err := newTTest(e.Mean, e.SE, e.DF)
	r.Warnings = e.fewWarnings()
	return r, err
}

// PairedRatio tests whether the ratios x[i]/y[i] of positive pairs have geometric mean one: Paired of the logarithms,
// and the geometric mean with its interval, exp(mean(d) ± t(1-α/2, n-1)·sd(d)/√n). Pairing takes out what differs
// between the pairs' settings; the ratio is the same in every unit. It assumes that the log ratios are normal.
//
// It fails as Paired does, and with ErrNotPositive and ErrRange (the confidence).
// Reference values: SciPy 1.17.1, scipy.stats.ttest_rel(log(x), log(y)).confidence_interval().
func PairedRatio(x, y []float64, confidence float64) (TTest, Ratio, error) {
	if err := checkPositive(x); err != nil {
		return TTest{}, Ratio{}, fmt.Errorf("first sample: %w", err)
	}
	if err := checkPositive(y); err != nil {
		return TTest{}, Ratio{}, fmt.Errorf("second sample: %w", err)
	}
	lx, ly := logs(x), logs(y)
	scale, err := pairScale(lx, ly, 2)
	if err != nil {
		return TTest{}, Ratio{}, err
	}
	// A relative error of the values is an absolute one of their logarithms: at least 1, however small those are.
	test, err := paired(lx, ly, max(scale, 1))
	if err != nil {
		return TTest{}, Ratio{}, err
	}
	ci, err := LogMean{Log: test.Diff, SE: test.SE, DF: test.DF}.Interval(confidence)
	if err != nil {
		return TTest{}, Ratio{}, err
	}
	ci.Warnings = append(ci.Warnings, test.Warnings...)
	return test, Ratio{Ratio: math.Exp(test.Diff), CI: ci, DF: test.DF}, nil
}

func logs(x []float64) []float64 {
	l := make([]float64, len(x))
	for i, v := range x {
		l[i] = math.Log(v)
	}
	return l
}

// pairScale checks two samples of at least want values that are to be compared in pairs, and returns their largest
// magnitude.
func pairScale(x, y []float64, want int) (float64, error) {
	if len(x) != len(y) {
		return 0, fmt.Errorf("saw %d and %d values, want pairs: %w", len(x), len(y), ErrLengths)
	}
	if err := checkCount(len(x), want); err != nil {
		return 0, err
	}
	scale := 0.0
	for _, s := range [][]float64{x, y} {
		if err := checkFinite(s); err != nil {
			return 0, err
		}
		for _, v := range s {
			scale = max(scale, math.Abs(v))
		}
	}
	return scale, nil
}

// differences are the moments of x[i]-y[i].
func differences(x, y []float64) (Moments, error) {
	d := make([]float64, len(x))
	for i := range x {
		d[i] = x[i] - y[i]
	}
	m, err := Of(d)
	if err != nil {
		return Moments{}, fmt.Errorf("differences: %w", err)
	}
	return m, nil
}

// paired is Paired of checked samples whose values are known to about scale·noise.
func paired(x, y []float64, scale float64) (TTest, error) {
	m, err := differences(x, y)
	if err != nil {
		return TTest{}, err
	}
	if m.SD <= noise*scale {
		return TTest{}, fmt.Errorf("all %d differences are equal: %w", m.N, ErrZeroVariance)
	}
	r, err := newTTest(m.Mean, math.Sqrt(m.sem2()), float64(m.N-1))
	r.Warnings = m.fewWarnings()
	return r, err
}
