package stats

import (
	"cmp"
	"fmt"
	"slices"
)

// Holm adjusts p values for the number of tests made, so that comparing each with α keeps the chance of any false
// rejection at α whatever the dependence between the tests: with p sorted ascending, adj_(i) = max over j <= i of
// min(1, (m-j+1)·p_(j)). It rejects everything that Bonferroni rejects and more. Holm (1979), "A simple sequentially
// rejective multiple test procedure", Scandinavian Journal of Statistics 6(2), 65-70.
//
// The result is in the order of p, which is left as it is. It fails with ErrRange for a value that is not a probability.
// Reference values: statsmodels 0.15.0, statsmodels.stats.multitest.multipletests(p, method="holm").
func Holm(p []float64) ([]float64, error) {
	if err := checkProbabilities(p); err != nil {
		return nil, err
	}
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	adjusted, highest := make([]float64, len(p)), 0.0
	for rank, i := range order {
		highest = max(highest, min(1, float64(len(p)-rank)*p[i]))
		adjusted[i] = highest
	}
	return adjusted, nil
}

// Bonferroni adjusts p values for the number of tests made, adj = min(1, m·p): Dunn (1961), "Multiple comparisons among
// means", Journal of the American Statistical Association 56(293), 52-64. Holm is never weaker.
//
// The result is in the order of p. It fails with ErrRange for a value that is not a probability.
// Reference values: statsmodels 0.15.0, statsmodels.stats.multitest.multipletests(p, method="bonferroni").
func Bonferroni(p []float64) ([]float64, error) {
	if err := checkProbabilities(p); err != nil {
		return nil, err
	}
	adjusted := make([]float64, len(p))
	for i, v := range p {
		adjusted[i] = min(1, float64(len(p))*v)
	}
	return adjusted, nil
}

func checkProbabilities(p []float64) error {
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("p value %d of %d is %v: %w", i+1, len(p), v, ErrRange)
		}
	}
	return nil
}
