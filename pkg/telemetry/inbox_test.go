package telemetry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

func TestInbox(t *testing.T) {
	var b inbox
	first, second := errors.New("first"), errors.New("second")
	b.put(reading{power: 1})
	b.fail(first)
	b.fail(second)
	b.put(reading{power: 2})
	got, err := b.take()
	if len(got) != 2 || got[0].power != 1 || got[1].power != 2 || !errors.Is(err, first) || errors.Is(err, second) {
		t.Errorf("saw %+v, %v, want both readings and the first error", got, err)
	}
	if got, err := b.take(); len(got) != 0 || err != nil {
		t.Errorf("taken twice: saw %+v, %v", got, err)
	}
}

func TestSettle(t *testing.T) {
	var samples []record.Sample
	for _, ts := range []int64{10, 20, 20, 30, 15, 5, 40} {
		samples = append(samples, record.Sample{TSUnixNS: ts})
	}
	settle(samples, 4)
	var got []int64
	for _, s := range samples {
		got = append(got, s.TSUnixNS)
	}
	if !slices.Equal(got, []int64{5, 10, 15, 20, 20, 30, 40}) {
		t.Errorf("saw %v", got)
	}
}

// late is a source of the background: each row is older than the sweep that takes it.
type late struct{ fake }

func (l *late) Sample(now time.Time, dst []record.Sample) ([]record.Sample, error) {
	return append(dst, Environment{Host: "testhost"}.sampleAt(now, now.Add(-time.Millisecond), l.name, "meter:a")), nil
}

func TestRecorderKeepsOrder(t *testing.T) {
	set := &Set{sources: []Source{&fake{name: "a"}, &late{fake{name: "b"}}, &fake{name: "c"}}}
	r := Start(context.Background(), set, time.Hour)
	time.Sleep(2 * time.Millisecond)
	r.Now()
	r.Stop()
	rows := r.Drain()
	if !slices.IsSortedFunc(rows, func(a, b record.Sample) int { return int(a.TSUnixNS - b.TSUnixNS) }) || len(rows) != 12 {
		t.Errorf("saw %d rows, want 12 in order of time: %+v", len(rows), rows)
	}
}
