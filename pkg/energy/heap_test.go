package energy

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// machineSamples yields what a recorder has of a machine of two sockets and eight GPUs, 25 rows a sweep. The sample is
// the same one each time, as that of a reader may be.
func machineSamples(interval, length int64, each func(*record.Sample)) {
	var joules units.Joules
	var watts, average units.Watts
	var bytes units.Bytes
	var percent units.Percent
	var ns, offset int64
	row := func(t int64, source, device string) *record.Sample {
		return &record.Sample{Schema: record.SchemaSample, Host: "h", TSUnixNS: t0 + t, Source: source, Device: device}
	}
	names := map[string][]string{"gpu": nil, "cpu": nil}
	for i := range 8 {
		names["gpu"] = append(names["gpu"], fmt.Sprintf("gpu:%d", i))
	}
	for i := range 2 {
		names["cpu"] = append(names["cpu"], fmt.Sprintf("cpu:%d", i), fmt.Sprintf("core:%d", i), fmt.Sprintf("dram:%d", i))
	}
	for t := int64(0); t <= length; t += interval {
		joules, watts, average = units.Joules(100*float64(t)/1e9), 100, 100
		bytes, percent, ns = units.Bytes(1e9+t/1e6), 50, t
		s := row(t, record.SourceRecorder, record.RecorderDevice)
		s.WallOffsetNS, s.LateNS = &offset, &ns
		each(s)
		for _, d := range names["cpu"] {
			s := row(t, "rapl", d)
			s.EnergyCounterJoules = &joules
			each(s)
		}
		for _, d := range names["gpu"] {
			s := row(t, "nvml", d)
			s.EnergyCounterJoules, s.PowerW, s.PowerAvgW, s.UtilPct, s.MemUsedBytes = &joules, &watts, &average, &percent, &bytes
			each(s)
		}
		s = row(t, "processes", record.DeviceProcesses)
		s.MemUsedBytes, s.CPUTimeNS = &bytes, &ns
		each(s)
		for i := range 9 {
			s := row(t, "hwmon", names["gpu"][i%8]+"x")
			s.UtilPct = &percent
			each(s)
		}
	}
}

// joinLong joins n runs of two seconds, one every period, and returns the most heap that was held on the way, beyond what
// there was before.
func joinLong(t *testing.T, interval, length, period int64) (sum Summary, heap uint64) {
	t.Helper()
	j := NewJoiner()
	var runs []*record.Run
	for at := period; at+3000*ms < length; at += period {
		device := record.CPU
		if len(runs)%2 == 1 {
			device = record.GPU
		}
		runs = append(runs, okRun(fmt.Sprint(len(runs)), device, at, at+2000*ms, 1))
		if err := j.Add(runs[len(runs)-1]); err != nil {
			t.Fatal(err)
		}
	}
	held := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	runtime.GC()
	metrics.Read(held)
	before, n := held[0].Value.Uint64(), 0
	machineSamples(interval, length, func(s *record.Sample) {
		j.Sample(s)
		if n++; n%100_000 == 0 {
			runtime.GC()
			metrics.Read(held)
			heap = max(heap, held[0].Value.Uint64()-min(before, held[0].Value.Uint64()))
		}
	})
	sum = j.Finish()
	for _, r := range runs {
		if r.EnergyJoules == nil || r.EnergyGrade != record.GradeB && r.Device == record.CPU {
			t.Fatalf("run %s: saw %s, grade %s, %s", r.RunID, units.G4Ptr(r.EnergyJoules), r.EnergyGrade, r.EnergyReasons)
		}
		want := map[record.Device]float64{record.CPU: 400, record.GPU: 1600}[r.Device]
		wantNear(t, r.RunID, r.EnergyJoules, want)
	}
	return sum, heap
}

// Four minutes of a large machine: what is held does not grow with the recording.
func TestJoinerHeap(t *testing.T) {
	sum, heap := joinLong(t, 40*ms, 240_000*ms, 5000*ms)
	if want := 25 * 6001; sum.Samples != want {
		t.Errorf("saw %d samples, want %d", sum.Samples, want)
	}
	if limit := uint64(16 << 20); heap > limit {
		t.Errorf("held %d bytes, want %d at most", heap, limit)
	}
}

// BenchmarkJoinMachine is the cost of one sample of a large machine, with a window open two seconds of every four.
func BenchmarkJoinMachine(b *testing.B) {
	j := NewJoiner()
	for i := range int64(10_000) {
		if err := j.Add(okRun(fmt.Sprint(i), record.GPU, i*4000*ms, i*4000*ms+2000*ms, 1)); err != nil {
			b.Fatal(err)
		}
	}
	var sweep []record.Sample
	machineSamples(10*ms, 0, func(s *record.Sample) { sweep = append(sweep, *s) })
	at, i := int64(0), 0
	b.ReportAllocs()
	for b.Loop() {
		s := &sweep[i]
		s.TSUnixNS = t0 + at
		j.Sample(s)
		if i++; i == len(sweep) {
			i, at = 0, at+10*ms
		}
	}
}
