package runner

import (
	"context"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

const (
	coolPoll = 500 * time.Millisecond
	// How far from where it began a machine counts as recovered.
	coolTempC    = 2.0
	coolClockPct = 5.0
)

// state is how warm and how fast the machine's devices are: the latest reading of each sensor.
type state struct {
	tempC map[string]units.Celsius
	clock map[string]units.Megahertz
}

func (s *state) update(samples []record.Sample) {
	if s.tempC == nil {
		s.tempC, s.clock = map[string]units.Celsius{}, map[string]units.Megahertz{}
	}
	for i := range samples {
		key := samples[i].Source + " " + samples[i].Device
		if t := samples[i].TempC; t != nil {
			s.tempC[key] = *t
		}
		if c := samples[i].ClockMHz; c != nil {
			s.clock[key] = *c
		}
	}
}

// recovered says whether now is as cool as first, or, where no sensor tells a temperature, as fast.
func (s *state) recovered(first *state) bool {
	for key, t := range first.tempC {
		if s.tempC[key] > t+coolTempC {
			return false
		}
	}
	if len(first.tempC) > 0 {
		return true
	}
	for key, c := range first.clock {
		if s.clock[key] < c*(1-coolClockPct/100) {
			return false
		}
	}
	return len(first.clock) > 0
}

// coolDown waits before a worker starts until the machine has recovered from the one before, at most as long as the matrix
// says. Without a sensor that could tell, it waits all that time.
func (s *session) coolDown(ctx context.Context) error {
	if s.Matrix.Cooldown == 0 {
		return nil
	}
	var now state
	now.update(s.recent)
	now.update(s.sweep())
	if s.first == nil {
		s.first = &now
		return nil // nothing has run yet
	}
	deadline := time.Now().Add(s.Matrix.Cooldown)
	for !now.recovered(s.first) {
		if !time.Now().Before(deadline) {
			s.hot = len(s.first.tempC)+len(s.first.clock) > 0
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(coolPoll):
			now.update(s.sweep())
		}
	}
	s.hot = false
	return nil
}
