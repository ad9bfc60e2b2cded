package compare

import (
	"errors"
	"fmt"

	"github.com/banterhearts/bh/pkg/stats"
)

// Runs of one worker process may be more alike than those of two, so that where there are several, they and not the runs
// are what intervals and tests are made over.

// LeastSessions is the number of sessions from which on medians and shares are resampled: a bootstrap of 3 or 4 clusters
// holds the median in 70 or 83% of the cases where it says 95% (see stats.NewClusterBootstrap), of 5 in 87%.
const LeastSessions = 5

// bySession are the values of those runs that have the metric: a list for each session, in the order of the sessions.
func (m runMetric) bySession(runs []run) [][]float64 {
	lists := map[int64][]float64{}
	for i := range runs {
		if v, ok := m.of(&runs[i]); ok {
			lists[runs[i].session] = append(lists[runs[i].session], v)
		}
	}
	out := make([][]float64, 0, len(lists))
	for _, session := range sortedKeys(lists) {
		out = append(out, lists[session])
	}
	return out
}

// fewSessions says why so many sessions are too few to resample; "" where they are enough, or one, whose runs are resampled.
func fewSessions(n int) string {
	if n < 2 || n >= LeastSessions {
		return ""
	}
	return fmt.Sprintf("%d sessions are too few to resample, want %d", n, LeastSessions)
}

// sessionsInterval is Student's interval of the mean over sessions; nil where they do not vary.
func sessionsInterval(sessions [][]float64, opt Options) (low, high *float64, err error) {
	clusters, err := momentsOf(sessions)
	if err != nil {
		return nil, nil, err
	}
	e, err := stats.ClusterMean(clusters)
	if err == nil {
		var ci stats.Interval
		if ci, err = e.Interval(1 - opt.Alpha); err == nil {
			return &ci.Lower, &ci.Upper, nil
		}
	}
	return nil, nil, onlyFlat(err)
}

// errUnlike says that the sessions of a backend cannot be compared by their means.
var errUnlike = errors.New("its sessions have good runs in different scenarios, so that their means cannot be compared")

// sessionMeans are the means of the sessions of a group, each over the means of its scenarios, so that a lost run does not
// shift a session towards what it kept. It fails with errUnlike.
func (g *group) sessionMeans(m runMetric) ([]float64, error) {
	var total []float64
	scenarios := 0
	for _, runs := range g.byScenario() {
		lists := m.bySession(runs)
		if len(lists) == 0 {
			continue
		}
		if total == nil {
			total = make([]float64, len(m.bySession(g.runs)))
		}
		if len(lists) != len(total) {
			return nil, errUnlike
		}
		for i, x := range lists {
			total[i] += sum(x) / float64(len(x))
		}
		scenarios++
	}
	for i := range total {
		total[i] /= float64(scenarios)
	}
	return total, nil
}
