package cell_test

import (
	"reflect"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// archived is a row of the archive: onnxruntime-gpu, single_short.
func archived(mode record.Mode) record.Cell {
	return record.Cell{
		Schema: record.SchemaCell, Backend: "onnxruntime-gpu", Mode: mode, Scenario: "single_short", N: 7,
		LatMeanMS: units.Ptr(units.Milliseconds(11.48)), LatCILowerMS: units.Ptr(units.Milliseconds(-2.496)),
		LatCIUpperMS: units.Ptr(units.Milliseconds(25.45)), ThroughputMeanTokS: units.Ptr(units.TokensPerSecond(1832)),
	}
}

var shapes = []cell.Shape{
	{Scenario: "single_short", BatchSize: 1, PromptTokens: 11, MaxNewTokens: 8},
	{Scenario: "batch_medium", BatchSize: 4, PromptTokens: 19, MaxNewTokens: 8},
}

var devices = map[string]record.Device{"onnxruntime-gpu": record.GPU}

// TestFillTheArchive recomputes by hand what TR119 got wrong: 11 tokens over a mean of 11.48 ms are 958.2 tok/s, not 1832.
func TestFillTheArchive(t *testing.T) {
	cells := []record.Cell{archived(record.Prefill), archived(record.Generate)}
	cells[1].Scenario = "batch_medium"
	cell.Fill(cells, shapes, devices)

	c := cells[0]
	if *c.BatchSize != 1 || *c.PromptTokens != 11 || *c.MaxNewTokens != 0 || *c.TokensPerRun != 11 || c.Device != record.GPU {
		t.Errorf("shape %v %v %v, tokens %v, device %q", *c.BatchSize, *c.PromptTokens, *c.MaxNewTokens, *c.TokensPerRun, c.Device)
	}
	near(t, "throughput_ratio_tok_s", float64(*c.ThroughputRatioTokS), 11/0.01148)
	// sd = half width · √n / t(0.975, 6) = 13.973 · 2.6457513 / 2.4469118511449786 (scipy.stats.t.ppf, SciPy 1.17.1)
	near(t, "lat_sd_ms", float64(*c.LatSDMS), 13.973*2.6457513110645906/2.4469118511449786)

	g := cells[1]
	if *g.MaxNewTokens != 8 || *g.TokensPerRun != 32 { // 4 sequences of 8 new tokens
		t.Errorf("generate: %v new tokens, %v tokens per run", *g.MaxNewTokens, *g.TokensPerRun)
	}
	for i := range cells {
		if err := cells[i].Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestFillKeepsWhatIsThere(t *testing.T) {
	c := archived(record.Prefill)
	c.Device, c.BatchSize, c.TokensPerRun = record.CPU, units.Ptr(int64(2)), units.Ptr(22.0)
	c.LatSDMS, c.ThroughputRatioTokS = units.Ptr(units.Milliseconds(1)), units.Ptr(units.TokensPerSecond(5))
	cells := []record.Cell{c}
	cell.Fill(cells, shapes, devices)
	got := cells[0]
	if got.Device != record.CPU || *got.BatchSize != 2 || *got.TokensPerRun != 22 || *got.LatSDMS != 1 || *got.ThroughputRatioTokS != 5 {
		t.Errorf("a value was overwritten: %+v", got)
	}
}

func TestFillLeavesTheUnknownNull(t *testing.T) {
	empty := record.Cell{Schema: record.SchemaCell, Backend: "x", Mode: record.Prefill, Scenario: "single_short", NDegraded: 7}
	strange := archived(record.Prefill)
	strange.Scenario, strange.Backend = "unheard", "of"
	strange.N = 1 // an interval of one run says nothing
	cells := []record.Cell{empty, strange}
	cell.Fill(cells, shapes, devices)
	if c := cells[0]; c.ThroughputRatioTokS != nil || c.LatSDMS != nil || c.Device != "" {
		t.Errorf("a cell without runs has figures: %+v", c)
	}
	if c := cells[1]; c.BatchSize != nil || c.TokensPerRun != nil || c.ThroughputRatioTokS != nil || c.LatSDMS != nil || c.Device != "" {
		t.Errorf("an unknown scenario has a shape: %+v", c)
	}
	before := cells[1]
	cell.Fill(cells, nil, nil)
	if !reflect.DeepEqual(cells[1], before) {
		t.Error("nothing to fill from, but something changed")
	}
}

func TestWorseGrade(t *testing.T) {
	for _, c := range []struct{ a, b, want record.Grade }{
		{"", "", ""}, {"", "A", "A"}, {"A", "", "A"}, {"A", "B", "B"}, {"D", "C", "D"}, {"B", "B", "B"},
	} {
		if got := cell.WorseGrade(c.a, c.b); got != c.want {
			t.Errorf("WorseGrade(%q, %q) = %q, want %q", c.a, c.b, got, c.want)
		}
	}
}
