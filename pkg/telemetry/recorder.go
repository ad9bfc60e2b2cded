package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// The interval of a Recorder. The default gives the ten samples that grade B wants in a window of half a second, and
// divides no period at which devices renew their readings (1, 10, 20, 25, 100 ms, 1 s): at 50 ms every update of a GPU's
// counter would be seen at the same phase, and nothing would tell when it was; energies of short windows are then off by
// some six times as much (docs/bench/energy.txt). Below the minimum, reading costs more than it tells (NVML updates every 20
// ms or more), and above the maximum even slow loads slip through between two samples.
const (
	DefaultInterval = 47 * time.Millisecond
	MinInterval     = 10 * time.Millisecond
	MaxInterval     = 10 * time.Second
)

// Recorder sweeps a Set at an interval and keeps the samples until they are drained. Each sweep begins with a row of the
// recorder itself (record.SourceRecorder): how late it was, after the time that Start drew for it, how many were missed before it, what recording has cost. All
// methods may be called from any goroutine.
type Recorder struct {
	set  *Set
	line timeline
	stop context.CancelFunc
	done chan struct{}

	mu       sync.Mutex // one sweep at a time; guards what follows
	plan     plan
	first    usage          // of this process when the recording began
	took     *time.Duration // by the sweep before; nil at first
	samples  []record.Sample
	failures []Failure
	power    map[deviceKey]Resolution // the devices that power was read of
}

// usage is what a process has cost.
type usage struct {
	cpu     time.Duration
	wakeups int64
}

// deviceKey names a device of a source.
type deviceKey struct{ source, device string }

// Failure is how often one source failed, and how it failed first.
type Failure struct {
	Source string
	Times  int
	First  error
}

func (f Failure) String() string {
	return clean(fmt.Sprintf("source %s failed %d times, first: %v", f.Source, f.Times, f.First))
}

// Start sweeps set at once and then at every interval, until ctx ends or Stop is called. Sweep k is due k intervals after
// the first by the monotonic clock, and up to 15% of an interval before or after that, drawn at random: a load that repeats in
// step with the interval would else be read at the same phase each time, and no bound of its energy could tell. Sweeps that a
// stalled or suspended machine missed are counted in the row of the next one, and not made up for. The caller closes set after
// Stop.
func Start(ctx context.Context, set *Set, interval time.Duration) *Recorder {
	ctx, stop := context.WithCancel(ctx)
	r := &Recorder{set: set, line: newTimeline(), stop: stop, done: make(chan struct{}),
		plan: newPlan(interval), power: map[deviceKey]Resolution{}}
	r.first, _ = ownUsage()
	r.sweep(true, "")
	go r.loop(ctx)
	return r
}

func (r *Recorder) loop(ctx context.Context) {
	defer close(r.done)
	t := time.NewTimer(r.wait())
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			r.sweep(true, "")
			t.Reset(r.wait())
		}
	}
}

func (r *Recorder) wait() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan.wait(r.line.now())
}

// Now sweeps at once and returns when the readings are in. Called at both edges of a measured window it makes the window
// exact for sources with an energy counter, however short the window is.
func (r *Recorder) Now() { r.sweep(false, "") }

// Mark writes down that something begins or ends now (record.EventIdleBegin and others), with a sweep of all sensors.
func (r *Recorder) Mark(event string) { r.sweep(false, event) }

// sweep reads all sources; planned ones are in the plan, the others on demand.
func (r *Recorder) sweep(planned bool, event string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	begin := r.line.now()
	own := r.own(begin)
	own.Event = event
	if planned {
		late, missed := r.plan.take(begin)
		own.LateNS, own.Missed = units.Ptr(int64(late)), &missed
	} else {
		r.set.prompt() // a quantity that is not read behind a window's end has no mean over it
	}
	// The clock is read again: what passed since begin, milliseconds on a busy machine, would be missing in every row's time.
	got, err := r.set.Sample(r.line.at(r.line.now()))
	before := len(r.samples)
	r.samples = append(append(r.samples, own), got...)
	settle(r.samples, before)
	for _, e := range SourceErrors(err) {
		r.fail(e)
	}
	for i := range got {
		r.note(&got[i])
	}
	r.took = units.Ptr(r.line.now().since - begin.since)
}

// own is the recorder's row of the sweep that begins now.
func (r *Recorder) own(begin instant) record.Sample {
	s := Environment{Host: r.set.host}.sample(r.line.at(begin), record.SourceRecorder, record.RecorderDevice)
	s.WallOffsetNS = units.Ptr(r.line.offset(begin))
	if r.took != nil {
		s.SweepNS = units.Ptr(int64(*r.took))
	}
	if u, ok := ownUsage(); ok {
		s.CPUTimeNS, s.Wakeups = units.Ptr(int64(u.cpu-r.first.cpu)), units.Ptr(u.wakeups-r.first.wakeups)
	}
	return s
}

func (r *Recorder) fail(e *SourceError) {
	for i := range r.failures {
		if r.failures[i].Source == e.Source {
			r.failures[i].Times++
			return
		}
	}
	r.failures = append(r.failures, Failure{Source: e.Source, Times: 1, First: e.Err})
}

// Track tells the sources which processes are measured.
func (r *Recorder) Track(pids ...int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.set.Track(pids)
}

// Drain returns the samples taken since the last Drain, whole sweeps in order of time, and forgets them.
func (r *Recorder) Drain() []record.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.samples
	r.samples = nil
	if len(out) > 0 {
		r.samples = make([]record.Sample, 0, len(out)+len(out)/8) // what comes until the next call, most likely
	}
	return out
}

// Stop sweeps a last time, ends the recorder and returns which sources failed meanwhile. Samples not yet drained can
// still be drained.
func (r *Recorder) Stop() []Failure {
	r.stop()
	<-r.done
	r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures
}
