//go:build integration && linux

package telemetry_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/energy"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/telemetry"
)

// TestSlowKernel runs bh-telemetry in a virtual machine whose kernel and drivers are Debian's, behind which the hardware is
// simulated: what it says and records is compared with the power that the hardware was made to have.
func TestSlowKernel(t *testing.T) {
	l := newLab(t)
	t.Logf("Linux %s, QEMU with %s", l.release, accelerator())
	b := newBMC(t)
	folder := l.start(t, "measure.sh", "2,sockets=2", b.args()...).files(t)
	t.Run("doctor", func(t *testing.T) { checkDoctor(t, folder) })
	t.Run("counters", func(t *testing.T) { checkCounters(t, folder) })
	t.Run("wrap", func(t *testing.T) { checkWraps(t, folder) })
	t.Run("gone", func(t *testing.T) { checkGone(t, folder) })
	t.Run("powers", func(t *testing.T) { checkPowers(t, filepath.Join(folder, "rapl-47.parquet")) })
	for _, after := range []time.Duration{3 * time.Second, 6700 * time.Millisecond} {
		t.Run("power cut", func(t *testing.T) { cutPower(t, l, after) })
	}
}

// findings is what the doctor said, by source.
func findings(t *testing.T, folder, name string) map[string]telemetry.Finding {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(folder, name))
	var list []telemetry.Finding
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		t.Fatalf("%s: %v; what ran:\n%s", name, err, text(filepath.Join(folder, "steps.log")))
	}
	out := map[string]telemetry.Finding{}
	for _, f := range list {
		out[f.Source] = f
	}
	return out
}

func text(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// What the doctor says without drivers, as root, as a user, and as that user after what it says to run was run.
func checkDoctor(t *testing.T, folder string) {
	for _, c := range []struct {
		doctor, source string
		status         telemetry.Status
		says           string
	}{
		{"bare", "rapl", telemetry.Absent, "a virtual machine whose hypervisor passes no RAPL counters through"},
		{"bare", "perf", telemetry.Absent, "the kernel has no energy events here"},
		{"root", "rapl", telemetry.Present, "2 packages with core, dram, psys, uncore, a counter wraps after 262143 J"},
		{"root", "hwmon", telemetry.Present, "system (its own mean), board:ltc4215/power1"},
		{"root", "ipmi", telemetry.Present, "the controller says 3"},
		{"root", "battery", telemetry.Present, "BAT0 discharges now, BAT1 discharges now"},
		{"user", "rapl", telemetry.NoAccess, "/sys/class/powercap/intel-rapl:0/energy_uj: permission denied"},
		{"user", "perf", telemetry.NoAccess, "kernel.perf_event_paranoid (3) keeps from this user"},
		{"user", "ipmi", telemetry.NoAccess, "/dev/ipmi0: permission denied"},
		{"user", "hwmon", telemetry.Present, "system"},
		{"user-perf", "rapl", telemetry.NoAccess, ""},
		{"user-perf", "perf", telemetry.Present, "2 packages, cpu, core, uncore, dram, psys"},
		{"user-granted", "rapl", telemetry.Present, "2 packages"},
		{"user-granted", "ipmi", telemetry.Present, "the controller says"},
		{"perf-only", "rapl", telemetry.Absent, ""},
		{"perf-only", "perf", telemetry.Present, "2 packages"},
	} {
		f := findings(t, folder, "doctor-"+c.doctor+".json")[c.source]
		if f.Status != c.status || !strings.Contains(f.Detail, c.says) {
			t.Errorf("%s: %s: saw %q %q, want %q %q", c.doctor, c.source, f.Status, f.Detail, c.status, c.says)
		}
		if c.doctor == "user" && f.Fix != "" {
			t.Logf("as a user: %s: %s; try: %s", c.source, f.Detail, f.Fix)
		}
	}
}

// counterRecordings are those of measure.sh that have every counter.
var counterRecordings = []struct {
	file, source string
	interval     string
}{
	{"rapl-47", "rapl", "47 ms"}, {"rapl-10", "rapl", "10 ms"}, {"perf-47", "perf", "47 ms"}, {"perf-10", "perf", "10 ms"},
	{"perf-user", "perf", "47 ms, as a user"},
}

func checkCounters(t *testing.T, folder string) {
	w := readTruth(t)
	var all tally
	lines := fmt.Sprintf("%-24s %-8s %8s %9s %9s %6s %9s %7s %7s %8s %7s %8s %7s  %s\n", "recording", "device", "readings", "counter", "truth",
		"off", "windows", "median", "95%", "largest", "of A, B", "covered", "bound", "A, B, C")
	for _, c := range counterRecordings {
		rows := readSamples(t, filepath.Join(folder, c.file+".parquet"))
		for _, device := range []string{"cpu:0", "cpu:1", "core:0", "core:1", "uncore:0", "uncore:1", "dram:0", "dram:1"} {
			one := of(rows, c.source, device)
			if len(one) < 20 {
				t.Errorf("%s: saw %d rows of %s", c.file, len(one), device)
				continue
			}
			counted, true1 := checkReadings(t, w, w.of(t, device), one)
			sum := checkWindows(w, w.of(t, device), one)
			all.add(sum)
			lines += fmt.Sprintf("%-24s %-8s %8d %7.1f J %7.1f J %5.2f%%  %s\n", c.source+", "+c.interval, device, len(one), counted, true1,
				100*(counted/true1-1), sum)
			if share := float64(sum.covered) / float64(sum.windows); share < 0.90 {
				t.Errorf("%s: %s: the bound covers %.1f%% of the windows", c.file, device, 100*share)
			}
		}
	}
	t.Logf("\n%s%-70s%s", lines, "all", all)
	if share := float64(all.covered) / float64(all.windows); share < 0.95 {
		t.Errorf("the bound covers %.1f%% of the windows, want 95%%", 100*share)
	}
	if all.wrong > 0 {
		t.Errorf("saw %d windows off by more than 5%% with grade A", all.wrong)
	}
}

// checkWraps makes sure that every counter of powercap wrapped while it was recorded.
func checkWraps(t *testing.T, folder string) {
	for _, name := range []string{"rapl-47", "rapl-10"} {
		before := strings.Fields(text(filepath.Join(folder, name+".before")))
		after := strings.Fields(text(filepath.Join(folder, name+".after")))
		wrapped := 0
		for i, b := range before {
			x, err1 := strconv.ParseUint(b, 10, 64)
			y, err2 := strconv.ParseUint(after[min(i, len(after)-1)], 10, 64)
			if err1 == nil && err2 == nil && y < x {
				wrapped++
			}
		}
		if wrapped != 10 || len(before) != 10 || len(after) != 10 {
			t.Errorf("%s: saw %d of %d counters wrap, want 10", name, wrapped, len(before))
		}
	}
}

// checkGone: a driver that goes away while it is recorded is told of, and the others go on.
func checkGone(t *testing.T, folder string) {
	last := map[string]int64{}
	for _, s := range readSamples(t, filepath.Join(folder, "gone.parquet")) {
		last[s.Source] = s.TSUnixNS
	}
	if silent := time.Duration(last["hwmon"] - last["rapl"]); last["rapl"] == 0 || silent < time.Second {
		t.Errorf("saw the last counter %v before the last power", silent)
	}
	said := text(filepath.Join(folder, "gone.log"))
	if !strings.Contains(said, "rapl") || !strings.Contains(said, "no such device") {
		t.Errorf("saw %q, want to be told that the driver is gone", said)
	}
	t.Logf("a driver that goes away: %s", strings.ReplaceAll(strings.TrimSpace(said), "\n", "; "))
}

// of is the readings of a device, whose counter is that of a processor from here on.
func of(rows []record.Sample, source, device string) (out []record.Sample) {
	for _, s := range rows {
		if s.Source == source && s.Device == device && s.EnergyCounterJoules != nil {
			s.Device = "cpu:0"
			out = append(out, s)
		}
	}
	return out
}

// checkReadings holds every reading to what its row says: that the counter was updated at its time, or as much before as
// counter_update_ns tells. It returns what was counted and what was drawn from the first to the last reading.
func checkReadings(t *testing.T, w truth, p part, rows []record.Sample) (counted, drawn float64) {
	t.Helper()
	update, firstUpdate := int64(0), int64(0)
	first := &rows[0]
	wrong := 0
	for i := range rows {
		s := &rows[i]
		if s.CounterUpdateNS != nil {
			update = *s.CounterUpdateNS
		}
		if i == 0 {
			firstUpdate = update
			continue
		}
		counted = float64(*s.EnergyCounterJoules - *first.EnergyCounterJoules)
		drawn = w.joules(p, first.TSUnixNS, s.TSUnixNS)
		low := w.joules(p, first.TSUnixNS, s.TSUnixNS-update) - clockSlack*p.most(w)
		high := w.joules(p, first.TSUnixNS-firstUpdate, s.TSUnixNS) + clockSlack*p.most(w)
		if counted < low*(1-unitSlack) || counted > high*(1+unitSlack) {
			if wrong++; wrong <= 3 {
				t.Errorf("%s: reading %d: counted %.4f J, want %.4f to %.4f J", p.device, i, counted, low, high)
			}
		}
	}
	if wrong > 3 {
		t.Errorf("%s: %d of %d readings are wrong", p.device, wrong, len(rows))
	}
	return counted, drawn
}

const (
	clockSlack = 100e-6 // seconds: the wall clock, which the wave follows, and the recorder's are not read at once
	unitSlack  = 1e-5   // the driver rounds its unit down to 61.035 of 61.035156 uJ
)

// tally is how far energies of windows were off.
type tally struct {
	windows, covered, wrong int
	off, bounds             []float64 // relative to the energy
	largest                 float64   // of those whose grade is B or better
	grades                  map[record.Grade]int
}

func (s *tally) add(o tally) {
	s.windows, s.covered, s.wrong = s.windows+o.windows, s.covered+o.covered, s.wrong+o.wrong
	s.off, s.bounds, s.largest = append(s.off, o.off...), append(s.bounds, o.bounds...), max(s.largest, o.largest)
	if s.grades == nil {
		s.grades = map[record.Grade]int{}
	}
	for g, n := range o.grades {
		s.grades[g] += n
	}
}

func (s tally) String() string {
	slices.Sort(s.off)
	slices.Sort(s.bounds)
	at := func(v []float64, q float64) float64 { return 100 * v[int(q*float64(len(v)-1))] }
	return fmt.Sprintf("%8d %6.2f%% %6.2f%% %7.2f%% %6.2f%% %7.1f%% %6.2f%%  %d, %d, %d", s.windows, at(s.off, 0.5), at(s.off, 0.95),
		at(s.off, 1), 100*s.largest, 100*float64(s.covered)/float64(s.windows), at(s.bounds, 0.5),
		s.grades[record.GradeA], s.grades[record.GradeB], s.grades[record.GradeC])
}

// checkWindows compares the energies of random windows of half a second to three with the truth.
func checkWindows(w truth, p part, rows []record.Sample) (sum tally) {
	r := rand.New(rand.NewPCG(20261122, 1))
	sum.grades = map[record.Grade]int{}
	from, to := rows[0].TSUnixNS+2e8, rows[len(rows)-1].TSUnixNS-2e8
	for range 200 {
		length := int64(5e8 + 2.5e9*r.Float64())
		start := from + int64(r.Float64()*float64(to-from-length))
		got := energy.Of(rows, energy.Window{Start: start, End: start + length, Device: record.CPU})
		sum.windows++
		if got.Joules == nil || got.Error == nil {
			sum.grades[got.Grade]++
			sum.covered++ // nothing is claimed
			continue
		}
		want := w.joules(p, start, start+length)
		off := math.Abs(float64(*got.Joules) - want)
		if off <= float64(*got.Error) {
			sum.covered++
		}
		if off > 0.05*want && got.Grade == record.GradeA {
			sum.wrong++
		}
		if got.Grade <= record.GradeB {
			sum.largest = max(sum.largest, off/want)
		}
		sum.off, sum.bounds = append(sum.off, off/want), append(sum.bounds, float64(*got.Error)/want)
		sum.grades[got.Grade]++
	}
	return sum
}

// checkPowers holds the readings of the controller, the chips and the batteries to what they were made to say.
func checkPowers(t *testing.T, file string) {
	seen := map[string][]float64{}
	for _, s := range readSamples(t, file) {
		key := s.Source + " " + s.Device
		if s.PowerW != nil {
			seen[key] = append(seen[key], float64(*s.PowerW))
		}
		if s.PowerAvgW != nil {
			seen[key+" mean"] = append(seen[key+" mean"], float64(*s.PowerAvgW))
			if want := map[string]int64{"ipmi": bmcSpan * 1e6, "hwmon": 1e9}[s.Source]; s.PowerAvgNS == nil || *s.PowerAvgNS != want {
				t.Errorf("%s: saw a mean over %v ns, want %d", key, s.PowerAvgNS, want)
			}
		}
	}
	for key, want := range map[string][]float64{
		"hwmon board:ltc4215/power1": {45.48875},
		"hwmon system mean":          {187.5, 312.5},
		"battery battery:BAT0":       {17.5},
		"battery battery:BAT1":       {10},
		"ipmi system mean":           {bmcMean},
	} {
		n := len(seen[key])
		if got := slices.Compact(slices.Sorted(slices.Values(seen[key]))); n < 5 || !slices.Equal(got, want) {
			t.Errorf("%s: saw %d readings of %v W, want %v", key, n, got, want)
		}
		t.Logf("%s: %d readings, all %v W", key, n, want)
	}
	answers := seen["ipmi system"]
	for i := 1; i < len(answers); i++ {
		if answers[i] != answers[i-1]+bmcStep {
			t.Errorf("ipmi: saw %v W after %v, want each of the controller's answers once and in order", answers[i], answers[i-1])
		}
	}
	t.Logf("ipmi system: %d readings, from %v W in steps of %d, as the controller gave them", len(answers), answers[0], bmcStep)
}
