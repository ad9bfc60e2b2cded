package energy

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// A package or GPU that is first read long after a run lacks in its energy all the same, however far behind its window that is; of
// another source, which lacks none, it is taken.
func TestDevicesThatBeginLate(t *testing.T) {
	draws := func(watts float64) func(*record.Sample) {
		return counterAt(func(s float64) float64 { return watts * s })
	}
	read := func(source, device string, from int64, watts float64) []record.Sample {
		return every(50*ms, from, 60_000*ms, source, device, draws(watts))
	}
	own := func(s *record.Sample) { both(draws(300), ownMemory(1e9))(s) }
	whole := slices.Concat(read("amd-energy", "cpu:0", 0, 100), read("amd-energy", "cpu:1", 0, 70))
	for _, c := range []struct {
		name    string
		device  record.Device
		others  []record.Sample
		want    float64
		reasons string
	}{
		{"none", record.CPU, nil, 200, CounterOnly},
		{"a second package", record.CPU, read("rapl", "cpu:1", 40_000*ms, 50), 0, DeviceMissing},
		{"one inside the window's reach", record.CPU, read("rapl", "cpu:1", 13_000*ms, 50), 0, DeviceMissing},
		{"one beside a source that knows both", record.CPU, append(read("rapl", "cpu:1", 40_000*ms, 50), whole...), 340, CounterOnly},
		{"a part of the package", record.CPU, read("rapl", "core:0", 40_000*ms, 50), 200, CounterOnly},
		{"a package of another source", record.CPU, read("perf", "cpu:1", 40_000*ms, 50), 200, CounterOnly},
		{"a second GPU beside the one that the run was on", record.GPU, slices.Concat(every(50*ms, 0, 60_000*ms, "nvml", "gpu:0", own),
			read("nvml", "gpu:1", 40_000*ms, 50)), 600, CounterOnly},
		{"a second GPU, and nobody tells whose work it was", record.GPU, slices.Concat(read("nvml", "gpu:0", 0, 300),
			read("nvml", "gpu:1", 40_000*ms, 50)), 0, DeviceMissing},
	} {
		run := okRun("1", c.device, 10_000*ms, 12_000*ms, 1)
		joinAll(t, slices.Concat(read("rapl", "cpu:0", 0, 100), c.others), run)
		if run.EnergyReasons != c.reasons || (run.EnergyJoules == nil) != (c.want == 0) {
			t.Errorf("%s: saw %s, want %s", c.name, run.EnergyReasons, c.reasons)
		}
		if c.want > 0 {
			wantNear(t, c.name, run.EnergyJoules, c.want)
		}
	}
}

// Two meters of a machine may measure the same, and are not added up, also where the second one comes late; batteries are. A
// device that is named is taken alone, whatever it measures.
func TestSeveralMeters(t *testing.T) {
	watts := func(w float64) func(*record.Sample) { return powerAt(func(s float64) float64 { return w + s/10 }) }
	read := func(source, device string, from int64, w float64) []record.Sample {
		return every(100*ms, from, 60_000*ms, source, device, watts(w))
	}
	samples := slices.Concat(read("meter", "meter:wall", 0, 200), read("meter", "meter:ups", 0, 210), read("other", "meter:early", 0, 200),
		read("other", "meter:late", 40_000*ms, 210), read("battery", "battery:0", 0, 20), read("battery", "battery:1", 0, 30),
		read("rapl", "cpu:0", 0, 60), read("rapl", "cpu:1", 0, 70), read("nvml", "gpu:0", 0, 100), read("nvml", "gpu:1", 0, 150),
		read("box", "system", 0, 400), read("box", "system:2", 0, 410))
	for _, c := range []struct {
		source  string
		device  record.Device
		want    float64 // watts at the beginning of the recording
		reasons string
	}{
		{"meter", record.CPU, 0, SeveralMeters},
		{"other", record.CPU, 0, SeveralMeters},
		{"box", record.CPU, 0, SeveralMeters},
		{"meter:wall", record.CPU, 200, PowerOnly},
		{"meter:ups", record.GPU, 210, PowerOnly},
		{"meter:early", record.CPU, 200, PowerOnly},
		{"battery", record.CPU, 50, PowerOnly},
		{"battery:1", record.CPU, 30, PowerOnly},
		{"cpu:1", record.CPU, 70, PowerOnly},
		{"gpu:1", record.GPU, 150, PowerOnly},
		{"nvml", record.GPU, 250, PowerOnly + "," + SeveralGPUs},
		{"meter:none", record.CPU, 0, NoPowerSource},
	} {
		w := window(c.device, 10_000*ms, 14_000*ms)
		w.Source = c.source
		r := Of(samples, w)
		if saw := strings.Join(r.Reasons, ","); saw != c.reasons || (r.Joules == nil) != (c.want == 0) {
			t.Errorf("%s: saw %v, want %s", c.source, saw, c.reasons)
		}
		if c.want > 0 {
			sensors := map[string]float64{"battery": 2, "nvml": 2}[c.source]
			wantNear(t, c.source, r.MeanPower, c.want+1.2*max(sensors, 1))
		}
	}
}

// Batteries that drain one after the other are read one after the other: the one that drains is what the machine draws.
func TestBatteriesInTurn(t *testing.T) {
	read := func(device string, from, to int64, w float64) []record.Sample {
		return every(1000*ms, from, to, "battery", device, powerAt(func(s float64) float64 { return w + s/1e6 }))
	}
	samples := slices.Concat(read("battery:BAT1", 0, 300_000*ms, 15), read("battery:BAT0", 301_000*ms, 600_000*ms, 16))
	for _, c := range []struct {
		from, to int64
		want     float64
		reasons  string
	}{
		{50_000 * ms, 150_000 * ms, 1500, PowerOnly},
		{400_000 * ms, 500_000 * ms, 1600, PowerOnly},
		{302_000 * ms, 402_000 * ms, 1600, PowerOnly},
		{250_000 * ms, 350_000 * ms, 0, PartlyCovered}, // what was drawn while the two changed is not known
		{700_000 * ms, 800_000 * ms, 0, NoSamples},
	} {
		run := okRun("1", record.CPU, c.from, c.to, 1)
		j := NewJoiner()
		j.Source = "battery"
		if err := j.Add(run); err != nil {
			t.Fatal(err)
		}
		for i := range samples {
			j.Sample(&samples[i])
		}
		j.Finish()
		if run.EnergyReasons != c.reasons || (run.EnergyJoules == nil) != (c.want == 0) {
			t.Errorf("from %d s: saw %s J, %s, want %g J, %s", c.from/1000/ms, units.G4Ptr(run.EnergyJoules), run.EnergyReasons, c.want, c.reasons)
		} else if c.want > 0 && math.Abs(float64(*run.EnergyJoules)-c.want) > 0.2 {
			t.Errorf("from %d s: saw %v J, want %g", c.from/1000/ms, *run.EnergyJoules, c.want)
		}
	}
}
