package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Resample draws resamples times n indices from 0 to n-1 with replacement and gives them to use, which must not keep
// the slice. The draws are those of PCG seeded with seed and do not change between platforms. n and resamples are at
// least 1.
func Resample(n, resamples int, seed int64, use func(index []int)) {
	rng := rand.New(rand.NewPCG(uint64(seed), 0))
	index := make([]int, n)
	for range resamples {
		for i := range index {
			index[i] = rng.IntN(n)
		}
		use(index)
	}
}

// Bootstrap is the bootstrap distribution of a statistic: Efron (1979), "Bootstrap methods: another look at the
// jackknife", The Annals of Statistics 7(1), 1-26. It assumes independent values of one distribution and nothing about
// that distribution's shape.
type Bootstrap struct {
	Estimate   float64   // the statistic of the sample itself
	Replicates []float64 // the statistic of each resample, ascending
	n          int       // values, or clusters of them, that were drawn
	jackknife  []float64 // the statistic without each of these in turn
}

// fewForBootstrap is the sample size below which bootstrap intervals are doubted: of a mean they are then too short,
// about as a t interval with n for n-1 and a normal quantile for t's would be. Hesterberg (2015), "What teachers should
// know about the bootstrap: resampling in the undergraduate statistics curriculum", The American Statistician 69(4),
// 371-386, calls it narrowness bias; the limit is ours.
const fewForBootstrap = 20

// NewBootstrap resamples x and computes statistic of each resample. statistic must not keep or change its argument.
//
// It fails with ErrTooFew for fewer than two values, with ErrZeroVariance when all are equal, with ErrRange for
// resamples < 1, and with ErrNotFinite for a value of x or of the statistic.
func NewBootstrap(x []float64, statistic func([]float64) float64, resamples int, seed int64) (*Bootstrap, error) {
	m, err := Of(x)
	if err != nil {
		return nil, err
	}
	if err := checkCount(m.N, 2); err != nil {
		return nil, err
	}
	if m.SD == 0 {
		return nil, fmt.Errorf("all %d values are %v: %w", m.N, m.Mean, ErrZeroVariance)
	}
	if resamples < 1 {
		return nil, fmt.Errorf("%d resamples: %w", resamples, ErrRange)
	}
	b := &Bootstrap{Estimate: statistic(x), n: len(x), Replicates: make([]float64, 0, resamples)}
	y := make([]float64, len(x))
	Resample(len(x), resamples, seed, func(index []int) {
		for i, j := range index {
			y[i] = x[j]
		}
		b.Replicates = append(b.Replicates, statistic(y))
	})
	return b.finish(jackknife(x, statistic))
}

// finish sorts the replicates, keeps the jackknife and checks what the statistic gave.
func (b *Bootstrap) finish(jackknife []float64) (*Bootstrap, error) {
	slices.Sort(b.Replicates)
	b.jackknife = jackknife
	if err := checkFinite(append([]float64{b.Estimate}, b.jackknife...)); err != nil {
		return nil, fmt.Errorf("statistic: %w", err)
	}
	if err := checkFinite(b.Replicates); err != nil {
		return nil, fmt.Errorf("statistic of a resample: %w", err)
	}
	return b, nil
}

// NewClusterBootstrap resamples whole clusters, as many as there are, and computes statistic of all values of each
// resample together: the first strategy for hierarchical data of Davison and Hinkley (1997), "Bootstrap Methods and
// their Application", section 3.8. Clusters are independent, the values of one need not be. Its percentile interval is
// narrower than it says with few of them: in a simulation of medians with large differences between clusters, 95%
// intervals of 3, 4, 5, 7 and 10 clusters held the median in 70, 83, 87, 91 and 92% of the draws.
//
// It fails with ErrTooFew for fewer than two clusters or an empty one, with ErrRange for resamples < 1, with
// ErrZeroVariance when all values are equal, and with ErrNotFinite for a value or the statistic.
func NewClusterBootstrap(clusters [][]float64, statistic func([]float64) float64, resamples int, seed int64) (*Bootstrap, error) {
	if err := checkCount(len(clusters), 2); err != nil {
		return nil, err
	}
	for i, c := range clusters {
		if err := checkCount(len(c), 1); err != nil {
			return nil, fmt.Errorf("cluster %d: %w", i+1, err)
		}
	}
	all := slices.Concat(clusters...)
	m, err := Of(all)
	if err != nil {
		return nil, err
	}
	if m.SD == 0 {
		return nil, fmt.Errorf("all %d values are %v: %w", m.N, m.Mean, ErrZeroVariance)
	}
	if resamples < 1 {
		return nil, fmt.Errorf("%d resamples: %w", resamples, ErrRange)
	}
	b := &Bootstrap{Estimate: statistic(all), n: len(clusters), Replicates: make([]float64, 0, resamples)}
	y := make([]float64, 0, len(all))
	Resample(len(clusters), resamples, seed, func(index []int) {
		y = y[:0]
		for _, j := range index {
			y = append(y, clusters[j]...)
		}
		b.Replicates = append(b.Replicates, statistic(y))
	})
	without := make([]float64, len(clusters))
	for i := range clusters {
		without[i] = statistic(slices.Concat(slices.Concat(clusters[:i]...), slices.Concat(clusters[i+1:]...)))
	}
	return b.finish(without)
}

// jackknife is the statistic of x without each of its values in turn.
func jackknife(x []float64, statistic func([]float64) float64) []float64 {
	out, rest := make([]float64, len(x)), make([]float64, 0, len(x))
	for i := range x {
		rest = append(append(rest[:0], x[:i]...), x[i+1:]...)
		out[i] = statistic(rest)
	}
	return out
}

// Percentile is the percentile interval: the α/2 and 1-α/2 quantiles (type 7) of the replicates. Efron (1979), as
// Bootstrap; Efron and Tibshirani (1993), "An Introduction to the Bootstrap", chapter 13.
//
// It fails with ErrRange for the confidence.
// Reference values: SciPy 1.17.1, scipy.stats.bootstrap(method="percentile").
func (b *Bootstrap) Percentile(confidence float64) (Interval, error) {
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	return b.between((1-confidence)/2, (1+confidence)/2, confidence)
}

// BCa is the bias-corrected and accelerated interval: the quantiles Φ(z0 + (z0+z)/(1-a(z0+z))) of the replicates, for
// z = Φ⁻¹(α/2) and Φ⁻¹(1-α/2), with bias z0 = Φ⁻¹(share of replicates below the estimate, half of those equal to it)
// and acceleration a = Σu³/(6(Σu²)^1.5), u the jackknife's deviations from its mean, mean minus value. Efron (1987),
// "Better bootstrap confidence intervals", Journal of the American Statistical Association 82(397), 171-185. It is
// second-order accurate where Percentile is first-order.
//
// It fails with ErrRange for the confidence, and with ErrZeroVariance where all replicates lie on one side of the
// estimate or the jackknife does not vary, which leaves z0 or a without meaning.
// Reference values: SciPy 1.17.1, scipy.stats.bootstrap(method="BCa").
func (b *Bootstrap) BCa(confidence float64) (Interval, error) {
	if err := checkConfidence(confidence); err != nil {
		return Interval{}, err
	}
	z0 := distuv.UnitNormal.Quantile(b.shareBelow())
	if math.IsInf(z0, 0) {
		return Interval{}, fmt.Errorf("every replicate is on one side of the estimate %v: %w", b.Estimate, ErrZeroVariance)
	}
	a, err := b.acceleration()
	if err != nil {
		return Interval{}, err
	}
	level := func(p float64) float64 {
		z := z0 + distuv.UnitNormal.Quantile(p)
		return distuv.UnitNormal.CDF(z0 + z/(1-a*z))
	}
	return b.between(level((1-confidence)/2), level((1+confidence)/2), confidence)
}

// shareBelow is the share of replicates below the estimate, counting half of those equal to it.
func (b *Bootstrap) shareBelow() float64 {
	below, _ := slices.BinarySearch(b.Replicates, b.Estimate)
	above, _ := slices.BinarySearch(b.Replicates, math.Nextafter(b.Estimate, math.Inf(1)))
	return float64(below+above) / float64(2*len(b.Replicates))
}

// acceleration is the BCa acceleration from the jackknife.
func (b *Bootstrap) acceleration() (float64, error) {
	m, err := Of(b.jackknife)
	if err != nil {
		return 0, fmt.Errorf("jackknife: %w", err)
	}
	if m.SD == 0 {
		return 0, fmt.Errorf("jackknife: all %d values are %v: %w", m.N, m.Mean, ErrZeroVariance)
	}
	cubes, squares := 0.0, 0.0
	for _, v := range b.jackknife {
		u := (m.Mean - v) / m.SD // in units of the spread, so that neither sum underflows
		squares += u * u
		cubes += u * u * u
	}
	return cubes / (6 * math.Pow(squares, 1.5)), nil
}

// between is the interval between two quantiles of the replicates, given as probabilities.
func (b *Bootstrap) between(lower, upper, confidence float64) (Interval, error) {
	ci := Interval{Lower: sortedQuantile(b.Replicates, lower), Upper: sortedQuantile(b.Replicates, upper), Confidence: confidence}
	if b.n < fewForBootstrap {
		ci.Warnings = append(ci.Warnings, fmt.Sprintf(
			"n = %d: a bootstrap interval of so few values is too short, a t interval is safer", b.n))
	}
	return ci, checkFinite([]float64{ci.Lower, ci.Upper})
}

// sortedQuantile is Percentile of ascending values, without the copy and sort that it would make of every replicate.
func sortedQuantile(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	i := min(int(at), len(sorted)-1)
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}
