package stats

import (
	"errors"
	"math"
	"testing"
)

// Reference values in this package's tests come from NumPy 2.4.6, SciPy 1.17.1 and statsmodels 0.15.0 on Python 3.11,
// by the call that the tested function's comment names. These are their inputs.
var (
	sampleA = []float64{436.1, 429.4, 441.7, 425.2, 447.9, 433.3, 438.6}
	sampleB = []float64{329.5, 323.9, 335.2, 331.8, 327.0}
	sampleC = []float64{63.12, 60.8, 65.44, 52.3, 71.0, 62.9}
	sampleD = []float64{1, 2, 3, 4.5}
	sampleE = []float64{1.1, 2.2, 2.9, 4.6, 5}
)

const refTol = 1e-10 // relative: what the references, and two implementations of the same formula, agree to

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(math.Abs(want), math.SmallestNonzeroFloat64)) {
		t.Errorf("%s: got %.17g, want %.17g", what, got, want)
	}
}

func mustOf(t testing.TB, x []float64) Moments {
	t.Helper()
	m, err := Of(x)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func nearInterval(t *testing.T, what string, got Interval, err error, lo, hi, tol float64) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	near(t, what+" lower", got.Lower, lo, tol)
	near(t, what+" upper", got.Upper, hi, tol)
}
