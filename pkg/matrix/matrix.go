// Package matrix reads the description of an experiment (backends x models x scenarios x modes x repetitions) from YAML,
// says precisely what is wrong with it, and plans it: which runs, in which order. It runs nothing and knows no backend.
package matrix

import (
	"slices"
	"strings"
	"time"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Order is how the repetitions of one backend's cells follow each other.
type Order string

// The orders. Interleaved is a randomised complete block design: each repetition visits every cell once, in an order
// drawn anew, so that drift of the machine spreads over all cells instead of biasing one.
const (
	Sequential  Order = "sequential"  // a cell's repetitions back to back
	Blocked     Order = "blocked"     // repetition by repetition, cells in the matrix's order
	Interleaved Order = "interleaved" // repetition by repetition, cells in seeded random order
)

// Defaults of a matrix file's fields.
const (
	DefaultRepetitions = 7
	DefaultSessions    = 1
	DefaultWarmups     = 2
	DefaultOrder       = Interleaved
	DefaultSeed        = 42
	DefaultModel       = "gpt2-124m"
	DefaultPrecision   = "fp32"
	DefaultMaxNew      = 8
	// DefaultMinWindow is how long a measured window lasts at least; a shorter run is repeated inside it. At the default
	// sampling interval of 47 ms it holds ten power samples, what grade B asks for.
	DefaultMinWindow = 500 * time.Millisecond
	// DefaultMaxWindow is how far a window is lengthened at most for sensors that update more slowly than that: twenty updates
	// of one that does so twice a second, and ten of one that does so once a second, as the controllers of servers do.
	DefaultMaxWindow = 10 * time.Second
	// DefaultIdle is how long the machine is left alone before each worker and after the last one to learn what it draws
	// idle: two of the 1 s means that many GPUs report.
	DefaultIdle = 2 * time.Second
	// DefaultTimeout is how long one window may last before its worker is killed.
	DefaultTimeout = 2 * time.Minute
)

// Matrix is an experiment.
type Matrix struct {
	Experiment   string        `yaml:"experiment" json:"experiment"`
	Model        string        `yaml:"model" json:"model"`                   // a preset's name or a model folder
	Seed         int64         `yaml:"seed" json:"seed"`                     // of the order and of prompts given as counts
	Repetitions  int           `yaml:"repetitions" json:"repetitions"`       // measured runs per cell and session
	Sessions     int           `yaml:"sessions" json:"sessions"`             // worker processes per backend, one after the other
	Cooldown     time.Duration `yaml:"cooldown" json:"cooldown_ns"`          // before each worker, until the machine is as cool as at first, at most; 0: none
	Temperature  float64       `yaml:"temperature" json:"temperature"`       // of sampling; 0: greedy
	Warmups      int           `yaml:"warmups" json:"warmups"`               // unmeasured runs before a cell's first; 0: none
	Order        Order         `yaml:"order" json:"order"`                   //
	Modes        []record.Mode `yaml:"modes" json:"modes"`                   // default: all
	MaxNewTokens units.Tokens  `yaml:"max_new_tokens" json:"max_new_tokens"` // per sequence, in the generate modes
	MinWindow    time.Duration `yaml:"min_window" json:"min_window_ns"`      // 0: every window is one run
	MaxWindow    time.Duration `yaml:"max_window" json:"max_window_ns"`      // how far min_window is lengthened at most for slow sensors; 0: not at all
	Idle         time.Duration `yaml:"idle" json:"idle_ns"`                  // before each worker and after the last, alone, for idle power; 0: none
	Timeout      time.Duration `yaml:"timeout" json:"timeout_ns"`            // of one window
	Threads      int           `yaml:"threads" json:"threads"`               // intra-op, for every backend; 0: the physical CPUs it may use
	Backends     []Backend     `yaml:"backends" json:"backends"`
	Scenarios    []Scenario    `yaml:"scenarios" json:"scenarios"`

	source source // where the fields stand, for errors found later
}

// Backend is one backend with its settings; in YAML a bare name is short for a mapping with only a name.
type Backend struct {
	Name      string            `yaml:"name" json:"name"`
	Precision string            `yaml:"precision" json:"precision"` // default fp32
	Threads   int               `yaml:"threads" json:"threads"`     // 0: the matrix's
	Settings  map[string]string `yaml:"settings" json:"settings"`   // what only this backend knows
}

// Scenario is one input shape, given as token counts or as text.
type Scenario struct {
	Name         string       `yaml:"name" json:"name"`
	BatchSize    int64        `yaml:"batch_size" json:"batch_size"`         // sequences in all; default 1, or one for each prompt
	Concurrency  int64        `yaml:"concurrency" json:"concurrency"`       // requests in flight at once, each with its share of the sequences; default 1
	PromptTokens units.Tokens `yaml:"prompt_tokens" json:"prompt_tokens"`   // per sequence; given, or counted from Prompts
	Prompts      []string     `yaml:"prompts" json:"prompts,omitempty"`     // text, instead of prompt_tokens
	MaxNewTokens units.Tokens `yaml:"max_new_tokens" json:"max_new_tokens"` // 0: the matrix's
}

// Window is how long a window lasts at least where the sensors need resolution: min_window, lengthened up to max_window and
// half the timeout. A matrix with min_window 0 wants one run per window, whatever the sensors can tell of it.
func (m *Matrix) Window(resolution time.Duration) time.Duration {
	if m.MinWindow == 0 {
		return 0
	}
	return max(m.MinWindow, min(resolution, m.MaxWindow, m.Timeout/2))
}

// SettingsString is the canonical form of the settings, as the records carry it: k=v,k=v in key order.
func (b *Backend) SettingsString() string {
	keys := make([]string, 0, len(b.Settings))
	for k := range b.Settings {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for i, k := range keys {
		keys[i] = k + "=" + b.Settings[k]
	}
	return strings.Join(keys, ",")
}

// SetThreads gives every backend the same number of intra-op threads.
func (m *Matrix) SetThreads(n int) {
	m.Threads = n
	for i := range m.Backends {
		m.Backends[i].Threads = n
	}
}
