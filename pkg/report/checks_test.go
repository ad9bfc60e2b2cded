package report

import (
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/cost"
	"github.com/banterhearts/bh/pkg/manifest"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// sound is the CPU-only case with everything in order: every backend but one removed, a good energy grade, a manifest
// that fits, and prices that say where they hold.
func sound(tb testing.TB) *Inputs {
	tb.Helper()
	in := cpuOnly(tb)
	var cells []record.Cell
	for _, c := range in.Cells {
		if c.N > 0 {
			c.EnergyGrade, c.PowerSource = record.GradeA, "rapl"
			cells = append(cells, c)
		}
	}
	in = withFacts(finish(tb, cells, "default"), in)
	in.Matrix = &matrix.Matrix{Repetitions: 7, Modes: record.Modes(), Backends: []matrix.Backend{{Name: "onnxruntime-cpu"}}}
	for _, s := range shapes119 {
		in.Matrix.Scenarios = append(in.Matrix.Scenarios, matrix.Scenario{Name: s.Scenario})
	}
	for i := range in.Book.Providers {
		in.Book.Providers[i].Region, in.Book.Providers[i].Original = "us-east-1", false
	}
	in.Artifacts = []Artifact{{Path: EnergyFile, SHA256: "aa"}}
	in.Manifest = &manifest.Manifest{Artifacts: []manifest.Artifact{{Path: EnergyFile, SHA256: "aa"}}}
	return in
}

func TestChecks(t *testing.T) {
	all := func(f func(*record.Cell)) func(*Inputs) {
		return func(in *Inputs) {
			for i := range in.Cells {
				f(&in.Cells[i])
			}
		}
	}
	for _, c := range []struct {
		check string
		spoil func(*Inputs)
		want  verdictKind
		saw   string
	}{
		{"Planned runs are good runs", func(in *Inputs) { in.Cells[0].NDegraded = 2 }, warn, "107 planned, 105 ok, 2 degraded"},
		{"Every planned cell is on record", func(in *Inputs) { in.Matrix.Repetitions = 9 }, warn, "15 with fewer than 9 runs"},
		{"Every planned cell is on record", func(in *Inputs) { in.Matrix.Backends[0].Name = "tensorrt" }, warn, "all of prefill; all of generate; all of generate-cached"},
		{"Every planned cell is on record", func(in *Inputs) { in.Matrix = nil }, warn, "no matrix given"},
		{"Cells have enough runs", func(in *Inputs) { in.Cells[3].N = 2 }, warn, "fewer than 3: onnxruntime-cpu"},
		{"Rows were readable", func(in *Inputs) { in.Rejected = []string{"cost.parquet: 1 of 2 rows rejected"} }, warn, "1 of 2"},
		{"Latency intervals stay above zero", func(in *Inputs) { in.Cells[0].LatCILowerMS = units.Ptr(units.Milliseconds(-3)) }, warn, "from -3 ms"},
		{"Throughput estimators agree within 5%", func(in *Inputs) { *in.Cells[0].ThroughputMeanTokS *= 1.2 }, warn, "1 of 15"},
		{"Throughput is tokens over latency", func(in *Inputs) { *in.Cells[0].ThroughputRatioTokS *= 1.01 }, fail, "1 of 15 cells do not fit"},
		{"Costs follow from the cells", func(in *Inputs) { in.Cells[0].PowerMeanW = units.Ptr(*in.Cells[0].PowerMeanW * 1.01) }, fail, "rows do not"},
		{"Costs follow from the cells", func(in *Inputs) { in.Cells[0].Scenario = "other" }, fail, "rows do not"},
		{"Costs add up", func(in *Inputs) { *in.Costs[0].TotalUSDPer1M *= 1.01 }, fail, "1 of"},
		{"Costs add up", func(in *Inputs) { *in.Costs[0].HoursPer1M *= 1.01 }, fail, "1 of"},
		{"Costs add up", func(in *Inputs) { *in.Costs[0].CarbonGPer1M *= 1.01 }, fail, "1 of"},
		{"Costs use the prices of the price book", func(in *Inputs) { in.Book.Energy.USDPerKWh = 0.3 }, fail, "other prices"},
		{"Costs use the prices of the price book", func(in *Inputs) { in.Book.Providers = in.Book.Providers[:3] }, fail, "other prices"},
		{"Costs use the prices of the price book", func(in *Inputs) {
			in.Book.OnPrem = cost.OnPrem{CapitalUSD: units.Ptr(units.USD(900)), LifetimeHours: 9e3}
		}, fail, "on_prem"},
		{"Prices are dated and sourced", func(in *Inputs) { in.Book.Providers[0].Region = "not stated" }, warn, "no region stated: aws_g5_xlarge"},
		{"Backends pay for the hardware they use", func(in *Inputs) { in.Method = "tr119" }, warn, "onnxruntime-cpu at instances of another kind"},
		{"Statistics follow from the costs", func(in *Inputs) { *in.Stats.Modes[0].Backends[0].Mean *= 1.01 }, fail, "not those of cost.parquet"},
		{"Statistics follow from the costs", func(in *Inputs) { in.Stats.Modes = nil }, fail, "no analysis of prefill"},
		{"Energy is known", func(in *Inputs) { in.Cells[0].PowerMeanW = nil }, warn, "14 of 15"},
		{"Energy is measured well", all(func(c *record.Cell) { c.EnergyGrade = record.GradeC }), warn, "15 grade C"},
		{"Energy is measured well", all(func(c *record.Cell) { c.EnergyGrade = "" }), warn, "15 without a grade"},
		{"Runs of a cell give the same tokens", func(in *Inputs) { in.Cells[0].OutputsDiffer = units.Ptr(true) }, warn, "1 of 15 cells differ"},
		{"Runs of a cell give the same tokens", all(func(c *record.Cell) { c.OutputsDiffer = nil }), warn, "not recorded"},
		{"Backends give the same tokens", func(in *Inputs) {
			in.Runs.Outputs = map[OutputKey]map[string][]string{{"m", record.Prefill, "s"}: {"a": {"x"}, "b": {"y"}}}
		}, warn, "1 of 1 tasks differ: prefill s"},
		{"Backends give the same tokens", func(in *Inputs) {
			in.Runs.Outputs = map[OutputKey]map[string][]string{{"m", record.Prefill, "s"}: {"a": {"x", "y"}}}
		}, pass, "equal in 1 tasks"},
		{sessionsCheck, all(func(c *record.Cell) { c.Sessions = nil }), skipped, "not on record"},
		{sessionsCheck, all(func(c *record.Cell) { c.Sessions = units.Ptr(int64(3)) }), pass, "3 sessions in each cell"},
		{sessionsCheck, all(func(c *record.Cell) { c.Sessions = units.Ptr(int64(2)) }), warn, "2 sessions in each cell with good runs; fewer than 3: "},
		{sessionsCheck, func(in *Inputs) {
			for i := range in.Cells {
				in.Cells[i].Sessions = units.Ptr(int64(min(1+4*i, 5)))
			}
		}, warn, "1 to 5 sessions in each cell with good runs; fewer than 3: onnxruntime-cpu"},
		{"No garbage collection in a measured window", func(in *Inputs) { in.Runs.GCSeen = 4 }, warn, "4 of 105"},
		{"Artifacts are those of the manifest", func(in *Inputs) { in.Manifest.Artifacts[0].SHA256 = "bb" }, fail, "energy.parquet"},
		{"Artifacts are those of the manifest", func(in *Inputs) { in.Manifest.Artifacts = nil }, warn, "not in the manifest"},
		{"Artifacts are those of the manifest", func(in *Inputs) { in.Manifest = nil }, warn, "no manifest"},
	} {
		in := sound(t)
		c.spoil(in)
		found := false
		for _, got := range newData(in).checks() {
			if got.name != c.check {
				continue
			}
			found = true
			if got.outcome != c.want || !strings.Contains(got.saw, c.saw) {
				t.Errorf("%s: saw %s, %q, want %s, %q", c.check, got.outcome, got.saw, c.want, c.saw)
			}
		}
		if !found {
			t.Errorf("no check %q", c.check)
		}
	}
}

const sessionsCheck = "Sessions are enough for their intervals"

func TestAllChecksPassWhereAllIsSound(t *testing.T) {
	list := newData(sound(t)).checks()
	for _, c := range list {
		want := pass
		if c.name == "Backends give the same tokens" || c.name == sessionsCheck {
			want = skipped // there is one backend, and one worker process
		}
		if c.outcome != want {
			t.Errorf("%s: %s, %s", c.name, c.outcome, c.saw)
		}
	}
	if got := overall(list); got != pass {
		t.Errorf("over all: %s", got)
	}
}

// TestMeanInterval holds the interval of a mean against the formula by hand: values 10 and 20 with intervals 8 to 13 and
// 17 to 26 give mean 15, below √(2²+3²)/2 = 1.802776, above √(3²+6²)/2 = 3.354102.
func TestMeanInterval(t *testing.T) {
	low, high, ok := meanInterval([]bounded{{10, 8, 13, false}, {20, 17, 26, false}}, 2)
	if !ok || math.Abs(low-13.197224) > 1e-6 || math.Abs(high-18.354102) > 1e-6 {
		t.Errorf("saw %v to %v, %v", low, high, ok)
	}
	if _, _, ok := meanInterval([]bounded{{10, 8, 13, false}}, 2); ok {
		t.Error("a mean of two values has an interval though one of them has none")
	}
	// Of the same sessions, the half widths are added as they are: 2+3 and 3+6, over 2.
	low, high, ok = meanInterval([]bounded{{10, 8, 13, true}, {20, 17, 26, true}}, 2)
	if !ok || low != 12.5 || high != 19.5 {
		t.Errorf("shared sessions: saw %v to %v, %v", low, high, ok)
	}
	if _, _, ok := meanInterval(nil, 0); ok {
		t.Error("a mean of nothing has an interval")
	}
}

func TestMeanIntervalHoldsItsMeanAndShrinks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		one := bounded{value: rapid.Float64Range(1, 100).Draw(t, "value")}
		one.low, one.high = one.value-rapid.Float64Range(0, 1).Draw(t, "below"), one.value+rapid.Float64Range(0, 9).Draw(t, "above")
		values := make([]bounded, n)
		for i := range values {
			values[i] = one
		}
		low, high, ok := meanInterval(values, n)
		// n equal values: the widths of one, divided by √n.
		root := math.Sqrt(float64(n))
		if !ok || math.Abs(low-(one.value-(one.value-one.low)/root)) > 1e-9 || math.Abs(high-(one.value+(one.high-one.value)/root)) > 1e-9 {
			t.Fatalf("%d times %+v: saw %v to %v", n, one, low, high)
		}
	})
}

func TestThroughputBounds(t *testing.T) {
	// Latency 100 ms, sd 10, n 4: t(3, 0.975) = 3.182446, half width on the log scale 3.182446·10/(100·2) = 0.1591223;
	// 80 tokens are 800 tok/s, times exp(±0.1591223).
	c := cellRow{&record.Cell{N: 4, LatMeanMS: units.Ptr(units.Milliseconds(100)), LatSDMS: units.Ptr(units.Milliseconds(10)),
		ThroughputRatioTokS: units.Ptr(units.TokensPerSecond(800))}, "x"}
	d := &data{estimator: cost.EstimatorRatio}
	b, ok := d.throughputBounds(c)
	if !ok || math.Abs(b.low-682.314) > 0.01 || math.Abs(b.high-937.985) > 0.01 {
		t.Errorf("saw %+v, %v", b, ok)
	}
	c.N = 1
	if _, ok := d.throughputBounds(c); ok {
		t.Error("a single run has an interval")
	}
}
