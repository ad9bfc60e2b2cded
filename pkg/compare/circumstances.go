package compare

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// backendsOf are the groups of each backend, over all modes, by name.
func backendsOf(groups []group) map[string][]run {
	out := map[string][]run{}
	for _, g := range groups {
		out[g.label] = append(out[g.label], g.runs...)
	}
	return out
}

// spread is the mean and the extremes of what is known of a figure.
type spread struct {
	n              int64
	sum            float64
	least, largest *float64
}

func (s *spread) add(v *float64) {
	if v == nil {
		return
	}
	s.n++
	s.sum += *v
	if s.least == nil || *v < *s.least {
		s.least = v
	}
	if s.largest == nil || *v > *s.largest {
		s.largest = v
	}
}

// mean is nil where nothing is known.
func (s *spread) mean() *float64 {
	if s.n == 0 {
		return nil
	}
	m := s.sum / float64(s.n)
	return &m
}

// largest keeps the larger of two counts, null being less than any.
func largest(a, b *int64) *int64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// disturbed is how many runs are flagged for what others did on the CPUs.
func (g *group) disturbed() int {
	n := 0
	for i := range g.runs {
		flags := strings.Split(g.runs[i].flags, ",")
		if slices.Contains(flags, record.FlagForeignLoad) || slices.Contains(flags, record.FlagCPUSteal) {
			n++
		}
	}
	return n
}

// isolationOf counts flags and what else ran, by backend.
func isolationOf(groups []group) []Isolation {
	byBackend := backendsOf(groups)
	out := []Isolation{}
	for _, label := range sortedKeys(byBackend) {
		i := Isolation{Backend: label, Flags: []FlagCount{}}
		flags := map[string]int64{}
		var steal, foreign spread
		for _, r := range byBackend[label] {
			i.Runs++
			if r.flags != "" {
				i.Flagged++
				for f := range strings.SplitSeq(r.flags, ",") {
					flags[f]++
				}
			}
			if r.steal == nil || r.foreign == nil {
				i.NotObserved++
			}
			steal.add(r.steal)
			foreign.add(r.foreign)
			i.ForeignGPUProcs = largest(i.ForeignGPUProcs, r.foreignGPU)
		}
		for _, f := range sortedKeys(flags) {
			i.Flags = append(i.Flags, FlagCount{f, flags[f]})
		}
		i.StealKnown, i.StealMeanPct, i.StealMaxPct = steal.n, steal.mean(), steal.largest
		i.ForeignKnown, i.ForeignMeanPct, i.ForeignMaxPct = foreign.n, foreign.mean(), foreign.largest
		out = append(out, i)
	}
	return out
}

// preparationOf sums up loading and compiling, of the backends that told of them. A session loads its model once and
// compiles a cell once, whatever the number of runs that carry the figure.
func preparationOf(groups []group) []Preparation {
	type compiled struct {
		session        int64
		mode, scenario string
	}
	byBackend := backendsOf(groups)
	out := []Preparation{}
	for _, label := range sortedKeys(byBackend) {
		p := Preparation{Backend: label}
		loads, compiles := map[int64]*float64{}, map[compiled]*float64{}
		for _, r := range byBackend[label] {
			if r.loadMS != nil {
				loads[r.session] = r.loadMS
			}
			if r.compileMS != nil && *r.compileMS > 0 {
				compiles[compiled{r.session, string(r.mode), r.scenario}] = r.compileMS
			}
			if r.recompile != nil && *r.recompile > 0 {
				p.Recompiled++
			}
			p.GraphBreaks = largest(p.GraphBreaks, r.breaks)
		}
		if len(loads) == 0 && len(compiles) == 0 {
			continue
		}
		var load, compile spread
		for _, session := range sortedKeys(loads) {
			load.add(loads[session])
		}
		for _, key := range sortedBy(compiles, func(a, b compiled) int {
			return cmp.Or(cmp.Compare(a.session, b.session), strings.Compare(a.mode, b.mode), strings.Compare(a.scenario, b.scenario))
		}) {
			compile.add(compiles[key])
		}
		p.Sessions, p.LoadMeanMS, p.LoadMinMS, p.LoadMaxMS = len(loads), load.mean(), load.least, load.largest
		if p.CompiledCells = len(compiles); p.CompiledCells > 0 {
			p.CompileSumMS, p.CompileMaxMS = &compile.sum, compile.largest
		}
		out = append(out, p)
	}
	return out
}

// sortedBy are the keys of a map in an order, so that sums come out alike to the last digit.
func sortedBy[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}

// clientMS is what a client waited for one request: with several in flight the mean of theirs.
func (r *run) clientMS() float64 {
	if len(r.requestsMS) > 0 {
		return sum(r.requestsMS) / float64(len(r.requestsMS))
	}
	return r.latencyMS
}

// serversOf sets the client's times beside the server's own.
func serversOf(groups []group) []ServerShare {
	out := []ServerShare{}
	for _, g := range groups {
		s := ServerShare{Backend: g.label, Mode: g.mode}
		var overhead []float64
		for i := range g.runs {
			r := &g.runs[i]
			if r.server == nil {
				continue
			}
			s.Runs++
			s.ClientMS += r.clientMS()
			s.LoadMS += r.server.load
			s.PrefillMS += r.server.prefill
			s.DecodeMS += r.server.decode
			overhead = append(overhead, r.clientMS()-r.server.prefill-r.server.decode)
			if r.cached != nil && *r.cached > 0 {
				s.CachedRuns++
			}
		}
		if s.Runs == 0 {
			continue
		}
		n := float64(s.Runs)
		s.ClientMS, s.LoadMS, s.PrefillMS, s.DecodeMS = s.ClientMS/n, s.LoadMS/n, s.PrefillMS/n, s.DecodeMS/n
		s.OverheadMS, s.OverheadP95 = sum(overhead)/n, sortedQuantile(sorted(overhead), 0.95)
		s.UnaccountedMS = s.OverheadMS - s.LoadMS
		s.OverheadPct = 100 * s.OverheadMS / s.ClientMS
		out = append(out, s)
	}
	return out
}

// inFlightOf shows how far the requests of concurrent scenarios overlapped.
func inFlightOf(groups []group) []InFlight {
	out := []InFlight{}
	for _, g := range groups {
		for _, runs := range g.byScenario() {
			f := InFlight{CellID: CellID{g.label, g.mode, runs[0].scenario}, Concurrency: runs[0].inFlight}
			var overlap spread
			for i := range runs {
				r := &runs[i]
				if r.inFlight < 2 || len(r.requestsMS) == 0 {
					continue
				}
				f.Runs++
				f.MakespanMS += r.latencyMS
				f.RequestMS += r.clientMS()
				together := sum(r.requestsMS) / r.latencyMS
				overlap.add(&together)
			}
			if f.Runs == 0 {
				continue
			}
			f.MakespanMS, f.RequestMS = f.MakespanMS/float64(f.Runs), f.RequestMS/float64(f.Runs)
			f.InFlight, f.Least = *overlap.mean(), *overlap.least
			out = append(out, f)
		}
	}
	return out
}

// modelsOf lists the models with the backends that ran them.
func modelsOf(groups []group) []ModelUse {
	use := map[string]map[string]bool{}
	for _, g := range groups {
		for i := range g.runs {
			model := g.runs[i].id.model
			if use[model] == nil {
				use[model] = map[string]bool{}
			}
			use[model][g.label] = true
		}
	}
	out := []ModelUse{}
	for _, model := range sortedKeys(use) {
		out = append(out, ModelUse{Model: model, Backends: sortedKeys(use[model])})
	}
	return out
}

// sessionsOf splits the variance of every cell with runs in several sessions, and adjusts the tests for their number.
func sessionsOf(groups []group) ([]SessionSpread, error) {
	out := []SessionSpread{}
	for _, g := range groups {
		for _, runs := range g.byScenario() {
			bySession := map[int64][]float64{}
			for i := range runs {
				bySession[runs[i].session] = append(bySession[runs[i].session], runs[i].latencyMS)
			}
			if len(bySession) < 2 {
				continue
			}
			s := SessionSpread{CellID: CellID{g.label, g.mode, runs[0].scenario}, Sessions: len(bySession), N: len(runs)}
			var samples []stats.Moments
			for _, session := range sortedKeys(bySession) {
				m, err := stats.Of(bySession[session])
				if err != nil {
					s.Absent = err.Error()
				}
				samples = append(samples, m)
				s.MeanMS += float64(m.N) * m.Mean / float64(len(runs))
			}
			s.split(samples)
			out = append(out, s)
		}
	}
	return out, adjustSessions(out)
}

// adjustSessions fills in Holm's p values over the cells that were split.
func adjustSessions(list []SessionSpread) error {
	var p []float64
	var tested []*SessionSpread
	for i := range list {
		if list[i].P != nil {
			p, tested = append(p, *list[i].P), append(tested, &list[i])
		}
	}
	adjusted, err := stats.Holm(p)
	if err != nil {
		return fmt.Errorf("sessions: %w", err)
	}
	for i, s := range tested {
		s.PHolm = &adjusted[i]
	}
	return nil
}

// split fills in the components, or why there are none.
func (s *SessionSpread) split(samples []stats.Moments) {
	if s.Absent != "" {
		return
	}
	c, err := splitVariance(samples)
	if err != nil {
		s.Absent = err.Error()
		return
	}
	s.BetweenSDMS, s.WithinSDMS, s.BetweenShare, s.F, s.P = &c.betweenSD, &c.withinSD, &c.betweenShare, &c.f, &c.p
	effective := float64(s.N) / c.designEffect
	s.DesignEffect, s.EffectiveN = &c.designEffect, &effective
}
