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

const start = 1_700_000_000_000_000_000

// at is a sample some time after the start.
func at(d time.Duration, source, device string) record.Sample {
	return record.Sample{Schema: record.SchemaSample, Host: "h", TSUnixNS: start + int64(d), Source: source, Device: device}
}

// own is a recorder's row.
func own(d time.Duration, event string) record.Sample {
	s := at(d, record.SourceRecorder, record.RecorderDevice)
	s.Event, s.LateNS, s.Missed, s.WallOffsetNS = event, units.Ptr(int64(time.Millisecond)), units.Ptr(int64(0)), units.Ptr(int64(0))
	s.CPUTimeNS, s.Wakeups, s.SweepNS = units.Ptr(int64(d/100)), units.Ptr(int64(d/time.Millisecond)), units.Ptr(int64(200_000))
	return s
}

func near(t *testing.T, what string, saw *units.Joules, want float64) {
	t.Helper()
	if saw == nil || math.Abs(float64(*saw)-want) > 1e-6*math.Abs(want) {
		t.Errorf("%s: saw %s J, want %g", what, units.G4Ptr(saw), want)
	}
}

// load is a recording of a device that draws 10 W, and 50 W from 2 s to 4 s: a counter in every row, power in every other.
// The seconds 0 to 1 and 5 to 6 are marked idle.
func load(m *Monitor, g *Grader, source string, interval time.Duration) {
	joules := 0.0
	add := func(s record.Sample) {
		m.Add(s)
		g.Add(&s)
	}
	for i := 0; ; i++ {
		now := time.Duration(i) * interval
		if now > 6*time.Second {
			return
		}
		events := map[time.Duration]string{0: record.EventIdleBegin, time.Second: record.EventIdleEnd,
			5 * time.Second: record.EventIdleBegin, 6 * time.Second: record.EventIdleEnd}
		add(own(now, events[now]))
		watts := units.Watts(10)
		if now > 2*time.Second && now <= 4*time.Second {
			watts = 50
		}
		if i > 0 {
			joules += float64(watts) * interval.Seconds()
		}
		s := at(now+time.Microsecond, source, "gpu:0")
		s.EnergyCounterJoules, s.Throttle = units.Ptr(units.Joules(joules)), ""
		if i%2 == 0 {
			s.PowerW = units.Ptr(watts)
		}
		if now >= 3*time.Second && now < 4*time.Second {
			s.Throttle = "power,thermal"
		}
		if i%20 == 0 {
			s.MemTotalBytes = units.Ptr(units.Bytes(1 << 30))
		}
		s.TempC, s.MemUsedBytes = units.Ptr(units.Celsius(40+float64(i%2))), units.Ptr(units.Bytes(i))
		add(s)
	}
}

func TestFiguresOfADevice(t *testing.T) {
	m, g := New(), NewGrader()
	load(m, g, "nvml", 50*time.Millisecond)
	s := Summarize(m, g)
	if len(s.Devices) != 1 {
		t.Fatalf("saw %d devices, want one: the recorder is none", len(s.Devices))
	}
	d := s.Devices[0]
	near(t, "energy", d.EnergyJ, 10*2+50*2)
	near(t, "idle energy", d.IdleJ, 10*2)
	near(t, "all energy", d.AllJ, 140)
	near(t, "marginal energy", d.MarginalJ, 2*40)
	if d.Integrated == nil || math.Abs(float64(*d.Integrated)-120) > 4 {
		t.Errorf("integrated: saw %s J, want about 120", units.G4Ptr(d.Integrated))
	}
	if math.Abs(float64(*d.IdleW)-10) > 1e-9 || *d.PeakW != 50 || math.Abs(float64(*d.MeanW)-30) > 1e-5 || d.Method != Counter {
		t.Errorf("saw %v W idle, %v W peak, %v W mean by %s", *d.IdleW, *d.PeakW, *d.MeanW, d.Method)
	}
	if d.ThrottledS == nil || math.Abs(*d.ThrottledS-1) > 1e-6 || math.Abs(d.Device.Reasons["thermal"]-1) > 1e-6 || d.Last.Throttle != "" {
		t.Errorf("throttled: saw %v s, %v", d.ThrottledS, d.Device.Reasons)
	}
	if *d.PeakMem != 120 || *d.Last.MemTotalBytes != 1<<30 || math.Abs(float64(*d.MeanTempC)-40.5) > 0.01 || *d.PeakTempC != 41 {
		t.Errorf("saw memory %v of %v, %v°C", *d.PeakMem, *d.Last.MemTotalBytes, *d.MeanTempC)
	}
	if d.Grade.Grade != record.GradeC || d.Estimated || len(d.Grade.Reasons) == 0 { // it was throttled
		t.Errorf("saw grade %s (%v), want C", d.Grade.Grade, d.Grade.Reasons)
	}
	if d.Gaps != 0 || d.Samples != 121 || math.Abs(d.SpanS-4) > 1e-6 || math.Abs(d.IdleS-2) > 1e-6 || s.Recorder.IdleS != 2 {
		t.Errorf("saw %d gaps, %d samples over %v s", d.Gaps, d.Samples, d.SpanS)
	}
}

// Counter and power that agree are graded A, though neither was read before the first reading or renewed behind the last.
func TestEndsOfARecordingAreNoFault(t *testing.T) {
	for length, want := range map[time.Duration]record.Grade{25 * time.Second: record.GradeA, 12 * time.Second: record.GradeA,
		6 * time.Second: record.GradeA, 500 * time.Millisecond: record.GradeC} {
		m, g := New(), NewGrader()
		for now := time.Duration(0); now <= length; now += 47 * time.Millisecond {
			s := at(now, "nvml", "gpu:0")
			renewed := now.Truncate(100 * time.Millisecond)
			s.EnergyCounterJoules = units.Ptr(units.Joules(200 * renewed.Seconds()))
			s.PowerW = units.Ptr(units.Watts(200 + 2*math.Sin(renewed.Seconds())))
			m.Add(s)
			g.Add(&s)
		}
		grade := Summarize(m, g).Devices[0].Grade
		if grade.Grade != want || grade.ErrorJ == nil || float64(*grade.ErrorJ) <= 0 {
			t.Errorf("%s: saw %s, %v, bound %s, want %s", length, grade.Grade, grade.Reasons, units.G4Ptr(grade.ErrorJ), want)
		}
	}
}

// The mark of idle time is of the recording, so that all devices have it.
func TestEstimateIsGradeD(t *testing.T) {
	m, g := New(), NewGrader()
	load(m, g, record.SourceCPUEstimate, 100*time.Millisecond)
	if d := Summarize(m, g).Devices[0]; d.Grade.Grade != record.GradeD || !d.Estimated || d.ErrorJ != nil {
		t.Errorf("saw grade %s, bound %s", d.Grade.Grade, units.G4Ptr(d.ErrorJ))
	}
}

// What a device draws while it is left alone is no part of its grade, and a window between marks has readings on both sides.
func TestIdleTimeIsNotGraded(t *testing.T) {
	g := NewGrader()
	for now, i := time.Duration(0), 0; now <= 40*time.Second; now, i = now+47*time.Millisecond, i+1 {
		row := own(now, map[int]string{1: record.EventIdleBegin, 220: record.EventIdleEnd, 700: record.EventIdleBegin}[i])
		s := at(now+time.Microsecond, "nvml", "gpu:0")
		renewed := now.Truncate(100 * time.Millisecond)
		s.EnergyCounterJoules = units.Ptr(units.Joules(200 * renewed.Seconds()))
		s.PowerW = units.Ptr(units.Watts(200 + 2*math.Sin(renewed.Seconds())))
		if i < 200 || i > 720 {
			s.PowerW, s.Throttle = units.Ptr(units.Watts(700)), "power"
		}
		g.Add(&row)
		g.Add(&s)
	}
	grade := g.Finish()(&Device{Host: "h", Source: "nvml", Name: "gpu:0", Method: Counter})
	if grade.Grade != record.GradeA || grade.ErrorJ == nil || float64(*grade.ErrorJ) > 100 {
		t.Errorf("saw %s, %v, bound %s", grade.Grade, grade.Reasons, units.G4Ptr(grade.ErrorJ))
	}
}

// Power that never changes is that of a sensor that stands still, or of a meter that was made up: there is no bound on it.
func TestPowerThatStandsStill(t *testing.T) {
	for swing, want := range map[float64]record.Grade{0: record.GradeC, 0.05: record.GradeB} {
		m, g := New(), NewGrader()
		for i := range 300 {
			s := at(time.Duration(i)*50*time.Millisecond, "meter", "meter:x")
			s.PowerW = units.Ptr(units.Watts(12 + swing*float64(i%5)))
			m.Add(s)
			g.Add(&s)
		}
		d := Summarize(m, g).Devices[0]
		if still := swing == 0; d.Grade.Grade != want || (d.ErrorJ == nil) != still || slices.Contains(d.Grade.Reasons, energy.Unchanged) != still ||
			slices.Contains(d.Grade.Reasons, energy.ErrorBound) {
			t.Errorf("%v: saw %s J ± %s, %v, want %s", swing, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade, want)
		}
	}
}

// An estimate that stopped for a while stays one; energy of a device's own means is graded as package energy does; and
// without energy there is nothing to grade.
func TestGradeOfWhatIsLessThanACounter(t *testing.T) {
	m, g := New(), NewGrader()
	for now := time.Duration(0); now < 60*time.Second; now += 100 * time.Millisecond {
		estimate, average := at(now, record.SourceCPUEstimate, "cpu"), at(now, "nvml", "gpu:0")
		estimate.PowerW, average.PowerAvgW = units.Ptr(units.Watts(7)), units.Ptr(units.Watts(100))
		average.PowerAvgNS = units.Ptr(int64(time.Second))
		none := at(now, "nvml", "gpu:1")
		none.TempC = units.Ptr(units.Celsius(40))
		samples := []record.Sample{estimate, average, none}
		if now > 10*time.Second && now < 35*time.Second {
			samples = samples[1:]
		}
		for i := range samples {
			m.Add(samples[i])
			g.Add(&samples[i])
		}
	}
	devices := Summarize(m, g).Devices
	d := devices[0]
	near(t, "averages", d.EnergyJ, 5990)
	if d.Method != Averaged || d.Grade.Grade != record.GradeC || !slices.Contains(d.Grade.Reasons, energy.Unchanged) || d.ErrorJ != nil || *d.PeakW != 100 {
		t.Errorf("averages: saw ± %s, grade %q %v by %s", units.G4Ptr(d.ErrorJ), d.Grade.Grade, d.Grade.Reasons, d.Method)
	}
	if d := devices[1]; d.Name != "gpu:1" || d.EnergyJ != nil || d.Grade.Grade != "" || d.ErrorJ != nil {
		t.Errorf("temperature alone: saw %s J of %s, grade %q", units.G4Ptr(d.EnergyJ), d.Name, d.Grade.Grade)
	}
	if d := devices[2]; d.Grade.Grade != record.GradeD || len(d.Grade.Reasons) < 2 || d.Grade.Reasons[0] != energy.Estimated {
		t.Errorf("estimate: saw grade %s, %v", d.Grade.Grade, d.Grade.Reasons)
	}
}

// Without a counter power is integrated; a gap, and the place where a counter falls, belong to nothing.
func TestGaps(t *testing.T) {
	m := New()
	for _, ms := range []int{0, 100, 200, 300, 5000, 5100} {
		s := at(time.Duration(ms)*time.Millisecond, "hwmon", "system")
		s.PowerW = units.Ptr(units.Watts(20))
		m.Add(s)
	}
	devices := m.Snapshot().Devices
	system := devices[0]
	if system.Name != "system" || system.Gaps != 1 || math.Abs(system.GapS-4.7) > 1e-9 || math.Abs(system.SpanS-0.4) > 1e-9 {
		t.Errorf("saw %+v", system)
	}
	near(t, "integrated", system.EnergyJ, 8)
}

// counted are readings of a counter, one every 500 ms after offset, each behind a row of a recorder that began at begin.
func counted(m *Monitor, begin, offset time.Duration, joules ...float64) {
	for i, j := range joules {
		now := offset + time.Duration(i)*500*time.Millisecond
		row := own(now, "")
		row.CPUTimeNS, row.Wakeups = units.Ptr(int64(now-begin)/100), units.Ptr(int64(now-begin)/int64(time.Millisecond))
		s := at(now, "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(j))
		m.Add(row, s)
	}
}

// A device whose readings end before the recording does has a gap there, but not one that is only read rarely.
func TestReadingsThatStop(t *testing.T) {
	m, g := New(), NewGrader()
	for i := range 601 {
		now := time.Duration(i) * 100 * time.Millisecond
		samples := []record.Sample{own(now, "")}
		add := func(source, device string) {
			s := at(now, source, device)
			s.PowerW, s.EnergyCounterJoules = units.Ptr(units.Watts(20+0.1*float64(i%3))), units.Ptr(units.Joules(2*i))
			samples = append(samples, s)
		}
		add("nvml", "gpu:0")
		if i < 300 {
			add("nvml", "gpu:1")
			add(record.SourceCPUEstimate, "cpu")
			samples = append(samples, at(now, "proc", record.DeviceProcesses))
		}
		if i%50 == 0 && i <= 550 {
			add("meter", "meter:wall")
		}
		for _, s := range samples {
			m.Add(s)
			g.Add(&s)
		}
	}
	for _, d := range Summarize(m, g).Devices {
		stopped := d.Name == "gpu:1" || d.Name == "cpu"
		if d.Gaps > 0 != stopped || stopped && (math.Abs(d.StoppedS-30.1) > 1e-9 || d.GapS != d.StoppedS) {
			t.Errorf("%s: saw %d gaps, %v s, stopped for %v s", d.Name, d.Gaps, d.GapS, d.StoppedS)
		}
		want := map[string]record.Grade{"gpu:0": record.GradeA, "gpu:1": record.GradeC, "cpu": record.GradeD}[d.Name]
		if want != "" && d.Grade.Grade != want || stopped && !slices.Contains(d.Grade.Reasons, energy.Gap) {
			t.Errorf("%s: saw grade %s, %v, want %s", d.Name, d.Grade.Grade, d.Grade.Reasons, want)
		}
	}
}

// Of a counter that fell the parts are added up, without the reading that fell; one that falls again and again is two recordings
// of one device in one. What a counter was at the beginning of another recording says nothing of the one before.
func TestCounterFalls(t *testing.T) {
	m := New()
	counted(m, 0, 0, 0, 5, 10, 1, 6, 11)
	sum := Summarize(m, NewGrader())
	d := sum.Devices[0]
	near(t, "set back", d.EnergyJ, 20)
	if d.EnergyS != 2 || d.Grade.Grade != record.GradeC || !slices.Equal(d.Grade.Reasons, []string{energy.CounterReset}) || d.ErrorJ != nil {
		t.Errorf("set back: saw energy of %v s, %v", d.EnergyS, d.Grade)
	}
	var text strings.Builder
	if err := sum.WriteText(&text); err != nil || !strings.Contains(text.String(), energy.CounterReset) || !strings.Contains(text.String(), " 2 s ") {
		t.Errorf("saw %s, %v, want the reason and the time", text.String(), err)
	}
	m = New()
	counted(m, 0, 0, 0, 100, 5, 105, 10, 110)
	d = Summarize(m, NewGrader()).Devices[0]
	if d.EnergyJ != nil || d.MeanW != nil || d.Method != "" || d.Grade.Grade != "" || !slices.Equal(d.Grade.Reasons, []string{energy.CounterReset}) {
		t.Errorf("falls again and again: saw %s J by %s, %v, want none and why", units.G4Ptr(d.EnergyJ), d.Method, d.Grade)
	}
	other := New()
	counted(other, 0, 0, 50, 0, 0, 0, 0, 0, 5) // its recorder began anew at each reading, as it cannot tell how often the counter wrapped
	if d := Summarize(other, NewGrader()).Devices[0]; d.EnergyJ != nil || !slices.Equal(d.Grade.Reasons, []string{energy.CounterReset}) {
		t.Errorf("not known most of the time: saw %s J, %v, want none and why", units.G4Ptr(d.EnergyJ), d.Grade)
	}
	for i := range 5 {
		s := at(10*time.Second+time.Duration(i)*time.Second, "rapl", "cpu:0")
		s.PowerW = units.Ptr(units.Watts(10))
		m.Add(s)
	}
	d = Summarize(m, NewGrader()).Devices[0]
	near(t, "integrated", d.EnergyJ, 40)
	if d.Method != Integrated {
		t.Errorf("saw energy by %s", d.Method)
	}
	m = New()
	counted(m, 0, 0, 0, 5, 10)
	counted(m, 2*time.Second, 2*time.Second, 0, 5, 10)
	near(t, "two recordings", m.Snapshot().Devices[0].EnergyJ, 20)
}

// A recorder that stood still for a while missed nothing of what a counter counted meanwhile, and the energy is of that time, too.
func TestCounterCountsInAGap(t *testing.T) {
	m, g := New(), NewGrader()
	for now := time.Duration(0); now <= 12*time.Second; now += 50 * time.Millisecond {
		if now > 3*time.Second && now < 8*time.Second {
			continue
		}
		counter, power := at(now, "rapl", "cpu:0"), at(now, "hwmon", "system")
		counter.EnergyCounterJoules, power.PowerW = units.Ptr(units.Joules(50*now.Seconds())), units.Ptr(units.Watts(50+0.1*now.Seconds()))
		for _, s := range []record.Sample{counter, power} {
			m.Add(s)
			g.Add(&s)
		}
	}
	devices := Summarize(m, g).Devices
	near(t, "counter", devices[0].EnergyJ, 600)
	for i, want := range []float64{12, 7} {
		if d := devices[i]; math.Abs(d.EnergyS-want) > 1e-9 || d.Grade.Grade != record.GradeC || !slices.Contains(d.Grade.Reasons, energy.Gap) ||
			slices.Contains(d.Grade.Reasons, energy.PartlyCovered) || d.Gaps != 1 || (d.ErrorJ != nil) != (i == 0) {
			t.Errorf("%s: saw energy of %v s, %d gaps, %v, want %v s", d.Name, d.EnergyS, d.Gaps, d.Grade, want)
		}
	}
}

// Nothing that is on draws 0 W: a sensor that tells nothing else does not work, and its figures are absent.
func TestZerosAreNoPower(t *testing.T) {
	for _, column := range []func(*record.Sample){
		func(s *record.Sample) { s.PowerW = units.Ptr(units.Watts(0)) },
		func(s *record.Sample) { s.PowerAvgW, s.PowerAvgNS = units.Ptr(units.Watts(0)), units.Ptr(int64(1e9)) },
		func(s *record.Sample) { s.EnergyCounterJoules = units.Ptr(units.Joules(7)) },
	} {
		m, g := New(), NewGrader()
		for now := time.Duration(0); now <= 30*time.Second; now += 100 * time.Millisecond {
			s := at(now, "hwmon", "system")
			column(&s)
			m.Add(s)
			g.Add(&s)
		}
		d := Summarize(m, g).Devices[0]
		if d.EnergyJ != nil || d.MeanW != nil || d.PeakW != nil || d.PowerW != nil || d.Grade.Grade != "" || !slices.Equal(d.Grade.Reasons, []string{energy.Stuck}) {
			t.Errorf("saw %s J, %s W, %s W at most, %s W now, %v, want none and why", units.G4Ptr(d.EnergyJ), units.G4Ptr(d.MeanW),
				units.G4Ptr(d.PeakW), units.G4Ptr(d.PowerW), d.Grade)
		}
	}
}

// A counter that stands still is not working, and a fall in a gap is a part of the gap.
func TestCounterThatIsNone(t *testing.T) {
	m := New()
	counted(m, 0, 0, 0, 0, 0, 0)
	if d := Summarize(m, NewGrader()).Devices[0]; d.EnergyJ != nil || !slices.Equal(d.Grade.Reasons, []string{energy.Stuck}) {
		t.Errorf("saw %s J, %v, want none and why", units.G4Ptr(d.EnergyJ), d.Grade.Reasons)
	}
	m = New()
	for _, r := range []struct{ s, joules float64 }{{0, 0}, {0.5, 10}, {1, 20}, {60, 0}, {60.5, 10}} {
		s := at(time.Duration(r.s*float64(time.Second)), "rapl", "cpu:0")
		s.EnergyCounterJoules = units.Ptr(units.Joules(r.joules))
		m.Add(s)
	}
	d := m.Snapshot().Devices[0]
	near(t, "without the gap", d.EnergyJ, 30)
	if d.Gaps != 1 {
		t.Errorf("saw %d gaps, want 1", d.Gaps)
	}
}

// The steps of a counter are no peaks: 100 W, renewed every 100 ms and read every 47 ms.
func TestPeakOfACounter(t *testing.T) {
	for length, want := range map[time.Duration]float64{20 * time.Second: 100, 900 * time.Millisecond: 0} {
		m := New()
		for now := time.Duration(0); now <= length; now += 47 * time.Millisecond {
			s := at(now, "nvml", "gpu:0")
			s.EnergyCounterJoules = units.Ptr(units.Joules(100 * now.Truncate(100*time.Millisecond).Seconds()))
			m.Add(s)
		}
		d := m.Snapshot().Devices[0]
		if saw := d.PeakW; (saw != nil) != (want > 0) || saw != nil && math.Abs(float64(*saw)-want) > 5 {
			t.Errorf("%s: saw %s W, want %g", length, units.G4Ptr(saw), want)
		}
	}
}

// A spike of 100 W for 0.6 s on 20 W, of a package whose counter is renewed every millisecond and read every 47 ms; one in the
// time that is marked idle is none of the recording's.
func TestPeakOfASpike(t *testing.T) {
	m := New()
	for now := time.Duration(0); now <= 8*time.Second; now += 47 * time.Millisecond {
		event := ""
		if now > 4*time.Second && now < 4050*time.Millisecond {
			event = record.EventIdleBegin
		}
		s := at(now+time.Microsecond, "rapl", "cpu:0")
		x := now.Seconds()
		s.EnergyCounterJoules = units.Ptr(units.Joules(20*x + 80*(max(0, x-2)-max(0, x-2.6)) + 200*(max(0, x-5)-max(0, x-6))))
		m.Add(own(now, event), s)
	}
	if d := m.Snapshot().Devices[0]; d.PeakW == nil || math.Abs(float64(*d.PeakW)-100) > 1 {
		t.Errorf("saw a peak of %s W, want 100", units.G4Ptr(d.PeakW))
	}
}

// A bound that is wide for the energy of the whole recording leaves no better grade than C, though it is of the ends alone: of
// a counter that is renewed every 300 ms, where the power steps between 20 W and 100 W.
func TestWideBound(t *testing.T) {
	for every, want := range map[int]record.Grade{1: record.GradeB, 30: record.GradeC} {
		m, g := New(), NewGrader()
		drawn, shown := 0.0, 0.0
		for i := range 401 {
			if i%every == 0 {
				shown = drawn
			}
			drawn += []float64{0.2, 1}[i/21%2]
			s := at(time.Duration(i)*10*time.Millisecond, "hwmon", "gpu:0")
			s.EnergyCounterJoules = units.Ptr(units.Joules(shown))
			m.Add(s)
			g.Add(&s)
		}
		d := Summarize(m, g).Devices[0]
		wide := d.ErrorJ == nil || *d.ErrorJ > energy.MaxBound/2**d.EnergyJ
		if d.Grade.Grade != want || d.ErrorJ == nil || wide != (want == record.GradeC) || slices.Contains(d.Grade.Reasons, energy.ErrorBound) != wide {
			t.Errorf("every %d: saw %s J ± %s, %v, want %s", every, units.G4Ptr(d.EnergyJ), units.G4Ptr(d.ErrorJ), d.Grade, want)
		}
	}
}

// A recording that was over at once tells nothing of what recording costs, and sweeps that were missed are not late ones.
func TestTextOfTheRecorder(t *testing.T) {
	for length, want := range map[time.Duration]bool{100 * time.Millisecond: false, 2 * time.Second: true} {
		m := New()
		for now := time.Duration(0); now <= length; now += 50 * time.Millisecond {
			row := own(now, "")
			row.Missed = units.Ptr(int64(0))
			if now == 50*time.Millisecond {
				row.Missed = units.Ptr(int64(31))
			}
			m.Add(row)
		}
		saw := m.Snapshot().Recorder.String()
		if strings.Contains(saw, "of a processor") != want || !strings.Contains(saw, "31 missed, stops included; the others late by") {
			t.Errorf("%v: saw %s", length, saw)
		}
	}
}

// Readings that fall between the peaks of a load are below its mean, which the counter has; the peak is not.
func TestPeakIsNotBelowMean(t *testing.T) {
	for _, column := range []func(*record.Sample, *units.Watts){
		func(s *record.Sample, w *units.Watts) { s.PowerW = w },
		func(s *record.Sample, w *units.Watts) { s.PowerAvgW = w },
	} {
		m, g := New(), NewGrader()
		for i := range 81 {
			s := at(time.Duration(i)*50*time.Millisecond, record.SourceCPUEstimate, "cpu")
			s.EnergyCounterJoules = units.Ptr(units.Joules(float64(i) * 0.05 * 4.29))
			column(&s, units.Ptr(units.Watts(4+0.015*float64(i%2))))
			m.Add(s)
			g.Add(&s)
		}
		s := Summarize(m, g)
		d := s.Devices[0]
		if d.PeakW == nil || d.MeanW == nil || *d.PeakW < *d.MeanW || math.Abs(float64(*d.PeakW)-4.29) > 1e-6 {
			t.Errorf("saw a mean of %s W and a peak of %s W, want both 4.29 W", units.G4Ptr(d.MeanW), units.G4Ptr(d.PeakW))
		}
	}
}

// A recording that was interrupted in its first idle window knows idle power and nothing else.
func TestNothingButIdleness(t *testing.T) {
	m, g := New(), NewGrader()
	for i := range 41 {
		now := time.Duration(i) * 50 * time.Millisecond
		row := own(now, map[int]string{1: record.EventIdleBegin, 40: record.EventIdleEnd}[i])
		s := at(now+time.Microsecond, "nvml", "gpu:0")
		s.PowerW, s.EnergyCounterJoules = units.Ptr(units.Watts(60)), units.Ptr(units.Joules(3*i))
		for _, s := range []record.Sample{row, s} {
			m.Add(s)
			g.Add(&s)
		}
	}
	d := Summarize(m, g).Devices[0]
	near(t, "idle", d.IdleJ, 39*3)
	if d.MarginalJ != nil || d.EnergyJ != nil || d.MeanW != nil || d.PeakW != nil || d.Grade.Grade != "" || *d.IdleW != 60 {
		t.Errorf("saw %s J, marginal %s J, grade %q, idle %s W", units.G4Ptr(d.EnergyJ), units.G4Ptr(d.MarginalJ), d.Grade.Grade,
			units.G4Ptr(d.IdleW))
	}
}

// A source that cannot tell of throttling does not say that there is none.
func TestWhoTellsOfThrottling(t *testing.T) {
	for name, tells := range map[[2]string]bool{{"nvml", "gpu:0"}: true, {"proc", "host"}: false, {"cgroup", "cgroup"}: false,
		{"rapl", "cpu:0"}: false, {record.SourceCPUEstimate, "cpu"}: false, {"meter", "meter:wall"}: false, {"proc", "cpu:0"}: false} {
		m := New()
		m.Add(at(0, name[0], name[1]), at(time.Second, name[0], name[1]))
		if saw := m.Snapshot().Devices[0].ThrottledS; (saw != nil) != tells || tells && *saw != 0 {
			t.Errorf("%v: saw %v, want a figure: %t", name, saw, tells)
		}
	}
}

func TestFiguresOfTheRecorder(t *testing.T) {
	m := New()
	for i := range 1000 {
		s := own(time.Duration(i)*10*time.Millisecond, "")
		s.LateNS = units.Ptr(int64(i) * 1000)
		if i == 500 {
			s.Missed = units.Ptr(int64(7))
		}
		if i >= 600 {
			s.WallOffsetNS = units.Ptr(-int64(time.Hour))
		}
		m.Add(s)
	}
	r := m.Snapshot().Recorder
	if r.Sweeps != 1000 || r.Missed != 7 || !r.Known || r.WallStepsS != 3600 || *r.WallOffsetS != -3600 || math.Abs(r.SpanS-9.99) > 1e-9 {
		t.Errorf("saw %+v", r)
	}
	if math.Abs(*r.LateP50S-500e-6) > 12e-6 || math.Abs(*r.LateP99S-990e-6) > 22e-6 || *r.LateMaxS != 999e-6 || *r.LateS != 999e-6 {
		t.Errorf("late: saw %v, %v, %v, want 500, 990 and 999 µs", *r.LateP50S, *r.LateP99S, *r.LateMaxS)
	}
	if math.Abs(*r.CPUPct-1) > 1e-9 || *r.Wakeups != 9990 || math.Abs(*r.SweepMeanS-200e-6) > 1e-12 {
		t.Errorf("cost: saw %v%%, %d wake-ups, %v s", *r.CPUPct, *r.Wakeups, *r.SweepMeanS)
	}
	// A second recording in the same file counts from 0 again.
	again := own(20*time.Second, "")
	again.Wakeups = units.Ptr(int64(9))
	m.Add(again)
	if r = m.Snapshot().Recorder; *r.Wakeups != 9990+9 {
		t.Errorf("after a second recording: saw %d wake-ups", *r.Wakeups)
	}
	if New().Snapshot().Recorder.Known {
		t.Error("nothing recorded: saw a recorder")
	}
}

func TestDevicesInOrder(t *testing.T) {
	m := New()
	for _, name := range []string{"thermal:x", "gpu:10", "host", "cpu:0", "gpu:2", "processes"} {
		m.Add(at(0, "s", name))
	}
	got := ""
	for _, d := range m.Snapshot().Devices {
		got += d.Name + " "
	}
	if want := "gpu:2 gpu:10 cpu:0 host processes thermal:x "; got != want {
		t.Errorf("saw %s, want %s", got, want)
	}
}
