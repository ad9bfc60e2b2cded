package monitor

import (
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/units"
)

// A recording that tells neither processor time nor wake-ups begins with a row behind which no sweep was: its counter is another.
func TestRestartWithoutProcessorTime(t *testing.T) {
	m := New()
	for i := range 300 {
		row := own(time.Duration(i)*100*time.Millisecond, "")
		row.CPUTimeNS, row.Wakeups = nil, nil
		if i%100 == 0 {
			row.SweepNS = nil
		}
		s := at(time.Duration(i)*100*time.Millisecond+time.Microsecond, "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(5*(i%100) + 1000*(i/100)))
		m.Add(row, s)
	}
	d := m.Snapshot().Devices[0]
	near(t, "three recordings", d.EnergyJ, 3*99*5)
	if d.PeakW == nil || *d.PeakW > 51 {
		t.Errorf("saw a peak of %s W, want 50", units.G4Ptr(d.PeakW))
	}
}
