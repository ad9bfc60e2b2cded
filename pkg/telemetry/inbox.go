package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// inbox keeps what is read in the background, at times of its own, until a sweep takes it. Each reading is taken once.
type inbox struct {
	mu       sync.Mutex
	readings []reading
	errs     []error
}

// reading is a power at the moment at which it became known.
type reading struct {
	at      time.Time
	power   units.Watts
	mean    *units.Watts // the device's own mean, where it gives one
	meanFor time.Duration
}

func (b *inbox) put(r reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.readings = append(b.readings, r)
}

// fail notes an error. Of several between two sweeps the first is told.
func (b *inbox) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.errs) == 0 {
		b.errs = append(b.errs, err)
	}
}

// take empties the inbox.
func (b *inbox) take() ([]reading, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	readings, err := b.readings, errors.Join(b.errs...)
	b.readings, b.errs = nil, nil
	return readings, err
}

// background calls read at once and then at every interval, or later where read took longer, until it is stopped.
type background struct {
	stop context.CancelFunc
	done chan struct{}
}

func startBackground(interval time.Duration, read func(context.Context)) background {
	ctx, stop := context.WithCancel(context.Background())
	b := background{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for ctx.Err() == nil {
			next := time.After(interval)
			read(ctx)
			select {
			case <-ctx.Done():
			case <-next:
			}
		}
	}()
	return b
}

// close stops the reading and waits for it to end.
func (b background) close() {
	b.stop()
	<-b.done
}

// settle brings samples from index from on to their places in order of time, those before being in order already. A
// reading from the background is older than the sweep that takes it.
func settle(samples []record.Sample, from int) {
	for i := from; i < len(samples); i++ {
		for j := i; j > 0 && samples[j].TSUnixNS < samples[j-1].TSUnixNS; j-- {
			samples[j], samples[j-1] = samples[j-1], samples[j]
		}
	}
}
