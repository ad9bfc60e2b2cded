package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		name                  string
		x                     []float64
		mean, sd, median, geo float64
	}{
		{"a", sampleA, 436.02857142857147, 7.619648785806837, 436.1, 435.97156624439646},
		{"b", sampleB, 329.47999999999996, 4.341313165391325, 329.5, 329.45712348327476},
		{"c, even count", sampleC, 62.59333333333333, 6.137030769571444, 63.01, 62.33339151637378},
	} {
		m := mustOf(t, c.x)
		near(t, c.name+" mean", m.Mean, c.mean, refTol)
		near(t, c.name+" sd", m.SD, c.sd, refTol)
		median, err := Median(c.x)
		if err != nil {
			t.Error(err)
		}
		near(t, c.name+" median", median, c.median, refTol)
		geo, err := GeoMean(c.x)
		if err != nil {
			t.Error(err)
		}
		near(t, c.name+" geometric mean", geo, c.geo, refTol)
	}
}

func TestPercentileIsType7(t *testing.T) {
	for _, c := range []struct{ p, a, c float64 }{
		{0, 425.2, 52.3}, {2.5, 425.83, 53.3625}, {5, 426.46, 54.425}, {25, 431.35, 61.325}, {50, 436.1, 63.01},
		{75, 440.15, 64.86}, {95, 446.04, 69.61}, {97.5, 446.97, 70.305}, {100, 447.9, 71},
	} {
		for x, want := range map[*[]float64]float64{&sampleA: c.a, &sampleC: c.c} {
			got, err := Percentile(*x, c.p)
			if err != nil {
				t.Error(err)
			}
			near(t, "percentile", got, want, refTol)
		}
	}
}

func TestEqualUpToRoundingHasNoVariance(t *testing.T) {
	x := []float64{math.Nextafter(0.3, 1), 0.3, 0.3}
	if m := mustOf(t, x); m.SD != 0 {
		t.Errorf("sd = %g, want 0", m.SD)
	}
	if m := mustOf(t, []float64{7}); m != (Moments{N: 1, Mean: 7}) {
		t.Errorf("one value: %+v", m)
	}
	if m := mustOf(t, []float64{1, 1 + 1e-12}); m.SD == 0 {
		t.Error("a spread well above rounding was taken for none")
	}
}

func TestDescribePreconditions(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	_, err := Of(nil)
	wantErr(t, "no values", err, ErrTooFew)
	_, err = Of([]float64{1, nan})
	wantErr(t, "NaN", err, ErrNotFinite)
	_, err = Of([]float64{1, inf})
	wantErr(t, "infinity", err, ErrNotFinite)
	_, err = Of([]float64{math.MaxFloat64, -math.MaxFloat64})
	wantErr(t, "overflow", err, ErrNotFinite)
	_, err = Percentile(nil, 50)
	wantErr(t, "no values", err, ErrTooFew)
	_, err = Percentile([]float64{nan}, 50)
	wantErr(t, "NaN", err, ErrNotFinite)
	for _, p := range []float64{-1, 100.5, nan} {
		_, err = Percentile([]float64{1, 2}, p)
		wantErr(t, "percentile out of range", err, ErrRange)
	}
	_, err = GeoMean([]float64{1, 0})
	wantErr(t, "zero", err, ErrNotPositive)
	_, err = GeoMean([]float64{nan})
	wantErr(t, "NaN", err, ErrNotFinite)
	_, err = GeoMean(nil)
	wantErr(t, "no values", err, ErrTooFew)
}

func TestPercentileProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 1, 40).Draw(t, "x")
		p := rapid.Float64Range(0, 100).Draw(t, "p")
		before := slices.Clone(x)
		v, err := Percentile(x, p)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x, before) {
			t.Fatal("the input was changed")
		}
		if v < slices.Min(x) || v > slices.Max(x) {
			t.Fatalf("percentile %g is %g, outside the values", p, v)
		}
		slices.Sort(x)
		if w := sortedQuantile(x, p/100); math.Abs(v-w) > 1e-6 {
			t.Fatalf("Percentile says %g, sortedQuantile %g", v, w)
		}
	})
}

func TestMomentsScaleWithTheUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(1, 1e6), 2, 40).Draw(t, "x")
		scaled := make([]float64, len(x))
		for i, v := range x {
			scaled[i] = v * 1024 // exact in binary
		}
		a, err := Of(x)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Of(scaled)
		if err != nil {
			t.Fatal(err)
		}
		if b.Mean != a.Mean*1024 || b.SD != a.SD*1024 {
			t.Fatalf("%+v does not scale to %+v", a, b)
		}
	})
}
