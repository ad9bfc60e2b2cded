package stats

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestTInterval(t *testing.T) {
	for _, c := range []struct {
		x                  []float64
		confidence, lo, hi float64
	}{
		{sampleA, 0.90, 430.43229667549406, 441.6248461816489},
		{sampleA, 0.95, 428.98157164534126, 443.0755712118017},
		{sampleA, 0.99, 425.3513398599752, 446.7058029971677},
		{sampleB, 0.90, 325.341031680072, 333.61896831992794},
		{sampleB, 0.95, 324.0895477376055, 334.8704522623944},
		{sampleB, 0.99, 320.5411761892626, 338.4188238107373},
		{sampleC, 0.90, 57.54476601201497, 67.64190065465168},
		{sampleC, 0.95, 56.15291452060677, 69.03375214605988},
		{sampleC, 0.99, 52.491071982659676, 72.69559468400698},
	} {
		ci, err := mustOf(t, c.x).TInterval(c.confidence)
		nearInterval(t, "t interval", ci, err, c.lo, c.hi, refTol)
		if ci.Confidence != c.confidence || len(ci.Warnings) != 0 {
			t.Errorf("%+v", ci)
		}
	}
}

// Reference values: SciPy 1.17.1, scipy.stats.t.ppf((1+confidence)/2, df).
func TestTQuantile(t *testing.T) {
	for _, c := range []struct{ confidence, df, want float64 }{
		{.95, 1, 12.706204736174694}, {.95, 6, 2.4469118511449786}, {.99, 4, 4.604094871349992},
		{.5, 30, 0.6827556933212927}, {.999999, 2, 999.9992499299547}, {.95, 1e6, 1.959966356814107},
		{.95, 3.7, 2.8675207071911895},
	} {
		near(t, "quantile", tQuantile(c.confidence, c.df), c.want, 1e-9)
	}
}

// Reference values: SciPy 1.17.1, 2*scipy.stats.t.sf(abs(t), df) and scipy.stats.f.sf(F, d1, d2), far into the tails:
// published p values go to 1e-200.
func TestTails(t *testing.T) {
	for _, c := range []struct{ t, df, want float64 }{
		{45.86, 4, 1.3521960014750774e-06}, {12, 272, 6.551721694054614e-27}, {30, 544, 2.07371020055078e-117},
		{-38, 10, 3.797753962466691e-12}, {0.001, 3, 0.9992648949694609}, {2.5, 1, 0.24223788318168682},
		{0, 5, 1}, {5, 1e6, 5.733997870890745e-07},
	} {
		near(t, "t", tTwoSided(c.t, c.df), c.want, 1e-9)
	}
	for _, c := range []struct{ f, d1, d2, want float64 }{
		{45.86, 4, 2466, 3.2721055063472923e-37}, {0.5, 2, 10, 0.6209213230591552}, {300, 4, 2000, 2.852365592503734e-202},
		{1e-6, 1, 5, 0.9992407867721976}, {12, 1, 1, 0.17891237502206686},
	} {
		near(t, "F", fSurvival(c.f, c.d1, c.d2), c.want, 1e-9)
	}
}

func TestLogInterval(t *testing.T) {
	for _, c := range []struct {
		x        []float64
		lo, hi   float64
		warnings int
	}{
		{sampleA, 429.0382121433876, 443.1328252843388, 0},
		{sampleC, 56.473173990705014, 69.37675184367417, 0},
		{[]float64{11.4, 2.1, 30.9}, 1.2556040258029209, 174.44990259562954, 1},
	} {
		ci, err := mustEstimate(t, mustOf(t, c.x)).LogInterval(0.95)
		nearInterval(t, "log interval", ci, err, c.lo, c.hi, refTol)
		if len(ci.Warnings) != c.warnings {
			t.Errorf("warnings %q, want %d", ci.Warnings, c.warnings)
		}
	}
	ci, err := mustEstimate(t, mustOf(t, []float64{1, 1.1})).LogInterval(0.95)
	if err != nil || len(ci.Warnings) != 1 {
		t.Errorf("two values: warnings %q (error %v), want one about n", ci.Warnings, err)
	}
}

func TestRatioOfMeans(t *testing.T) {
	for _, c := range []struct {
		a, b              []float64
		ratio, lo, hi, df float64
	}{
		{sampleA, sampleB, 1.3233840337154654, 1.2975125860061798, 1.3497713390848562, 9.922897157011597},
		{sampleB, sampleC, 5.263819363084461, 4.749963989518144, 5.833264072806939, 5.216009026755247},
	} {
		r, err := RatioOfMeans(mustLog(t, mustOf(t, c.a)), mustLog(t, mustOf(t, c.b)), 0.95)
		nearInterval(t, "ratio", r.CI, err, c.lo, c.hi, refTol)
		near(t, "ratio", r.Ratio, c.ratio, refTol)
		near(t, "df", r.DF, c.df, refTol)
	}
}

func mustLog(t testing.TB, m Moments) LogMean {
	t.Helper()
	l, err := mustEstimate(t, m).LogMean()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustEstimate(t interface {
	Helper()
	Fatal(...any)
}, m Moments) Estimate {
	t.Helper()
	e, err := m.Estimate()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestLogMeanFromIntervalInvertsInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Moments{
			N:    rapid.IntRange(2, 50).Draw(t, "n"),
			Mean: rapid.Float64Range(1e-3, 1e6).Draw(t, "mean"),
		}
		m.SD = m.Mean * rapid.Float64Range(1e-6, 2).Draw(t, "cv")
		confidence := rapid.Float64Range(0.5, 0.99).Draw(t, "confidence")
		want, err := mustEstimate(t, m).LogMean()
		if err != nil {
			t.Fatal(err)
		}
		ci, err := want.Interval(confidence)
		if err != nil {
			t.Fatal(err)
		}
		if !(ci.Lower > 0 && ci.Lower < m.Mean && m.Mean < ci.Upper) {
			t.Fatalf("interval %+v of mean %g", ci, m.Mean)
		}
		got, err := LogMeanFromInterval(m.Mean, ci, m.N)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.SE-want.SE) > 1e-9*max(want.SE, 1e-4) || got.Log != want.Log || got.DF != want.DF {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestRatioOfMeansInverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) LogMean {
			return LogMean{
				Log: rapid.Float64Range(-5, 5).Draw(t, name+" log"),
				SE:  rapid.Float64Range(1e-6, 0.5).Draw(t, name+" se"),
				DF:  float64(rapid.IntRange(2, 30).Draw(t, name+" df")),
			}
		}
		a, b := draw("a"), draw("b")
		ab, err := RatioOfMeans(a, b, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		ba, err := RatioOfMeans(b, a, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(ab.Ratio*ba.Ratio-1) > 1e-12 || math.Abs(ab.CI.Lower*ba.CI.Upper-1) > 1e-9 {
			t.Fatalf("%+v is not the inverse of %+v", ab, ba)
		}
	})
}

func TestIntervalPreconditions(t *testing.T) {
	good := Moments{N: 5, Mean: 2, SD: 1}
	interval := func(m Moments, c float64) error { _, err := m.TInterval(c); return err }
	logInterval := func(m Moments, c float64) error {
		e, err := m.Estimate()
		if err == nil {
			_, err = e.LogInterval(c)
		}
		return err
	}
	for name, f := range map[string]func(Moments, float64) error{"t": interval, "log": logInterval} {
		wantErr(t, name, f(Moments{N: 1, Mean: 2}, 0.95), ErrTooFew)
		wantErr(t, name, f(Moments{N: 3, Mean: 2}, 0.95), ErrZeroVariance)
		wantErr(t, name, f(Moments{N: 3, Mean: math.NaN(), SD: 1}, 0.95), ErrNotFinite)
		wantErr(t, name, f(Moments{N: 3, Mean: 2, SD: -1}, 0.95), ErrRange)
		for _, c := range []float64{0, 1, -1, math.NaN()} {
			wantErr(t, name, f(good, c), ErrRange)
		}
	}
	wantErr(t, "negative mean", logInterval(Moments{N: 3, Mean: -2, SD: 1}, 0.95), ErrNotPositive)
	wantErr(t, "lower bound underflows", logInterval(Moments{N: 2, Mean: 1e-300, SD: 1e-299}, 0.95), ErrNotPositive)
	_, err := RatioOfMeans(LogMean{DF: 4}, LogMean{DF: 4}, 0.95)
	wantErr(t, "no spread", err, ErrZeroVariance)
	_, err = RatioOfMeans(LogMean{SE: 1, DF: 4}, LogMean{DF: 4}, 1)
	wantErr(t, "confidence", err, ErrRange)
	for _, c := range []struct {
		mean   float64
		lo, hi float64
		n      int
		level  float64
		want   error
	}{
		{1, 0.5, 2, 1, 0.95, ErrTooFew}, {1, -0.5, 2, 7, 0.95, ErrNotPositive}, {0, 0.5, 2, 7, 0.95, ErrNotPositive},
		{1, 2, 0.5, 7, 0.95, ErrRange}, {1, 0.5, math.Inf(1), 7, 0.95, ErrNotFinite}, {1, 0.5, 2, 7, 1, ErrRange},
	} {
		_, err := LogMeanFromInterval(c.mean, Interval{Lower: c.lo, Upper: c.hi, Confidence: c.level}, c.n)
		wantErr(t, "from interval", err, c.want)
	}
}
