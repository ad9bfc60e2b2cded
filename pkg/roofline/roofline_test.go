package roofline

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/units"
)

// gpt2 is GPT-2 124M.
var gpt2 = Shape{Parameters: 124_439_808, Layers: 12, Width: 768, Vocabulary: 50257}

// TestWorkByHand: the figures were worked out by hand from the formulas.
func TestWorkByHand(t *testing.T) {
	decode := Step{Batch: 4, Tokens: 1, Context: 100, Cached: true}
	if got, want := gpt2.Bytes(decode, 4), 497_759_232+2*12*768*100*4*4.0; got != want {
		t.Errorf("bytes of a step: saw %g, want %g", got, want)
	}
	if got, want := gpt2.FLOP(decode), (2*124_439_808+4*12*768*100.0)*4; got != want {
		t.Errorf("FLOP of a step: saw %g, want %g", got, want)
	}
	prefill := Step{Batch: 2, Tokens: 10, Context: 10}
	if got := gpt2.Bytes(prefill, 2); got != 2*124_439_808 {
		t.Errorf("bytes without a cache: saw %g, want the parameters alone", got)
	}
	if one := (Step{Batch: 1, Tokens: 1, Context: 10}); math.Abs(gpt2.FLOP(prefill)-20*gpt2.FLOP(one)) > 1 {
		t.Error("a pass over 20 positions is not 20 times one over one")
	}
}

// TestPositionsWithoutLogits: a prefill of 128 tokens with the last position's logits alone is 29.5% less work, as 127 of
// 128 positions are spared the 77 million operations of the output projection.
func TestPositionsWithoutLogits(t *testing.T) {
	all := Step{Batch: 4, Tokens: 128, Context: 128}
	last := all
	last.Bare = 127
	if got, want := gpt2.FLOP(all)-gpt2.FLOP(last), 4*127*2*768*50257.0; got != want {
		t.Errorf("the logits saved: saw %g operations, want %g", got, want)
	}
	if gpt2.Bytes(all, 4) != gpt2.Bytes(last, 4) {
		t.Error("the output projection is read for the last position too")
	}
}

func TestJudgeByItsRules(t *testing.T) {
	p := units.Ptr[float64]
	for _, c := range []struct {
		name string
		e    Evidence
		want Bound
	}{
		{"throttling comes first", Evidence{MBU: p(90), MFU: p(10), ThrottledPct: p(5.1)}, Throttled},
		{"little throttling does not", Evidence{MBU: p(90), MFU: p(10), ThrottledPct: p(5)}, MemoryBound},
		{"memory", Evidence{MBU: p(50), MFU: p(49)}, MemoryBound},
		{"above the roof", Evidence{MBU: p(130), MFU: p(60)}, MemoryBound},
		{"compute", Evidence{MBU: p(20), MFU: p(71)}, Compute},
		{"between", Evidence{MBU: p(49.9), MFU: p(30), CPUBusyPct: p(10)}, Between},
		{"idle threads", Evidence{MBU: p(24), MFU: p(3), CPUBusyPct: p(79)}, HostBound},
		{"time outside", Evidence{MBU: p(24), MFU: p(3), CPUBusyPct: p(99), OutsidePct: p(50)}, HostBound},
		{"busy and slow", Evidence{MBU: p(24), MFU: p(3), CPUBusyPct: p(80), OutsidePct: p(49)}, Between},
		{"busy is not known", Evidence{MBU: p(24), MFU: p(3)}, Between},
		{"no calibration", Evidence{CPUBusyPct: p(10)}, Unknown},
		{"half a calibration", Evidence{MBU: p(90)}, Unknown},
	} {
		if got, rule := Judge(c.e); got != c.want || rule == "" {
			t.Errorf("%s: saw %q (%s), want %q", c.name, got, rule, c.want)
		}
	}
}

func TestSettleTakesTheHighest(t *testing.T) {
	c := Calibration{Bandwidths: []Rate{{Kernel: "a", Best: 1, Median: 9}, {Kernel: "b", Best: 3}, {Kernel: "c", Best: 2}}}
	c.Settle()
	if c.BandwidthBytesPerS == nil || *c.BandwidthBytesPerS != 3 || c.BandwidthMethod != "b" || c.FLOPPerS != nil {
		t.Errorf("saw %+v", c)
	}
}

func TestCalibrationComesBack(t *testing.T) {
	c := &Calibration{Schema: Schema, Host: "h", Threads: 2, Bandwidths: []Rate{{Kernel: "read", Best: 1e10}}, FLOPAbsent: "no library"}
	c.Settle()
	data, err := c.JSON()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil || *got.BandwidthBytesPerS != 1e10 || got.FLOPAbsent != "no library" || got.FLOPPerS != nil {
		t.Fatalf("saw %+v, %v", got, err)
	}
	for _, bad := range []struct{ old, changed, want string }{
		{`"schema": "bh.calibration/1"`, `"schema": "bh.run/1"`, "field schema"},
		{`"threads": 2`, `"threads": 0`, "field threads"},
		{`"bandwidth_bytes_per_s": 10000000000`, `"bandwidth_bytes_per_s": 0`, "field bandwidth_bytes_per_s"},
		{`{`, `[`, path},
	} {
		text := strings.Replace(string(data), bad.old, bad.changed, 1)
		if text == string(data) {
			t.Fatalf("the file does not hold %s", bad.old)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(path); cli.ExitCode(err) != cli.ExitBadInput || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: saw %v, want bad input that names %s", bad.changed, err, bad.want)
		}
	}
}
