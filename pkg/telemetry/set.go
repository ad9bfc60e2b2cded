package telemetry

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/banterhearts/bh/pkg/record"
)

// Set is the sources that a machine has, opened.
type Set struct {
	host     string // the `host` column of the recorder's own rows
	sources  []Source
	findings []Finding
}

// Open opens every source that the machine has. A source that is absent, not readable or broken is left out and told of
// in Findings: a machine without any sensor gives an empty Set, not an error. The error is for settings that are wrong.
func Open(env Environment, opt Options) (*Set, error) {
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	s := &Set{host: env.Host}
	cpuPower := ""
	for _, m := range members {
		if m.fallback && cpuPower != "" {
			s.findings = append(s.findings, Finding{Source: m.name, Measures: m.measures, Status: NotRequired,
				Detail: cpuPower + " measures processor power here"})
			continue
		}
		src, detail, err := m.open(env, opt)
		s.findings = append(s.findings, finding(m, detail, err))
		if err != nil {
			continue
		}
		s.sources = append(s.sources, src)
		if m.cpuPower {
			cpuPower = m.name
		}
	}
	return s, nil
}

// finding turns the outcome of opening a source into a line of the doctor. What a driver or a tool said is in the detail.
func finding(m member, detail string, err error) Finding {
	f := Finding{Source: m.name, Measures: m.measures, Status: Present, Detail: clean(detail)}
	var u *unavailable
	switch {
	case err == nil:
		return f
	case errors.As(err, &u):
		f.Status, f.Detail, f.Fix = Absent, clean(u.why), u.fix
		if errors.Is(err, ErrPermission) {
			f.Status = NoAccess
		}
	default:
		f.Status, f.Detail = Broken, clean(err.Error())
	}
	return f
}

// Probe reports for every registered source whether this machine has it, by opening it and reading it once.
func Probe(env Environment) []Finding {
	s, err := Open(env, Options{})
	if err != nil { // the zero Options are valid
		panic(err)
	}
	_, err = s.Sample(time.Now())
	for _, e := range append(SourceErrors(err), SourceErrors(s.Close())...) {
		i := slices.IndexFunc(s.findings, func(f Finding) bool { return f.Source == e.Source })
		s.findings[i].Status, s.findings[i].Detail = Broken, clean(e.Err.Error())
	}
	return s.findings
}

// Findings says what became of every registered source when the set was opened.
func (s *Set) Findings() []Finding { return slices.Clone(s.findings) }

// Sources names the sources that are open.
func (s *Set) Sources() []string {
	names := make([]string, len(s.sources))
	for i, src := range s.sources {
		names[i] = src.Name()
	}
	return names
}

// SourceError is the failure of one source in one sweep.
type SourceError struct {
	Source string
	Err    error
}

func (e *SourceError) Error() string { return fmt.Sprintf("source %s: %v", e.Source, e.Err) }

// Unwrap gives errors.Is the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// SourceErrors takes apart what Sample and Close return.
func SourceErrors(err error) []*SourceError {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var out []*SourceError
	for _, e := range joined.Unwrap() {
		if se := (*SourceError)(nil); errors.As(e, &se) {
			out = append(out, se)
		}
	}
	return out
}

// Sample reads every source once. A source that fails is left out of this sweep and reported as a *SourceError, joined
// by errors.Join; the samples of the others are returned all the same. now is when the sweep began; each source's rows
// carry the moment at which that source's turn came, as a slow driver in front of it would otherwise shift its reading
// by milliseconds against the window it is integrated over.
func (s *Set) Sample(now time.Time) ([]record.Sample, error) {
	var errs []error
	dst := make([]record.Sample, 0, 2*len(s.sources))
	watch := startWatch(now)
	for _, src := range s.sources {
		var err error
		if dst, err = src.Sample(watch(), dst); err != nil {
			errs = append(errs, &SourceError{Source: src.Name(), Err: err})
		}
	}
	return dst, errors.Join(errs...)
}

// prompt makes every source read all it has in the next sweep.
func (s *Set) prompt() {
	for _, src := range s.sources {
		if p, ok := src.(prompter); ok {
			p.prompt()
		}
	}
}

// Track tells every source that asks which processes are measured.
func (s *Set) Track(pids []int) {
	for _, src := range s.sources {
		if t, ok := src.(Tracker); ok {
			t.Track(pids)
		}
	}
}

// Close closes every source.
func (s *Set) Close() error {
	var errs []error
	for _, src := range s.sources {
		if err := src.Close(); err != nil {
			errs = append(errs, &SourceError{Source: src.Name(), Err: err})
		}
	}
	s.sources = nil
	return errors.Join(errs...)
}
