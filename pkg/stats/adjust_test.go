package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestAdjustments(t *testing.T) {
	p := []float64{0.01, 0.04, 0.03, 0.005, 0.9, 0.04}
	holm, err := Holm(p)
	if err != nil {
		t.Fatal(err)
	}
	bonferroni, err := Bonferroni(p)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{0.05, 0.12, 0.12, 0.03, 0.9, 0.12} {
		near(t, "Holm", holm[i], want, refTol)
	}
	for i, want := range []float64{0.06, 0.24, 0.18, 0.03, 1, 0.24} {
		near(t, "Bonferroni", bonferroni[i], want, refTol)
	}
}

func TestAdjustmentPreconditions(t *testing.T) {
	for _, bad := range []float64{-0.1, 1.1, math.NaN()} {
		_, err := Holm([]float64{0.5, bad})
		wantErr(t, "Holm", err, ErrRange)
		_, err = Bonferroni([]float64{0.5, bad})
		wantErr(t, "Bonferroni", err, ErrRange)
	}
	if h, err := Holm(nil); err != nil || len(h) != 0 {
		t.Errorf("no tests: %v, %v", h, err)
	}
}

func TestHolmProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 20).Draw(t, "p")
		holm, err := Holm(p)
		if err != nil {
			t.Fatal(err)
		}
		bonferroni, err := Bonferroni(p)
		if err != nil {
			t.Fatal(err)
		}
		for i := range p {
			if !(p[i] <= holm[i] && holm[i] <= bonferroni[i]) {
				t.Fatalf("p %g, Holm %g, Bonferroni %g are out of order", p[i], holm[i], bonferroni[i])
			}
			for j := range p {
				if p[i] < p[j] && holm[i] > holm[j] {
					t.Fatalf("p %g < %g but adjusted %g > %g", p[i], p[j], holm[i], holm[j])
				}
			}
		}
	})
}
