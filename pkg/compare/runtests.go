package compare

import (
	"fmt"
	"slices"

	"github.com/banterhearts/bh/pkg/stats"
)

// testRuns applies the design of Technical Report 117 to a metric: one-way analysis of variance over backends, and for
// every pair a paired t test over what both ran, Bonferroni-adjusted for the number of pairs. A value is a run, or where a
// backend has several sessions the mean of one. It is nil where no run has the metric.
func testRuns(groups []group, m runMetric, opt Options) (*RunTests, error) {
	t := &RunTests{Metric: m.name, LowerIsBetter: !m.higher, Unit: UnitRun, Pairs: []RunPair{}, Warnings: []string{}}
	var having []group
	var samples [][]float64
	for _, g := range groups {
		if x := m.values(g.runs); len(x) > 0 {
			having, samples = append(having, g), append(samples, x)
		}
		if len(m.bySession(g.runs)) > 1 {
			t.Unit = UnitSession
		}
	}
	if len(having) == 0 {
		return nil, nil
	}
	t.Mode = having[0].mode
	moments, err := momentsOf(samples)
	if err != nil {
		return nil, err
	}
	if err := t.variance(having, moments, m); err != nil {
		return nil, err
	}
	for i := range having {
		for j := i + 1; j < len(having); j++ {
			p, err := pairRuns(&having[i], &having[j], m, opt)
			if err != nil {
				return nil, fmt.Errorf("%s against %s: %w", having[i].label, having[j].label, err)
			}
			p.effect(moments[i], moments[j])
			t.Pairs = append(t.Pairs, p)
		}
	}
	return t, t.bonferroni(opt.Alpha)
}

// variance fills in the analysis of variance over runs, whose moments are given, or over the means of sessions.
func (t *RunTests) variance(groups []group, runs []stats.Moments, m runMetric) error {
	if t.Unit == UnitRun {
		return t.oneWay(runs)
	}
	means := make([][]float64, len(groups))
	for i := range groups {
		var err error
		if means[i], err = groups[i].sessionMeans(m); err != nil {
			t.ANOVAAbsent = groups[i].label + ": " + err.Error()
			return nil
		}
	}
	sessions, err := momentsOf(means)
	if err != nil {
		return err
	}
	return t.oneWay(sessions)
}

func momentsOf(samples [][]float64) ([]stats.Moments, error) {
	out := make([]stats.Moments, len(samples))
	for i, x := range samples {
		var err error
		if out[i], err = stats.Of(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// oneWay fills in the analysis of variance, or why there is none.
func (t *RunTests) oneWay(groups []stats.Moments) error {
	a, err := stats.OneWay(groups)
	if why, ok := untestable(err); ok {
		t.ANOVAAbsent = why
		return nil
	}
	if err != nil {
		return err
	}
	t.ANOVA = &ANOVA{F: a.F, DFBetween: a.DFBetween, DFWithin: a.DFWithin, P: a.P}
	for _, w := range a.Warnings {
		t.Warnings = append(t.Warnings, "analysis of variance: "+w)
	}
	return nil
}

// pairRuns tests one pair.
func pairRuns(a, b *group, m runMetric, opt Options) (RunPair, error) {
	p := RunPair{A: a.label, B: b.label}
	xs, ys := matched(a, b, m)
	x, y := slices.Concat(xs...), slices.Concat(ys...)
	p.N, p.Sessions = len(x), len(xs)
	if p.N == 0 {
		p.Absent = "they have no scenario, session and repetition in common"
		return p, nil
	}
	d := make([]float64, p.N)
	for i := range d {
		d[i] = x[i] - y[i]
	}
	p.Diff = sum(d) / float64(p.N)
	if base := sum(y) / float64(p.N); base != 0 {
		pct := 100 * p.Diff / base
		p.DiffPct = &pct
	}
	test := func() (stats.TTest, error) { return stats.Paired(x, y) }
	if p.Sessions > 1 {
		test = func() (stats.TTest, error) { return stats.PairedClusters(xs, ys) }
	}
	t, err := test()
	if why, ok := untestable(err); ok {
		p.Absent = why
		return p, nil
	}
	if err != nil {
		return p, err
	}
	p.T, p.DF, p.P = &t.T, &t.DF, &t.P
	if p.Sessions > 1 {
		ci, err := t.Interval(1 - opt.Alpha)
		p.CILower, p.CIUpper = &ci.Lower, &ci.Upper
		return p, err
	}
	p.CILower, p.CIUpper, err = meanInterval([][]float64{d}, opt)
	return p, err
}

// matched are the values of the runs that two groups have in the same slots, in the order of the slots: a list for each
// session.
func matched(a, b *group, m runMetric) (x, y [][]float64) {
	theirs := make(map[slot]*run, len(b.runs))
	for i := range b.runs {
		theirs[b.runs[i].slot] = &b.runs[i]
	}
	mine, other := map[int64][]float64{}, map[int64][]float64{}
	for i := range a.runs {
		r, s := &a.runs[i], theirs[a.runs[i].slot]
		if s == nil {
			continue
		}
		v, ok1 := m.of(r)
		w, ok2 := m.of(s)
		if ok1 && ok2 {
			mine[r.session], other[r.session] = append(mine[r.session], v), append(other[r.session], w)
		}
	}
	for _, session := range sortedKeys(mine) {
		x, y = append(x, mine[session]), append(y, other[session])
	}
	return x, y
}

// effect fills in Cohen's d of the two samples; it stays null where neither varies.
func (p *RunPair) effect(a, b stats.Moments) {
	if d, err := stats.CohensD(a, b); err == nil {
		p.CohensD = &d
	}
}

// bonferroni adjusts the p values for the number of pairs tested.
func (t *RunTests) bonferroni(alpha float64) error {
	var p []float64
	var tested []*RunPair
	for i := range t.Pairs {
		if t.Pairs[i].P != nil {
			p = append(p, *t.Pairs[i].P)
			tested = append(tested, &t.Pairs[i])
		}
	}
	adjusted, err := stats.Bonferroni(p)
	if err != nil {
		return err
	}
	for i, pair := range tested {
		pair.PBonferroni = &adjusted[i]
		pair.Significant = adjusted[i] < alpha
	}
	t.Tests = len(tested)
	return nil
}
