package matrix

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
)

const good = `experiment: demo
repetitions: 3
modes: [prefill, generate]
backends:
  - onnxruntime-cpu
  - {name: other, precision: fp16, threads: 2, settings: {b: "2", a: "1"}}
scenarios:
  - {name: one, batch_size: 1, prompt_tokens: 11}
  - {name: text, prompts: ["Hello, world!", "Hi"]}
`

func TestParseFillsDefaults(t *testing.T) {
	m, err := Parse("m.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if m.Seed != DefaultSeed || m.Warmups != DefaultWarmups || m.Order != Interleaved || m.MinWindow != DefaultMinWindow || m.Timeout != DefaultTimeout {
		t.Errorf("defaults: saw %+v", m)
	}
	if got := m.Backends[0]; got.Name != "onnxruntime-cpu" || got.Precision != "fp32" {
		t.Errorf("bare backend: saw %+v", got)
	}
	if got := m.Backends[1].SettingsString(); got != "a=1,b=2" {
		t.Errorf("settings: saw %q, want key order", got)
	}
	// "Hello, world!" is 4 tokens in GPT-2's encoding and "Hi" is 1; the longer one sets the padded length.
	if s := m.Scenarios[1]; s.BatchSize != 2 || s.PromptTokens != 4 || s.MaxNewTokens != DefaultMaxNew {
		t.Errorf("text scenario: saw %+v, want batch 2 x 4 tokens", s)
	}
}

func TestParseDuration(t *testing.T) {
	m, err := Parse("m.yaml", []byte(good+"min_window: 1s\ntimeout: 30s\n"))
	if err != nil {
		t.Fatal(err)
	}
	if m.MinWindow != time.Second || m.Timeout != 30*time.Second {
		t.Errorf("saw %s and %s", m.MinWindow, m.Timeout)
	}
}

// TestWindow: the sensors lengthen a window, up to the two limits; a window of one run stays one.
func TestWindow(t *testing.T) {
	m, err := Parse("m.yaml", []byte(good+"min_window: 1s\nmax_window: 8s\ntimeout: 12s\n"))
	if err != nil {
		t.Fatal(err)
	}
	for resolution, want := range map[time.Duration]time.Duration{
		0: time.Second, 200 * time.Millisecond: time.Second, 5 * time.Second: 5 * time.Second, 7 * time.Second: 6 * time.Second,
	} {
		if got := m.Window(resolution); got != want {
			t.Errorf("%s: saw %s, want %s", resolution, got, want)
		}
	}
	m.MaxWindow = 0
	if got := m.Window(5 * time.Second); got != time.Second {
		t.Errorf("never lengthened: saw %s", got)
	}
	m.MinWindow, m.MaxWindow = 0, time.Minute
	if got := m.Window(5 * time.Second); got != 0 {
		t.Errorf("one run per window: saw %s", got)
	}
}

// TestFaults checks that every error names file, line, column, field, what it saw and what it wants.
func TestFaults(t *testing.T) {
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the good matrix lacks %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for name, c := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown field":        {replace("repetitions: 3", "repetition: 3"), []string{"m.yaml:2:1", "repetition", "unknown field"}},
		"wrong type":           {replace("repetitions: 3", "repetitions: many"), []string{"m.yaml:2:14", "many"}},
		"zero repetitions":     {replace("repetitions: 3", "repetitions: 0"), []string{"m.yaml:2:14", "repetitions", "saw 0", "want an integer from 1"}},
		"negative batch":       {replace("batch_size: 1", "batch_size: -4"), []string{"m.yaml:8:29", "scenarios[0].batch_size", "saw -4"}},
		"zero tokens":          {replace("prompt_tokens: 11", "prompt_tokens: 0"), []string{"m.yaml:8:47", "scenarios[0].prompt_tokens", "saw 0"}},
		"unknown mode":         {replace("[prefill, generate]", "[prefill, decode]"), []string{"m.yaml:3:18", "modes[1]", `saw "decode"`, "generate-cached"}},
		"mode twice":           {replace("[prefill, generate]", "[prefill, prefill]"), []string{"m.yaml:3:18", "modes[1]", "once"}},
		"unknown order":        {good + "order: random\n", []string{"m.yaml:10:8", "order", `saw "random"`, "interleaved"}},
		"no backends":          {replace("  - onnxruntime-cpu\n  - {name: other, precision: fp16, threads: 2, settings: {b: \"2\", a: \"1\"}}\n", "  []\n"), []string{"backends", "saw nothing"}},
		"backend twice":        {replace("  - onnxruntime-cpu\n", "  - a\n  - a\n"), []string{"backends[1]", "once"}},
		"scenario twice":       {replace("name: text", "name: one"), []string{"scenarios[1].name", "once"}},
		"odd name":             {replace("name: one", "name: 'a/../b'"), []string{"m.yaml:8:12", "scenarios[0].name", `saw "a/../b"`}},
		"no experiment":        {replace("experiment: demo\n", ""), []string{"m.yaml", "experiment", "saw nothing"}},
		"both kinds":           {replace("prompts: [", "prompt_tokens: 3, prompts: ["), []string{"scenarios[1].prompt_tokens", "not both"}},
		"empty prompt":         {replace(`"Hello, world!", "Hi"`, `""`), []string{"m.yaml:9:28: scenarios[1].prompts[0]: saw no text, want a text of at least one token"}},
		"no concurrency":       {replace("batch_size: 1", "concurrency: 0"), []string{"m.yaml:8:30: scenarios[0].concurrency: saw 0, want an integer from 1"}},
		"no batch":             {replace("batch_size: 1", "batch_size: 0"), []string{"m.yaml:8:29: scenarios[0].batch_size: saw 0"}},
		"no batch of texts":    {replace("prompts: [", "batch_size: 0, prompts: ["), []string{"scenarios[1].batch_size: saw 0"}},
		"odd in a scenario":    {replace("batch_size: 1", "batch: 1"), []string{"m.yaml:8:17", "batch", "unknown field"}},
		"negative idle":        {good + "idle: -1s\n", []string{`m.yaml:10:7: idle: saw -1s, want 0s, or a duration from 500ms to 1h0m0s`}},
		"short idle":           {good + "idle: 1ms\n", []string{`m.yaml:10:7: idle: saw 1ms, want 0s, or a duration from 500ms to 1h0m0s`}},
		"long idle":            {good + "idle: 2h\n", []string{`m.yaml:10:7: idle: saw 2h0m0s, want 0s, or a duration from 500ms to 1h0m0s`}},
		"negative lengthening": {good + "max_window: -1s\n", []string{`m.yaml:10:13: max_window: saw -1s, want a duration of at least 0s, such as 10s`}},
		"no duration":          {good + "cooldown: 5\n", []string{`m.yaml:10:11: cooldown: saw "5", want a duration, such as 500ms`}},
		"no number":            {replace("batch_size: 1", "batch_size: many"), []string{`m.yaml:8:29: scenarios[0].batch_size: saw "many", want an integer`}},
		"timeout too short":    {good + "timeout: 1ms\n", []string{"m.yaml:10:10", "timeout", "saw 1ms"}},
		"negative window":      {good + "min_window: -1s\n", []string{"m.yaml:10:13", "min_window", "saw -1s"}},
		"not YAML":             {"experiment: [", []string{"m.yaml:1"}},
		"a list":               {"- a\n- b\n", []string{"m.yaml:1"}},
		"empty":                {" \n", []string{"m.yaml", "empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("m.yaml", []byte(c.yaml))
			if err == nil {
				t.Fatal("saw no error")
			}
			if code := cli.ExitCode(err); code != cli.ExitBadInput {
				t.Errorf("exit code: saw %d, want %d", code, cli.ExitBadInput)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("saw %q, want it to contain %q", err, want)
				}
			}
		})
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	_, err := Parse("m.yaml", []byte("experiment: x\nrepetitions: 0\nwarmups: -1\nbackends: [a]\nscenarios: [{name: s, prompt_tokens: 1}]\n"))
	if err == nil || !strings.Contains(err.Error(), "repetitions") || !strings.Contains(err.Error(), "warmups") {
		t.Errorf("saw %v, want both faults", err)
	}
}

// TestThreadsAreReportedOnce: not again for each backend that has the matrix's.
func TestThreadsAreReportedOnce(t *testing.T) {
	_, err := Parse("m.yaml", []byte(good+"threads: 99999\n"))
	if err == nil || strings.Count(err.Error(), "99999") != 1 || !strings.Contains(err.Error(), "m.yaml:10:10: threads: saw 99999") {
		t.Errorf("saw %v, want one fault", err)
	}
	_, err = Parse("m.yaml", []byte(strings.Replace(good, "threads: 2", "threads: 99999", 1)))
	if err == nil || !strings.Contains(err.Error(), "backends[1].threads: saw 99999") {
		t.Errorf("a backend's own: saw %v", err)
	}
}

func TestCheckBackends(t *testing.T) {
	m, err := Parse("m.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	err = m.CheckBackends([]string{"onnxruntime-cpu"})
	if err == nil || !strings.Contains(err.Error(), `m.yaml:6:12: backends[1].name: saw "other", want one of onnxruntime-cpu`) {
		t.Errorf("saw %v", err)
	}
	if err := m.CheckBackends([]string{"other", "onnxruntime-cpu"}); err != nil {
		t.Errorf("known backends: %v", err)
	}
}

func TestCheckFit(t *testing.T) {
	m, err := Parse("m.yaml", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.CheckFit(19); err != nil {
		t.Errorf("11 + 8 tokens fit 19: %v", err)
	}
	if err := m.CheckFit(18); err == nil || !strings.Contains(err.Error(), "11 prompt + 8 new = 19 tokens") {
		t.Errorf("saw %v", err)
	}
}

func TestLoad(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "missing.yaml")); cli.ExitCode(err) != cli.ExitBadInput {
		t.Errorf("missing file: saw %v", err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, make([]byte, maxFileBytes+1), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("huge file: saw %v", err)
	}
}

func TestTR119MatrixPlans945Runs(t *testing.T) {
	m, err := Load("../../pipelines/tr119/matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{}
	for _, s := range m.Plan() {
		counts[s.Backend.Name+" "+string(s.Mode)]++
	}
	if len(counts) != 27 || counts["onnxruntime-cpu "+string(record.Prefill)] != 35 {
		t.Errorf("saw %v, want 35 runs in each of 9 backends x 3 modes", counts)
	}
}

func TestBuiltinIsValid(t *testing.T) {
	if _, err := Builtin(); err != nil {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	f.Add(builtinYAML)
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse("f.yaml", data)
		if (m == nil) == (err == nil) {
			t.Errorf("saw matrix %v and error %v, want exactly one", m, err)
		}
	})
}
