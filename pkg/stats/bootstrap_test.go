package stats

import (
	"math"
	"slices"
	"testing"
)

var skewed = []float64{
	6.1, 7.4, 5.9, 9.8, 14.2, 6.6, 8.1, 23.5, 7.0, 6.4, 10.9, 5.5, 7.7, 8.8, 12.3, 6.9, 9.1, 30.2, 7.2, 6.0, 11.1, 8.0,
}

func mean(x []float64) float64 {
	s := 0.0
	for _, v := range x {
		s += v
	}
	return s / float64(len(x))
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return (x[(len(x)-1)/2] + x[len(x)/2]) / 2
}

// Reference values: SciPy 1.17.1, scipy.stats.bootstrap((x,), statistic, n_resamples=1_000_000, method=...,
// rng=numpy.random.default_rng(7)). The two draw different resamples, so they agree to Monte Carlo error: about 0.3% for
// the 200 000 here.
func TestBootstrapIntervals(t *testing.T) {
	for _, c := range []struct {
		name           string
		statistic      func([]float64) float64
		pct, bca       [2]float64
		tol            float64
		wantReplicates int
	}{
		{"mean", mean, [2]float64{7.831818181818179, 12.66818181818182}, [2]float64{8.168181818181818, 13.631818181818183}, 0.01, 200_000},
		{"median", median, [2]float64{6.9, 9.8}, [2]float64{6.9, 9.8}, 0.01, 200_000},
	} {
		b, err := NewBootstrap(skewed, c.statistic, c.wantReplicates, 42)
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Replicates) != c.wantReplicates || b.Estimate != c.statistic(skewed) {
			t.Errorf("%s: %d replicates around %g", c.name, len(b.Replicates), b.Estimate)
		}
		ci, err := b.Percentile(0.95)
		nearInterval(t, c.name+" percentile", ci, err, c.pct[0], c.pct[1], c.tol)
		ci, err = b.BCa(0.95)
		nearInterval(t, c.name+" BCa", ci, err, c.bca[0], c.bca[1], c.tol)
	}
}

func TestBootstrapIsRepeatable(t *testing.T) {
	run := func(seed int64) Interval {
		b, err := NewBootstrap(skewed, mean, 500, seed)
		if err != nil {
			t.Fatal(err)
		}
		ci, err := b.BCa(0.95)
		if err != nil {
			t.Fatal(err)
		}
		return ci
	}
	if a, b := run(1), run(1); a.Lower != b.Lower || a.Upper != b.Upper {
		t.Errorf("the same seed gave %+v and %+v", a, b)
	}
	if a, b := run(1), run(2); a.Lower == b.Lower && a.Upper == b.Upper {
		t.Errorf("two seeds gave the same interval %+v", a)
	}
}

func TestBootstrapPreconditions(t *testing.T) {
	for _, c := range []struct {
		x         []float64
		resamples int
		want      error
	}{
		{nil, 10, ErrTooFew}, {[]float64{1}, 10, ErrTooFew}, {[]float64{2, 2, 2}, 10, ErrZeroVariance},
		{[]float64{1, math.NaN()}, 10, ErrNotFinite}, {[]float64{1, 2}, 0, ErrRange},
	} {
		_, err := NewBootstrap(c.x, mean, c.resamples, 1)
		wantErr(t, "bootstrap", err, c.want)
	}
	_, err := NewBootstrap([]float64{1, 2, 3}, func([]float64) float64 { return math.NaN() }, 5, 1)
	wantErr(t, "statistic", err, ErrNotFinite)
	b, err := NewBootstrap([]float64{1, 2, 3, 50}, slices.Min[[]float64], 50, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.BCa(1); err == nil {
		t.Error("confidence 1 was accepted")
	}
	if _, err := b.Percentile(0); err == nil {
		t.Error("confidence 0 was accepted")
	}
	ci, err := b.Percentile(0.95)
	if err != nil || len(ci.Warnings) != 1 {
		t.Errorf("four values: warnings %q, error %v, want one about n", ci.Warnings, err)
	}
	outside, err := NewBootstrap([]float64{1, 2, 3, 50}, func(x []float64) float64 { return float64(len(x)) }, 50, 1)
	if err != nil {
		t.Fatal(err)
	}
	outside.Estimate = 100
	_, err = outside.BCa(0.95)
	wantErr(t, "estimate outside its replicates", err, ErrZeroVariance)
	outside.Estimate = 4
	outside.jackknife = []float64{3, 3, 3, 3}
	_, err = outside.BCa(0.95)
	wantErr(t, "jackknife without variance", err, ErrZeroVariance)
}

func TestResampleDrawsEveryIndex(t *testing.T) {
	seen, calls := make([]int, 5), 0
	Resample(5, 1000, 3, func(index []int) {
		calls++
		for _, i := range index {
			seen[i]++
		}
	})
	if calls != 1000 {
		t.Errorf("%d resamples, want 1000", calls)
	}
	for i, n := range seen {
		// 1000 draws are expected of each, sd 28: seven of those is never by chance, and the seed is fixed.
		if n < 800 || n > 1200 {
			t.Errorf("index %d was drawn %d times of 5000", i, n)
		}
	}
}

func BenchmarkBootstrapMean(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := NewBootstrap(skewed, mean, 10_000, 42); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBCa(b *testing.B) {
	boot, err := NewBootstrap(skewed, mean, 10_000, 42)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := boot.BCa(0.95); err != nil {
			b.Fatal(err)
		}
	}
}
