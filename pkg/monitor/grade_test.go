package monitor

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// gradedAs is the summary of a device that is read so often for so long, and its samples.
func gradedAs(source, device string, every, length time.Duration, set func(*record.Sample, float64)) (DeviceSummary, []record.Sample) {
	m, g := New(), NewGrader()
	var samples []record.Sample
	for i := range int(length/every) + 1 {
		s := at(time.Duration(i)*every+time.Duration(i*i%4)*time.Millisecond, source, device)
		set(&s, float64(s.TSUnixNS-start)/1e9)
		m.Add(s)
		g.Add(&s)
		samples = append(samples, s)
	}
	return Summarize(m, g).Devices[0], samples
}

// A regular recording of a slow source has the grade that one window over all of it has, whatever its length.
func TestGradeIsNotOfTheLength(t *testing.T) {
	wave := func(s float64) float64 { return 200 + 3*math.Sin(7*s) }
	power := func(s *record.Sample, at float64) { s.PowerW = units.Ptr(units.Watts(wave(at))) }
	means := func(s *record.Sample, at float64) {
		power(s, at)
		s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(321)), units.Ptr(int64(time.Second))
	}
	counter := func(s *record.Sample, at float64) {
		s.EnergyCounterJoules = units.Ptr(units.Joules(200*at - 3.0/7*math.Cos(7*at)))
	}
	for _, c := range []struct {
		source, device string
		every          time.Duration
		set            func(*record.Sample, float64)
	}{
		{"meter", "meter:x", time.Second, power},
		{"ipmi", "system", time.Second, means},
		{"rapl", "cpu:0", time.Second, counter},
		{"rapl", "cpu:0", 10 * time.Second, counter},
	} {
		for _, n := range []int{12, 13, 15, 20, 21, 25, 40, 41, 60, 121, 600, 601} {
			d, samples := gradedAs(c.source, c.device, c.every, time.Duration(n-1)*c.every, c.set)
			kind, _, _ := strings.Cut(c.device, ":")
			w := energy.Window{Start: samples[0].TSUnixNS, End: samples[n-1].TSUnixNS, Device: record.Device(kind), Source: c.source}
			want := energy.Of(samples, w)
			if want.Joules == nil { // of a meter it is not known what it renewed behind its last reading
				w.End = samples[n-2].TSUnixNS
				want = energy.Of(samples, w)
			}
			if d.Grade.Grade != record.GradeB || d.Grade.Grade != want.Grade || !slices.Equal(d.Grade.Reasons, want.Reasons) || d.ErrorJ == nil {
				t.Errorf("%s every %v, %d readings: saw %s J ± %s, %v, one window has %s, %v", c.source, c.every, n, units.G4Ptr(d.EnergyJ),
					units.G4Ptr(d.ErrorJ), d.Grade, want.Grade, want.Reasons)
				continue
			}
			if ratio := float64(*d.ErrorJ / *want.Error); ratio < 0.5 || ratio > 3 {
				t.Errorf("%s every %v, %d readings: saw a bound of %s J, one window has %s", c.source, c.every, n, units.G4Ptr(d.ErrorJ), units.G4Ptr(want.Error))
			}
		}
	}
}

// A load with long calm stretches in which a meter shows one value is no meter that stands still.
func TestCalmIsNotStill(t *testing.T) {
	d, _ := gradedAs("meter", "meter:x", 100*time.Millisecond, 10*time.Minute, func(s *record.Sample, at float64) {
		watts := 60.0
		if at > 300 {
			watts = 200 + 3*math.Sin(7*at)
		}
		s.PowerW = units.Ptr(units.Watts(watts))
	})
	if d.Grade.Grade != record.GradeB || d.ErrorJ == nil || !slices.Equal(d.Grade.Reasons, []string{energy.PowerOnly}) {
		t.Errorf("saw ± %s, %v, want B", units.G4Ptr(d.ErrorJ), d.Grade)
	}
}

// The moments before the first mark of a recording and behind its last are graded where there is nothing else.
func TestMomentsAroundMarks(t *testing.T) {
	m, g := New(), NewGrader()
	for i := range 221 {
		now := time.Duration(i) * 50 * time.Millisecond
		row := own(now, map[int]string{3: record.EventIdleBegin, 40: record.EventIdleEnd, 180: record.EventIdleBegin, 217: record.EventIdleEnd}[i])
		s := at(now+time.Microsecond, "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(i))
		for _, s := range []record.Sample{row, s} {
			m.Add(s)
			g.Add(&s)
		}
	}
	if d := Summarize(m, g).Devices[0]; d.Grade.Grade != record.GradeB || !slices.Equal(d.Grade.Reasons, []string{energy.CounterOnly}) {
		t.Errorf("saw %v, want B", d.Grade)
	}
	m, g = New(), NewGrader()
	for i := range 8 {
		s := at(time.Duration(i)*50*time.Millisecond, "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(i))
		m.Add(s)
		g.Add(&s)
	}
	if d := Summarize(m, g).Devices[0]; d.Grade.Grade != record.GradeC || !slices.Contains(d.Grade.Reasons, energy.UnderSampled) {
		t.Errorf("saw %v, want C", d.Grade)
	}
}

// Readings every ten seconds have no gaps, though two of them were close together, as at the begin of a command.
func TestSlowReadingsAreNoGaps(t *testing.T) {
	m, g := New(), NewGrader()
	add := func(now time.Duration) {
		s := at(now, "hwmon", "system")
		s.PowerW = units.Ptr(units.Watts(100 + math.Sin(now.Seconds())))
		m.Add(s)
		g.Add(&s)
	}
	add(0)
	for i := range 60 {
		add(10*time.Millisecond + time.Duration(i)*10*time.Second)
	}
	if d := Summarize(m, g).Devices[0]; d.Gaps > 1 || d.EnergyS < 570 || d.SpanS < 570 || d.MeanW == nil || math.Abs(float64(*d.MeanW)-100) > 1 {
		t.Errorf("saw %d gaps, %s J of %v s", d.Gaps, units.G4Ptr(d.EnergyJ), d.EnergyS)
	}
}
