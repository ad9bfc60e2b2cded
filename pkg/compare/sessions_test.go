package compare

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

// inSession is a good run of a session.
func inSession(backend, scenario string, session, repetition int64, ms float64) record.Run {
	r := okRun(backend, scenario, repetition, ms)
	r.Session, r.RunID = session, fmt.Sprintf("%s/%d", r.RunID, session)
	return r
}

// severalSessions are two backends in two scenarios of three repetitions; what differs between sessions is as large as
// what differs between the backends.
func severalSessions(sessions int64) []record.Run {
	effects := map[string][]float64{"a": {0, 3, -2, 1, -1}, "b": {2, 1, -3, 4, 0}}
	var runs []record.Run
	for backend, base := range map[string][]float64{"a": {10, 30}, "b": {11, 36}} {
		for s := range int64(2) {
			for k := range sessions {
				for r := range int64(3) {
					ms := base[s] + effects[backend][k] + 0.5*float64((r*7+k*3+s)%4)
					runs = append(runs, inSession(backend, fmt.Sprint("s", s), k, r, ms))
				}
			}
		}
	}
	return runs
}

// TestSessionsAreTheUnitOfTests holds both numbers of sessions against SciPy 1.17.1 on the sessions' means: f_oneway,
// ttest_rel with its confidence_interval, and t.interval(.95, k-1, mean, sem). Over runs p would be 0.004 and 8e-8.
func TestSessionsAreTheUnitOfTests(t *testing.T) {
	for _, c := range []struct {
		sessions                     int64
		f, pf, diff, t, p, low, high float64
		mean, meanLower, meanUpper   float64
		resampled, significant       bool
	}{
		{2, 4.569948186528495, 0.16598345567098555, -3.5, -1.75, 0.3304986810771358, -28.91240947234939, 21.91240947234939,
			67.0 / 3, 2.215175834390063, 42.451490832276605, false, false},
		{5, 8.12513426423201, 0.021463803837234702, -4.1, -4.4211437013409745, 0.011500685871056246, -6.674769267929077, -1.5252307320709226,
			20.95, 18.504030475253334, 23.395969524746665, true, true},
	} {
		a := analysed(t, Options{}, severalSessions(c.sessions)...)
		r := a.Tests[0]
		if r.Metric != LatencyMS || r.Unit != UnitSession || len(r.Pairs) != 1 {
			t.Fatalf("%+v", r)
		}
		near(t, "F", r.ANOVA.F, c.f)
		near(t, "p of F", r.ANOVA.P, c.pf)
		near(t, "df within", r.ANOVA.DFWithin, float64(2*c.sessions-2))
		p := r.Pairs[0]
		near(t, "difference", p.Diff, c.diff)
		near(t, "t", *p.T, c.t)
		near(t, "df", *p.DF, float64(c.sessions-1))
		near(t, "p", *p.P, c.p)
		near(t, "lower", *p.CILower, c.low)
		near(t, "upper", *p.CIUpper, c.high)
		if p.N != int(6*c.sessions) || p.Sessions != int(c.sessions) || p.Significant != c.significant {
			t.Errorf("%+v", p)
		}
		m := a.Backends[0].Metric(LatencyMS)
		near(t, "mean", m.Mean, c.mean)
		near(t, "mean, lower", *m.MeanLower, c.meanLower)
		near(t, "mean, upper", *m.MeanUpper, c.meanUpper)
		if m.Sessions != int(c.sessions) || (m.P50Lower != nil) != c.resampled || (m.P50Absent == "") != c.resampled {
			t.Errorf("median %v to %v, %q", m.P50Lower, m.P50Upper, m.P50Absent)
		}
		// NumPy 2.4.6, 100,000 resamples of the five sessions: 20 to 22.25.
		if c.resampled && (math.Abs(*m.P50Lower-20) > 0.26 || math.Abs(*m.P50Upper-22.25) > 0.26) {
			t.Errorf("median %v to %v", *m.P50Lower, *m.P50Upper)
		}
	}
}

// TestLostRunsInSessions: with a run lost, pairs are weighted by their number, and a session's mean in the analysis of
// variance is over the means of its scenarios. SciPy 1.17.1 and NumPy 2.4.6.
func TestLostRunsInSessions(t *testing.T) {
	var runs []record.Run
	for _, r := range severalSessions(3) {
		if r.Backend != "a" || r.Scenario != "s1" || r.Session != 1 || r.Repetition != 2 {
			runs = append(runs, r)
		}
	}
	r := analysed(t, Options{Resamples: 10}, runs...).Tests[0]
	near(t, "F", r.ANOVA.F, 2.1915249279117397)
	near(t, "difference", r.Pairs[0].Diff, -3.1176470588235294)
	near(t, "t", *r.Pairs[0].T, -2.381573596282754)
	near(t, "p", *r.Pairs[0].P, 0.1401697026141577)

	var unlike []record.Run
	for _, r := range runs {
		if r.Backend != "a" || r.Scenario != "s1" || r.Session != 1 {
			unlike = append(unlike, r)
		}
	}
	r = analysed(t, Options{Resamples: 10}, unlike...).Tests[0]
	if r.ANOVA != nil || r.ANOVAAbsent != "a: "+errUnlike.Error() || r.Pairs[0].P == nil {
		t.Errorf("a session without a scenario: %+v, %q", r.ANOVA, r.ANOVAAbsent)
	}
}

// TestOneSessionIsAsBefore: the number of the session is no design of its own.
func TestOneSessionIsAsBefore(t *testing.T) {
	runs := threeBackends()
	for i := range runs {
		runs[i].Session = 4
	}
	a := analysed(t, Options{}, runs...)
	if r := a.Tests[0]; r.Unit != UnitRun || r.Pairs[0].Sessions != 1 || *r.Pairs[0].DF != 5 {
		t.Errorf("%+v", r)
	}
	near(t, "F", a.Tests[0].ANOVA.F, 3.6195881974446187) // as in TestRunTests
}

// TestEqualDifferencesOverSessions: sessions whose mean differences are equal leave a test without variance.
func TestEqualDifferencesOverSessions(t *testing.T) {
	p := analysed(t, Options{Resamples: 10}, inSession("a", "s", 0, 0, 10), inSession("b", "s", 0, 0, 12), inSession("a", "s", 1, 0, 20),
		inSession("b", "s", 1, 0, 22)).Tests[0].Pairs[0]
	if p.P != nil || p.CILower != nil || p.Diff != -2 || !strings.Contains(p.Absent, "no variance") {
		t.Errorf("%+v", p)
	}
}

// TestParadoxOverSessions: B is faster in eight of ten runs of every session, and slower on average.
func TestParadoxOverSessions(t *testing.T) {
	both := func(sessions int64) []record.Run {
		var runs []record.Run
		for k := range sessions {
			for r := range int64(10) {
				ms := 80 + 0.1*float64(r)
				if r >= 8 {
					ms = 400
				}
				runs = append(runs, inSession("spiky", "s", k, r, ms+float64(k)), inSession("steady", "s", k, r, 100+0.1*float64(r)+float64(k)))
			}
		}
		return runs
	}
	p := analysed(t, Options{Resamples: 300}, both(5)...).Paradoxes[0]
	if p.A != "steady" || p.WithinNoise || p.ResamplingAbsent != "" || p.Orders[1].Pick != "spiky" || *p.Orders[1].Share < 0.95 {
		t.Errorf("%+v", p)
	}
	p = analysed(t, Options{Resamples: 300}, both(2)...).Paradoxes[0]
	if p.ResamplingAbsent != "2 sessions are too few to resample, want 5" || !p.WithinNoise || p.Orders[0].Share != nil || p.Orders[1].ParadoxShare != nil {
		t.Errorf("%+v", p)
	}
	for _, o := range p.Orders {
		if o.Pick != either {
			t.Errorf("%+v", o)
		}
	}
	for _, want := range []string{"Pick by the mean (cost, throughput) either (not resampled)", "Whether it is more than noise is not known: 2 sessions"} {
		if !strings.Contains(p.Sentence, want) {
			t.Errorf("%q lacks %q", p.Sentence, want)
		}
	}
}
