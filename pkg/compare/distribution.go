package compare

import (
	"errors"
	"fmt"

	"github.com/banterhearts/bh/pkg/stats"
)

// The metrics of single runs, besides LatencyMS.
const (
	TTFTMS       = "ttft_ms"
	ThroughputTS = "throughput_tok_s"
	RequestsPerS = "requests_per_s"
)

// runMetric is a quantity of one run.
type runMetric struct {
	name   string
	higher bool // higher is better
	of     func(*run) (float64, bool)
}

// runMetrics are all of them, in the order of the document.
var runMetrics = []runMetric{
	{LatencyMS, false, func(r *run) (float64, bool) { return r.latencyMS, true }},
	{TTFTMS, false, func(r *run) (float64, bool) {
		if r.ttftMS == nil {
			return 0, false
		}
		return *r.ttftMS, true
	}},
	{ThroughputTS, true, func(r *run) (float64, bool) { return r.tokS, true }},
	// A batch is one request; requests in flight together are as many.
	{RequestsPerS, true, func(r *run) (float64, bool) { return float64(r.inFlight) * 1e3 / r.latencyMS, true }},
}

// values are the metric of those runs that have it.
func (m runMetric) values(runs []run) []float64 {
	x := make([]float64, 0, len(runs))
	for i := range runs {
		if v, ok := m.of(&runs[i]); ok {
			x = append(x, v)
		}
	}
	return x
}

// describe summarises the group.
func (g *group) describe(planned int64, opt Options) (BackendRuns, error) {
	n := int64(len(g.runs))
	b := BackendRuns{Backend: g.label, Mode: g.mode, Planned: planned, OK: n, SuccessRate: float64(n) / float64(planned),
		Scenarios: len(g.byScenario()), Metrics: []Distribution{}}
	for _, m := range runMetrics {
		sessions := m.bySession(g.runs)
		if len(sessions) == 0 {
			continue
		}
		d, err := describe(m.values(g.runs), sessions, opt)
		if err != nil {
			return b, fmt.Errorf("%s: %w", m.name, err)
		}
		d.Metric = m.name
		if d.CVWithinPct, err = g.cvWithin(m); err != nil {
			return b, fmt.Errorf("%s: %w", m.name, err)
		}
		b.Metrics = append(b.Metrics, d)
	}
	return b, nil
}

// describe summarises values, which are also given by session.
func describe(x []float64, sessions [][]float64, opt Options) (Distribution, error) {
	m, err := stats.Of(x)
	if err != nil {
		return Distribution{}, err
	}
	d := Distribution{N: m.N, Sessions: len(sessions), Mean: m.Mean}
	if m.N > 1 {
		d.SD = &m.SD
	}
	for _, q := range []struct {
		at  float64
		set *float64
	}{{0, &d.Min}, {50, &d.P50}, {95, &d.P95}, {99, &d.P99}, {100, &d.Max}} {
		if *q.set, err = stats.Percentile(x, q.at); err != nil {
			return d, err
		}
	}
	if d.MeanLower, d.MeanUpper, err = meanInterval(sessions, opt); err != nil {
		return d, err
	}
	if d.P50Absent = fewSessions(len(sessions)); d.P50Absent == "" {
		d.P50Lower, d.P50Upper, err = medianInterval(sessions, opt)
	}
	return d, err
}

// maxBootstrap is the number of values up to which a bootstrap is made: its time grows with it, and beyond, the interval of
// a mean is Student's to within the resampling's own error.
const maxBootstrap = 5000

// meanInterval is the BCa bootstrap interval of the mean of one session's values, of more Student's over sessions; nil for
// too few values or values that do not vary.
func meanInterval(sessions [][]float64, opt Options) (low, high *float64, err error) {
	if len(sessions) > 1 {
		return sessionsInterval(sessions, opt)
	}
	x := sessions[0]
	if len(x) > maxBootstrap {
		return tInterval(x, opt)
	}
	b, err := stats.NewBootstrap(x, func(y []float64) float64 { return sum(y) / float64(len(y)) }, opt.Resamples, opt.Seed)
	if err == nil {
		var ci stats.Interval
		if ci, err = b.BCa(1 - opt.Alpha); err == nil {
			return &ci.Lower, &ci.Upper, nil
		}
	}
	return nil, nil, onlyFlat(err)
}

// tInterval is Student's interval of the mean.
func tInterval(x []float64, opt Options) (low, high *float64, err error) {
	m, err := stats.Of(x)
	if err == nil {
		var ci stats.Interval
		if ci, err = m.TInterval(1 - opt.Alpha); err == nil {
			return &ci.Lower, &ci.Upper, nil
		}
	}
	return nil, nil, onlyFlat(err)
}

// medianInterval is the bootstrap interval of the median by the percentile method: the jackknife that BCa needs is not
// consistent for a median (Efron and Tibshirani, 1993, "An Introduction to the Bootstrap", section 11.6). Values of several
// sessions are resampled by whole sessions. It is nil for more than maxBootstrap values.
func medianInterval(sessions [][]float64, opt Options) (low, high *float64, err error) {
	n := 0
	for _, x := range sessions {
		n += len(x)
	}
	if n > maxBootstrap {
		return nil, nil, nil
	}
	resample := func() (*stats.Bootstrap, error) {
		return stats.NewBootstrap(sessions[0], median, opt.Resamples, opt.Seed)
	}
	if len(sessions) > 1 {
		resample = func() (*stats.Bootstrap, error) {
			return stats.NewClusterBootstrap(sessions, median, opt.Resamples, opt.Seed)
		}
	}
	b, err := resample()
	if err == nil {
		var ci stats.Interval
		if ci, err = b.Percentile(1 - opt.Alpha); err == nil {
			return &ci.Lower, &ci.Upper, nil
		}
	}
	return nil, nil, onlyFlat(err)
}

// median is the 50th percentile of type 7 of at least one value.
func median(x []float64) float64 { return sortedQuantile(sorted(x), 0.5) }

// onlyFlat forgives what leaves values without an interval: too few of them, or no variation.
func onlyFlat(err error) error {
	if errors.Is(err, stats.ErrTooFew) || errors.Is(err, stats.ErrZeroVariance) {
		return nil
	}
	return err
}

// cvWithin is the mean over scenarios of the coefficient of variation within one, per cent: how consistent a backend is,
// apart from how different the scenarios are.
func (g *group) cvWithin(m runMetric) (*float64, error) {
	total, n := 0.0, 0
	for _, runs := range g.byScenario() {
		x := m.values(runs)
		if len(x) < 2 {
			continue
		}
		s, err := stats.Of(x)
		if err != nil {
			return nil, err
		}
		total += 100 * s.SD / s.Mean
		n++
	}
	if n == 0 {
		return nil, nil
	}
	cv := total / float64(n)
	return &cv, nil
}
