package compare

import (
	"bytes"
	"encoding/csv"
	"os"
	"strconv"
	"testing"

	"github.com/banterhearts/bh/pkg/cell"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// archive is what the original machine measured: 50 cells of 7 runs.
const archive = "../../pipelines/tr119/archive/tr119_measurements.csv"

// readArchive reads the archive by hand and fills in the shapes of spec tr119, so that these tests rest on nothing but
// the file.
func readArchive(t testing.TB) []record.Cell {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var cells []record.Cell
	for _, r := range rows[1:] {
		v := make(map[string]float64)
		for i, name := range rows[0][3:] {
			if v[name], err = strconv.ParseFloat(r[i+3], 64); err != nil {
				t.Fatal(err)
			}
		}
		device := record.GPU
		if r[0] == "onnxruntime-cpu" || r[0] == "transformers-cpu" {
			device = record.CPU
		}
		cells = append(cells, record.Cell{
			Schema: record.SchemaCell, Backend: r[0], Mode: record.Mode(r[1]), Scenario: r[2], Device: device, N: int64(v["n"]),
			LatMeanMS:          units.Ptr(units.Milliseconds(v["lat_mean_ms"])),
			LatCILowerMS:       units.Ptr(units.Milliseconds(v["lat_ci_lower_ms"])),
			LatCIUpperMS:       units.Ptr(units.Milliseconds(v["lat_ci_upper_ms"])),
			ThroughputMeanTokS: units.Ptr(units.TokensPerSecond(v["throughput_mean_tok_s"])),
			PowerMeanW:         units.Ptr(units.Watts(v["power_mean_w"])),
		})
	}
	cell.Fill(cells, []cell.Shape{
		{Scenario: "single_short", BatchSize: 1, PromptTokens: 11, MaxNewTokens: 8},
		{Scenario: "single_medium", BatchSize: 1, PromptTokens: 19, MaxNewTokens: 8},
		{Scenario: "single_long", BatchSize: 1, PromptTokens: 27, MaxNewTokens: 8},
		{Scenario: "batch_short", BatchSize: 4, PromptTokens: 11, MaxNewTokens: 8},
		{Scenario: "batch_medium", BatchSize: 4, PromptTokens: 19, MaxNewTokens: 8},
	}, nil)
	return cells
}

// priceByHand is the cost model of TR119 in one line: aws_g5_xlarge at 1.006 USD/h for every backend, 0.20 USD/kWh, the
// mean of the runs' throughputs.
func priceByHand(cells []record.Cell) []record.Cost {
	var costs []record.Cost
	for i := range cells {
		c := &cells[i]
		seconds := 1e6 / float64(*c.ThroughputMeanTokS)
		infra, energy := seconds/3600*1.006, float64(*c.PowerMeanW)*seconds/3.6e6*0.20
		costs = append(costs, record.Cost{
			Schema: record.SchemaCost, Backend: c.Backend, Mode: c.Mode, Scenario: c.Scenario, Device: c.Device, N: c.N,
			Method: "tr119", Estimator: "mean", Provider: "aws_g5_xlarge", Tier: record.OnDemand, Default: true,
			USDPerKWh: 0.20, ThroughputTokS: c.ThroughputMeanTokS, PowerW: c.PowerMeanW,
			InfraUSDPer1M: units.Ptr(units.USD(infra)), EnergyUSDPer1M: units.Ptr(units.USD(energy)),
			TotalUSDPer1M: units.Ptr(units.USD(infra + energy)), CIMethod: "none:throughput_sd_unknown",
		})
	}
	return costs
}

// archivePair is what SciPy says of one pair.
type archivePair struct {
	a, b                          string
	diff, pct, t, p, d            float64 // tr119
	ratio, lo, hi, pPaired, pHolm float64 // default
}

// Reference values: SciPy 1.17.1 (f_oneway; ttest_ind; ttest_rel of the logarithms and its confidence_interval), NumPy
// 2.4.6 (d) and statsmodels 0.15.0 (multipletests, method="holm"), from the same file and the same cost model.
var archiveWant = map[record.Mode]struct {
	f, p  float64
	pairs []archivePair
}{
	record.Prefill: {8.08011972087691, 0.00047813474804164893, []archivePair{
		{"onnxruntime-cpu", "onnxruntime-gpu", 0.14689444984159744, 114.87822974274198, 2.5439059544540736, 0.03450036467542979, 1.608907393867887, 1.999228769695857, 1.2706725709537279, 3.145511884764813, 0.01322195674761749, 0.07933174048570495},
		{"onnxruntime-cpu", "transformers-cpu", -0.6963186210502457, -71.70538296105362, -2.806910839884568, 0.022952056361328237, -1.7752462886102864, 0.2961067124516135, 0.2505659072205111, 0.3499246411114513, 3.521983926750426e-05, 0.00035219839267504257},
		{"onnxruntime-cpu", "transformers-gpu", 0.014252159939489584, 5.470826830133654, 0.13164900920769457, 0.8985126050759762, 0.08326214416015876, 1.325799704856522, 0.6632138832634262, 2.650343881145007, 0.32149392929922427, 1},
		{"onnxruntime-cpu", "transformers-gpu-compile", 0.07529828404568129, 37.749959399695456, 0.9851187531748943, 0.3534181340694197, 0.6230438051555792, 1.445647037955342, 0.773152959877583, 2.7030813652707963, 0.17737612957486507, 0.8868806478743253},
		{"onnxruntime-gpu", "transformers-cpu", -0.843213070891843, -86.8322551461721, -3.4895129092926513, 0.008204280535989579, -2.2069617435850644, 0.14811046986716797, 0.0808271615268312, 0.2714027174762435, 0.0009381246692206135, 0.008443122022985522},
		{"onnxruntime-gpu", "transformers-gpu", -0.13264228990210786, -50.91600160872221, -1.4327646022942557, 0.189821002959035, -0.9061598988230316, 0.6631555752662643, 0.21618790626681658, 2.0342271896743584, 0.3664774282960392, 1},
		{"onnxruntime-gpu", "transformers-gpu-compile", -0.07159616579591616, -35.89394348389158, -1.3796270344441128, 0.205033077360004, -0.8725527500773937, 0.7231023582034929, 0.34970680602205545, 1.4951868577772989, 0.2830534300682187, 1},
		{"transformers-cpu", "transformers-gpu", 0.7105707809897353, 272.75933681999425, 2.7497643341662417, 0.025068051347373225, 1.7391036649323368, 4.477438872896775, 2.491934903784425, 8.044936820011502, 0.002075749565080968, 0.016605996520647745},
		{"transformers-cpu", "transformers-gpu-compile", 0.771616905095927, 386.8415755904674, 3.1267758033997555, 0.014083719464189228, 1.9775466542892164, 4.882182595545089, 2.6035050982544266, 9.155237265417497, 0.0021899394999828643, 0.016605996520647745},
		{"transformers-gpu", "transformers-gpu-compile", 0.0610461241061917, 30.604797117547065, 0.5799795033400512, 0.57789318366086, 0.3668112453535592, 1.090396258695645, 0.4439340477052701, 2.678244678738449, 0.8023938704991267, 1},
	}},
	record.Generate: {12.849429348922634, 2.438969921768414e-05, []archivePair{
		{"onnxruntime-cpu", "onnxruntime-gpu", 4.166659299140657, 346.05293760812117, 4.590310355433444, 0.0017778432629816322, 2.9031671780453507, 4.807023169228524, 3.43168774446076, 6.733558957046321, 0.00020608755716713996, 0.0014426129001699798},
		{"onnxruntime-cpu", "transformers-cpu", -13.100538395665808, -70.92393966700506, -3.157990968498532, 0.013435595413994817, -1.9972888581392825, 0.31066733907830774, 0.22930194770655138, 0.4209043862702381, 0.00043415073713939787, 0.0026049044228363873},
		{"onnxruntime-cpu", "transformers-gpu", 1.7450519137722993, 48.130600602921234, 1.4397289702983693, 0.18790253308784308, 0.9105645518943515, 1.6125991741136785, 1.1302509891097896, 2.30079524053353, 0.020244917100428344, 0.04048983420085669},
		{"onnxruntime-cpu", "transformers-gpu-compile", 2.21706174298368, 70.30144918424944, 1.8566651234684965, 0.10044368871031772, 1.1742581284716385, 1.8457961499100237, 1.2440309176634485, 2.7386485164063763, 0.012516298487404353, 0.04001377760694515},
		{"onnxruntime-gpu", "transformers-cpu", -17.267197694806466, -93.48147767193058, -4.246641983597251, 0.002811957601457674, -2.685812215092544, 0.06462780147743008, 0.062206047229069104, 0.06714383745402654, 3.815876581153431e-09, 3.815876581153431e-08},
		{"onnxruntime-gpu", "transformers-gpu", -2.4216073853683584, -66.79080259010401, -2.7191796156863393, 0.02628206029709411, -1.7197601905340303, 0.3354673188256098, 0.3097966146029392, 0.36326517687832616, 2.8365034223526035e-06, 2.2692027378820828e-05},
		{"onnxruntime-gpu", "transformers-gpu-compile", -1.9495975561569774, -61.82035027110002, -2.2513640340427146, 0.05445127968818382, -1.4238876379519676, 0.3839790416916702, 0.21557786775827842, 0.6839287631500918, 0.010003444401736287, 0.04001377760694515},
		{"transformers-cpu", "transformers-gpu", 14.845590309438107, 409.4589807093828, 3.5818593683847855, 0.007168852649150011, 2.2653667725016056, 5.190758638799819, 4.691543260712146, 5.743094276015484, 1.4303793712920925e-06, 1.2873414341628833e-05},
		{"transformers-cpu", "transformers-gpu-compile", 15.317600138649489, 485.7101933132071, 3.700400684683231, 0.006039125661899088, 2.3403388837691113, 5.941391056382552, 3.4153744317020758, 10.335653788703487, 0.0008672901677888157, 0.004336450838944079},
		{"transformers-gpu", "transformers-gpu-compile", 0.4720098292113808, 14.967095583956592, 0.39962512018178104, 0.6998897394104052, 0.25274511799858995, 1.1446093856053943, 0.66160956441648, 1.980217209785131, 0.5314763893266158, 0.5314763893266158},
	}},
}

func analyseArchive(t testing.TB) *Document {
	t.Helper()
	cells := readArchive(t)
	d, err := Analyse(cells, priceByHand(cells), DefaultOptions())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestArchiveAgreesWithSciPy(t *testing.T) {
	d := analyseArchive(t)
	for mode, want := range archiveWant {
		m := d.Find(mode, TotalUSD, "tr119")
		if m == nil || m.TR119 == nil || m.Default == nil {
			t.Fatalf("%s: no analysis", mode)
		}
		near(t, "F", m.TR119.ANOVA.F, want.f)
		near(t, "p", m.TR119.ANOVA.P, want.p)
		if m.TR119.ANOVA.DFBetween != 4 || m.TR119.ANOVA.DFWithin != 20 || m.Default.Tests != 10 {
			t.Errorf("%s: df %+v, %d tests", mode, m.TR119.ANOVA, m.Default.Tests)
		}
		if len(m.TR119.Pairs) != len(want.pairs) || len(m.Default.Pairs) != len(want.pairs) {
			t.Fatalf("%s: %d and %d pairs, want %d", mode, len(m.TR119.Pairs), len(m.Default.Pairs), len(want.pairs))
		}
		for i, w := range want.pairs {
			x, y := m.TR119.Pairs[i], m.Default.Pairs[i]
			if x.A != w.a || x.B != w.b || y.A != w.a || y.B != w.b {
				t.Fatalf("%s pair %d: %s-%s and %s-%s, want %s-%s", mode, i, x.A, x.B, y.A, y.B, w.a, w.b)
			}
			near(t, "difference", x.DiffUSD, w.diff)
			near(t, "per cent", *x.DiffPct, w.pct)
			near(t, "t", *x.T, w.t)
			near(t, "p", *x.P, w.p)
			near(t, "d", *x.CohensD, w.d)
			near(t, "ratio", y.Ratio, w.ratio)
			near(t, "lower", *y.CILower, w.lo)
			near(t, "upper", *y.CIUpper, w.hi)
			near(t, "paired p", *y.P, w.pPaired)
			near(t, "Holm p", *y.PHolm, w.pHolm)
		}
	}
}

func TestArchiveFindings(t *testing.T) {
	d := analyseArchive(t)
	prefill, generate := d.Find(record.Prefill, TotalUSD, "tr119"), d.Find(record.Generate, TotalUSD, "tr119")
	if prefill.TR119.Significant != 5 || generate.TR119.Significant != 6 {
		t.Errorf("tr119 finds %d and %d pairs, SciPy 5 and 6", prefill.TR119.Significant, generate.TR119.Significant)
	}
	kinds := func(m *ModeAnalysis) map[DisagreementKind]int {
		n := map[DisagreementKind]int{}
		for _, x := range m.Disagreements {
			n[x.Kind]++
		}
		return n
	}
	if got := kinds(prefill); len(got) != 1 || got[OnlyTR119] != 1 {
		t.Errorf("prefill disagreements %v, want the one between the ONNX Runtime backends", prefill.Disagreements)
	}
	if got := kinds(generate); len(got) != 1 || got[OnlyDefault] != 3 {
		t.Errorf("generate disagreements %v, want three that only the default design finds", generate.Disagreements)
	}
	best := generate.Default.Ranking
	if !best.Sure || best.Ranks[0].Backend != "onnxruntime-gpu" || *best.Ranks[0].BestShare != 1 {
		t.Errorf("generate ranking %+v", best)
	}
	if first := prefill.Default.Ranking; first.Sure || first.Ranks[0].RankUpper != 4 || len(first.Ranks[0].TiedWith) != 3 {
		t.Errorf("prefill ranking %+v", first)
	}
}

func TestArchiveThroughputDoubts(t *testing.T) {
	d := analyseArchive(t)
	if n := d.Throughput.BelowZero; len(n) != 1 || n[0].Backend != "onnxruntime-gpu" || n[0].Scenario != "single_short" ||
		n[0].Mode != record.Prefill || n[0].LowerMS != -2.496 || *n[0].LogLowerMS <= 0 {
		t.Errorf("below zero: %+v", n)
	}
	found := false
	for _, g := range d.Throughput.EstimatorsDiffer {
		if g.Backend == "onnxruntime-gpu" && g.Scenario == "single_short" && g.Mode == record.Prefill {
			found = true
			near(t, "ratio", g.RatioTokS, 11/0.01148) // 11 tokens in 11.48 ms: the 958 tok/s of the specification
			near(t, "mean", g.MeanTokS, 1832)
			near(t, "gap", g.GapPct, 100*(1832/(11/0.01148)-1))
		}
		if g.GapPct > -EstimatorGapPct && g.GapPct < EstimatorGapPct {
			t.Errorf("%+v is within the limit", g)
		}
	}
	if !found {
		t.Error("the cell that the specification names is not listed")
	}
	if len(d.Throughput.FewRuns) != 0 || len(d.Throughput.AbsentBackends) != 0 {
		t.Errorf("%+v", d.Throughput)
	}
}

func TestLatencyHasTheDefaultDesignOnly(t *testing.T) {
	m := analyseArchive(t).Find(record.Prefill, LatencyMS, "")
	if m == nil || m.TR119 != nil || m.Default == nil || len(m.Disagreements) != 0 || m.Absent != "" {
		t.Fatalf("%+v", m)
	}
	// The spread of a cell's latencies comes from the archive's interval, so every scenario's ratio has one.
	for _, p := range m.Default.Pairs {
		for _, s := range p.PerScenario {
			if s.CILower == nil || !(*s.CILower > 0 && *s.CILower < s.Ratio && s.Ratio < *s.CIUpper) {
				t.Errorf("%s against %s in %s: %+v", p.A, p.B, s.Scenario, s)
			}
		}
	}
	// The archive has no spread of the throughputs that the tr119 costs rest on: no interval, and a reason.
	cost := analyseArchive(t).Find(record.Prefill, TotalUSD, "tr119")
	if s := cost.Default.Pairs[0].PerScenario[0]; s.CILower != nil || s.Absent != "the cost row has no interval (none:throughput_sd_unknown)" {
		t.Errorf("%+v", s)
	}
}
