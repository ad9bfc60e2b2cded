package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// says is the text of a section's blocks.
func says(blocks []Block) string {
	var b strings.Builder
	for _, block := range blocks {
		switch v := block.(type) {
		case Paragraph:
			b.WriteString(v.Text.plain() + "\n")
		case Note:
			b.WriteString(v.Text.plain() + "\n")
		case List:
			for _, item := range v.Items {
				b.WriteString(item.plain() + "\n")
			}
		}
	}
	return b.String()
}

func TestRecommendationsFollowTheResults(t *testing.T) {
	for _, c := range []struct {
		name string
		in   *Inputs
		want []string
		not  []string
	}{
		{"archive", archive(t, "tr119"), []string{
			"prefill: a tie. onnxruntime-gpu has the lowest total cost by ratios within scenarios, but the measurements do not separate it from transformers-gpu, transformers-gpu-compile",
			"generate: onnxruntime-gpu has the lowest total cost, and the tests separate it from every other GPU backend.",
			"generate: onnxruntime-cpu has the lowest total cost, and the tests separate it from every other CPU backend.",
			"transformers-cpu: it is neither cheapest nor fastest in any cell",
			"transformers-gpu: keep it where it wins, with the lowest cost in prefill (batch_medium, batch_short)",
		}, []string{"No GPU backend"}},
		{"CPU only", cpuOnly(t), []string{
			"No GPU backend has results, so none is recommended. Not measured: onnxruntime-gpu, transformers-cpu, transformers-gpu, transformers-gpu-compile (backend_not_built).",
			"prefill: onnxruntime-cpu is the only CPU backend with results; there is nothing to choose between.",
			"There are no others with results.",
		}, []string{"onnxruntime-gpu has the lowest", "tie"}},
	} {
		got := says(recommendations(newData(c.in)))
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: saw\n%swant %q", c.name, got, want)
			}
		}
		for _, not := range c.not {
			if strings.Contains(got, not) {
				t.Errorf("%s: saw %q in\n%s", c.name, not, got)
			}
		}
	}
}

// TestBetterInEachScenario: a leader that is lower everywhere by more than noise is not called tied, one scenario within noise
// is enough for it, and the order of a pair makes no difference.
func TestBetterInEachScenario(t *testing.T) {
	ratio := func(low, high float64) compare.ScenarioRatio {
		return compare.ScenarioRatio{CILower: &low, CIUpper: &high}
	}
	pairs := []compare.PairRatio{
		{A: "first", B: "x", PerScenario: []compare.ScenarioRatio{ratio(0.4, 0.5), ratio(0.7, 0.99), ratio(0.1, 0.2)}},
		{A: "a", B: "first", PerScenario: []compare.ScenarioRatio{ratio(1.01, 1.5), ratio(2, 3)}},
		{A: "first", B: "near", PerScenario: []compare.ScenarioRatio{ratio(0.4, 0.5), ratio(0.9, 1.01)}},
		{A: "first", B: "once", PerScenario: []compare.ScenarioRatio{{Absent: "one run"}}},
	}
	for _, c := range []struct {
		others string
		want   int
	}{{"x", 3}, {"a", 2}, {"x a", 2}, {"x near", 0}, {"near", 0}, {"once", 0}, {"unknown", 0}, {"", 0}} {
		if got := betterInEach(pairs, "first", strings.Fields(c.others)); got != c.want {
			t.Errorf("%q: saw %d, want %d", c.others, got, c.want)
		}
	}
}

// TestChoiceWithoutPower falls back to latency, and says so.
func TestChoiceWithoutPower(t *testing.T) {
	in := archive(t, "default")
	for i := range in.Cells {
		in.Cells[i].PowerMeanW = nil
	}
	d := newData(finish(t, in.Cells, "default"))
	c := d.choose(record.Generate, "")
	if c.metric != "latency_ms" || c.leader != "onnxruntime-gpu" || !slices.Equal(c.tied, []string{"transformers-gpu-compile"}) {
		t.Errorf("saw %+v", c)
	}
	if got := d.choiceWords(c, "backend").plain(); !strings.Contains(got, "mean latency (no total cost is known)") {
		t.Errorf("saw %q", got)
	}
	if got := says(executiveSummary(d)); !strings.Contains(got, "no total cost is known (power_unknown)") || !strings.Contains(got, "Energy and carbon: not known") {
		t.Errorf("saw %q", got)
	}
}

// TestNothingMeasured writes a report about nothing without inventing anything.
func TestNothingMeasured(t *testing.T) {
	in := cpuOnly(t)
	in.Cells = slices.DeleteFunc(in.Cells, func(c record.Cell) bool { return c.N > 0 })
	in = finish(t, in.Cells, "default")
	d := newData(in)
	if got := says(executiveSummary(d)); !strings.Contains(got, "Nothing was measured: onnxruntime-gpu, ") {
		t.Errorf("saw %q", got)
	}
	if len(figuresOf(t, in)) != 0 {
		t.Error("a figure was drawn of nothing")
	}
	if got := overall(d.checks()); got != fail {
		t.Errorf("checks over all: saw %s, want FAIL", got)
	}
}

// TestPartialMeansDoNotWin keeps a backend that ran in one cheap scenario alone from being called the cheapest.
func TestPartialMeansDoNotWin(t *testing.T) {
	in := archive(t, "tr119")
	for i := range in.Cells {
		c := &in.Cells[i]
		if c.Backend == "transformers-gpu" && c.Mode == record.Prefill && c.Scenario != "batch_short" { // its cheapest, 0.058 USD
			*c = record.Cell{Schema: c.Schema, Backend: c.Backend, Device: c.Device, Mode: c.Mode, Scenario: c.Scenario, NError: 7, Reasons: "timeout"}
		}
	}
	d := newData(finish(t, in.Cells, "tr119"))
	order := d.rankMode(record.Prefill, costTotal, true)
	if order[0].label != "onnxruntime-gpu" || order[len(order)-1].label != "transformers-gpu" {
		t.Errorf("saw %s first and %s last", order[0].label, order[len(order)-1].label)
	}
	if md := renderedMarkdown(t, d.Inputs); !strings.Contains(md, "Means over fewer rows than planned, not to be set beside the others: transformers-gpu prefill (1 of 5).") {
		t.Error("the report does not say that a mean lacks scenarios")
	}
}

// TestLabelsAreThoseOfTheStatistics tells two settings of one backend apart by the same name in tables and statistics.
func TestLabelsAreThoseOfTheStatistics(t *testing.T) {
	in := archive(t, "default")
	for i := range in.Cells {
		c := in.Cells[i]
		if c.Backend != "onnxruntime-cpu" {
			continue
		}
		in.Cells[i].Threads = units.Ptr(int64(1))
		c.Threads, c.Settings = units.Ptr(int64(2)), "arena=off"
		c.LatMeanMS = units.Ptr(*c.LatMeanMS / 2)
		c.ThroughputRatioTokS = units.Ptr(*c.ThroughputRatioTokS * 2)
		in.Cells = append(in.Cells, c)
	}
	in = finish(t, in.Cells, "default")
	d := newData(in)
	want := []string{"onnxruntime-cpu (threads=1, settings=none)", "onnxruntime-cpu (threads=2, settings=arena=off)"}
	if !slices.Equal(d.backends[:2], want) {
		t.Errorf("saw %q, want %q", d.backends[:2], want)
	}
	for _, m := range in.Stats.Modes {
		for _, s := range m.Backends {
			if !slices.Contains(d.backends, s.Backend) {
				t.Errorf("the statistics call a backend %q, the tables do not", s.Backend)
			}
		}
	}
	if got := d.choose(record.Prefill, record.CPU).leader; got != want[1] {
		t.Errorf("saw %q as the choice, want %q", got, want[1])
	}
}

// TestOriginalMethodIsOnGPUPricesAlone: the original had no CPU instances, and no GPU backend runs on one.
func TestOriginalMethodIsOnGPUPricesAlone(t *testing.T) {
	d := newData(archive(t, cost.MethodTR119.Name))
	if want := []string{"aws_g5_xlarge", "azure_nc_t4_v3", "gcp_a2_highgpu"}; !slices.Equal(d.providers(), want) {
		t.Errorf("saw %q, want %q", d.providers(), want)
	}
}

func TestChoiceAmongBackendsThatNobodyRanked(t *testing.T) {
	c := choice{leader: "a", others: 1}.from(nil, []string{"a", "b"})
	if c.doubt == "" || c.leader != "a" || c.byMean != "" {
		t.Errorf("saw %+v, want the lowest mean, in doubt", c)
	}
}
