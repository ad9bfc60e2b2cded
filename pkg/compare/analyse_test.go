package compare

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
	"github.com/banterhearts/bh/pkg/units"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func near(t testing.TB, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s: got %.17g, want %.17g", what, got, want)
	}
}

// testCell is a good prefill cell of 7 runs.
func testCell(backend, scenario string, latencyMS float64) record.Cell {
	return record.Cell{
		Schema: record.SchemaCell, Backend: backend, Model: "m", Mode: record.Prefill, Scenario: scenario, Device: record.CPU, N: 7,
		LatMeanMS: units.Ptr(units.Milliseconds(latencyMS)), LatSDMS: units.Ptr(units.Milliseconds(latencyMS / 20)),
		ThroughputRatioTokS: units.Ptr(units.TokensPerSecond(1e4 / latencyMS)),
		ThroughputMeanTokS:  units.Ptr(units.TokensPerSecond(1e4 / latencyMS)),
	}
}

// testCost is its price: 1 USD per 1M tokens and ms, with the interval of the latency.
func testCost(c record.Cell) record.Cost {
	r := record.Cost{
		Schema: record.SchemaCost, Backend: c.Backend, Model: c.Model, Mode: c.Mode, Scenario: c.Scenario, Device: c.Device, N: c.N,
		Method: "default", Estimator: "ratio", Provider: "p", Tier: record.OnDemand, Default: true,
		TotalUSDPer1M: units.Ptr(units.USD(*c.LatMeanMS)), EnergyUSDPer1M: units.Ptr(units.USD(*c.LatMeanMS / 10)),
	}
	e, _ := cell.Latency(&c)
	if ci, err := e.LogInterval(stats.DefaultConfidence); err == nil {
		r.TotalCILowerUSD, r.TotalCIUpperUSD = units.Ptr(units.USD(ci.Lower)), units.Ptr(units.USD(ci.Upper))
	}
	return r
}

// grid is one cell and its price for each backend and scenario; latencies by backend, then by scenario s0, s1…
func grid(latencies map[string][]float64) (cells []record.Cell, costs []record.Cost) {
	for _, backend := range sortedKeys(latencies) {
		for i, ms := range latencies[backend] {
			c := testCell(backend, "s"+string(rune('0'+i)), ms)
			cells = append(cells, c)
			costs = append(costs, testCost(c))
		}
	}
	return cells, costs
}

func analyse(t testing.TB, cells []record.Cell, costs []record.Cost, opt Options) *Document {
	t.Helper()
	d, err := Analyse(cells, costs, opt)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOrderOfInputDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		latencies := map[string][]float64{}
		for _, b := range []string{"a", "b", "c", "d"}[:rapid.IntRange(1, 4).Draw(rt, "backends")] {
			latencies[b] = rapid.SliceOfN(rapid.Float64Range(0.5, 500), 0, 6).Draw(rt, "latency of "+b)
		}
		cells, costs := grid(latencies)
		opt := Options{Resamples: 20, Seed: rapid.Int64().Draw(rt, "seed")}
		want, err := analyse(t, cells, costs, opt).JSON()
		if err != nil {
			rt.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "shuffle"), 0))
		rng.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		rng.Shuffle(len(costs), func(i, j int) { costs[i], costs[j] = costs[j], costs[i] })
		got, err := analyse(t, cells, costs, opt).JSON()
		if err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			rt.Fatalf("shuffled input gives\n%s\nwant\n%s", got, want)
		}
	})
}

// A unit is a convention: pricing in cents must not change what is significant.
func TestDefaultDesignIgnoresTheUnit(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		latency := rapid.SliceOfN(rapid.Float64Range(1, 100), 3, 6)
		latencies := map[string][]float64{"a": latency.Draw(rt, "a"), "b": latency.Draw(rt, "b")}
		factor := rapid.Float64Range(0.01, 100).Draw(rt, "factor")
		_, costs := grid(latencies)
		want := analyse(t, nil, costs, Options{Resamples: 1}).Find(record.Prefill, TotalUSD, "default").Default
		for b := range latencies {
			for i := range latencies[b] {
				latencies[b][i] *= factor
			}
		}
		_, costs = grid(latencies)
		got := analyse(t, nil, costs, Options{Resamples: 1}).Find(record.Prefill, TotalUSD, "default").Default
		if got.Tests != want.Tests || math.Abs(got.Pairs[0].Ratio/want.Pairs[0].Ratio-1) > 1e-9 {
			rt.Fatalf("%+v, want %+v", got, want)
		}
		if want.Tests == 1 && math.Abs(*got.Pairs[0].P-*want.Pairs[0].P) > 1e-6 {
			rt.Fatalf("p = %g, want %g", *got.Pairs[0].P, *want.Pairs[0].P)
		}
	})
}

func TestAbsentSaysWhy(t *testing.T) {
	_, two := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	_, one := grid(map[string][]float64{"a": {1, 2, 4}})
	_, single := grid(map[string][]float64{"a": {1}, "b": {2}})
	_, disjoint := grid(map[string][]float64{"a": {1}, "b": {2, 3}})
	constant, _ := grid(map[string][]float64{"a": {1, 2}, "b": {3, 6}})
	none := slices.Clone(two)
	for i := range none {
		none[i].TotalUSDPer1M, none[i].Reason = nil, "power_unknown"
	}
	for _, c := range []struct {
		name, metric, method, want string
		cells                      []record.Cell
		costs                      []record.Cost
	}{
		{"tested", TotalUSD, "default", "", nil, two},
		{"one backend", TotalUSD, "default", "only a has values of total_usd_per_1m: there is nothing to compare it with", nil, one},
		{"one scenario", TotalUSD, "default", "no two backends have two scenarios in common, or what they have there does not vary", nil, single},
		{"one shared", TotalUSD, "default", "no two backends have two scenarios in common, or what they have there does not vary", nil, disjoint},
		{"constant ratio", LatencyMS, "", "no two backends have two scenarios in common, or what they have there does not vary", constant, nil},
		{"no values", TotalUSD, "default", "no backend has a value of total_usd_per_1m", nil, none},
		{"no cost rows", TotalUSD, "", "there are no cost rows of tier on_demand", constant, nil},
		{"no cells", LatencyMS, "", "no backend has a value of latency_ms", nil, two},
	} {
		m := analyse(t, c.cells, c.costs, Options{}).Find(record.Prefill, c.metric, c.method)
		if m == nil {
			t.Errorf("%s: no analysis", c.name)
		} else if m.Absent != c.want {
			t.Errorf("%s: absent %q, want %q", c.name, m.Absent, c.want)
		}
	}
	m := analyse(t, nil, none, Options{}).Find(record.Prefill, TotalUSD, "default")
	if len(m.Warnings) != 2 || m.Warnings[0] != "a: no total_usd_per_1m in 3 scenarios (power_unknown)" {
		t.Errorf("warnings %q", m.Warnings)
	}
	s := analyse(t, nil, single, Options{}).Find(record.Prefill, TotalUSD, "default")
	if p := s.Default.Pairs[0]; p.P != nil || p.Absent == "" || p.PerScenario[0].CILower == nil || s.TR119.Pairs[0].Absent == "" || s.TR119.ANOVA != nil || s.TR119.ANOVAAbsent == "" {
		t.Errorf("one scenario has a ratio and its interval and no test: %+v", s)
	}
}

func TestScenarioRatioInterval(t *testing.T) {
	_, costs := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	p := analyse(t, nil, costs, Options{}).Find(record.Prefill, TotalUSD, "default").Default.Pairs[0]
	// Both have sd = mean/20 and n = 7: se of the log ratio √2·0.05/√7, 12 degrees of freedom, t = 2.178812829663418
	// (SciPy 1.17.1, scipy.stats.t.ppf(0.975, 12)).
	half := 2.178812829663418 * math.Sqrt2 * 0.05 / math.Sqrt(7)
	near(t, "lower", *p.PerScenario[0].CILower, 0.5*math.Exp(-half))
	near(t, "upper", *p.PerScenario[0].CIUpper, 0.5*math.Exp(half))
}

func TestLabelsTellSeriesApart(t *testing.T) {
	two, four := testCell("ort", "s0", 2), testCell("ort", "s0", 1)
	two.Threads, four.Threads = units.Ptr(int64(2)), units.Ptr(int64(4))
	other := testCell("tf", "s0", 3)
	other.Model = "another"
	m := analyse(t, []record.Cell{two, four, other}, nil, Options{}).Find(record.Prefill, LatencyMS, "")
	var got []string
	for _, b := range m.Backends {
		got = append(got, b.Backend)
	}
	if want := []string{"ort (threads=2)", "ort (threads=4)", "tf"}; !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
	if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], "differ in model too (another, m)") {
		t.Errorf("warnings %q, want one about the models", m.Warnings)
	}
}

func TestBadInput(t *testing.T) {
	cells, costs := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	providers := slices.Clone(costs)
	for i := range providers {
		providers[i].Default = false
	}
	providers[0].Provider = "q"
	for _, c := range []struct {
		name, want string
		cells      []record.Cell
		costs      []record.Cost
		opt        Options
	}{
		{"twice", "a prefill s0: saw total_usd_per_1m twice, want one value", nil, append(slices.Clone(costs), costs[0]), Options{}},
		{"cell twice", "b prefill s2: saw latency_ms twice, want one value", append(slices.Clone(cells), cells[5]), nil, Options{}},
		{"metric", `unknown metric "speed", want one of total_usd_per_1m, `, cells, costs, Options{Metrics: []string{"speed"}}},
		{"alpha", "alpha: saw 0.7, want", cells, costs, Options{Alpha: 0.7}},
		{"alpha NaN", "alpha: saw NaN, want", cells, costs, Options{Alpha: math.NaN()}},
		{"resamples", "resamples: saw -1, want", cells, costs, Options{Resamples: -1}},
		{"providers", "saw prices of [p q] and none of a default provider", nil, providers, Options{}},
	} {
		_, err := Analyse(c.cells, c.costs, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if cli.ExitCode(err) != cli.ExitBadInput {
			t.Errorf("%s: exit code %d, want %d", c.name, cli.ExitCode(err), cli.ExitBadInput)
		}
	}
	providers[0].Provider = "p"
	if m := analyse(t, nil, providers, Options{}).Find(record.Prefill, TotalUSD, "default"); m.Default == nil || m.Default.Tests != 1 {
		t.Error("rows of one provider alone need no default")
	}
}

func TestRankingDirectionAndTies(t *testing.T) {
	cells, _ := grid(map[string][]float64{
		"fast": {1, 2, 4, 8}, "same": {1.01, 1.99, 4.03, 7.95}, "slow": {10, 21, 39, 82},
	})
	d := analyse(t, cells, nil, Options{Metrics: []string{LatencyMS, "throughput_ratio_tok_s"}})
	for _, metric := range []string{LatencyMS, "throughput_ratio_tok_s"} {
		r := d.Find(record.Prefill, metric, "").Default.Ranking
		first, last := r.Ranks[0], r.Ranks[2]
		if r.Sure || first.RankLower != 1 || first.RankUpper != 2 || !slices.Equal(first.TiedWith, []string{r.Ranks[1].Backend}) {
			t.Errorf("%s: first %+v", metric, first)
		}
		if last.Backend != "slow" || last.RankLower != 3 || last.RankUpper != 3 || len(last.TiedWith) != 0 || *last.BestShare != 0 {
			t.Errorf("%s: last %+v", metric, last)
		}
		near(t, "shares", *first.BestShare+*r.Ranks[1].BestShare, 1)
		if !strings.Contains(r.Sentence, "not sure: its rank is between 1 and 2, as no test separates it from "+r.Ranks[1].Backend) {
			t.Errorf("%s: %s", metric, r.Sentence)
		}
	}
}

func TestDirectionDisagreement(t *testing.T) {
	// Cheaper in three small scenarios, much dearer in one large: the mean and the ratio rank the pair differently.
	_, costs := grid(map[string][]float64{"a": {1, 1.1, 1.2, 100}, "b": {2, 2.3, 2.2, 60}})
	m := analyse(t, nil, costs, Options{}).Find(record.Prefill, TotalUSD, "default")
	if len(m.Disagreements) != 1 || m.Disagreements[0].Kind != Direction {
		t.Fatalf("%+v", m.Disagreements)
	}
	if s := m.Disagreements[0].Sentence; !strings.HasPrefix(s, "a against b: by the mean over scenarios a costs more than b, by the ratio within scenarios (0.683) less") {
		t.Error(s)
	}
}

func TestThroughputSection(t *testing.T) {
	few := testCell("a", "s1", 3)
	few.N = 2
	lost := testCell("a", "s2", 3)
	lost = record.Cell{Schema: lost.Schema, Backend: lost.Backend, Model: "m", Mode: lost.Mode, Scenario: lost.Scenario, Device: lost.Device, NError: 7, Reasons: "timeout"}
	gone := record.Cell{Schema: record.SchemaCell, Backend: "b", Mode: record.Prefill, Scenario: "s0", NDegraded: 7, Reasons: "no_gpu,no_driver"}
	gone2 := gone
	gone2.Scenario, gone2.Reasons = "s1", "no_gpu"
	d := analyse(t, []record.Cell{gone2, lost, few, gone, testCell("a", "s0", 2)}, nil, Options{})
	if f := d.Throughput.FewRuns; len(f) != 2 || f[0].Scenario != "s1" || f[0].N != 2 || f[1].Scenario != "s2" || f[1].N != 0 {
		t.Errorf("few runs: %+v", f)
	}
	if a := d.Throughput.AbsentBackends; len(a) != 1 || a[0].Backend != "b" || a[0].Degraded != 14 || !slices.Equal(a[0].Reasons, []string{"no_driver", "no_gpu"}) {
		t.Errorf("absent backends: %+v", a)
	}
}

func TestEstimatedEnergyIsMarked(t *testing.T) {
	_, costs := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	costs[0].EnergyGrade = record.GradeD
	costs[3].EnergyGrade = record.GradeB
	for i := range costs {
		costs[i].InfraUSDPer1M = costs[i].TotalUSDPer1M
	}
	d := analyse(t, nil, costs, Options{Metrics: []string{TotalUSD, infraUSD}})
	m := d.Find(record.Prefill, TotalUSD, "default")
	if want := "a: its energy is estimated from a model of the processor (grade D), not measured"; !slices.Contains(m.Warnings, want) {
		t.Errorf("warnings %q, want %q", m.Warnings, want)
	}
	if m = d.Find(record.Prefill, infraUSD, "default"); len(m.Warnings) != 0 {
		t.Errorf("infra has no energy in it: %q", m.Warnings)
	}
}

func TestEveryMetricReads(t *testing.T) {
	cells, costs := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	for i := range cells {
		cells[i].TTFTMeanMS, cells[i].TTFTSDMS, cells[i].ThroughputMeanSDTokS = cells[i].LatMeanMS, cells[i].LatSDMS, units.Ptr(units.TokensPerSecond(1))
		costs[i].InfraUSDPer1M, costs[i].CarbonGPer1M = costs[i].TotalUSDPer1M, units.Ptr(units.GramsCO2e(*costs[i].TotalUSDPer1M))
		costs[i].EnergyKWhPer1M, costs[i].TokensPerKWh = units.Ptr(units.KWh(*costs[i].TotalUSDPer1M)), units.Ptr(units.TokensPerKWh(1e6/float64(*costs[i].TotalUSDPer1M)))
	}
	d := analyse(t, cells, costs, Options{Metrics: Metrics()})
	for _, name := range Metrics() {
		ofCosts, err := MetricOfCosts(name)
		if err != nil {
			t.Fatal(err)
		}
		method := map[bool]string{true: "default"}[ofCosts]
		m := d.Find(record.Prefill, name, method)
		if m == nil || m.Default == nil || m.Default.Tests != 1 {
			t.Errorf("%s: %+v", name, m)
			continue
		}
		// b takes longer everywhere, so it is worse by every metric: ranked second.
		if first := m.Default.Ranking.Ranks[0]; first.Backend != "a" {
			t.Errorf("%s: %s ranks first, want a", name, first.Backend)
		}
		if hasCI := m.Backends[0].Values[0].CILower != nil; hasCI == (ofCosts && name != TotalUSD) {
			t.Errorf("%s: interval of a scenario's value: %v", name, hasCI)
		}
	}
}

func TestUnusableValues(t *testing.T) {
	_, costs := grid(map[string][]float64{"a": {1, 2, 4}, "b": {2, 3, 9}})
	costs[0].TotalUSDPer1M = units.Ptr(units.USD(0))
	costs[1].TotalCILowerUSD = units.Ptr(units.USD(-1))
	m := analyse(t, nil, costs, Options{}).Find(record.Prefill, TotalUSD, "default")
	if m.Backends[0].N != 2 || !slices.Contains(m.Warnings, "a: no total_usd_per_1m in 1 scenario (not_above_zero)") {
		t.Errorf("%d values, warnings %q", m.Backends[0].N, m.Warnings)
	}
	if s := m.Default.Pairs[0].PerScenario[0]; s.CILower != nil || !strings.HasPrefix(s.Absent, "the cost row's interval: ") {
		t.Errorf("%+v", s)
	}
}

func TestChooseTier(t *testing.T) {
	rows := func(tiers ...record.Tier) (costs []record.Cost) {
		for _, tier := range tiers {
			costs = append(costs, record.Cost{Tier: tier})
		}
		return costs
	}
	for _, c := range []struct {
		costs []record.Cost
		want  record.Tier
	}{
		{rows(record.Spot, record.OnDemand), record.OnDemand}, {rows(record.Spot, record.OnPrem), record.Spot},
		{rows(record.OnPrem), record.OnPrem}, {rows(record.Spot, record.Reserved1yr), ""}, {nil, ""},
	} {
		got, err := ChooseTier(c.costs)
		if got != c.want || (err != nil) != (c.want == "") {
			t.Errorf("%v: %q, %v", c.costs, got, err)
		}
	}
}

func TestDocumentRoundTrip(t *testing.T) {
	d := analyseArchive(t)
	path := filepath.Join(t.TempDir(), "stats.json")
	if err := d.Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadDocument(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	back, err := got.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back, want) {
		t.Error("a document does not survive being written and read")
	}
	for _, list := range []string{"pairs", "warnings", "inputs", "few_runs", "tied_with", "disagreements", "values"} {
		if bytes.Contains(want, []byte(`"`+list+`": null`)) {
			t.Errorf("the empty list %s is null", list)
		}
	}
}

// The words that the document says, and nothing whose last digit depends on the processor.
func TestArchiveSentences(t *testing.T) {
	var got strings.Builder
	for _, m := range analyseArchive(t).Modes {
		fmt.Fprintf(&got, "%s %s %s\n", m.Mode, m.Metric, m.Method)
		for _, w := range m.Warnings {
			fmt.Fprintln(&got, "  warning:", w)
		}
		fmt.Fprintln(&got, "  ranking:", m.Default.Ranking.Sentence)
		for _, d := range m.Disagreements {
			fmt.Fprintln(&got, "  disagreement:", d.Sentence)
		}
	}
	const golden = "testdata/sentences.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s\nif the change is meant, run with -update", got.String(), want)
	}
}

func TestReadDocumentBadInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, path := range map[string]string{
		"missing": filepath.Join(dir, "nowhere"), "empty": write("empty", ""), "cut off": write("cut", `{"schema":"bh.stats/1","modes":[{`),
		"other schema": write("other", `{"schema":"bh.run/1"}`), "wrong type": write("type", `{"schema":"bh.stats/1","alpha":"high"}`),
	} {
		_, err := ReadDocument(path)
		var coded *cli.Error
		if !errors.As(err, &coded) || coded.Code != cli.ExitBadInput || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadDocument(f *testing.F) {
	f.Add([]byte(`{"schema":"bh.stats/1","modes":[{"mode":"prefill","tr119":null}]}`))
	f.Add([]byte(`{"schema":`))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "stats.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if d, err := ReadDocument(path); err == nil && d.Schema != Schema {
			t.Errorf("accepted schema %q", d.Schema)
		}
	})
}

func BenchmarkAnalyse(b *testing.B) {
	cells := readArchive(b)
	costs := priceByHand(cells)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Analyse(cells, costs, DefaultOptions()); err != nil {
			b.Fatal(err)
		}
	}
}
