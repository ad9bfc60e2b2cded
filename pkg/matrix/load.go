package matrix

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/parser"

	"github.com/banterhearts/bh/pkg/cli"
	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
	"github.com/banterhearts/bh/pkg/workload"
)

// maxFileBytes bounds a matrix file; a real one has a few kilobytes.
const maxFileBytes = 1 << 20

// Load reads, completes and validates the matrix in the file name. All faults found come joined in one error, which is
// the caller's mistake (exit code 2).
func Load(name string) (*Matrix, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, cli.BadInput(err)
	}
	defer f.Close() //nolint:errcheck // only read
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, cli.BadInput(err)
	}
	if len(data) > maxFileBytes {
		return nil, cli.BadInputf("%s: saw more than %d bytes, want a matrix file", name, maxFileBytes)
	}
	return Parse(name, data)
}

// Parse is Load of data; name is for errors.
func Parse(name string, data []byte) (*Matrix, error) {
	if len(strings.TrimSpace(string(data))) == 0 {
		return nil, cli.BadInputf("%s: saw an empty file, want a matrix", name)
	}
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, cli.BadInputf("%s: saw bytes that are no text, want a matrix in YAML", name)
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, cli.BadInput(source{name: name}.syntaxError(err))
	}
	m := &Matrix{
		Model: DefaultModel, Seed: DefaultSeed, Repetitions: DefaultRepetitions, Sessions: DefaultSessions, Warmups: DefaultWarmups,
		Order: DefaultOrder, MaxNewTokens: DefaultMaxNew, MinWindow: DefaultMinWindow,
		MaxWindow: DefaultMaxWindow, Idle: DefaultIdle, Timeout: DefaultTimeout,
		source: source{name: name, file: file},
	}
	if err := yaml.UnmarshalWithOptions(data, m, yaml.Strict()); err != nil {
		return nil, cli.BadInput(m.source.syntaxError(err))
	}
	if err := m.complete(); err != nil {
		return nil, cli.BadInput(err)
	}
	if err := m.validate(); err != nil {
		return nil, cli.BadInput(err)
	}
	return m, nil
}

// UnmarshalYAML lets a bare string stand for a backend with default settings.
func (b *Backend) UnmarshalYAML(unmarshal func(any) error) error {
	var name string
	if err := unmarshal(&name); err == nil {
		b.Name = name
		return nil
	}
	type plain Backend // without this method
	return unmarshal((*plain)(b))
}

// unset stands for a number that the file does not give, as a 0 that it gives is a mistake.
const unset = math.MinInt64

// UnmarshalYAML tells a 0 from nothing.
func (s *Scenario) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Scenario // without this method
	s.BatchSize, s.Concurrency = unset, 1
	return unmarshal((*plain)(s))
}

// complete fills what the file left to the defaults.
func (m *Matrix) complete() error {
	if len(m.Modes) == 0 {
		m.Modes = record.Modes()
	}
	for i := range m.Backends {
		b := &m.Backends[i]
		if b.Precision == "" {
			b.Precision = DefaultPrecision
		}
		if b.Threads == 0 {
			b.Threads = m.Threads
		}
	}
	var errs []error
	for i := range m.Scenarios {
		errs = append(errs, m.completeScenario(i))
	}
	return errors.Join(errs...)
}

func (m *Matrix) completeScenario(i int) error {
	s := &m.Scenarios[i]
	field := fmt.Sprintf("scenarios[%d]", i)
	if s.MaxNewTokens == 0 {
		s.MaxNewTokens = m.MaxNewTokens
	}
	if len(s.Prompts) == 0 {
		if s.BatchSize == unset {
			s.BatchSize = 1
		}
		return nil
	}
	if s.PromptTokens != 0 {
		return m.source.fault(field+".prompt_tokens", fmt.Sprint(s.PromptTokens), "either prompts or prompt_tokens, not both")
	}
	for j, text := range s.Prompts {
		if text == "" {
			return m.source.fault(fmt.Sprintf("%s.prompts[%d]", field, j), "no text", "a text of at least one token")
		}
	}
	if s.BatchSize == unset {
		s.BatchSize = int64(len(s.Prompts))
	}
	if s.BatchSize < int64(len(s.Prompts)) {
		return m.source.fault(field+".batch_size", fmt.Sprint(s.BatchSize), fmt.Sprintf("at least %d, the number of prompts", len(s.Prompts)))
	}
	p, err := workload.FromText(s.Prompts, int(min(s.BatchSize, maxBatch)))
	if err != nil {
		return m.source.fault(field+".prompts", err.Error(), "texts of at least one token")
	}
	s.PromptTokens = units.Tokens(p.Tokens())
	return nil
}

// Bounds that catch a slip of the keyboard before it asks for a terabyte.
const (
	maxBatch       = 4096
	maxTokens      = 1 << 20
	maxRepetitions = 1_000_000
	maxSessions    = 1000
	maxTemperature = 100
	maxIdle        = time.Hour
	minIdle        = 500 * time.Millisecond // ten samples, for the power of a shorter time is none
)

// nameForm is what experiment, backend and scenario names look like: they end up in run ids, file names and tables.
var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

const wantName = "a name of up to 64 letters, digits, '.', '_' and '-'"

// faults collects the errors of validate.
type faults struct {
	source source
	errs   []error
}

func (f *faults) add(field, saw, want string) {
	f.errs = append(f.errs, f.source.fault(field, saw, want))
}

func (f *faults) name(field, v string) {
	if !nameForm.MatchString(v) {
		f.add(field, quote(v), wantName)
	}
}

func (f *faults) between(field string, v, low, high int64) {
	if v < low || v > high {
		want := fmt.Sprintf("an integer from %d to %d", low, high)
		if high == math.MaxInt64 {
			want = fmt.Sprintf("an integer of at least %d", low)
		}
		f.add(field, fmt.Sprint(v), want)
	}
}

func quote(v string) string {
	if v == "" {
		return "nothing"
	}
	return fmt.Sprintf("%q", v)
}

// validate reports every fault.
func (m *Matrix) validate() error {
	f := &faults{source: m.source}
	f.name("experiment", m.Experiment)
	if m.Model == "" {
		f.add("model", "nothing", "a preset's name or a model folder")
	}
	f.between("repetitions", int64(m.Repetitions), 1, maxRepetitions)
	f.between("sessions", int64(m.Sessions), 1, maxSessions)
	f.between("warmups", int64(m.Warmups), 0, maxRepetitions)
	f.between("threads", int64(m.Threads), 0, maxBatch)
	f.between("max_new_tokens", int64(m.MaxNewTokens), 1, maxTokens)
	if m.MinWindow < 0 {
		f.add("min_window", m.MinWindow.String(), "a duration of at least 0s, such as 500ms")
	}
	if m.MaxWindow < 0 {
		f.add("max_window", m.MaxWindow.String(), "a duration of at least 0s, such as 10s")
	}
	if m.Idle != 0 && (m.Idle < minIdle || m.Idle > maxIdle) {
		f.add("idle", m.Idle.String(), "0s, or a duration from "+minIdle.String()+" to "+maxIdle.String())
	}
	if m.Cooldown < 0 {
		f.add("cooldown", m.Cooldown.String(), "a duration of at least 0s, such as 1m")
	}
	if !(m.Temperature >= 0 && m.Temperature <= maxTemperature) {
		f.add("temperature", fmt.Sprint(m.Temperature), fmt.Sprintf("a number from 0 to %d", maxTemperature))
	}
	if m.Timeout <= m.MinWindow {
		f.add("timeout", m.Timeout.String(), "a duration longer than min_window, such as 2m")
	}
	switch m.Order {
	case Sequential, Blocked, Interleaved:
	default:
		f.add("order", quote(string(m.Order)), "sequential, blocked or interleaved")
	}
	m.validateModes(f)
	m.validateBackends(f)
	m.validateScenarios(f)
	return errors.Join(f.errs...)
}

func (m *Matrix) validateModes(f *faults) {
	seen := map[record.Mode]bool{}
	for i, mode := range m.Modes {
		field := fmt.Sprintf("modes[%d]", i)
		switch mode {
		case record.Prefill, record.Generate, record.GenerateCached:
		default:
			f.add(field, quote(string(mode)), "prefill, generate or generate-cached")
		}
		if seen[mode] {
			f.add(field, quote(string(mode)), "each mode once")
		}
		seen[mode] = true
	}
}

func (m *Matrix) validateBackends(f *faults) {
	if len(m.Backends) == 0 {
		f.add("backends", "nothing", "at least one backend")
	}
	seen := map[string]bool{}
	for i := range m.Backends {
		b := &m.Backends[i]
		field := fmt.Sprintf("backends[%d]", i)
		f.name(field+".name", b.Name)
		f.name(field+".precision", b.Precision)
		if b.Threads != m.Threads { // which is the matrix's fault
			f.between(field+".threads", int64(b.Threads), 0, maxBatch)
		}
		if id := m.backendID(b); seen[id] {
			f.add(field, quote(b.Name), "each backend with given settings once")
		} else {
			seen[id] = true
		}
	}
}

func (m *Matrix) validateScenarios(f *faults) {
	if len(m.Scenarios) == 0 {
		f.add("scenarios", "nothing", "at least one scenario")
	}
	seen := map[string]bool{}
	for i := range m.Scenarios {
		s := &m.Scenarios[i]
		field := fmt.Sprintf("scenarios[%d]", i)
		f.name(field+".name", s.Name)
		f.between(field+".batch_size", s.BatchSize, 1, maxBatch)
		f.between(field+".prompt_tokens", int64(s.PromptTokens), 1, maxTokens)
		f.between(field+".max_new_tokens", int64(s.MaxNewTokens), 1, maxTokens)
		f.between(field+".concurrency", s.Concurrency, 1, maxBatch)
		if s.Concurrency > 0 && s.BatchSize%s.Concurrency != 0 {
			f.add(field+".concurrency", fmt.Sprint(s.Concurrency), fmt.Sprintf("a divisor of the batch size %d, as each request has the same number of sequences", s.BatchSize))
		}
		if seen[s.Name] {
			f.add(field+".name", quote(s.Name), "each scenario's name once")
		}
		seen[s.Name] = true
	}
}

// CheckBackends reports every backend that is not in known, with its place in the file. It is apart from Load because
// this package knows no backend.
func (m *Matrix) CheckBackends(known []string) error {
	f := &faults{source: m.source}
	for i := range m.Backends {
		found := false
		for _, k := range known {
			found = found || k == m.Backends[i].Name
		}
		if !found {
			f.add(fmt.Sprintf("backends[%d].name", i), quote(m.Backends[i].Name), "one of "+strings.Join(known, ", "))
		}
	}
	return cli.BadInput(errors.Join(f.errs...))
}

// CheckFit reports every scenario that does not fit a model's context of the given number of tokens.
func (m *Matrix) CheckFit(context int64) error {
	f := &faults{source: m.source}
	for i := range m.Scenarios {
		s := &m.Scenarios[i]
		if need := int64(s.PromptTokens + s.MaxNewTokens); need > context {
			f.add(fmt.Sprintf("scenarios[%d].prompt_tokens", i), fmt.Sprintf("%d prompt + %d new = %d tokens", s.PromptTokens, s.MaxNewTokens, need),
				fmt.Sprintf("at most the model's context of %d tokens", context))
		}
	}
	return cli.BadInput(errors.Join(f.errs...))
}
