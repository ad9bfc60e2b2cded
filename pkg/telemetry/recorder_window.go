package telemetry

import (
	"cmp"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// The shortest window of a run holds so many readings, as a grade better than C asks for, and so many updates of an energy
// counter or a power reading. Two would do for a counter that is read at both ends, and ten for most, but of a counter that
// is renewed every 100 ms what its first and last update leave open is then more than the 5% of grade B for every other load
// (docs/bench/energy.txt).
const (
	windowReadings = 10
	windowUpdates  = 20
)

// note remembers that power was read of a device, and how often its readings change where the sample says so.
func (r *Recorder) note(s *record.Sample) {
	if s.PowerW == nil && s.PowerAvgW == nil && s.EnergyCounterJoules == nil {
		return
	}
	key := deviceKey{s.Source, s.Device}
	known, there := r.power[key]
	if there && s.CounterUpdateNS == nil && s.PowerUpdateNS == nil && s.PowerAvgNS == nil {
		return
	}
	if s.PowerW == nil && s.EnergyCounterJoules == nil && s.PowerAvgNS != nil { // nothing shorter than its span is resolved
		known.Power = time.Duration(*s.PowerAvgNS)
	}
	if s.CounterUpdateNS != nil {
		known.Counter = time.Duration(*s.CounterUpdateNS)
	}
	if s.PowerUpdateNS != nil {
		known.Power = max(known.Power, time.Duration(*s.PowerUpdateNS))
	}
	r.power[key] = known
}

// Window is the shortest window that the sensors of a class of device resolve: ten updates of an energy counter where its
// update period is known, else of the power reading, or the time of ten sweeps of the recorder where that is longer.
// Where several sources measure the class it is that of the quickest; an estimate counts only where nothing measures. It
// is 0 where nothing has told power of the class so far.
func (r *Recorder) Window(class record.Device) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := r.set.resolutions()
	longest := map[string]time.Duration{} // by source, over its devices: all of them count into the class's energy
	for key, res := range r.power {
		if kind, _, _ := strings.Cut(key.device, ":"); kind != string(class) {
			continue
		}
		told := known[key]
		res = Resolution{Counter: cmp.Or(told.Counter, res.Counter), Power: cmp.Or(told.Power, res.Power)}
		longest[key.source] = max(longest[key.source], r.resolves(key.source, res))
	}
	if len(longest) > 1 {
		delete(longest, record.SourceCPUEstimate)
	}
	var window time.Duration
	for _, w := range longest {
		if window == 0 || w < window {
			window = w
		}
	}
	return window
}

// resolves is the shortest window that a device of this resolution is measured over. As many sweeps as readings are in it, with
// the first due too early for it and the last too late.
func (r *Recorder) resolves(source string, res Resolution) time.Duration {
	updates := time.Duration(windowUpdates)
	if source == record.SourceCPUEstimate {
		updates = windowReadings
	}
	return max(updates*cmp.Or(res.Counter, res.Power), windowReadings*r.plan.interval+2*r.plan.dither)
}

// resolutions asks the sources that know.
func (s *Set) resolutions() map[deviceKey]Resolution {
	out := map[deviceKey]Resolution{}
	for _, src := range s.sources {
		resolver, ok := src.(Resolver)
		if !ok {
			continue
		}
		for device, res := range resolver.Resolution() {
			out[deviceKey{src.Name(), device}] = res
		}
	}
	return out
}
