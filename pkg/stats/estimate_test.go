package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestClusterMean(t *testing.T) {
	for _, c := range []struct {
		name             string
		x                [][]float64
		mean, se, lo, hi float64
	}{
		{"unequal sizes", [][]float64{{10, 12, 11}, {14, 15, 16, 17}, {9, 10, 11}}, 12.5, 1.8186533479473213, 4.6749662079864605, 20.32503379201354},
		{"equal sizes", [][]float64{{10, 12, 11}, {14, 15, 16}, {9, 10, 11.5}}, 12.055555555555555, 1.4917468424552838, 5.637086931770188, 18.474024179340923},
		// Means 11 and 14, 12.706204736174694 times 1.5 around 12.5.
		{"two clusters", [][]float64{{10, 12}, {13, 15}}, 12.5, 1.5, -6.559307104262041, 31.55930710426204},
	} {
		e, err := ClusterMean(clustersOf(t, c.x))
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.name+" mean", e.Mean, c.mean, refTol)
		near(t, c.name+" se", e.SE, c.se, refTol)
		if e.DF != float64(len(c.x)-1) {
			t.Errorf("%s: df %v", c.name, e.DF)
		}
		ci, err := e.Interval(0.95)
		nearInterval(t, c.name, ci, err, c.lo, c.hi, refTol)
		if want := map[bool]int{true: 1}[len(c.x) == 2]; len(ci.Warnings) != want {
			t.Errorf("%s: warnings %q, want %d", c.name, ci.Warnings, want)
		}
	}
}

func clustersOf(t interface {
	Helper()
	Fatal(...any)
}, x [][]float64) []Moments {
	t.Helper()
	out := make([]Moments, len(x))
	for i := range x {
		var err error
		if out[i], err = Of(x[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestClusterMeanIsTheTIntervalOfMeans: with clusters of one size, nothing but their means counts.
func TestClusterMeanIsTheTIntervalOfMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		means := rapid.SliceOfN(rapid.Float64Range(1, 100), 2, 8).Draw(t, "means")
		size := rapid.IntRange(1, 9).Draw(t, "size")
		clusters := make([]Moments, len(means))
		for i, m := range means {
			clusters[i] = Moments{N: size, Mean: m, SD: rapid.Float64Range(0, 50).Draw(t, "sd")}
		}
		got, err := ClusterMean(clusters)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Of(means)
		if err != nil {
			t.Fatal(err)
		}
		want := mustEstimate(t, m)
		if math.Abs(got.Mean-want.Mean) > 1e-12*100 || math.Abs(got.SE-want.SE) > 1e-12*100 || got.DF != want.DF {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestEstimatePreconditions(t *testing.T) {
	one, err := Of([]float64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	clusterErr := func(c ...Moments) error { _, err := ClusterMean(c); return err }
	wantErr(t, "one cluster", clusterErr(one), ErrTooFew)
	wantErr(t, "empty cluster", clusterErr(one, Moments{}), ErrTooFew)
	wantErr(t, "no number", clusterErr(one, Moments{N: 1, Mean: math.Inf(1)}), ErrNotFinite)
	wantErr(t, "mean overflows", clusterErr(Moments{N: 9, Mean: 1e308}, Moments{N: 9, Mean: 1.1e308}), ErrNotFinite)
	flat, err := ClusterMean([]Moments{{N: 3, Mean: 0.1 + 0.2, SD: 1}, {N: 3, Mean: 0.3, SD: 2}})
	if err != nil || flat.SE != 0 {
		t.Errorf("means that differ by rounding: %+v, %v", flat, err)
	}
	_, err = flat.Interval(0.95)
	wantErr(t, "no spread", err, ErrZeroVariance)
	_, err = flat.LogInterval(0.95)
	wantErr(t, "no spread of the logarithm", err, ErrZeroVariance)
	_, err = Estimate{Mean: 0, SE: 1, DF: 3}.LogMean()
	wantErr(t, "mean of zero", err, ErrNotPositive)
}

// TestCoverage draws cells of 5 sessions of 7 runs with a session's effect twice as large as the noise, thousands of
// times: intervals over sessions hold the mean as often as they say, those over runs do not.
func TestCoverage(t *testing.T) {
	const draws, sessions, runs, between = 4000, 5, 7, 2
	rng := rand.New(rand.NewPCG(7, 7))
	clustered, naive := 0, 0
	for range draws {
		x := make([][]float64, sessions)
		for i := range x {
			effect := between * rng.NormFloat64()
			for range runs {
				x[i] = append(x[i], 100+effect+rng.NormFloat64())
			}
		}
		e, err := ClusterMean(clustersOf(t, x))
		if err != nil {
			t.Fatal(err)
		}
		for count, e := range map[*int]Estimate{&clustered: e, &naive: mustEstimate(t, clustersOf(t, [][]float64{slices.Concat(x...)})[0])} {
			ci, err := e.Interval(0.95)
			if err != nil {
				t.Fatal(err)
			}
			if ci.Lower <= 100 && 100 <= ci.Upper {
				*count++
			}
		}
	}
	if share := float64(clustered) / draws; share < 0.935 || share > 0.965 {
		t.Errorf("95%% intervals over sessions hold the mean in %.1f%% of the draws", 100*share)
	}
	if share := float64(naive) / draws; share > 0.65 {
		t.Errorf("95%% intervals over runs hold the mean in %.1f%% of the draws: the session's effect is lost on them", 100*share)
	}
}

// TestClusterBootstrap: of clusters of one value it is the ordinary bootstrap, and of three all draws are known: each
// replicate is the mean of three of the means 1, 2 and 6.
func TestClusterBootstrap(t *testing.T) {
	x := []float64{3, 1, 4, 1, 5, 9, 2, 6}
	single := make([][]float64, len(x))
	for i, v := range x {
		single[i] = []float64{v}
	}
	a, err := NewBootstrap(x, mean, 50, 3)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewClusterBootstrap(single, mean, 50, 3)
	if err != nil {
		t.Fatal(err)
	}
	if a.Estimate != b.Estimate || !slices.Equal(a.Replicates, b.Replicates) || !slices.Equal(a.jackknife, b.jackknife) || a.n != b.n {
		t.Errorf("got %+v, want %+v", b, a)
	}
	three, err := NewClusterBootstrap([][]float64{{0, 2}, {1, 3}, {5, 7}}, mean, 4000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var possible []float64
	for _, v := range []float64{3, 4, 5, 6, 8, 9, 10, 13, 14, 18} { // sums of three of 1, 2, 6 with repetition
		possible = append(possible, v/3)
	}
	seen := slices.Compact(slices.Clone(three.Replicates))
	if !slices.EqualFunc(seen, possible, func(p, q float64) bool { return math.Abs(p-q) < 1e-12 }) {
		t.Errorf("replicates %v, want %v", seen, possible)
	}
	if !slices.Equal(three.jackknife, []float64{4, 3.5, 1.5}) {
		t.Errorf("without each cluster: %v", three.jackknife)
	}
	if ci, err := three.Percentile(0.95); err != nil || len(ci.Warnings) != 1 {
		t.Errorf("three clusters: %+v, %v, want a warning", ci, err)
	}
}

// TestClusterBootstrapIsTooNarrow with few clusters, as its comment and package compare say: 95% intervals of the median of
// three clusters hold it in about 70% of the draws, of five in about 87%.
func TestClusterBootstrapIsTooNarrow(t *testing.T) {
	const draws, runs, between, resamples = 400, 7, 2, 200
	rng := rand.New(rand.NewPCG(11, 11))
	median := func(x []float64) float64 {
		y := slices.Sorted(slices.Values(x))
		return (y[(len(y)-1)/2] + y[len(y)/2]) / 2
	}
	for _, c := range []struct {
		clusters  int
		low, high float64
	}{{3, 0.62, 0.78}, {5, 0.81, 0.92}} {
		held := 0
		for draw := range draws {
			x := make([][]float64, c.clusters)
			for i := range x {
				effect := between * rng.NormFloat64()
				for range runs {
					x[i] = append(x[i], effect+rng.NormFloat64())
				}
			}
			b, err := NewClusterBootstrap(x, median, resamples, int64(draw))
			if err != nil {
				t.Fatal(err)
			}
			ci, err := b.Percentile(0.95)
			if err != nil {
				t.Fatal(err)
			}
			if ci.Lower <= 0 && 0 <= ci.Upper {
				held++
			}
		}
		if share := float64(held) / draws; share < c.low || share > c.high {
			t.Errorf("%d clusters: %.1f%% of the intervals hold the median", c.clusters, 100*share)
		}
	}
}

func TestClusterBootstrapPreconditions(t *testing.T) {
	fail := func(x [][]float64, resamples int) error {
		_, err := NewClusterBootstrap(x, mean, resamples, 1)
		return err
	}
	wantErr(t, "one cluster", fail([][]float64{{1, 2}}, 10), ErrTooFew)
	wantErr(t, "empty cluster", fail([][]float64{{1, 2}, {}}, 10), ErrTooFew)
	wantErr(t, "equal values", fail([][]float64{{1, 1}, {1}}, 10), ErrZeroVariance)
	wantErr(t, "no resamples", fail([][]float64{{1, 2}, {1}}, 0), ErrRange)
	wantErr(t, "no number", fail([][]float64{{1, math.NaN()}, {1}}, 10), ErrNotFinite)
}

// TestPairedClusters: three sessions of three pairs. SciPy 1.17.1, ttest_rel of the clusters' means.
func TestPairedClusters(t *testing.T) {
	x := [][]float64{{10, 12, 11}, {14, 15, 16}, {9, 10, 11}}
	y := [][]float64{{11, 12, 14}, {15.5, 15, 17}, {10, 13, 11}}
	r, err := PairedClusters(x, y)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "difference", r.Diff, -1.1666666666666672, refTol)
	near(t, "t", r.T, -7.000000000000003, refTol)
	near(t, "p", r.P, 0.019803941180393123, refTol)
	if r.DF != 2 || len(r.Warnings) != 0 {
		t.Errorf("%+v", r)
	}
	single, err := PairedClusters([][]float64{{10}, {12}, {15}}, [][]float64{{11}, {15}, {14}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := Paired([]float64{10, 12, 15}, []float64{11, 15, 14})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "t of single pairs", single.T, want.T, refTol)
	fail := func(x, y [][]float64) error { _, err := PairedClusters(x, y); return err }
	wantErr(t, "numbers of clusters", fail(x, y[:2]), ErrLengths)
	wantErr(t, "sizes of clusters", fail(x, [][]float64{y[0], y[1][:2], y[2]}), ErrLengths)
	wantErr(t, "one cluster", fail(x[:1], y[:1]), ErrTooFew)
	wantErr(t, "an empty cluster", fail([][]float64{{1}, {}}, [][]float64{{1}, {}}), ErrTooFew)
	wantErr(t, "no number", fail([][]float64{{1}, {math.NaN()}}, [][]float64{{1}, {1}}), ErrNotFinite)
	// 0.3-0.1 and 0.5-0.3 differ by rounding alone.
	wantErr(t, "equal differences", fail([][]float64{{0.3}, {0.5}}, [][]float64{{0.1}, {0.3}}), ErrZeroVariance)
}
