package runner

import (
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend"
	"github.com/banterhearts/bh/pkg/backend/backendtest"
	"github.com/banterhearts/bh/pkg/machine"
	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/worker"
)

// TestSessionsAreProcesses checks that each session has a worker process of its own, whose model load it records.
func TestSessionsAreProcesses(t *testing.T) {
	m, sink := parse(t, backendtest.Steady), &memory{}
	m.Sessions = 3
	out, err := Run(t.Context(), options(m, sink))
	if err != nil {
		t.Fatal(err)
	}
	if out.OK != 3*12 {
		t.Fatalf("saw %+v, want 36 good runs", out)
	}
	loads := map[int64]map[int64]bool{}
	for _, r := range sink.runs {
		if r.ModelLoadNS == nil {
			t.Fatalf("%s: no time of loading the model", r.RunID)
		}
		if loads[r.Session] == nil {
			loads[r.Session] = map[int64]bool{}
		}
		loads[r.Session][*r.ModelLoadNS] = true
	}
	if len(loads) != 3 || len(loads[0]) != 1 || len(loads[2]) != 1 {
		t.Errorf("saw loading times %v, want one for each of three sessions", loads)
	}
}

// TestAffinityIsRecorded checks that the worker is bound to as many CPUs as it has threads, where the system can bind.
func TestAffinityIsRecorded(t *testing.T) {
	want := ""
	if cpus, err := machine.Pick(1); err == nil {
		want = cpus.String()
	}
	m, sink := parse(t, "{name: "+backendtest.Steady+", threads: 1}"), &memory{}
	if _, err := Run(t.Context(), options(m, sink)); err != nil {
		t.Fatal(err)
	}
	for _, r := range sink.runs {
		if r.CPUAffinity != want || r.Threads != 1 {
			t.Errorf("%s: saw CPUs %q and %d threads, want %q and 1", r.RunID, r.CPUAffinity, r.Threads, want)
		}
	}
}

// TestConcurrentRequestsOverlap has two requests in flight at once: neither ends before the other has come.
func TestConcurrentRequestsOverlap(t *testing.T) {
	m, sink := parse(t, backendtest.Meeting), &memory{}
	m.Scenarios = m.Scenarios[1:] // batch size 2
	m.Scenarios[0].Concurrency = 2
	if _, err := Run(t.Context(), options(m, sink)); err != nil {
		t.Fatal(err)
	}
	for _, r := range sink.runs {
		if r.Status != record.OK || r.Concurrency != 2 || len(r.RequestNS) != 2 {
			t.Fatalf("%s: saw %s %s, %d requests", r.RunID, r.Status, r.Detail, len(r.RequestNS))
		}
		if least := int64(backendtest.RunTime); r.RequestNS[0] < least || r.RequestNS[1] < least || *r.LatencyNS < max(r.RequestNS[0], r.RequestNS[1]) {
			t.Errorf("%s: saw requests of %v ns in %d ns", r.RunID, r.RequestNS, *r.LatencyNS)
		}
		if *r.TokensProcessed != 10 || len(r.OutputIDs) == 0 || r.OutputHash == "" {
			t.Errorf("%s: saw %d tokens, output %v", r.RunID, *r.TokensProcessed, r.OutputIDs)
		}
	}
}

func pct(v float64) *units.Percent { return units.Ptr(units.Percent(v)) }

// TestFlags checks from which share on a run is flagged.
func TestFlags(t *testing.T) {
	for want, c := range map[string]struct {
		load  shares
		hot   bool
		gpus  *int64
		given string
	}{
		"":                         {load: shares{steal: pct(1), foreign: pct(5)}},
		"foreign_load":             {load: shares{steal: pct(0), foreign: pct(5.1)}},
		"cpu_steal":                {load: shares{steal: pct(1.1)}},
		"merged_tokens,recompiled": {given: "recompiled,merged_tokens"},
		"cpu_steal,foreign_gpu,foreign_load,not_cooled_down": {load: shares{steal: pct(2), foreign: pct(9)}, hot: true, gpus: units.Ptr[int64](2)},
	} {
		s := &session{run: &run{}, load: c.load, hot: c.hot}
		s.opened, s.affinity = &worker.Opened{LoadNS: 5, PIDs: []int{1}}, "0-1"
		s.recent = []record.Sample{{TSUnixNS: 15, Device: "gpu:0", Processes: c.gpus}, {TSUnixNS: 99, Device: "gpu:0", Processes: units.Ptr[int64](50)},
			{TSUnixNS: 15, Device: record.DeviceProcesses, Processes: units.Ptr[int64](9)}} // the worker itself
		r := &record.Run{Device: record.GPU, StartUnixNS: units.Ptr[int64](10), EndUnixNS: units.Ptr[int64](20), Flags: c.given}
		s.circumstances(r, &matrix.Step{RunID: "x/s0/r0"})
		if r.Flags != want || r.CPUAffinity != "0-1" {
			t.Errorf("saw flags %q and CPUs %q, want %q", r.Flags, r.CPUAffinity, want)
		}
		if c.gpus != nil && *r.ForeignGPUProcs != *c.gpus-1 {
			t.Errorf("saw %d foreign processes on the GPU, want %d", *r.ForeignGPUProcs, *c.gpus-1)
		}
	}
}

// TestWorkElsewhere has a server whose processes nobody knows: the run says so, and claims no threads of the server's choice.
func TestWorkElsewhere(t *testing.T) {
	s := &session{run: &run{}}
	s.opened = &worker.Opened{PIDs: []int{}, Info: map[string]string{backend.InfoThreads: backend.ThreadsOfServer}}
	r := &record.Run{Device: record.CPU, Threads: 2, StartUnixNS: units.Ptr[int64](10), EndUnixNS: units.Ptr[int64](20)}
	s.circumstances(r, &matrix.Step{RunID: "x/s0/r0"})
	if !r.Flagged(record.FlagWorkElsewhere) || r.Threads != 0 || r.ForeignCPUPct != nil {
		t.Errorf("saw %+v", r)
	}
}

// thermometer is a Recorder whose processor cools by a degree with each reading.
type thermometer struct {
	bare
	tempC    float64
	readings int
}

func (c *thermometer) Now() { c.readings++; c.tempC-- }

func (c *thermometer) Drain() []record.Sample {
	return []record.Sample{{Schema: record.SchemaSample, Source: "thermal", Device: "thermal:cpu", TSUnixNS: 1, TempC: units.Ptr(units.Celsius(c.tempC))}}
}

// TestCoolDown lets a machine start at 40 degrees, run hot, and cool down to within 2 degrees of where it began.
func TestCoolDown(t *testing.T) {
	m := parse(t, backendtest.Steady)
	m.Cooldown = time.Minute
	sensor := &thermometer{tempC: 41}
	s := &session{run: &run{Options: Options{Matrix: m, Recorder: sensor}}}
	if err := s.coolDown(t.Context()); err != nil || sensor.readings != 1 {
		t.Fatalf("before the first worker: saw %d readings, %v, want one", sensor.readings, err)
	}
	sensor.tempC = 45
	if err := s.coolDown(t.Context()); err != nil || s.hot || sensor.tempC > 42 {
		t.Errorf("saw %g degrees, hot %t, %v, want to have waited for 42", sensor.tempC, s.hot, err)
	}
	m.Cooldown, sensor.tempC = time.Nanosecond, 90
	if err := s.coolDown(t.Context()); err != nil || !s.hot {
		t.Errorf("no time to cool down: saw hot %t, %v", s.hot, err)
	}
}

func TestRecoveredByClock(t *testing.T) {
	clock := func(mhz float64) *state {
		s := &state{}
		s.update([]record.Sample{{Source: "proc", Device: "host", ClockMHz: units.Ptr(units.Megahertz(mhz))}})
		return s
	}
	if clock(2000).recovered(clock(3000)) || !clock(2900).recovered(clock(3000)) {
		t.Error("a clock 33% down counts as recovered, or one 3% down does not")
	}
	blind := &state{}
	blind.update(nil)
	if blind.recovered(blind) {
		t.Error("a machine without sensors says that it has recovered")
	}
}

// TestRehearsalIsLimited: a server that hangs while a cell is prepared costs no more than some windows; a worker that may
// compile has the time of loading.
func TestRehearsalIsLimited(t *testing.T) {
	for _, c := range []struct {
		opened   worker.Opened
		timeout  time.Duration
		requests int
		want     time.Duration
	}{
		{worker.Opened{}, 8 * time.Second, 1, OpenLimit},
		{worker.Opened{PIDs: []int{}}, 8 * time.Second, 0, 24 * time.Second},
		{worker.Opened{PIDs: []int{1}}, 8 * time.Second, 2, 48 * time.Second},
		{worker.Opened{PIDs: []int{}}, time.Hour, 1, OpenLimit},
	} {
		s := &session{run: &run{Options: Options{Matrix: &matrix.Matrix{Timeout: c.timeout}}}, opened: &c.opened}
		if got := s.prepareLimit(c.requests); got != c.want {
			t.Errorf("processes %v, window of %s, %d requests: saw %s, want %s", c.opened.PIDs, c.timeout, c.requests, got, c.want)
		}
	}
}

// TestAServerThatWasThereIsLost: degraded means that nothing ran, which is not so of a server that answered before.
func TestAServerThatWasThereIsLost(t *testing.T) {
	gone := &backend.Unavailable{Reason: backend.ServerNotFound, Detail: "connection refused"}
	for _, c := range []struct {
		opened *worker.Opened
		status record.Status
		reason backend.Reason
	}{{nil, record.Degraded, backend.ServerNotFound}, {&worker.Opened{}, record.Failed, backend.ServerLost}} {
		r := &record.Run{}
		(&session{opened: c.opened}).fail(r, gone)
		if r.Status != c.status || r.Reason != string(c.reason) || r.Detail != gone.Detail {
			t.Errorf("saw %s/%s %q, want %s/%s", r.Status, r.Reason, r.Detail, c.status, c.reason)
		}
	}
}
