// Package monitor keeps figures of a recording while its samples pass: of each device the last reading, the mean, the peak
// and the energy, and of the recorder how late it was and what it cost. Its memory does not grow with the recording. The
// live view, the OpenMetrics endpoint and the summary of a file show these figures. It grades nothing: the energy of a run,
// with a grade, is package energy's.
package monitor

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// Monitor takes samples in order of time. All methods may be called from any goroutine.
type Monitor struct {
	mu      sync.Mutex
	devices map[deviceKey]*device
	hosts   map[string]*host
}

// host is what the recorder of one host tells. Its marks are of its own devices.
type host struct {
	recorder recorder
	idle     bool  // between EventIdleBegin and EventIdleEnd
	rests    rests // those marked idle
	idleTime time.Duration
}

// deviceKey names a device of a source of a host.
type deviceKey struct{ host, source, device string }

// New is a Monitor without figures.
func New() *Monitor { return &Monitor{devices: map[deviceKey]*device{}, hosts: map[string]*host{}} }

// Add takes samples in.
func (m *Monitor) Add(samples ...record.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range samples {
		m.add(&samples[i])
	}
}

func (m *Monitor) add(s *record.Sample) {
	h := m.hosts[s.Host]
	if h == nil {
		h = &host{}
		m.hosts[s.Host] = h
	}
	if s.Source == record.SourceRecorder {
		h.add(s)
		return
	}
	key := deviceKey{s.Host, s.Source, s.Device}
	d := m.devices[key]
	if d == nil {
		d = newDevice(s, h.idle)
		m.devices[key] = d
	}
	d.add(s, h.idle, h.recorder.restarts, h.rests)
	h.rests.add(s)
}

// add takes a row of the recorder in.
func (h *host) add(s *record.Sample) {
	if h.idle {
		h.idleTime += max(time.Duration(s.TSUnixNS-h.recorder.last), 0)
	}
	h.recorder.add(s)
	switch s.Event {
	case record.EventIdleBegin:
		h.idle = true
		h.rests = append(h.rests, h.rests.begin(s.TSUnixNS))
	case record.EventIdleEnd:
		h.idle = false
		h.rests.end(s.TSUnixNS)
	}
}

// Snapshot is the figures at one moment.
type Snapshot struct {
	Devices  []Device   `json:"devices"`                   // in order of device and source, processors and graphics first
	Recorder Recorder   `json:"recorder"`                  // of several hosts, the first by name
	Others   []Recorder `json:"other_recorders,omitempty"` // of the other hosts
	Marked   bool       `json:"idle_windows"`              // idle windows were marked, so that marginal energy is known
}

// Snapshot returns the figures so far.
func (m *Monitor) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Snapshot{}
	for _, name := range slices.Sorted(maps.Keys(m.hosts)) {
		h := m.hosts[name]
		s.Marked = s.Marked || len(h.rests) > 0
		switch r := h.figures(name); {
		case !r.Known:
		case !s.Recorder.Known:
			s.Recorder = r
		default:
			s.Others = append(s.Others, r)
		}
	}
	for _, d := range m.devices {
		h := m.hosts[d.host]
		s.Devices = append(s.Devices, d.figures(h.rests, h.recorder.last))
	}
	slices.SortFunc(s.Devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Host, b.Host), compareNames(a.Name, b.Name),
			cmp.Compare(a.Source, b.Source))
	})
	return s
}

// figures are what the recorder tells, and for how long the host was left alone.
func (h *host) figures(name string) Recorder {
	r := h.recorder.figures()
	r.Host, r.IdleS = name, h.idleTime.Seconds()
	return r
}

// stopAfter is how long before the end of a recording the last reading of a device lies at most for the device to have gone on
// until then.
func stopAfter(mean time.Duration) time.Duration { return max(time.Second, 10*mean) }

// gapAfter is how long the time between two readings of a device is at most for what lies between to be taken as known:
// five times the mean so far, or what was between the two before, and no less than a second. Two that follow each other at once, as
// at the begin of a command, do not make gaps of all that come later.
func gapAfter(mean time.Duration) time.Duration { return max(time.Second, 5*mean) }
