package units

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestG4 has its values from the printf of glibc 2.36: printf '%.4g' X.
func TestG4(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 1.006: "1.006", 38.37: "38.37", 436: "436", 1987: "1987", 9999.4: "9999", 9999.6: "1e+04",
		12346: "1.235e+04", 0.1398: "0.1398", 0.00012346: "0.0001235", 0.000012346: "1.235e-05", -2.5: "-2.5", 1e9: "1e+09",
		1e100: "1e+100", 73.44: "73.44", 2.0 / 3: "0.6667",
	} {
		if got := G4(v); got != want {
			t.Errorf("G4(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestG4Ptr(t *testing.T) {
	if got := G4Ptr(Ptr(Watts(82.134))); got != "82.13" {
		t.Errorf("got %q", got)
	}
	if got := G4Ptr[Watts](nil); got != Absent {
		t.Errorf("nil: got %q, want %q", got, Absent)
	}
	if got := G4Ptr(Ptr(Watts(0))); got != "0" {
		t.Errorf("a measured 0: got %q", got)
	}
}

func TestBytesString(t *testing.T) {
	for b, want := range map[Bytes]string{
		0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 1 << 20: "1 MiB", 1_234_567_890: "1.1 GiB", 3 << 40: "3 TiB",
		-2048: "-2 KiB", math.MaxInt64: "8 EiB",
	} {
		if got := b.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(b), got, want)
		}
	}
}

func TestConversions(t *testing.T) {
	if got := Joules(3.6e6).KWh(); got != 1 {
		t.Errorf("3.6 MJ are %v kWh, want 1", got)
	}
	if got := Joules(100).Over(4 * time.Second); got != 25 {
		t.Errorf("100 J over 4 s are %v W, want 25", got)
	}
	if got := Watts(25).For(4 * time.Second); got != 100 {
		t.Errorf("25 W for 4 s are %v J, want 100", got)
	}
	if got := Ms(1500 * time.Microsecond); got != 1.5 {
		t.Errorf("1500 us are %v ms, want 1.5", got)
	}
	if got := Tokens(11).Rate(10 * time.Millisecond); got != 1100 {
		t.Errorf("11 tokens in 10 ms are %v tok/s, want 1100", got)
	}
	for _, d := range []time.Duration{0, -time.Second} {
		if p, r := Joules(1).Over(d), Tokens(1).Rate(d); p != 0 || r != 0 {
			t.Errorf("over %v: %v W, %v tok/s, want 0 and no infinity", d, p, r)
		}
	}
}

// TestEnergyIsAdditive: constant power over a window is the sum of its parts, however it is split.
func TestEnergyIsAdditive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Watts(rapid.Float64Range(0, 1e5).Draw(t, "power"))
		a := time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "a"))
		b := time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "b"))
		whole, parts := float64(p.For(a+b)), float64(p.For(a)+p.For(b))
		if math.Abs(whole-parts) > 1e-9*whole {
			t.Errorf("%v J for the whole, %v J for its parts", whole, parts)
		}
	})
}

func TestPtrIsACopy(t *testing.T) {
	v := Watts(1)
	p := Ptr(v)
	if v = 2; *p != 1 {
		t.Errorf("got %v, want 1; v is %v", *p, v)
	}
}
