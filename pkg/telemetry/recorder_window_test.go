package telemetry

import (
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// resolved is a source of given rows that may know their resolution.
type resolved struct {
	fake
	rows  []record.Sample
	knows map[string]Resolution
}

func (f *resolved) Sample(_ time.Time, dst []record.Sample) ([]record.Sample, error) {
	return append(dst, f.rows...), nil
}

func (f *resolved) Resolution() map[string]Resolution { return f.knows }

func TestWindow(t *testing.T) {
	watts := func(source, device string) record.Sample {
		return record.Sample{Source: source, Device: device, PowerW: units.Ptr(units.Watts(1))}
	}
	counted := func(source, device string, update time.Duration) record.Sample {
		s := record.Sample{Source: source, Device: device, EnergyCounterJoules: units.Ptr(units.Joules(1))}
		if update > 0 {
			s.CounterUpdateNS = units.Ptr(int64(update))
		}
		return s
	}
	for name, c := range map[string]struct {
		sources []Source
		class   record.Device
		want    time.Duration
	}{
		"no source of the class":  {[]Source{&resolved{fake: fake{name: "a"}, rows: []record.Sample{watts("a", "gpu:0")}}}, record.CPU, 0},
		"the recorder's interval": {[]Source{&resolved{fake: fake{name: "a"}, rows: []record.Sample{watts("a", "cpu:0")}}}, record.CPU, 500 * ms},
		"the slowest of two devices": {[]Source{&resolved{fake: fake{name: "a"}, rows: []record.Sample{watts("a", "gpu:0"), watts("a", "gpu:1")},
			knows: map[string]Resolution{"gpu:0": {Power: 20 * ms}, "gpu:1": {Power: 100 * ms}}}}, record.GPU, 2000 * ms},
		"a counter": {[]Source{&resolved{fake: fake{name: "a"}, rows: []record.Sample{counted("a", "gpu:0", 0)},
			knows: map[string]Resolution{"gpu:0": {Counter: 90 * ms, Power: 100 * ms}}}}, record.GPU, 1800 * ms},
		"a counter that says so in its rows": {[]Source{&resolved{fake: fake{name: "a"},
			rows: []record.Sample{counted("a", "cpu:0", 80*ms), counted("a", "cpu:0", 0)}}}, record.CPU, 1600 * ms},
		"a counter of unknown period": {[]Source{&resolved{fake: fake{name: "a"}, rows: []record.Sample{counted("a", "cpu:0", 0)}}}, record.CPU, 500 * ms},
		"the quickest source": {[]Source{
			&resolved{fake: fake{name: "a"}, rows: []record.Sample{counted("a", "cpu:0", ms)}},
			&resolved{fake: fake{name: "b"}, rows: []record.Sample{watts("b", "cpu:0")}, knows: map[string]Resolution{"cpu:0": {Power: time.Second}}}},
			record.CPU, 500 * ms},
		"an estimate beside a sensor": {[]Source{
			&resolved{fake: fake{name: "a"}, rows: []record.Sample{watts("a", "cpu:0")}, knows: map[string]Resolution{"cpu:0": {Power: time.Second}}},
			&resolved{fake: fake{name: "e"}, rows: []record.Sample{watts(record.SourceCPUEstimate, "cpu")}}}, record.CPU, 20 * time.Second},
		"only an estimate": {[]Source{&resolved{fake: fake{name: "e"}, rows: []record.Sample{watts(record.SourceCPUEstimate, "cpu")}}}, record.CPU, 500 * ms},
		"only an estimate that is slow": {[]Source{&resolved{fake: fake{name: record.SourceCPUEstimate}, rows: []record.Sample{watts(record.SourceCPUEstimate, "cpu")},
			knows: map[string]Resolution{"cpu": {Power: 100 * ms}}}}, record.CPU, 1000 * ms},
	} {
		now := instant{}
		rec := clocked(&now, 50*ms, c.sources...)
		if got := rec.Window(c.class); got != 0 {
			t.Errorf("%s: before the first sweep: saw %v", name, got)
		}
		rec.Now()
		if got := rec.Window(c.class); got != c.want {
			t.Errorf("%s: saw %v, want %v", name, got, c.want)
		}
	}
}
