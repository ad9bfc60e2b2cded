// Package monitor keeps figures of a recording while its samples pass: of each device the last reading, the mean, the peak
// and the energy, and of the recorder how late it was and what it cost. Its memory does not grow with the recording. The
// live view, the OpenMetrics endpoint and the summary of a file show these figures. It grades nothing: the energy of a run,
// with a grade, is package energy's.
package monitor

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// Monitor takes samples in order of time. All methods may be called from any goroutine.
type Monitor struct {
	mu       sync.Mutex
	devices  map[deviceKey]*device
	recorder recorder
	idle     bool  // between EventIdleBegin and EventIdleEnd
	rests    rests // those marked idle
	idleTime time.Duration
	ends     map[string]int64 // the last row of each host's recorder
}

// deviceKey names a device of a source of a host.
type deviceKey struct{ host, source, device string }

// New is a Monitor without figures.
func New() *Monitor { return &Monitor{devices: map[deviceKey]*device{}, ends: map[string]int64{}} }

// Add takes samples in.
func (m *Monitor) Add(samples ...record.Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range samples {
		m.add(&samples[i])
	}
}

func (m *Monitor) add(s *record.Sample) {
	if s.Source == record.SourceRecorder {
		if m.idle {
			m.idleTime += max(time.Duration(s.TSUnixNS-m.recorder.last), 0)
		}
		m.recorder.add(s)
		m.ends[s.Host] = max(m.ends[s.Host], s.TSUnixNS)
		switch s.Event {
		case record.EventIdleBegin:
			m.idle = true
			m.rests = append(m.rests, m.rests.begin(s.TSUnixNS))
		case record.EventIdleEnd:
			m.idle = false
			m.rests.end(s.TSUnixNS)
		}
		return
	}
	key := deviceKey{s.Host, s.Source, s.Device}
	d := m.devices[key]
	if d == nil {
		d = newDevice(s, m.idle)
		m.devices[key] = d
	}
	d.add(s, m.idle, m.recorder.restarts, m.rests)
	m.rests.add(s)
}

// Snapshot is the figures at one moment.
type Snapshot struct {
	Devices  []Device `json:"devices"` // in order of device and source, processors and graphics first
	Recorder Recorder `json:"recorder"`
	Marked   bool     `json:"idle_windows"` // idle windows were marked, so that marginal energy is known
	IdleS    float64  `json:"idle_s"`       // their time
}

// Snapshot returns the figures so far.
func (m *Monitor) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Snapshot{Recorder: m.recorder.figures(), Marked: len(m.rests) > 0, IdleS: m.idleTime.Seconds()}
	for _, d := range m.devices {
		s.Devices = append(s.Devices, d.figures(m.rests, m.ends[d.host]))
	}
	slices.SortFunc(s.Devices, func(a, b Device) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Host, b.Host), compareNames(a.Name, b.Name),
			cmp.Compare(a.Source, b.Source))
	})
	return s
}

// stopAfter is how long before the end of a recording the last reading of a device lies at most for the device to have gone on
// until then.
func stopAfter(mean time.Duration) time.Duration { return max(time.Second, 10*mean) }

// gapAfter is how long the time between two readings of a device is at most for what lies between to be taken as known:
// five times the mean so far, or what was between the two before, and no less than a second. Two that follow each other at once, as
// at the begin of a command, do not make gaps of all that come later.
func gapAfter(mean time.Duration) time.Duration { return max(time.Second, 5*mean) }
