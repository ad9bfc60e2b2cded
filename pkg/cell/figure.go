package cell

import (
	"errors"
	"maps"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// figure is one quantity of the runs of a cell, by the session that they ran in.
type figure map[int64][]float64

func (f figure) add(r *record.Run, v float64) { f[r.Session] = append(f[r.Session], v) }

// all are the values of all sessions, sorted, so that the order of the runs makes no difference in the last digit.
func (f figure) all() []float64 {
	var x []float64
	for _, v := range f {
		x = append(x, v...)
	}
	slices.Sort(x)
	return x
}

// description summarises a figure; nil is what too few values cannot say.
type description struct{ mean, sd, se, lower, upper *float64 }

// describe summarises the figure: the mean, the sample standard deviation, and the standard error of the mean with its 95%
// t interval. Where the good runs of the cell come from several sessions these two are over sessions, as runs of one
// process may be alike; a figure that not every session has gets none, as its degrees of freedom would not be the cell's.
// One value has no spread, and equal values no interval.
func (f figure) describe(c *record.Cell) (description, error) {
	m, err := moments(f.all())
	if m == nil || err != nil {
		return description{}, err
	}
	s := description{mean: &m.Mean}
	if m.N < 2 {
		return s, nil
	}
	s.sd = &m.SD
	if record.OverSessions(c.Sessions) && int64(len(f)) < *c.Sessions {
		return s, nil
	}
	e, err := f.estimate(*m)
	if err != nil {
		return s, err
	}
	s.se = &e.SE
	ci, err := e.Interval(stats.DefaultConfidence)
	if errors.Is(err, stats.ErrZeroVariance) {
		return s, nil
	}
	s.lower, s.upper = &ci.Lower, &ci.Upper
	return s, err
}

// estimate is the mean with its standard error, over sessions where there are several.
func (f figure) estimate(all stats.Moments) (stats.Estimate, error) {
	if len(f) < 2 {
		return all.Estimate()
	}
	var clusters []stats.Moments
	for _, session := range slices.Sorted(maps.Keys(f)) {
		m, err := moments(f[session])
		if err != nil {
			return stats.Estimate{}, err
		}
		clusters = append(clusters, *m)
	}
	e, err := stats.ClusterMean(clusters)
	e.Mean = all.Mean // the same to rounding
	return e, err
}

// moments are those of a list in the order of its values; nil of an empty one.
func moments(x []float64) (*stats.Moments, error) {
	if len(x) == 0 {
		return nil, nil
	}
	slices.Sort(x)
	m, err := stats.Of(x)
	return &m, err
}
