package energy

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/banterhearts/bh/pkg/record"
)

// Joiner fills the energy columns of runs from a stream of samples that may be far larger than memory: it keeps, for
// each run whose window is open, the samples that this window needs, and besides them one sample per sensor. The runs
// themselves are held, as they are what comes out; a run takes a good part of a second to measure, so there are never so
// many.
//
// Runs are added first, in any order; then samples, in order of time on each host (Merge does that for several files);
// then Finish.
type Joiner struct {
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
}

// host is the state of the join for one host.
type host struct {
	pending []*open // windows not reached yet, by start
	open    []*open // windows that samples are being kept for
	last    map[sensor]record.Sample
	now     int64 // time of the latest sample
}

type sensor struct{ source, device string }

// open is a run with its window and the samples kept for it.
type open struct {
	run     *record.Run
	w       Window
	samples []record.Sample
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
	h := j.host(run.Host)
	h.pending = append(h.pending, &open{run: run, w: w})
	return nil
}

func (j *Joiner) host(name string) *host {
	h := j.hosts[name]
	if h == nil {
		h = &host{last: map[sensor]record.Sample{}}
		j.hosts[name] = h
	}
	return h
}

// start puts each host's windows in order of time and marks those that share their device with another run.
func (j *Joiner) start() {
	j.started = true
	for _, h := range j.hosts {
		slices.SortStableFunc(h.pending, func(a, b *open) int { return cmp.Compare(a.w.Start, b.w.Start) })
		latest := map[record.Device]*open{} // the window that ends last among those before
		for _, o := range h.pending {
			l := latest[o.w.Device]
			if l != nil && o.w.Start < l.w.End {
				l.w.Shared, o.w.Shared = true, true
			}
			if l == nil || o.w.End > l.w.End {
				latest[o.w.Device] = o
			}
		}
	}
}

// Sample takes the next sample in.
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
	}
	h.now = max(h.now, s.TSUnixNS)
	h.openUntil(s.TSUnixNS)
	h.open = slices.DeleteFunc(h.open, func(o *open) bool {
		o.samples = append(o.samples, *s)
		return o.closed(h.now) && j.close(o)
	})
	h.last[sensor{s.Source, s.Device}] = *s
}

// openUntil opens the windows that start before t with the last sample of every sensor: all of them lie at or before
// the start, as a window is opened by the first sample after it.
func (h *host) openUntil(t int64) {
	for len(h.pending) > 0 && h.pending[0].w.Start < t {
		o := h.pending[0]
		h.pending = h.pending[1:]
		for _, s := range h.last {
			o.samples = append(o.samples, s)
		}
		h.open = append(h.open, o)
	}
}

// closed reports whether samples from now on are too far behind the window to matter to Of.
func (o *open) closed(now int64) bool { return now > o.w.End+int64(max(o.w.Length(), MaxGap)) }

// close fills the run in and always returns true, for DeleteFunc.
func (j *Joiner) close(o *open) bool {
	r := Of(o.samples, o.w)
	if r.Joules == nil {
		j.sum.Unmeasured++
	}
	fill(o.run, r, o.w)
	o.samples = nil
	return true
}

// Finish fills in the runs whose windows are still open or were never reached and says what was done.
func (j *Joiner) Finish() Summary {
	if !j.started {
		j.start()
	}
	for _, h := range j.hosts {
		h.openUntil(math.MaxInt64)
		for _, o := range h.open {
			j.close(o)
		}
		h.open = nil
	}
	return j.sum
}
