package report

import (
	"math"
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/manifest"
)

// TestSilentServer: a server that tells no times is named, and is not simply left out.
func TestSilentServer(t *testing.T) {
	in := requests(t, requestRuns())
	table := Build(in).table(t, "What the client saw")
	if all, load, rest := table.number(t, "overhead_ms", "ollama"), table.number(t, "server_load_ms", "ollama"), table.number(t, "overhead_without_load_ms", "ollama"); math.Abs(all-load-rest) > 0.1 {
		t.Errorf("overhead %v, load %v, the rest %v", all, load, rest)
	}
	const want = "Not split: transformers-gpu in generate-cached."
	if md := renderedMarkdown(t, in); strings.Contains(md, "Not split: t") {
		t.Error("no manifest says that a backend is a server")
	}
	in.Manifest = &manifest.Manifest{Backends: map[string]map[string]string{"transformers-gpu": {"server": "vllm"}, "ollama": {"server": "ollama"}, "tensorrt": {"server": "x"}}}
	if md := renderedMarkdown(t, in); !strings.Contains(md, want) {
		t.Errorf("report.md lacks %q", want)
	}
	in.Stats.Runs.Servers = nil
	if md := renderedMarkdown(t, in); !strings.Contains(md, "Not split: ollama in generate-cached, transformers-gpu in generate-cached.") {
		t.Error("without any counters the section is silent")
	}
}

func TestModelSkewIsALimit(t *testing.T) {
	runs := requestRuns()
	for i := range runs {
		if runs[i].Backend == "ollama" {
			runs[i].Model = "llama3-8b"
		}
	}
	in := requests(t, runs)
	in.Manifest = &manifest.Manifest{Backends: map[string]map[string]string{"a": {"weights": strings.Repeat("1", 64)}, "b": {"weights": strings.Repeat("2", 64)}}}
	md := renderedMarkdown(t, in)
	for _, want := range []string{"2 models (gpt2-124m, llama3-8b) in 2 scenarios: a difference between backends that ran different ones may be a difference between models.",
		"The backends did not run the same weights (111111111111 on a; 222222222222 on b)", "the backends differ in model too"} {
		if !strings.Contains(md, want) {
			t.Errorf("report.md lacks %q", want)
		}
	}
}
