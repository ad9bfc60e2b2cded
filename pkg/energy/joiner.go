package energy

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// Joiner fills the energy columns of runs from a stream of samples that may be far larger than memory: it keeps, for each
// host, the readings that open windows need, as numbers by sensor, and besides them the last of each sensor. The runs
// themselves are held, as they are what comes out; a run takes a good part of a second to measure, so there are never so
// many.
//
// Runs are added first, in any order; then samples, in order of time on each host (Merge does that for several files);
// then Finish, which fills the runs in.
type Joiner struct {
	// Source is the telemetry source to take energy from, whatever it measures, or one device, as meter:wall; "" for each
	// run's own device.
	Source string

	hosts   map[string]*host
	started bool
	sum     Summary
}

// Summary counts what a Joiner did.
type Summary struct {
	Runs       int // runs added
	OK         int // of them with status ok: those that have a window
	Unmeasured int // of OK, those that got no energy; their energy_reasons say why
	Samples    int // samples seen
	Disordered int // samples older than one before them; they may have come too late for their window
	Repeated   int // samples of which all was told before at the same time, as by a copy of a recording: they count once
}

// host is the state of the join for one host.
type host struct {
	history  history
	clock    clock
	runs     []*joined // by start
	pending  []*joined // of runs, those not reached yet
	open     []*open   // windows that readings are being kept for
	idleFrom int64     // when an idle stretch began that has not ended, or the last part of one, or 0
	parts    []idle    // the parts of it before
	resting  []idle    // idle stretches that are over, but not yet out of reach
	idles    []idle    // those that are
	now      int64     // time of the latest sample
	forgot   int64     // when readings were last forgotten
	kept     int64     // those before it were
	reach    int64     // of the longest window
	late     *span     // the times of samples that were out of order; nil for none
}

// joined is a run with what was found for it. Its wall times may come several times, or never, where the clock is set.
type joined struct {
	run    *record.Run
	wall   Window // by the wall clock
	w      Window // on the timeline of the samples
	found  findings
	result Result // but for the energy, until all samples have passed
	came   int    // how often its time came
	times  int    // and in how many of them anything was read
}

// open is a window on the timeline that readings are being kept for.
type open struct {
	*joined
	wall Window // by the wall clock as it stands now, which may have been set since the window began
	w    Window
}

// NewJoiner returns a Joiner without runs.
func NewJoiner() *Joiner { return &Joiner{hosts: map[string]*host{}} }

// Add takes a run in, to be filled in place. A run that is not ok is counted and left alone.
func (j *Joiner) Add(run *record.Run) error {
	if j.started {
		return errors.New("energy: a run was added after the first sample")
	}
	j.sum.Runs++
	w, ok := windowOf(run)
	if !ok {
		return nil
	}
	j.sum.OK++
	h := j.hosts[run.Host]
	if h == nil {
		h = &host{history: history{}}
		j.hosts[run.Host] = h
	}
	h.runs = append(h.runs, &joined{run: run, wall: w})
	return nil
}

// works reports whether a run in the window uses a class of device: the processor is used by every run.
func (w Window) works(class record.Device) bool { return class == record.CPU || w.Device == class }

// start puts each host's windows in order of time and marks those that share their device with another run.
func (j *Joiner) start() {
	j.started = true
	for _, h := range j.hosts {
		slices.SortStableFunc(h.runs, func(a, b *joined) int { return cmp.Compare(a.wall.Start, b.wall.Start) })
		latest := map[record.Device]*joined{} // the window that ends last among those before
		for _, r := range h.runs {
			r.wall.Source = j.Source
			h.reach = max(h.reach, r.wall.reach())
			for _, l := range latest {
				if r.wall.Start < l.wall.End {
					l.wall.Shared = l.wall.Shared || r.wall.works(l.wall.Device)
					r.wall.Shared = r.wall.Shared || l.wall.works(r.wall.Device)
				}
			}
			if l := latest[r.wall.Device]; l == nil || r.wall.End > l.wall.End {
				latest[r.wall.Device] = r
			}
		}
		h.pending = h.runs
	}
}

// Sample takes the next sample in. It keeps nothing of what s points to.
func (j *Joiner) Sample(s *record.Sample) {
	if !j.started {
		j.start()
	}
	j.sum.Samples++
	h := j.hosts[s.Host]
	if h == nil {
		return
	}
	if s.TSUnixNS < h.now {
		j.sum.Disordered++
		h.disordered(s.TSUnixNS)
	}
	if h.sample(s) {
		j.sum.Repeated++
	}
}

// sample takes a sample in, and reports whether a sensor's was told before.
func (h *host) sample(s *record.Sample) (again bool) {
	h.now = max(h.now, s.TSUnixNS)
	h.openUntil(s.TSUnixNS)
	if s.Source == record.SourceRecorder {
		h.told(s)
	} else if s.TSUnixNS >= h.kept { // a reading that no window waits for any more must not be held
		again = h.history.add(s)
	}
	h.closeUntil(h.now)
	h.forget()
	return again
}

// told takes in what a recorder says of itself.
func (h *host) told(s *record.Sample) {
	h.mark(s)
	if s.WallOffsetNS == nil {
		return
	}
	was := h.clock
	if !h.clock.observe(s.TSUnixNS, *s.WallOffsetNS) && was.known {
		for _, o := range h.open {
			o.follow(was, &h.clock)
		}
		return
	}
	// Windows that are open stay where they began and as long as they are: their end is told by how long they took, not by a
	// clock that was set meanwhile. Those ahead begin by the new clock.
	next := s.TSUnixNS + h.clock.offset
	h.open = slices.DeleteFunc(h.open, func(o *open) bool {
		if was.known {
			o.wall.Start, o.wall.End = o.wall.Start+h.clock.offset-was.offset, o.wall.End+h.clock.offset-was.offset
			return false
		}
		o.w.Start, o.w.End = o.wall.Start-h.clock.offset, o.wall.End-h.clock.offset
		return o.wall.Start >= next
	})
	i, _ := slices.BinarySearchFunc(h.runs, next, func(r *joined, t int64) int { return cmp.Compare(r.wall.Start, t) })
	h.pending = h.runs[i:]
	for _, r := range h.pending {
		if !was.known && r.times == 0 { // it did not come: where the clock stood was not known yet
			r.came = 0
		}
	}
}

// follow moves the edges of a window that lie behind the row before, was, to where the clock was then, as it may be pulled
// all through the window.
func (o *open) follow(was clock, now *clock) {
	if o.w.Start > was.ts {
		o.w.Start = now.pulled(was, o.wall.Start)
	}
	if o.w.End > was.ts {
		o.w.End = now.pulled(was, o.wall.End)
	}
}

// openUntil opens the windows that start before t. Readings from before their start are still there.
func (h *host) openUntil(t int64) {
	for len(h.pending) > 0 && h.pending[0].wall.Start-h.clock.offset < t {
		r := h.pending[0]
		h.pending = h.pending[1:]
		w := r.wall
		w.Start, w.End = w.Start-h.clock.offset, w.End-h.clock.offset
		h.open = append(h.open, &open{r, r.wall, w})
	}
}

// closeUntil evaluates the windows and idle stretches that samples later than t are too far behind to matter to.
func (h *host) closeUntil(t int64) {
	h.open = slices.DeleteFunc(h.open, func(o *open) bool {
		if t <= o.w.End+o.w.reach() {
			return false
		}
		h.close(o)
		return true
	})
	for len(h.resting) > 0 && t > h.resting[0].to+int64(patience) {
		h.idles = append(h.idles, h.history.idlePower(h.resting[0].from, h.resting[0].to))
		h.resting = h.resting[1:]
	}
}

// close takes the energy of a window.
func (h *host) close(o *open) {
	read := h.history.reads(o.w)
	if read {
		o.times++
	}
	if o.came++; read || o.came == 1 { // where nothing was read says nothing of what was found before
		o.joined.w = o.w
		o.result, o.found = h.history.of(o.w)
	}
}

// forget drops readings that no window will need, about once a second of the samples' time.
func (h *host) forget() {
	if h.now-h.forgot < int64(time.Second) {
		return
	}
	h.forgot = h.now
	keep := h.now - h.reach
	for _, o := range h.open {
		keep = min(keep, o.w.Start-o.w.reach())
	}
	for _, i := range h.resting {
		keep = min(keep, i.from-int64(patience))
	}
	if h.part(); h.idleFrom > 0 {
		keep = min(keep, h.idleFrom-int64(patience))
	}
	h.kept = max(h.kept, keep)
	h.history.forget(h.kept)
}

// disordered notes that a sample of time t came behind later ones, which windows may have been closed by.
func (h *host) disordered(t int64) {
	if h.late == nil {
		h.late = &span{t, t}
	}
	h.late.from, h.late.to = min(h.late.from, t), max(h.late.to, t)
}

// isUncovered is whether a reason says that readings are lacking.
func isUncovered(reason string) bool {
	return reason == NoSamples || reason == PartlyCovered || reason == DeviceMissing
}

// finish evaluates what is still open, and fills the runs in.
func (h *host) finish() (unmeasured int) {
	h.openUntil(math.MaxInt64)
	h.closeUntil(math.MaxInt64)
	for _, r := range h.runs {
		h.settle(r)
		r.result.rest(h.idles, r.w)
		fill(r.run, r.result, r.w)
		if r.result.Joules == nil {
			unmeasured++
		}
	}
	return unmeasured
}

// settle decides what a run's energy is by all the sensors that the recording turned out to have, and by where the clock turned
// out to stand. Of a time that came twice, once where something was read, the run may have been in the other.
func (h *host) settle(r *joined) {
	if r.times > 1 || r.came == 0 { // the wall clock was set back over the window, or forward
		r.result, r.w = Result{Reasons: []string{ClockStep}}, r.wall
		return
	}
	r.result.settle(r.found, h.history, r.w)
	if lost := r.result.Joules == nil && slices.ContainsFunc(r.result.Reasons, isUncovered); lost && h.late != nil &&
		h.late.meets(r.w.Start-r.w.reach(), r.w.End+r.w.reach()) {
		r.result.Reasons = []string{Disordered}
	}
	if r.times == 1 && r.came > 1 || h.clock.stepped(r.w.Start-int64(near), r.w.End+int64(near)) {
		r.result.doubt(ClockStep)
	}
}

// Finish fills in all runs and says what was done.
func (j *Joiner) Finish() Summary {
	if !j.started {
		j.start()
	}
	for _, h := range j.hosts {
		j.sum.Unmeasured += h.finish()
	}
	return j.sum
}
