package report

import (
	"math"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/compare"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/roofline"
	"github.com/banterhearts/bh/pkg/units"
)

// TestVerdictsThatTheDataDoNotCarry: a verdict is not known, everywhere, where the intervals cover several, and where other
// work ran beside the runs.
func TestVerdictsThatTheDataDoNotCarry(t *testing.T) {
	wide := loaded(t, resourceFolder(t, roofs10()))
	for key, s := range wide.Runs.resources {
		if key.mode == record.GenerateCached && key.subject.backend == "onnxruntime-cpu" {
			s.values[resStepMS.index] = []float64{20, 50, 150}
		}
	}
	loud := loaded(t, resourceFolder(t, roofs10()))
	for i := range loud.Stats.Runs.Isolation {
		loud.Stats.Runs.Isolation[i].ForeignMeanPct = units.Ptr(12.5)
	}
	if len(loud.Stats.Runs.Isolation) == 0 {
		loud.Stats.Runs.Isolation = []compare.Isolation{{Backend: "onnxruntime-cpu", ForeignMeanPct: units.Ptr(12.5)}}
	}
	for _, c := range []struct {
		in   *Inputs
		said map[string]string // what a line begins with, and has
	}{
		{wide, map[string]string{
			"What holds **onnxruntime-cpu** back in `generate-cached`: **not known** (": "cover more than one verdict: memory bandwidth, ",
			"**onnxruntime-cpu** in `generate-cached`: **not known**, as ":              "cover more than one verdict: memory bandwidth, ",
			"Held back by: ": "cover more than one verdict: memory bandwidth, ",
		}},
		{loud, map[string]string{ // one line where nothing is known of any
			"- What holds the backends back: **not known** of any, as ":    "other processes used more than 5% of the CPUs beside the runs (onnxruntime-cpu in prefill, onnxruntime-cpu in generate-cached)",
			"4. What holds the backends back: **not known** of any, as ":   "other processes used more than 5% of the CPUs beside the runs (",
			"**onnxruntime-cpu** in `generate-cached`: **not known**, as ": "other processes used 12.5% of the CPUs beside its runs, more than 5%",
		}},
	} {
		md := renderedMarkdown(t, c.in)
		for where, want := range c.said {
			found := false
			for line := range strings.Lines(md) {
				if strings.Contains(line, where) {
					found = true
					if !strings.Contains(line, want) {
						t.Errorf("%q is not followed by %q: %s", where, want, line)
					}
				}
			}
			if !found {
				t.Errorf("report.md lacks %q", where)
			}
		}
	}
}

// TestLogitsOfTheLastPosition: Ollama's prefill is less work by what the other positions' logits would have taken, and
// that of another server is not known.
func TestLogitsOfTheLastPosition(t *testing.T) {
	k := roofs10()
	in := loaded(t, resourceFolder(t, k))
	for _, s := range in.Runs.resources {
		s.threads = int64(k.Threads)
	}
	flop := func(want string) {
		t.Helper()
		if got := Build(in).table(t, "Model bandwidth").at(t, "gflop_per_step", "ollama", "prefill", "one"); got != want {
			t.Errorf("operations of ollama's prefill: saw %s, want %s", got, want)
		}
	}
	flop(units.Absent) // without the size of the vocabulary
	in.Manifest.Model.VocabSize = 10_000
	flop("18.42") // 20.4 - 99 * 2 * 1000 * 10000 / 1e9
	if got := Build(in).table(t, "Model bandwidth").number(t, "mfu_pct", "onnxruntime-cpu", "prefill", "one"); math.Abs(got/(100*2.04e10/0.255255/1e11)-1) > 0.01 {
		t.Errorf("MFU of a backend that computes all logits: saw %v", got)
	}
	logitsBy["ollama"] = logitsOfSome
	defer func() { logitsBy["ollama"] = logitsOfLast }()
	flop(units.Absent)
	if md := renderedMarkdown(t, in); !strings.Contains(md, "of which positions of a prompt the server computes logits is not known") {
		t.Error("it is not said why the operations are not known")
	}
}

// TestCalibrationThatIsDoubtful: another number of threads, and what others took of the processors, are warned of.
func TestCalibrationThatIsDoubtful(t *testing.T) {
	of := func(change func(*roofline.Calibration)) *data {
		k := roofs10()
		change(k)
		return newData(loaded(t, resourceFolder(t, k)))
	}
	for _, c := range []struct {
		d    *data
		want string
	}{
		{of(func(k *roofline.Calibration) { k.Threads = 1 }), "it is of 1 thread, and ollama had as many as the server chose, onnxruntime-cpu had 2"},
		{of(func(k *roofline.Calibration) { k.ForeignCPUPct = units.Ptr(units.Percent(1.5)) }), "other processes used 1.5% of the processors' time"},
		{of(func(k *roofline.Calibration) { k.CPUStealPct = units.Ptr(units.Percent(2)) }), "other virtual machines took 2% of the processors' time"},
	} {
		if outcome, saw := checkCalibration(c.d); outcome != warn || !strings.Contains(saw, c.want) {
			t.Errorf("saw %v, %q; want a warning of %q", outcome, saw, c.want)
		}
	}
	told := of(func(k *roofline.Calibration) {
		k.ForeignCPUPct, k.CPUStealPct = units.Ptr(units.Percent(60.71)), units.Ptr(units.Percent(4.661))
		k.Warnings = []string{"other processes used 60.7% of the processors' time: idle it", "other virtual machines took 4.7% of the processors' time"}
	})
	if _, saw := checkCalibration(told); strings.Count(saw, "other processes used") != 1 || strings.Count(saw, "other virtual machines took") != 1 {
		t.Errorf("saw %q; want what the calibration warns of told once", saw)
	}
	d := of(func(k *roofline.Calibration) { k.Threads = 1 })
	for _, b := range d.bottlenecks() {
		if text := b.full().plain(); !strings.Contains(text, "calibrated with 1 thread, the runs had") || strings.Contains(text, "scenarios") {
			t.Errorf("the verdict is not explained by the number of threads: %s", text)
		}
	}
	low := of(func(k *roofline.Calibration) { k.BandwidthBytesPerS = units.Ptr(5e9) })
	for _, b := range low.bottlenecks() {
		if b.label == "onnxruntime-cpu" && b.mode == record.GenerateCached {
			for _, text := range []string{b.full().plain(), b.short().plain()} {
				if !strings.Contains(text, "bove 100%: the roof was measured too low") {
					t.Errorf("an MBU above 100%% without a comment: %s", text)
				}
			}
		}
	}
}
