//go:build integration && linux

package telemetry_test

import (
	"os"
	"regexp"
	"strconv"
	"testing"
)

// truth is the power that the simulated hardware draws, read from the module's own wave.h.
type truth struct {
	steps []step
	parts []part
}

// step is a stretch of the wave: seconds, and watts at its begin and end.
type step struct{ length, from, to float64 }

// part is a device that draws a share of the wave, ahead seconds before it.
type part struct {
	device, event string
	share, ahead  float64
}

// What bhtruth.c says of package 1.
const (
	share1 = 0.60
	ahead1 = 0.9
)

func readTruth(t *testing.T) truth {
	t.Helper()
	text, err := os.ReadFile(testdata(t, "wave.h"))
	if err != nil {
		t.Fatal(err)
	}
	number := func(digits []byte) float64 {
		v, err := strconv.ParseFloat(string(digits), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var out truth
	for _, m := range regexp.MustCompile(`(?m)^STEP\((\d+), (\d+), (\d+)\)`).FindAllSubmatch(text, -1) {
		out.steps = append(out.steps, step{number(m[1]) / 1e3, number(m[2]), number(m[3])})
	}
	for _, m := range regexp.MustCompile(`(?m)^PART\(\d+, "(.*)", "(.*)", "(.*)", (\d+), (\d+)\)`).FindAllSubmatch(text, -1) {
		share, ahead := number(m[4])/100, number(m[5])/1e3
		out.parts = append(out.parts, part{string(m[1]), string(m[3]), share, ahead},
			part{string(m[2]), string(m[3]), share * share1, ahead + ahead1})
	}
	if len(out.steps) == 0 || len(out.parts) == 0 {
		t.Fatal("wave.h: saw no wave")
	}
	return out
}

// of finds a device.
func (w truth) of(t *testing.T, device string) part {
	t.Helper()
	for _, p := range w.parts {
		if p.device == device {
			return p
		}
	}
	t.Fatalf("wave.h has no device %s", device)
	return part{}
}

func (w truth) period() (sum float64) {
	for _, s := range w.steps {
		sum += s.length
	}
	return sum
}

// joules is the energy of a device between two times of the wall clock, in nanoseconds.
func (w truth) joules(p part, from, to int64) float64 {
	// The period is a whole number of microseconds, so the phase is found in integers: a float holds no nanoseconds since 1970.
	period := int64(w.period()*1e6+0.5) * 1000
	begin := (from + int64(p.ahead*1e9)) % period
	end := begin + to - from
	return p.share * (w.upTo(end, period) - w.upTo(begin, period))
}

// upTo is the energy of the wave in its first ns.
func (w truth) upTo(ns, period int64) (sum float64) {
	rest := float64(ns%period) / 1e9
	for _, s := range w.steps {
		t := min(rest, s.length)
		sum += s.from*t + (s.to-s.from)*t*t/(2*s.length)
		rest -= t
	}
	whole := 0.0
	for _, s := range w.steps {
		whole += s.length * (s.from + s.to) / 2
	}
	return sum + float64(ns/period)*whole
}

// most is the most that a device draws, in watts.
func (p part) most(w truth) (out float64) {
	for _, s := range w.steps {
		out = max(out, p.share*s.from, p.share*s.to)
	}
	return out
}
