package pipelines

import (
	"strings"
	"testing"

	"github.com/banterhearts/bh/pkg/matrix"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/workload"
)

// TestMatrix117 holds the matrix of TR117 against its specification.
func TestMatrix117(t *testing.T) {
	m, err := matrix.Load("tr117/matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if m.Seed != 42 || m.Temperature != 0.7 || m.MaxNewTokens != 128 || len(m.Modes) != 1 || m.Modes[0] != record.GenerateCached {
		t.Errorf("seed %d, temperature %v, at most %d tokens, modes %v", m.Seed, m.Temperature, m.MaxNewTokens, m.Modes)
	}
	var names []string
	for _, b := range m.Backends {
		names = append(names, b.Name)
	}
	want := "transformers-cpu transformers-cpu-compile transformers-gpu transformers-gpu-compile ollama openai onnxruntime-cpu onnxruntime-gpu tensorrt"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("backends %s, want %s", got, want)
	}
	if got := len(m.Plan()); got != 49*len(names) {
		t.Errorf("%d runs, want 49 per backend", got)
	}
	words := map[string][2]int{"micro": {1, 2}, "short": {8, 15}, "medium": {20, 30}, "long": {40, 50}, "stress": {80, 1000},
		"dual_short": {8, 15}, "dual_medium": {20, 30}}
	if len(m.Scenarios) != len(words) {
		t.Errorf("%d scenarios, want %d", len(m.Scenarios), len(words))
	}
	for _, s := range m.Scenarios {
		requests := int64(1)
		if strings.HasPrefix(s.Name, "dual_") {
			requests = 2
		}
		if s.Concurrency != requests || s.BatchSize != requests || len(s.Prompts) != int(requests) {
			t.Errorf("%s: %d requests of %d prompts in a batch of %d, want %d", s.Name, s.Concurrency, len(s.Prompts), s.BatchSize, requests)
		}
		for _, text := range s.Prompts {
			if n := len(strings.Fields(text)); n < words[s.Name][0] || n > words[s.Name][1] {
				t.Errorf("%s: %d words, want %d to %d", s.Name, n, words[s.Name][0], words[s.Name][1])
			}
			ids, err := workload.Encode(text)
			if err != nil || len(ids) != int(s.PromptTokens) {
				t.Errorf("%s: %d tokens, want %d and no padding: %v", s.Name, len(ids), s.PromptTokens, err)
			}
		}
		if len(s.Prompts) == 2 && s.Prompts[0] == s.Prompts[1] {
			t.Errorf("%s: both requests have one prompt", s.Name)
		}
	}
}
