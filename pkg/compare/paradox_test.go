package compare

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/stats"
)

// TestCrossings: by hand. The gaps at the quartiles are -2, 2, -3, 2, -10, so the functions cross at 1/2, 2/5, 3/5 and 1/6
// of the way between them.
func TestCrossings(t *testing.T) {
	d := newDuel("a", "b", []float64{10, 20, 30, 40, 50}, []float64{12, 18, 33, 38, 60})
	crossed, stretches := d.crossings()
	want := []Crossing{{12.5, 15}, {35, 24}, {65, 36}, {75 + 25.0/6, 40 + 10.0/6}}
	if len(crossed) != len(want) || len(stretches) != 5 {
		t.Fatalf("%+v, %+v", crossed, stretches)
	}
	for i := range want {
		near(t, "percentile", crossed[i].Percentile, want[i].Percentile)
		near(t, "value", crossed[i].Value, want[i].Value)
	}
	var first []string
	for _, s := range stretches {
		first = append(first, s.First)
	}
	if got := strings.Join(first, " "); got != "a b a b a" {
		t.Errorf("lower are %s", got)
	}
	near(t, "mean gap", stretches[1].MeanGap, 1) // a triangle of height 2
	if stretches[0].From != 0 || stretches[4].To != 100 {
		t.Errorf("%+v", stretches)
	}
}

func TestCrossingsOfUnequalSamples(t *testing.T) {
	// Gaps -2, 20-19 = 1, 4: a third of the first half is left at 1/3.
	crossed, _ := newDuel("a", "b", []float64{10, 20, 30}, []float64{12, 26}).crossings()
	if len(crossed) != 1 {
		t.Fatalf("%+v", crossed)
	}
	near(t, "percentile", crossed[0].Percentile, 100.0/3)
	near(t, "value", crossed[0].Value, 10+20.0/3)
	// Equal from a third to two thirds: the crossing stands in the middle of that.
	crossed, stretches := newDuel("a", "b", []float64{1, 2, 3, 4}, []float64{2, 2, 3, 3}).crossings()
	if len(crossed) != 1 || math.Abs(crossed[0].Percentile-50) > 1e-9 || len(stretches) != 2 || stretches[1].First != "b" {
		t.Errorf("%+v, %+v", crossed, stretches)
	}
	if crossed, stretches := newDuel("a", "b", []float64{1, 2}, []float64{1, 2}).crossings(); len(crossed)+len(stretches) != 0 {
		t.Errorf("equal samples: %+v, %+v", crossed, stretches)
	}
	if crossed, stretches := newDuel("a", "b", []float64{1}, []float64{2}).crossings(); len(crossed) != 0 || len(stretches) != 1 || stretches[0].MeanGap != 1 {
		t.Errorf("single values: %+v, %+v", crossed, stretches)
	}
}

// Between two crossings the one that is said to be lower is so at every probability, and the mean gaps add up.
func TestStretchesTellWhoIsLower(t *testing.T) {
	sample := rapid.SliceOfN(rapid.Float64Range(1, 100), 1, 12)
	rapid.Check(t, func(rt *rapid.T) {
		d := newDuel("a", "b", sample.Draw(rt, "a"), sample.Draw(rt, "b"))
		crossed, stretches := d.crossings()
		if len(stretches) > 0 && len(stretches) != len(crossed)+1 {
			rt.Fatalf("%d crossings, %d stretches", len(crossed), len(stretches))
		}
		p := rapid.Float64Range(0, 1).Draw(rt, "p")
		gap, total := d.gap(p), 0.0
		for _, s := range stretches {
			if 100*p > s.From+1e-6 && 100*p < s.To-1e-6 && (s.First == "a" && gap > 1e-9 || s.First == "b" && gap < -1e-9) {
				rt.Fatalf("at %v the gap is %v, and %+v", p, gap, s)
			}
			area := s.MeanGap * (s.To - s.From) / 100
			if s.First == "a" {
				area = -area
			}
			total += area
		}
		want := trapezoid(d.a) - trapezoid(d.b)
		if math.Abs(total-want) > 1e-9*100 {
			rt.Fatalf("areas sum to %v, want %v", total, want)
		}
	})
}

// trapezoid is the integral of the quantile function of sorted values.
func trapezoid(x []float64) float64 {
	if len(x) == 1 {
		return x[0]
	}
	area := 0.0
	for i := 1; i < len(x); i++ {
		area += (x[i-1] + x[i]) / 2 / float64(len(x)-1)
	}
	return area
}

func TestSortedQuantileIsThePercentile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(1, 100), 1, 20).Draw(rt, "x")
		p := rapid.Float64Range(0, 100).Draw(rt, "p")
		want, err := stats.Percentile(x, p)
		if err != nil {
			rt.Fatal(err)
		}
		if got := sortedQuantile(sorted(x), p/100); math.Abs(got-want) > 1e-9*want {
			rt.Fatalf("got %v, want %v", got, want)
		}
	})
}

// linear are n values from low to high.
func linear(n int, low, high float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = low + (high-low)*float64(i)/float64(n-1)
	}
	return x
}

func runsOf(backend string, ms []float64) []record.Run {
	runs := make([]record.Run, len(ms))
	for i, v := range ms {
		runs[i] = okRun(backend, "s", int64(i), v)
	}
	return runs
}

// TestCompileParadox reproduces the paradox of the original Technical Report 117, whose runs are gone, with samples of its
// size, means and medians (mean 389.2 against 404.1 ms, median 328.7 against 322.7 ms): 137 values in a line up to the
// median and one value above it throughout, but for the original's one outlier of 3325.8 ms.
func TestCompileParadox(t *testing.T) {
	const n = 273
	compiled := append(linear(137, 277.4, 328.7), slices.Repeat([]float64{(389.2*n - 137*(277.4+328.7)/2) / 136}, 136)...)
	eager := append(linear(137, 276.8, 322.7), slices.Repeat([]float64{(404.1*n - 137*(276.8+322.7)/2 - 3325.8) / 135}, 135)...)
	eager = append(eager, 3325.8)
	a := analysed(t, Options{Resamples: 500}, append(runsOf("transformers-gpu", eager), runsOf("transformers-gpu-compile", compiled)...)...)
	if len(a.Paradoxes) != 2 || a.Paradoxes[0].Metric != LatencyMS || a.Paradoxes[1].Metric != TTFTMS {
		t.Fatalf("%+v", a.Paradoxes)
	}
	p := a.Paradoxes[0]
	if p.A != "transformers-gpu-compile" || p.B != "transformers-gpu" || !slices.Equal(p.Reversed, []string{"p50"}) {
		t.Fatalf("%+v", p)
	}
	for i, want := range [][2]float64{{389.2, 404.1}, {328.7, 322.7}} {
		if o := p.Orders[i]; math.Abs(o.A-want[0]) > 1e-4 || math.Abs(o.B-want[1]) > 1e-4 {
			t.Errorf("%+v, want %v", o, want)
		}
	}
	if p.Scenarios != 1 || p.ScenariosB != 1 {
		t.Errorf("B is first in %d of %d scenarios", p.ScenariosB, p.Scenarios)
	}
	// Above the median compile is at 475.980 and eager at 488.354: the lead of 6 ms turns into 12.374 ms between the 137th and
	// 138th of 273 values, 6/18.374 of the way.
	if len(p.Crossings) != 1 || math.Abs(p.Crossings[0].Percentile-100*(136+6/18.374)/272) > 1e-3 || math.Abs(p.Crossings[0].Value-376.79) > 0.1 {
		t.Errorf("crossings %+v", p.Crossings)
	}
	if len(p.Stretches) != 2 || p.Stretches[0].First != p.B || p.Stretches[1].First != p.A {
		t.Errorf("stretches %+v", p.Stretches)
	}
	// 110319.3 - 3325.8 - 488.354k < 389.2·(272-k) from k = 12 on, and the outlier.
	if p.SlowestOfB == nil || *p.SlowestOfB != 13 {
		t.Errorf("slowest %v", p.SlowestOfB)
	}
	for _, want := range []string{"transformers-gpu-compile has the lower mean (389.2 against 404.1 ms), but transformers-gpu has the lower p50",
		"p50 322.7 against 328.7 ms", "from percentile 0.0 to 50.1", "Without its 13 slowest runs, transformers-gpu would have the lower mean too.", "Pick by the mean"} {
		if !strings.Contains(p.Sentence, want) {
			t.Errorf("%q lacks %q", p.Sentence, want)
		}
	}
	if p.Orders[0].ParadoxShare != nil || p.Orders[1].ParadoxShare == nil || *p.Orders[1].ParadoxShare > *p.Orders[1].Share {
		t.Errorf("shares %+v", p.Orders)
	}
}

// TestParadoxBeyondNoise: B is faster in eight of ten runs by far more than runs vary, and slower on average because the
// others take five times as long.
func TestParadoxBeyondNoise(t *testing.T) {
	steady, spiky := linear(100, 99, 101), append(linear(80, 79, 81), linear(20, 400, 402)...)
	a := analysed(t, Options{Resamples: 500}, append(runsOf("steady", steady), runsOf("spiky", spiky)...)...)
	p := a.Paradoxes[0]
	if p.A != "steady" || !slices.Equal(p.Reversed, []string{"p50"}) || p.WithinNoise || p.Orders[1].Pick != "spiky" || *p.Orders[1].ParadoxShare < 0.95 {
		t.Errorf("%+v", p)
	}
	// The 80th of 100 values is below, at percentile 100·79/99, and the next above: they cross in between.
	if at := p.Crossings[0].Percentile; len(p.Crossings) != 1 || at < 100*79.0/99 || at > 100*80.0/99 {
		t.Errorf("%+v", p.Crossings)
	}
	if !strings.Contains(p.Sentence, "It is more than noise") {
		t.Errorf("%q", p.Sentence)
	}
	if notes := (&Document{Runs: a}).Notes(); len(notes) != 2 || notes[0] != "paradox: "+p.Sentence { // of TTFT as well
		t.Errorf("notes %q", notes)
	}
}

// TestParadoxUnderLoad: what disturbed the runs of one of the two stands in the sentence.
func TestParadoxUnderLoad(t *testing.T) {
	steady, spiky := runsOf("steady", linear(100, 99, 101)), runsOf("spiky", append(linear(80, 79, 81), linear(20, 400, 402)...))
	for i := range 5 {
		spiky[i].Flags = "prompt_cached," + record.FlagForeignLoad
	}
	if s := analysed(t, Options{Resamples: 20}, append(steady, spiky...)...).Paradoxes[0].Sentence; strings.Contains(s, "disturbed") {
		t.Errorf("5 of 100 runs: %q", s)
	}
	for i := range 20 {
		spiky[i].Flags = record.FlagCPUSteal
	}
	p := analysed(t, Options{Resamples: 20}, append(steady, spiky...)...).Paradoxes[0]
	if want := "Other load disturbed 0 of 100 runs of steady and 20 of 100 of spiky"; p.DisturbedB != 20 || !strings.Contains(p.Sentence, want) {
		t.Errorf("%q lacks %q", p.Sentence, want)
	}
}

// TestParadoxWithinNoise: medians that differ by a hundredth of what runs vary.
func TestParadoxWithinNoise(t *testing.T) {
	x, y := linear(21, 80, 120), linear(21, 80, 120)
	x[10] -= 0.01
	x[20] += 1
	a := analysed(t, Options{Resamples: 300}, append(runsOf("a", x), runsOf("b", y)...)...)
	if p := a.Paradoxes[0]; p.A != "b" || p.Reversed[0] != "p50" || !p.WithinNoise || p.Orders[1].Pick != either || !strings.Contains(p.Sentence, "within noise") {
		t.Errorf("%+v", p)
	}
}

func TestNoParadoxWhereAllAgree(t *testing.T) {
	a := analysed(t, Options{Resamples: 10}, append(runsOf("a", linear(9, 10, 12)), runsOf("b", linear(9, 20, 22))...)...)
	if len(a.Paradoxes) != 0 {
		t.Errorf("%+v", a.Paradoxes)
	}
	same := analysed(t, Options{Resamples: 10}, append(runsOf("a", linear(9, 10, 12)), runsOf("b", linear(9, 10, 12))...)...)
	if len(same.Paradoxes) != 0 {
		t.Errorf("equal samples: %+v", same.Paradoxes)
	}
}

// singles are units of one value.
func singles(x []float64) [][]float64 { return slices.Collect(slices.Chunk(x, 1)) }

// TestUrn: every draw has as many values as the strata, sorted, and as many of each stratum as it has.
func TestUrn(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		low := rapid.SliceOfN(rapid.SampledFrom([]float64{1, 2, 2.5, 3}), 1, 8).Draw(rt, "low")
		high := rapid.SliceOfN(rapid.SampledFrom([]float64{10, 20, 30}), 1, 8).Draw(rt, "high")
		got := newUrn([][][]float64{singles(high), singles(low)}).draw(rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)))
		if len(got) != len(low)+len(high) || !slices.IsSorted(got) {
			rt.Fatalf("%v of %v and %v", got, low, high)
		}
		for i, v := range got {
			if of := map[bool][]float64{true: low, false: high}[i < len(low)]; !slices.Contains(of, v) {
				rt.Fatalf("%v of %v and %v", got, low, high)
			}
		}
	})
}

// TestUrnKeepsUnitsTogether: of a unit of two values as many of either are drawn.
func TestUrnKeepsUnitsTogether(t *testing.T) {
	u := newUrn([][][]float64{{{1, 3}, {2, 4}, {5, 5}}})
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20 {
		n := map[float64]int{}
		for _, v := range u.draw(rng) {
			n[v]++
		}
		if n[1] != n[3] || n[2] != n[4] || n[5]%2 != 0 || n[1]+n[2]+n[5]/2 != 3 {
			t.Fatalf("drew %v", n)
		}
	}
}
