package backend

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/record"
)

func TestRegistryHasTheBackendsOfTR119(t *testing.T) {
	for _, name := range []string{"transformers-gpu-compile", "transformers-gpu", "transformers-cpu", "onnxruntime-gpu", "onnxruntime-cpu"} {
		b, ok := Lookup(name)
		if !ok {
			t.Errorf("%s is not registered", name)
			continue
		}
		if wantGPU := strings.Contains(name, "gpu"); wantGPU != (b.Device == record.GPU) {
			t.Errorf("%s: device %s", name, b.Device)
		}
	}
}

func TestSupports(t *testing.T) {
	b, _ := Lookup("onnxruntime-cpu")
	for name, c := range map[string]struct {
		spec Spec
		mode record.Mode
		want Reason
	}{
		"fine":          {Spec{Precision: "fp32", Settings: map[string]string{"graph_optimization": "basic"}}, record.Prefill, ""},
		"mode":          {Spec{Precision: "fp32"}, "dance", ModeUnsupported},
		"precision":     {Spec{Precision: "fp8"}, record.Prefill, PrecisionUnsupported},
		"setting":       {Spec{Precision: "fp32", Settings: map[string]string{"speed": "max"}}, record.Prefill, SettingUnsupported},
		"setting value": {Spec{Precision: "fp32", Settings: map[string]string{"graph_optimization": "99"}}, record.Prefill, SettingUnsupported},
	} {
		err := b.Supports(c.spec, c.mode)
		var missing *Unavailable
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: saw %v", name, err)
			}
		} else if !errors.As(err, &missing) || missing.Reason != c.want {
			t.Errorf("%s: saw %v, want %s", name, err, c.want)
		}
	}
}

func TestArgmax(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		in   []float32
		want int64
	}{{[]float32{1, 3, 2}, 1}, {[]float32{2, 2, 1}, 0}, {[]float32{nan, -5, nan}, 1}, {[]float32{-3}, 0}} {
		if got, err := argmax(c.in); err != nil || got != c.want {
			t.Errorf("argmax(%v): saw %d, %v, want %d", c.in, got, err, c.want)
		}
	}
	for at := range 21 { // in every place of a block, and behind the last; the second of a tie comes later
		logits := make([]float32, 23)
		logits[at], logits[min(at+1, 21)], logits[22] = 4, 4, nan
		if got, err := argmax(logits); err != nil || got != int64(at) {
			t.Errorf("the largest at %d: saw %d, %v", at, got, err)
		}
	}
	var broken *RunError
	if _, err := argmax([]float32{nan, nan}); !errors.As(err, &broken) || broken.Reason != OutputInvalid {
		t.Errorf("all NaN: saw %v", err)
	}
}

// TestReasonsAreDocumented holds docs/reasons.md against the code.
func TestReasonsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for reason, text := range Reasons() {
		if !strings.Contains(string(doc), "| `"+string(reason)+"` | "+text+" |") {
			t.Errorf("docs/reasons.md lacks: | `%s` | %s |", reason, text)
		}
	}
	for flag, text := range Flags() {
		if !strings.Contains(string(doc), "| `"+string(flag)+"` | "+text+" |") {
			t.Errorf("docs/reasons.md lacks: | `%s` | %s |", flag, text)
		}
	}
}
