package telemetry

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// until polls for a condition that a goroutine brings about.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 2000 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s did not come about", what)
}

func TestRecorderOnThisMachine(t *testing.T) {
	set, err := Open(Environment{Host: "testhost"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	rec := Start(t.Context(), set, 50*time.Millisecond)
	var got []record.Sample
	time.Sleep(500 * time.Millisecond)
	if runtime.GOOS == "linux" { // elsewhere there may be no sensor
		until(t, "three utilisations", func() bool {
			got = append(got, rec.Drain()...)
			return len(utilisations(got)) >= 3
		})
	}
	if failed := rec.Stop(); len(failed) > 0 {
		t.Error(failed)
	}
	got = append(got, rec.Drain()...)
	last := map[string]int64{}
	for i := range got {
		s := &got[i]
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
		k := s.Source + " " + s.Device
		if s.TSUnixNS <= last[k] {
			t.Errorf("%s: saw time %d after %d, want increasing times", k, s.TSUnixNS, last[k])
		}
		last[k] = s.TSUnixNS
	}
	for _, u := range utilisations(got) {
		if u > 100 {
			t.Errorf("saw utilisation %v", u)
		}
	}
}

// sensors are the samples without the recorder's own rows.
func sensors(samples []record.Sample) []record.Sample {
	return slices.DeleteFunc(samples, func(s record.Sample) bool { return s.Source == record.SourceRecorder })
}

func utilisations(samples []record.Sample) (out []float64) {
	for i := range samples {
		if s := &samples[i]; s.Source == "proc" && s.UtilPct != nil {
			out = append(out, float64(*s.UtilPct))
		}
	}
	return out
}

// A sweep at the start, one for each Now, one at the stop, whatever the interval.
func TestRecorderSweepsOnDemand(t *testing.T) {
	f := &fake{name: "a"}
	rec := Start(t.Context(), &Set{sources: []Source{f}}, time.Hour)
	if got := len(sensors(rec.Drain())); got != 1 {
		t.Errorf("after Start: saw %d samples, want 1", got)
	}
	rec.Now()
	rec.Now()
	if got := len(sensors(rec.Drain())); got != 2 {
		t.Errorf("after two Now: saw %d samples, want 2", got)
	}
	if failed := rec.Stop(); failed != nil {
		t.Error(failed)
	}
	if got := len(sensors(rec.Drain())); got != 1 {
		t.Errorf("after Stop: saw %d samples, want 1", got)
	}
	if got := rec.Drain(); len(got) != 0 {
		t.Errorf("drained twice: saw %v", got)
	}
}

func TestRecorderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &fake{name: "a"}
	rec := Start(ctx, &Set{sources: []Source{f}}, time.Millisecond)
	cancel()
	<-rec.done
	rec.Stop()
	n := len(f.at)
	time.Sleep(20 * time.Millisecond)
	if len(f.at) != n {
		t.Errorf("saw %d sweeps after the end", len(f.at)-n)
	}
}

func TestRecorderCountsFailures(t *testing.T) {
	f := &fake{name: "a", err: errors.New("bus error")}
	rec := Start(t.Context(), &Set{sources: []Source{f, &fake{name: "b"}}}, time.Hour)
	rec.Now()
	failed := rec.Stop()
	if len(failed) != 1 || failed[0].Times != 3 {
		t.Fatalf("saw %v, want three failures of a", failed)
	}
	if got, want := failed[0].String(), "source a failed 3 times, first: bus error"; got != want {
		t.Errorf("saw %q, want %q", got, want)
	}
	if got := len(sensors(rec.Drain())); got != 3 {
		t.Errorf("saw %d samples of b, want 3", got)
	}
}

// For the race detector: everything at once.
func TestRecorderConcurrently(t *testing.T) {
	rec := Start(t.Context(), &Set{sources: []Source{&fake{name: "a"}}}, time.Millisecond)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range 4 {
		wg.Go(func() {
			for range 50 {
				rec.Now()
				n := len(sensors(rec.Drain()))
				mu.Lock()
				total += n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	rec.Stop()
	total += len(sensors(rec.Drain()))
	if total < 202 {
		t.Errorf("saw %d samples, want at least the 200 asked for, the first and the last", total)
	}
}
