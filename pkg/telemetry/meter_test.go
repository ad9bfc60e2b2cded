package telemetry

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

func TestParseWatts(t *testing.T) {
	for _, c := range []struct {
		text string
		want float64
	}{
		{"12.5", 12.5}, {" 12.5 W\r", 12.5}, {"1500mW", 1.5}, {"1500 mW", 1.5}, {"0.3kW", 300}, {"0", 0}, {"1e2", 100}, {"1e6kW", 1e9},
	} {
		if got, err := parseWatts(c.text); err != nil || math.Abs(float64(got)-c.want) > 1e-9 {
			t.Errorf("%q: saw %v, %v, want %v", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "W", "12 V", "12 W now", "power 12 W", "-1", "NaN", "inf", "1,5", "1e308", "1.7e308kW", "1.1e6 kW", strings.Repeat("x", 500)} {
		if got, err := parseWatts(text); err == nil || !strings.Contains(err.Error(), "saw") || len(err.Error()) > 300 {
			t.Errorf("%q: saw %v, %v, want an error", text, got, err)
		}
	}
}

func FuzzParseWatts(f *testing.F) {
	f.Add("12.5 W")
	f.Add("1e999kW")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := parseWatts(text); err == nil && !(got >= 0 && got <= record.MaxMeterPower) {
			t.Errorf("%q: saw %v", text, got)
		}
	})
}

func TestMeterOptions(t *testing.T) {
	for _, c := range []struct {
		opt  Options
		want string
	}{
		{Options{Meters: []string{"wall=cat /tmp/w", "bmc=http://bmc/metrics#power_watts{psu=\"1\"}"}}, ""},
		{Options{Meters: []string{"wall"}}, "want NAME=COMMAND"},
		{Options{Meters: []string{"=cat"}}, "want NAME=COMMAND"},
		{Options{Meters: []string{"a b=cat"}}, "want NAME=COMMAND"},
		{Options{Meters: []string{"wall= "}}, "want NAME=COMMAND"},
		{Options{Meters: []string{"wall=cat a", "wall=cat b"}}, "meter wall: saw it twice"},
		{Options{Meters: []string{"bmc=http://bmc/metrics"}}, "want http://host:port/metrics#metric"},
		{Options{Meters: []string{"bmc=http://bmc/metrics#9{"}}, "want http://host:port/metrics#metric"},
		{Options{MeterInterval: -time.Second}, "interval of external meters: saw -1s"},
	} {
		err := c.opt.Validate()
		if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: saw %v, want %q", c.opt.Meters, err, c.want)
		}
	}
	if _, _, err := openMeters(Environment{}, Options{}); !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "--meter") {
		t.Errorf("none asked for: saw %v", err)
	}
}

// beginMeters opens meters with less patience than a user needs.
func beginMeters(t *testing.T, interval, patience time.Duration, specs ...string) (*meters, string, error) {
	t.Helper()
	all, err := Options{Meters: specs}.parseMeters()
	if err != nil {
		t.Fatal(err)
	}
	m := &meters{env: Environment{Host: "testhost"}, interval: interval}
	t.Cleanup(func() { m.Close() })
	detail, err := m.begin(all, patience)
	return m, detail, err
}

// await samples src until it has given n rows or an error, and fails the test after 20 s.
func await(t *testing.T, src Source, n int) (watts []float64, times []int64, err error) {
	t.Helper()
	for begin := time.Now(); len(watts) < n && err == nil; time.Sleep(2 * time.Millisecond) {
		rows, e := src.Sample(time.Now(), nil)
		for i := range rows {
			if v := rows[i].Validate(); v != nil {
				t.Fatal(v)
			}
			watts = append(watts, float64(*rows[i].PowerW))
			times = append(times, rows[i].TSUnixNS)
		}
		err = e
		if time.Since(begin) > 20*time.Second {
			t.Fatalf("saw %v after 20 s, want %d readings or an error", watts, n)
		}
	}
	return watts, times, err
}
