package compare

import (
	"math"

	"github.com/banterhearts/bh/pkg/stats"
)

// components are the parts of a variance in a one-way random effects model, value = mean + group + rest.
type components struct {
	betweenSD    float64 // of the groups' own effects; 0 where the groups differ no more than the rest explains
	withinSD     float64 // of the rest
	betweenShare float64 // of the groups in the variance of one value: the intraclass correlation, from 0 to 1
	designEffect float64 // variance of the mean of all values over that of as many independent ones
	f            float64 // test of no difference between groups
	p            float64
}

// splitVariance estimates the components by the analysis of variance: within = MSW, between = max(0, (MSB-MSW)/n0), n0 =
// (N - Σn_i²/N)/(k-1), k groups of n_i values, N in all. Searle, Casella and McCulloch (1992), "Variance Components",
// section 3.6. With a handful of groups the estimate of what differs between them is rough.
//
// The mean of all values has the variance (within + between·Σn_i²/N)/N, which is (within + between)/N times the design effect
// 1 + (Σn_i²/N - 1)·share: Kish (1965), "Survey Sampling", section 5.4, with the size of the groups weighted by itself.
//
// It fails as stats.OneWay does: for fewer than two groups, or without variation within any.
// Reference values: SciPy 1.17.1, f_oneway, and NumPy 2.4.6 from the formula.
func splitVariance(groups []stats.Moments) (components, error) {
	a, err := stats.OneWay(groups)
	if err != nil {
		return components{}, err
	}
	var n, squares, rest float64
	for _, g := range groups {
		n += float64(g.N)
		squares += float64(g.N) * float64(g.N)
		rest += float64(g.N-1) * g.SD * g.SD
	}
	within := rest / a.DFWithin
	between := max(0, (a.F-1)*within/((n-squares/n)/a.DFBetween))
	share := between / (between + within)
	return components{math.Sqrt(between), math.Sqrt(within), share, 1 + (squares/n-1)*share, a.F, a.P}, nil
}
