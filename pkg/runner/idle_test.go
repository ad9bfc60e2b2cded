package runner

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/backend/backendtest"
	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// bare is what a Recorder without power sensors says; the fakes of the tests embed it.
type bare struct{}

func (bare) Now()                               {}
func (bare) Mark(string)                        {}
func (bare) Drain() []record.Sample             { return nil }
func (bare) Track(...int)                       {}
func (bare) Window(record.Device) time.Duration { return 0 }

var _ Recorder = bare{}

// watt is a Recorder of a processor that draws 10 W; it notes what it is told.
type watt struct {
	counter
	window  time.Duration
	tracked [][]int
}

func (w *watt) Mark(event string) {
	w.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending = append(w.pending, record.Sample{Schema: record.SchemaSample, Host: "here", TSUnixNS: time.Now().UnixNano(),
		Source: record.SourceRecorder, Device: record.RecorderDevice, Event: event})
}
func (w *watt) Track(pids ...int)                  { w.tracked = append(w.tracked, pids) }
func (w *watt) Window(record.Device) time.Duration { return w.window }

func startWatt(ctx context.Context, window time.Duration) *watt {
	w := &watt{window: window}
	go w.read(ctx)
	return w
}

// TestIdle: the machine is left alone before each worker and after the last, with no worker alive, and a run knows what was
// drawn before it.
func TestIdle(t *testing.T) {
	sink := &memory{}
	opt := options(parse(t, backendtest.Steady), sink)
	opt.Matrix.Sessions, opt.Matrix.Idle = 2, 100*time.Millisecond
	rec := startWatt(t.Context(), time.Nanosecond)
	opt.Recorder = rec
	if _, err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	if want := []string{record.EventIdleBegin, record.EventIdleEnd, record.EventIdleBegin, record.EventIdleEnd, record.EventIdleBegin,
		record.EventIdleEnd}; !slices.Equal(sink.events, want) {
		t.Errorf("saw %v, want three idle times of two sessions", sink.events)
	}
	known := map[int64]bool{} // sessions
	for _, r := range sink.runs {
		if r.IdleBeforeW == nil && r.EnergyReasons == energy.NoSamples {
			continue // a machine so busy that nothing was read near the window
		}
		known[r.Session] = true
		if r.IdleBeforeW == nil || *r.IdleBeforeW < 9.9 || *r.IdleBeforeW > 10.1 {
			t.Fatalf("%s: idle power %s W (%s), want 10", r.RunID, units.G4Ptr(r.IdleBeforeW), r.EnergyReasons)
		}
	}
	if len(known) != 2 {
		t.Errorf("idle power is known of sessions %v, want both", known)
	}
	if len(rec.tracked) != 4 || len(rec.tracked[0]) != 1 || len(rec.tracked[1]) != 0 || slices.Equal(rec.tracked[0], rec.tracked[2]) {
		t.Errorf("tracked %v, want the worker of each session and its end", rec.tracked)
	}
}

func TestNoIdle(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no sensor":     func(o *Options) { o.Recorder = startWatt(t.Context(), 0) },
		"not wanted":    func(o *Options) { o.Matrix.Idle = 0 },
		"nothing to do": func(o *Options) { o.Matrix = parse(t, backendtest.Missing) },
	} {
		sink := &memory{}
		opt := options(parse(t, backendtest.Steady), sink)
		opt.Matrix.Idle = time.Minute
		opt.Recorder = startWatt(t.Context(), time.Nanosecond)
		change(&opt)
		if _, err := Run(t.Context(), opt); err != nil {
			t.Fatal(err)
		}
		if len(sink.events) > 0 {
			t.Errorf("%s: saw %v", name, sink.events)
		}
	}
}

func TestIdleIsInterrupted(t *testing.T) {
	opt := options(parse(t, backendtest.Steady), &memory{})
	opt.Matrix.Idle = time.Hour
	opt.Recorder = startWatt(t.Context(), time.Nanosecond)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, opt); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("saw %v", err)
	}
}

// TestWindowForSlowSensors: a short run is repeated until the sensor resolves its window.
func TestWindowForSlowSensors(t *testing.T) {
	sink := &memory{}
	opt := options(parse(t, backendtest.Steady), sink)
	opt.Matrix.Repetitions, opt.Matrix.Idle = 1, 0
	opt.Recorder = startWatt(t.Context(), 60*time.Millisecond)
	if _, err := Run(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	for _, r := range sink.runs {
		if got := time.Duration(*r.EndUnixNS - *r.StartUnixNS); got < 60*time.Millisecond || *r.Iterations < 2 {
			t.Errorf("%s: saw %d iterations in %s, want 60 ms filled", r.RunID, *r.Iterations, got)
		}
	}
}
