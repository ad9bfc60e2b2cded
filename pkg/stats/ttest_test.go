package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestTwoSampleTests(t *testing.T) {
	type ref struct{ t, df, p, lo, hi float64 }
	for _, c := range []struct {
		name          string
		a, b          []float64
		welch, pooled ref
		d, dPooled    float64
	}{
		{"a,b", sampleA, sampleB,
			ref{30.676801279049783, 9.6905909844688, 5.609905386157434e-11, 98.77603681515866, 114.32110604198435},
			ref{27.95375328902759, 10, 7.968667151858549e-11, 98.05579376222424, 115.04134909491877},
			17.182342938398723, 16.368041924368395},
		{"b,c", sampleB, sampleC,
			ref{84.20105129451659, 8.828519832320953, 3.910656682957471e-14, 259.6951663536837, 274.0781669796496},
			ref{81.42434578788477, 9, 3.218638196497141e-14, 259.47193611140847, 274.30139722192484},
			50.208663155615504, 49.30488987136919},
		{"d,e", sampleD, sampleE,
			ref{-0.511992979929283, 6.813742059135239, 0.6248271660290124, -3.019639849098608, 1.9496398490986078},
			ref{-0.5061484441610188, 7, 0.6282999226231305, -3.0344129473204258, 1.9644129473204255},
			-0.3417234195287045, -0.3395346983549384},
	} {
		a, b := mustOf(t, c.a), mustOf(t, c.b)
		for name, test := range map[string]struct {
			f    func(a, b Moments) (TTest, error)
			want ref
		}{"welch": {Welch, c.welch}, "pooled": {Pooled, c.pooled}} {
			got, err := test.f(a, b)
			if err != nil {
				t.Fatalf("%s %s: %v", c.name, name, err)
			}
			near(t, c.name+" "+name+" t", got.T, test.want.t, refTol)
			near(t, c.name+" "+name+" df", got.DF, test.want.df, refTol)
			near(t, c.name+" "+name+" p", got.P, test.want.p, 1e-9)
			ci, err := got.Interval(0.95)
			nearInterval(t, c.name+" "+name, ci, err, test.want.lo, test.want.hi, 1e-9)
		}
		d, err := CohensD(a, b)
		if err != nil {
			t.Error(err)
		}
		near(t, c.name+" d", d, c.d, refTol)
		if d, err = CohensDPooled(a, b); err != nil {
			t.Error(err)
		}
		near(t, c.name+" pooled d", d, c.dPooled, refTol)
	}
}

func TestPairedTests(t *testing.T) {
	x, y := []float64{5.22, 4.87, 3.05, 2.44, 1.96}, []float64{4.95, 4.61, 3.11, 2.02, 1.78}
	r, err := Paired(x, y)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "t", r.T, 2.7186798528011913, 1e-9)
	near(t, "p", r.P, 0.05305915209079435, 1e-9)
	ci, err := r.Interval(0.95)
	nearInterval(t, "difference", ci, err, -0.004546973046545333, 0.432546973046545, 1e-9)

	r, ratio, err := PairedRatio(x, y, 0.95)
	nearInterval(t, "ratio", ratio.CI, err, 0.9802996273072503, 1.1845791627133444, refTol)
	near(t, "log t", r.T, 2.192742413677924, refTol)
	near(t, "log p", r.P, 0.0934057404641835, refTol)
	near(t, "ratio", ratio.Ratio, 1.077609628633591, refTol)
	if r.DF != 4 || ratio.DF != 4 {
		t.Errorf("df %g and %g, want 4", r.DF, ratio.DF)
	}
}

func TestOneWay(t *testing.T) {
	for _, c := range []struct {
		name            string
		groups          [][]float64
		f, p            float64
		between, within float64
		warnings        int
	}{
		{"three", [][]float64{sampleA, sampleB, sampleC}, 5712.461273356092, 2.412744376950655e-22, 2, 15, 0},
		{"two, F = t squared", [][]float64{sampleA, sampleB}, 781.4123229438285, 7.968667151858157e-11, 1, 10, 0},
		{"one group of one", [][]float64{{1, 2, 3}, {2, 3, 4}, {2.5, 3, 5}, {7}}, 5.1, 0.04339850134898855, 3, 6, 0},
	} {
		var m []Moments
		for _, g := range c.groups {
			m = append(m, mustOf(t, g))
		}
		r, err := OneWay(m)
		if err != nil {
			t.Fatal(err)
		}
		near(t, c.name+" F", r.F, c.f, refTol)
		near(t, c.name+" p", r.P, c.p, 1e-9)
		if r.DFBetween != c.between || r.DFWithin != c.within || len(r.Warnings) != c.warnings {
			t.Errorf("%s: %+v", c.name, r)
		}
	}
}

func TestWarnings(t *testing.T) {
	wide, narrow := Moments{N: 5, Mean: 1, SD: 3}, Moments{N: 5, Mean: 2, SD: 1}
	p, err := Pooled(wide, narrow)
	if err != nil || len(p.Warnings) != 1 {
		t.Errorf("pooled: warnings %q, error %v", p.Warnings, err)
	}
	w, err := Welch(wide, narrow)
	if err != nil || len(w.Warnings) != 0 {
		t.Errorf("Welch allows for different variances: warnings %q, error %v", w.Warnings, err)
	}
	a, err := OneWay([]Moments{wide, narrow, {N: 1, Mean: 4}})
	if err != nil || len(a.Warnings) != 1 {
		t.Errorf("ANOVA: warnings %q, error %v", a.Warnings, err)
	}
	if w, err = Welch(Moments{N: 2, Mean: 1, SD: 1}, narrow); err != nil || len(w.Warnings) != 1 {
		t.Errorf("two values: warnings %q, error %v", w.Warnings, err)
	}
}

func TestTestPreconditions(t *testing.T) {
	good := Moments{N: 5, Mean: 2, SD: 1}
	constant := Moments{N: 5, Mean: 3}
	for name, f := range map[string]func(a, b Moments) error{
		"welch":           func(a, b Moments) error { _, err := Welch(a, b); return err },
		"pooled":          func(a, b Moments) error { _, err := Pooled(a, b); return err },
		"cohen's d":       func(a, b Moments) error { _, err := CohensD(a, b); return err },
		"pooled d":        func(a, b Moments) error { _, err := CohensDPooled(a, b); return err },
		"anova of groups": func(a, b Moments) error { _, err := OneWay([]Moments{a, b}); return err },
	} {
		wantErr(t, name, f(constant, constant), ErrZeroVariance)
		wantErr(t, name, f(Moments{}, good), ErrTooFew)
		wantErr(t, name, f(Moments{N: 1, Mean: 1}, Moments{N: 1, Mean: 1}), ErrTooFew)
		wantErr(t, name, f(Moments{N: 3, Mean: math.NaN(), SD: 1}, good), ErrNotFinite)
		wantErr(t, name, f(Moments{N: 3, Mean: 1, SD: math.Inf(1)}, good), ErrNotFinite)
		wantErr(t, name, f(Moments{N: 3, Mean: math.MaxFloat64, SD: 1e-150}, Moments{N: 3, Mean: -math.MaxFloat64}), ErrNotFinite)
		if err := f(constant, good); err != nil {
			t.Errorf("%s: one varying sample is enough: %v", name, err)
		}
	}
	_, err := OneWay([]Moments{good})
	wantErr(t, "one group", err, ErrTooFew)

	for name, f := range map[string]func(x, y []float64) error{
		"paired": func(x, y []float64) error { _, err := Paired(x, y); return err },
		"ratio":  func(x, y []float64) error { _, _, err := PairedRatio(x, y, 0.95); return err },
	} {
		wantErr(t, name, f([]float64{1, 2}, []float64{1}), ErrLengths)
		wantErr(t, name, f([]float64{1}, []float64{2}), ErrTooFew)
		wantErr(t, name, f([]float64{1, math.NaN()}, []float64{2, 3}), ErrNotFinite)
		wantErr(t, name, f([]float64{1, 2}, []float64{2, math.Inf(1)}), ErrNotFinite)
		wantErr(t, name, f([]float64{1, 2, 3}, []float64{1, 2, 3}), ErrZeroVariance)
	}
	_, _, err = PairedRatio([]float64{1, 2}, []float64{1, 0}, 0.95)
	wantErr(t, "zero", err, ErrNotPositive)
	_, _, err = PairedRatio([]float64{1, 2}, []float64{3, 1}, 2)
	wantErr(t, "confidence", err, ErrRange)
	_, err = TTest{Diff: 1, SE: 1, DF: 3}.Interval(0)
	wantErr(t, "confidence", err, ErrRange)
}

// A constant ratio is exact only on paper: the logarithms differ in their last places, and a test would call that an
// effect with p near zero.
func TestConstantRatioIsNoVariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(0.01, 100), 2, 12).Draw(t, "x")
		ratio := rapid.Float64Range(0.1, 10).Draw(t, "ratio")
		y := make([]float64, len(x))
		for i, v := range x {
			y[i] = v * ratio
		}
		if _, _, err := PairedRatio(x, y, 0.95); err == nil {
			t.Fatalf("a constant ratio %g was tested", ratio)
		}
	})
}

func TestPairedRatioProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 10).Draw(t, "n")
		values := rapid.SliceOfN(rapid.Float64Range(0.1, 1e4), n, n)
		x, y := values.Draw(t, "x"), values.Draw(t, "y")
		ab, r, err := PairedRatio(x, y, 0.95)
		if err != nil {
			return // no variance, covered elsewhere
		}
		ba, inv, err := PairedRatio(y, x, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(ab.P-ba.P) > 1e-9 || math.Abs(r.Ratio*inv.Ratio-1) > 1e-9 {
			t.Fatalf("%+v and %+v of the same pairs the other way round", ab, ba)
		}
		if significant, excludes := ab.P < 0.05, r.CI.Lower > 1 || r.CI.Upper < 1; significant != excludes && math.Abs(ab.P-0.05) > 1e-9 {
			t.Fatalf("p = %g but interval %g to %g", ab.P, r.CI.Lower, r.CI.Upper)
		}
	})
}
