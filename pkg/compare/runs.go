package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
)

// Runs collects the single runs that AnalyseRuns reads. It keeps a few numbers of each run, and of equal outputs one copy.
type Runs struct {
	good    []run
	fates   map[fate]int64
	outputs map[string][]int64 // token ids by their hash
	threads map[int64]string
}

// NewRuns returns an empty collection.
func NewRuns() *Runs {
	return &Runs{fates: map[fate]int64{}, outputs: map[string][]int64{}, threads: map[int64]string{}}
}

// fate is what became of planned runs.
type fate struct {
	id     identity
	mode   record.Mode
	status record.Status
	reason string
}

// slot is the place of a run in the design: what it shares with one run of every other backend.
type slot struct {
	scenario            string
	session, repetition int64
}

func (s slot) compare(o slot) int {
	return cmp.Or(strings.Compare(s.scenario, o.scenario), cmp.Compare(s.session, o.session),
		cmp.Compare(s.repetition, o.repetition))
}

// run is a good run reduced to what is compared.
type run struct {
	id    identity
	label string // given by AnalyseRuns
	mode  record.Mode
	slot
	seed, order       int64
	batch, inFlight   int64
	maxNew            int64
	temperature       float64
	latencyMS         float64
	tokS              float64
	ttftMS            *float64
	requestsMS        []float64 // with several in flight
	output            string    // hash of the ids, "" where they are not known
	loadMS, compileMS *float64
	breaks, recompile *int64
	server            *serverMS
	cached            *int64
	steal, foreign    *float64
	foreignGPU        *int64
	flags             string
}

// serverMS is what a server says it spent, in ms.
type serverMS struct{ load, prefill, decode float64 }

// Add takes one valid run, ok or not.
func (c *Runs) Add(r *record.Run) {
	if c.threads[r.Threads] == "" {
		c.threads[r.Threads] = fmt.Sprint(r.Threads)
	}
	id := identity{r.Backend, r.Experiment, r.Host, r.Model, r.Precision, r.Device, r.Settings, c.threads[r.Threads]}
	c.fates[fate{id, r.Mode, r.Status, r.Reason}]++
	if r.Status != record.OK {
		return
	}
	g := run{
		id: id, mode: r.Mode, slot: slot{r.Scenario, r.Session, r.Repetition}, seed: r.Seed, order: r.OrderIndex,
		batch: r.BatchSize, inFlight: max(r.Concurrency, 1), maxNew: int64(r.MaxNewTokens), temperature: r.Temperature,
		latencyMS: float64(*r.LatencyNS) / 1e6, tokS: float64(*r.ThroughputTokS), ttftMS: milli(r.TTFTNS),
		loadMS: milli(r.ModelLoadNS), compileMS: milli(r.CompileNS), breaks: r.GraphBreaks, recompile: r.Recompiles,
		cached: r.CachedPromptTokens, steal: pointer(r.CPUStealPct), foreign: pointer(r.ForeignCPUPct),
		foreignGPU: r.ForeignGPUProcs, flags: r.Flags,
	}
	for i := range r.RequestNS {
		g.requestsMS = append(g.requestsMS, *milli(&r.RequestNS[i]))
	}
	if r.ServerPrefillNS != nil && r.ServerDecodeNS != nil {
		g.server = &serverMS{prefill: *milli(r.ServerPrefillNS), decode: *milli(r.ServerDecodeNS)}
		if r.ServerLoadNS != nil {
			g.server.load = *milli(r.ServerLoadNS)
		}
	}
	if r.OutputHash != "" && len(r.OutputIDs) > 0 {
		g.output = r.OutputHash
		if c.outputs[g.output] == nil {
			c.outputs[g.output] = slices.Clone(r.OutputIDs)
		}
	}
	c.good = append(c.good, g)
}

// milli is a time in ns as ms, null staying null.
func milli(ns *int64) *float64 {
	if ns == nil {
		return nil
	}
	ms := float64(*ns) / 1e6
	return &ms
}

// Empty reports whether no run was added.
func (c *Runs) Empty() bool { return len(c.fates) == 0 }

// group is the good runs of one backend in one mode, sorted by slot.
type group struct {
	label string
	mode  record.Mode
	runs  []run
}

// grouped names the runs and sorts them into groups by mode and backend, so that the order in which they were added makes
// no difference.
func (c *Runs) grouped(names map[identity]string) []group {
	good := slices.Clone(c.good)
	for i := range good {
		good[i].label = names[good[i].id]
	}
	slices.SortStableFunc(good, func(a, b run) int {
		return cmp.Or(cmp.Compare(modeOrder(a.mode), modeOrder(b.mode)), strings.Compare(a.label, b.label), a.slot.compare(b.slot),
			cmp.Compare(a.batch, b.batch), cmp.Compare(a.maxNew, b.maxNew), cmp.Compare(a.order, b.order),
			cmp.Compare(a.latencyMS, b.latencyMS))
	})
	var out []group
	for i := range good {
		r := &good[i]
		if n := len(out); n == 0 || out[n-1].label != r.label || out[n-1].mode != r.mode {
			out = append(out, group{label: r.label, mode: r.mode})
		}
		g := &out[len(out)-1]
		g.runs = append(g.runs, *r)
	}
	return out
}

// byScenario are the runs of each scenario, in the order of their names.
func (g *group) byScenario() [][]run {
	var out [][]run
	for i := range g.runs {
		if n := len(out); n == 0 || out[n-1][0].scenario != g.runs[i].scenario {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], g.runs[i])
	}
	return out
}

// AnalyseRuns compares backends by their single runs, and says what only single runs can say. cells and costs are those of
// the same document, whose names for the backends it uses. It is nil where there is no run. The order in which runs were
// added makes no difference. It fails with bad input (exit code 2) for options out of range.
func AnalyseRuns(runs *Runs, cells []record.Cell, costs []record.Cost, opt Options) (*RunAnalysis, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if runs.Empty() {
		return nil, nil
	}
	names := labels(cells, costs)
	groups := runs.grouped(names)
	a := &RunAnalysis{
		Statuses: runs.statuses(names), Isolation: isolationOf(groups),
		Preparation: preparationOf(groups), Servers: serversOf(groups), InFlight: inFlightOf(groups), Models: modelsOf(groups),
		Backends: []BackendRuns{}, Tests: []RunTests{}, Paradoxes: []Paradox{},
	}
	var err error
	if a.Sessions, err = sessionsOf(groups); err != nil {
		return nil, err
	}
	a.Agreement, a.AgreementByScenario = runs.agreement(groups)
	for len(groups) > 0 {
		mode := groups[0].mode
		n := 1
		for n < len(groups) && groups[n].mode == mode {
			n++
		}
		if err := a.addMode(groups[:n], runs.planned(names, mode), opt); err != nil {
			return nil, fmt.Errorf("runs in %s: %w", mode, err)
		}
		groups = groups[n:]
	}
	return a, nil
}

// addMode analyses the groups of one mode.
func (a *RunAnalysis) addMode(groups []group, planned map[string]int64, opt Options) error {
	for i := range groups {
		b, err := groups[i].describe(planned[groups[i].label], opt)
		if err != nil {
			return fmt.Errorf("%s: %w", groups[i].label, err)
		}
		a.Backends = append(a.Backends, b)
	}
	for _, m := range runMetrics {
		t, err := testRuns(groups, m, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if t != nil {
			a.Tests = append(a.Tests, *t)
		}
		if m.higher {
			continue // a throughput or a rate is the same order seen from the other side
		}
		found, err := paradoxes(groups, m, opt)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		a.Paradoxes = append(a.Paradoxes, found...)
	}
	return nil
}

// statuses count the planned runs by backend, status and reason.
func (c *Runs) statuses(names map[identity]string) []StatusCount {
	counts := map[StatusCount]int64{}
	for f, n := range c.fates {
		counts[StatusCount{Backend: names[f.id], Mode: f.mode, Status: f.status, Reason: f.reason}] += n
	}
	keys := slices.SortedFunc(maps.Keys(counts), func(a, b StatusCount) int {
		return cmp.Or(strings.Compare(a.Backend, b.Backend), cmp.Compare(modeOrder(a.Mode), modeOrder(b.Mode)),
			strings.Compare(string(a.Status), string(b.Status)), strings.Compare(a.Reason, b.Reason))
	})
	for i := range keys {
		keys[i].Runs = counts[keys[i]]
	}
	return keys
}

// planned counts the planned runs of each backend in a mode.
func (c *Runs) planned(names map[identity]string, mode record.Mode) map[string]int64 {
	out := map[string]int64{}
	for f, n := range c.fates {
		if f.mode == mode {
			out[names[f.id]] += n
		}
	}
	return out
}
