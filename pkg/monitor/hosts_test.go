package monitor

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Marks, restarts and the cost of recording are of the host whose recorder tells them.
func TestHostsApart(t *testing.T) {
	m, g := New(), NewGrader()
	for i := range 401 {
		now := time.Duration(i) * 50 * time.Millisecond
		for _, name := range []string{"a", "b"} {
			row, s := own(now, ""), at(now+time.Microsecond, "rapl", "cpu:0")
			row.Host, s.Host = name, name
			s.EnergyCounterJoules = units.Ptr(units.Joules(5 * i))
			if name == "a" {
				row.Event = map[int]string{0: record.EventIdleBegin, 200: record.EventIdleEnd}[i]
				row.Wakeups = units.Ptr(*row.Wakeups + 1_000_000)
			}
			for _, s := range []record.Sample{row, s} {
				m.Add(s)
				g.Add(&s)
			}
		}
	}
	sum := Summarize(m, g)
	for i, want := range []struct{ joules, seconds float64 }{{1000, 10}, {2000, 20}} {
		d := sum.Devices[i]
		near(t, d.Host, d.EnergyJ, want.joules)
		if math.Abs(d.EnergyS-want.seconds) > 1e-5 || d.Grade.Grade != record.GradeB || (d.IdleW != nil) != (i == 0) {
			t.Errorf("%s: saw energy of %v s, idle %s W, %v", d.Host, d.EnergyS, units.G4Ptr(d.IdleW), d.Grade)
		}
	}
	if len(sum.Others) != 1 || *sum.Others[0].Wakeups != 20000 || sum.Others[0].IdleS != 0 || sum.Recorder.Sweeps != 401 || sum.Recorder.IdleS != 10 {
		t.Errorf("saw recorders %+v, %+v", sum.Recorder, sum.Others)
	}
	var text strings.Builder
	if err := sum.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\na/cpu:0 ", "\nb/cpu:0 ", "\na: recorder: 401 sweeps in 20 s", "\nb: recorder: 401 sweeps in 20 s",
		"\na: without the 10 s in which"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("saw no %q in\n%s", want, text.String())
		}
	}
}

// A clock that is pulled by as much as a kernel does was not set.
func TestPulledClockIsNotSet(t *testing.T) {
	for every, set := range map[time.Duration]time.Duration{5 * time.Second: 0, 20 * time.Second: 0, time.Second: 7 * time.Millisecond} {
		m := New()
		for i := range 10 {
			now := time.Duration(i) * every
			row, offset := own(now, ""), now/2000
			if i > 5 {
				offset += set
			}
			row.WallOffsetNS = units.Ptr(int64(offset))
			m.Add(row)
		}
		if r := m.Snapshot().Recorder; (r.WallStepsS > 0) != (set > 0) || r.WallStepsS < set.Seconds() {
			t.Errorf("every %v: saw the clock set by %v s, want %v", every, r.WallStepsS, set)
		}
	}
}
