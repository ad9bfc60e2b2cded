package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/compare"
)

func init() {
	register(section{placeResults + 41, "Requests in flight at once", inFlight})
	register(section{placeResults + 42, "Token agreement", tokenAgreement})
	register(section{placeResults + 43, "Loading and compiling", preparation})
	register(section{placeResults + 44, "Engine against HTTP", engineAgainstHTTP})
	register(section{placeResults + 45, "Isolation", isolation})
	register(section{placeResults + 46, "Variation between sessions", sessions})
}

// singleRuns is what the statistics say of single runs; of an archive of cells, nothing.
func (d *data) singleRuns() *compare.RunAnalysis {
	if d.Stats == nil || d.Stats.Runs == nil {
		return &compare.RunAnalysis{}
	}
	return d.Stats.Runs
}

// countNumber is a count of the statistics document.
func (d *data) countNumber(n int64, row, column string) Line {
	return Line{d.statsNumber(ptr(float64(n)), row, column).integer()}
}

func inFlight(d *data) []Block {
	list := d.singleRuns().InFlight
	if len(list) == 0 {
		return nil
	}
	t := newTable("Scenarios with several requests in flight", byBackendScenario,
		[]string{"requests", "runs", "makespan_mean_ms", "request_mean_ms", "in_flight_mean", "in_flight_min"})
	apart := 0
	for _, f := range list {
		row := fmt.Sprintf("runs.in_flight, backend=%s, mode=%s, scenario=%s", f.Backend, f.Mode, f.Scenario)
		n := func(v float64, column string) Line { return d.statsNumber(&v, row, column).cell() }
		t.lines([]Line{phrase(f.Backend), phrase(string(f.Mode)), phrase(f.Scenario), d.countNumber(f.Concurrency, row, "concurrency"),
			d.countNumber(int64(f.Runs), row, "runs"), n(f.MakespanMS, "makespan_mean_ms"), n(f.RequestMS, "request_mean_ms"),
			n(f.InFlight, "in_flight_mean"), n(f.Least, "in_flight_min")})
		if f.Least <= 1 {
			apart++
		}
	}
	t.note("makespan: from the moment when all requests are released to the end of the last, the latency of the run. in_flight: sum of the requests' latencies over the makespan; 1 would be one after the other, the number of requests all of the time together. Below 1, part of the makespan was nobody's latency: between their release and their start requests waited to be scheduled. Time to the first token and gaps are those of a batch, counted from the release: a step is over when every request has its token of that number or has ended.")
	blocks := []Block{t.block()}
	if apart > 0 {
		blocks = append(blocks, Note{Warning, prose("In %s of %s rows some run had its requests one after the other.", word(fmt.Sprint(apart)), word(fmt.Sprint(len(list))))})
	}
	return blocks
}

func tokenAgreement(d *data) []Block {
	list := d.singleRuns().Agreement
	known := slices.ContainsFunc(list, func(a compare.Agreement) bool { return a.Compared > 0 && a.Backend != a.Reference })
	if !known {
		return nil // one backend alone agrees with itself
	}
	t := newTable("Tokens that are the reference's, by backend", byBackendMode, []string{"runs", "compared", "equal", "first_equal", "token_share", "first_difference"})
	t.table.Columns = append(t.table.Columns, Column{Name: "reference"}, Column{Name: "remark"})
	for _, a := range list {
		row := fmt.Sprintf("runs.agreement, backend=%s, mode=%s", a.Backend, a.Mode)
		t.lines([]Line{phrase(a.Backend), phrase(string(a.Mode)), d.countNumber(int64(a.Runs), row, "runs"),
			d.countNumber(int64(a.Compared), row, "compared"), d.countNumber(int64(a.Equal), row, "equal"),
			d.countNumber(int64(a.FirstEqual), row, "first_equal"), d.statsNumber(a.Share, row, "token_share").cell(),
			d.statsNumber(a.FirstDifference, row, "first_difference").cell(), phrase(orElse(a.Reference, "none")), phrase(d.agreementRemark(&a))})
	}
	t.note("Each run is held against the reference's run of the same scenario, mode, session, repetition and seed. equal: with the same tokens throughout; first_equal: with the same first ones. token_share: mean share of positions with the same token. first_difference: median position, from 1, of the first token that differs, over the runs that differ. After it the two continue different texts, so that the share says how early they part and not how good either is.")
	return append([]Block{t.block()}, d.agreementByScenario()...)
}

// agreementRemark says what stands behind a row.
func (d *data) agreementRemark(a *compare.Agreement) string {
	switch {
	case a.Absent != "":
		return a.Absent
	case a.Backend == a.Reference:
		return "the reference itself"
	case d.drawsItsOwn(a):
		return "draws with random numbers of its own: low agreement is expected and says nothing about quality"
	case a.Temperature > 0 && float64(a.FirstEqual) < drawsAlike*float64(a.Compared):
		return fmt.Sprintf("parts at the first token in %d of %d runs: it draws with other random numbers, or computes other probabilities",
			a.Compared-a.FirstEqual, a.Compared)
	case a.Temperature > 0:
		return "draws with the reference's random numbers: a difference is one of probabilities"
	}
	return "greedy: a difference is one of the arithmetic"
}

// drawsAlike is the share of runs with the reference's first token from which on two backends are taken to sample with the
// same random numbers: with numbers of their own they would share a first token only where it is nearly certain.
const drawsAlike = 0.9

// drawsItsOwn reports whether the backend's sampled tokens are drawn with random numbers that the reference does not have.
func (d *data) drawsItsOwn(a *compare.Agreement) bool {
	return a.Temperature > 0 && (a.OwnSampler || d.ownSampler(a.Backend))
}

// ownSampler reports whether a backend said of itself that it samples in its own way.
func (d *data) ownSampler(label string) bool {
	if d.Manifest == nil {
		return false
	}
	name, _, _ := strings.Cut(label, " (") // facts are by backend, whatever its settings
	said := d.Manifest.Backends[name]["sampler"]
	return said != "" && said != sharedSampler
}

// sharedSampler is what a backend's fact "sampler" says where it draws as package backend defines.
const sharedSampler = "bh"

// agreementByScenario shows where tokens part, of the backends that are not equal throughout.
func (d *data) agreementByScenario() []Block {
	t := newTable("Tokens that are the reference's, by scenario where they part", byBackendScenario, []string{"compared", "equal", "token_share", "first_difference"})
	for _, a := range d.singleRuns().AgreementByScenario {
		if a.Compared == 0 || a.Equal == a.Compared {
			continue
		}
		row := fmt.Sprintf("runs.agreement_by_scenario, backend=%s, mode=%s, scenario=%s", a.Backend, a.Mode, a.Scenario)
		t.lines([]Line{phrase(a.Backend), phrase(string(a.Mode)), phrase(a.Scenario), d.countNumber(int64(a.Compared), row, "compared"),
			d.countNumber(int64(a.Equal), row, "equal"), d.statsNumber(a.Share, row, "token_share").cell(),
			d.statsNumber(a.FirstDifference, row, "first_difference").cell()})
	}
	if len(t.table.Rows) == 0 {
		return []Block{para("Every compared run has the reference's tokens throughout.")}
	}
	return []Block{t.block()}
}

func preparation(d *data) []Block {
	list := d.singleRuns().Preparation
	if len(list) == 0 {
		return nil
	}
	t := newTable("What backends took before they could run", []string{"Backend"},
		[]string{"sessions", "model_load_mean_ms", "model_load_min_ms", "model_load_max_ms", "compiled_cells", "compile_sum_ms", "compile_max_ms",
			"graph_breaks_max", "recompiled_runs"})
	for _, p := range list {
		row := "runs.preparation, backend=" + p.Backend
		n := func(v *float64, column string) Line { return d.statsNumber(v, row, column).cell() }
		t.lines([]Line{phrase(p.Backend), d.countNumber(int64(p.Sessions), row, "sessions"), n(p.LoadMeanMS, "model_load_mean_ms"),
			n(p.LoadMinMS, "model_load_min_ms"), n(p.LoadMaxMS, "model_load_max_ms"), d.countNumber(int64(p.CompiledCells), row, "compiled_cells"),
			n(p.CompileSumMS, "compile_sum_ms"), n(p.CompileMaxMS, "compile_max_ms"), n(float(p.GraphBreaks), "graph_breaks_max"),
			d.countNumber(p.Recompiled, row, "recompiled_runs")})
	}
	t.note("None of it is part of any latency. sessions: worker processes that told how long they loaded the model. compiled_cells: scenarios of a session for which something was compiled, before the first measured run. compile_sum: over all of them; what is compiled for one scenario depends on the order in which they were prepared, as those that share a compiled graph find it compiled and count 0, so that the sum, of a session at a time, is the figure that means something. graph_breaks: places where the compiler fell back to the interpreter. recompiled_runs: measured runs with a compilation inside the window, which should be none.")
	return []Block{t.block()}
}

func engineAgainstHTTP(d *data) []Block {
	list, silent := d.singleRuns().Servers, d.silentServers()
	if len(list) == 0 {
		return silent
	}
	t := newTable("What the client saw and what the server says it spent, mean over runs", byBackendMode,
		[]string{"runs", "client_ms", "server_load_ms", "server_prefill_ms", "server_decode_ms", "overhead_ms", "overhead_without_load_ms", "overhead_p95_ms", "overhead_pct", "cached_runs"})
	cached := int64(0)
	for _, s := range list {
		row := fmt.Sprintf("runs.servers, backend=%s, mode=%s", s.Backend, s.Mode)
		n := func(v float64, column string) Line { return d.statsNumber(&v, row, column).cell() }
		t.lines([]Line{phrase(s.Backend), phrase(string(s.Mode)), d.countNumber(int64(s.Runs), row, "runs"), n(s.ClientMS, "client_mean_ms"),
			n(s.LoadMS, "server_load_mean_ms"), n(s.PrefillMS, "server_prefill_mean_ms"), n(s.DecodeMS, "server_decode_mean_ms"),
			n(s.OverheadMS, "overhead_mean_ms"), n(s.UnaccountedMS, "overhead_without_load_mean_ms"), n(s.OverheadP95, "overhead_p95_ms"), n(s.OverheadPct, "overhead_pct"),
			d.countNumber(s.CachedRuns, row, "cached_runs")})
		cached += s.CachedRuns
	}
	t.note("client: latency of one request at the client, the mean of those in flight together. overhead: client less the server's own prefill and decode: HTTP, tokenisation, sampling outside the server's clock, what the server spends looking up its loaded model, and, with a batch or requests in flight together, waiting inside the server for a turn. overhead_without_load: the same less server_load; the waiting is still in it, as no server tells it apart. The engine's share is what a backend in process has to be set beside.")
	blocks := []Block{t.block()}
	if cached > 0 {
		blocks = append(blocks, Note{Warning, prose("%s runs took prompt tokens from a cache: their prefill and time to first token are those of less work.", word(fmt.Sprint(cached)))})
	}
	return append(blocks, silent...)
}

// silentServers names the backends with good runs that work through a server which tells no times of its own.
func (d *data) silentServers() []Block {
	if d.Manifest == nil {
		return nil
	}
	var list []string
	for _, b := range d.singleRuns().Backends {
		name, _, _ := strings.Cut(b.Backend, " (")
		told := slices.ContainsFunc(d.singleRuns().Servers, func(s compare.ServerShare) bool { return s.Backend == b.Backend && s.Mode == b.Mode })
		if b.OK > 0 && !told && d.Manifest.Backends[name]["server"] != "" {
			list = append(list, b.Backend+" in "+string(b.Mode))
		}
	}
	if len(list) == 0 {
		return nil
	}
	return []Block{Note{Remark, prose("Not split: %s. The server tells no times of its own over this interface, so that what HTTP and waiting take is in the latency and cannot be told from the engine.",
		word(strings.Join(list, ", ")))}}
}

func isolation(d *data) []Block {
	list := d.singleRuns().Isolation
	if len(list) == 0 {
		return nil
	}
	if !slices.ContainsFunc(list, func(i compare.Isolation) bool {
		return i.Flagged > 0 || i.StealKnown > 0 || i.ForeignKnown > 0 || i.ForeignGPUProcs != nil
	}) {
		return []Block{para("Not observed: of no run is it on record what else ran beside it.")}
	}
	t := newTable("What disturbed the runs", []string{"Backend"},
		[]string{"runs", "flagged", "not_observed", "cpu_steal_mean_pct", "cpu_steal_max_pct", "foreign_cpu_mean_pct", "foreign_cpu_max_pct", "foreign_gpu_processes_max"})
	t.table.Columns = append(t.table.Columns, Column{Name: "flags"})
	for _, i := range list {
		row := "runs.isolation, backend=" + i.Backend
		n := func(v *float64, column string) Line { return d.statsNumber(v, row, column).cell() }
		t.lines([]Line{phrase(i.Backend), d.countNumber(i.Runs, row, "runs"), d.countNumber(i.Flagged, row, "flagged"),
			d.countNumber(i.NotObserved, row, "not_observed"), n(i.StealMeanPct, "cpu_steal_mean_pct"), n(i.StealMaxPct, "cpu_steal_max_pct"), n(i.ForeignMeanPct, "foreign_cpu_mean_pct"),
			n(i.ForeignMaxPct, "foreign_cpu_max_pct"), n(float(i.ForeignGPUProcs), "foreign_gpu_processes_max"), phrase(flagWords(&i))})
	}
	t.note("flagged: good runs with a doubt about them; they are counted like the others. not_observed: good runs of which the foreign load or the steal is not known, as where a window is too short for the counters or the server is elsewhere; that they carry no flag of load does not say that nothing else ran. flags: codes of docs/reasons.md with the number of runs. steal: of the CPUs' time in a window, taken by other virtual machines; foreign: used by processes that are not the run's.")
	return []Block{t.block()}
}

// flagWords lists flags with their counts, and calls none what somebody looked at.
func flagWords(i *compare.Isolation) string {
	parts := make([]string, len(i.Flags))
	for k, f := range i.Flags {
		parts[k] = fmt.Sprintf("%s %d", f.Flag, f.Runs)
	}
	switch {
	case len(parts) > 0:
		return strings.Join(parts, ", ")
	case i.NotObserved == i.Runs:
		return "not observed"
	case i.NotObserved > 0:
		return fmt.Sprintf("none in %d observed", i.Runs-i.NotObserved)
	}
	return "none"
}

func sessions(d *data) []Block {
	list := d.singleRuns().Sessions
	if len(list) == 0 {
		return nil
	}
	t := newTable("Latency between worker processes and within one, per backend and scenario", byBackendScenario,
		[]string{"sessions", "runs", "mean_ms", "between_sd_ms", "within_sd_ms", "between_share", "design_effect", "effective_n", "F", "p", "p_holm"})
	var absent []string
	tests := 0
	for _, s := range list {
		row := fmt.Sprintf("runs.sessions, backend=%s, mode=%s, scenario=%s", s.Backend, s.Mode, s.Scenario)
		n := func(v *float64, column string) Line { return d.statsNumber(v, row, column).cell() }
		t.lines([]Line{phrase(s.Backend), phrase(string(s.Mode)), phrase(s.Scenario), d.countNumber(int64(s.Sessions), row, "sessions"),
			d.countNumber(int64(s.N), row, "n"), n(&s.MeanMS, "mean_ms"), n(s.BetweenSDMS, "between_sd_ms"), n(s.WithinSDMS, "within_sd_ms"),
			n(s.BetweenShare, "between_share"), n(s.DesignEffect, "design_effect"), n(s.EffectiveN, "effective_n"), n(s.F, "f"), n(s.P, "p"), n(s.PHolm, "p_holm")})
		if s.F != nil {
			tests++
		}
		if s.Absent != "" {
			absent = append(absent, s.Backend+" "+s.Scenario+": "+s.Absent)
		}
	}
	t.note("A one-way random effects model: a session's own effect, and the rest. between_share: of the variance of one run, what differs between sessions; where it is large, more runs in one process do not make a figure surer, more processes do. design_effect: by how much the variance of the mean exceeds that of as many independent runs; effective_n: how many independent runs would say as much. F, p: whether sessions differ at all, a test for each cell, not adjusted; p_holm: adjusted for all %s of them.", word(fmt.Sprint(tests)))
	if len(absent) > 0 {
		t.note("Not split: %s.", word(names(absent)))
	}
	return []Block{t.block()}
}
