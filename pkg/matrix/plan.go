package matrix

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"math/rand/v2"

	"github.com/banterhearts/bh/pkg/record"
)

// Step is one planned run.
type Step struct {
	Backend    *Backend
	Scenario   *Scenario
	Mode       record.Mode
	Session    int64
	Repetition int64
	OrderIndex int64
	RunID      string
}

// CellID identifies the cell of a step within its matrix.
func (s *Step) CellID() string {
	return s.RunID[:len(s.RunID)-len(fmt.Sprintf("/s%d/r%d", s.Session, s.Repetition))]
}

// Plan lists every run in the order of execution. Each session is a block: every backend once, in an order drawn anew
// (but with the order sequential, which keeps the file's), and within a backend its cells as Order says. The same file
// gives the same plan.
func (m *Matrix) Plan() []Step {
	var steps []Step
	rng := rand.New(rand.NewPCG(uint64(m.Seed), hash64("backends")))
	for session := range m.Sessions {
		order := make([]int, len(m.Backends))
		for i := range order {
			order[i] = i
		}
		if m.Order != Sequential {
			rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		for _, i := range order {
			steps = append(steps, m.planBackend(&m.Backends[i], session)...)
		}
	}
	for i := range steps {
		steps[i].OrderIndex = int64(i)
	}
	return steps
}

func (m *Matrix) planBackend(b *Backend, session int) []Step {
	cells := m.cells(b)
	var steps []Step
	if m.Order == Sequential {
		for _, c := range cells {
			for r := range m.Repetitions {
				steps = append(steps, c.at(session, r))
			}
		}
		return steps
	}
	rng := rand.New(rand.NewPCG(uint64(m.Seed), hash64(fmt.Sprintf("%s/s%d", m.backendID(b), session))))
	for r := range m.Repetitions {
		if m.Order == Interleaved {
			rng.Shuffle(len(cells), func(i, j int) { cells[i], cells[j] = cells[j], cells[i] })
		}
		for _, c := range cells {
			steps = append(steps, c.at(session, r))
		}
	}
	return steps
}

// cells lists a backend's cells, each as a step without a repetition.
func (m *Matrix) cells(b *Backend) []Step {
	var out []Step
	for _, mode := range m.Modes {
		for i := range m.Scenarios {
			s := &m.Scenarios[i]
			out = append(out, Step{Backend: b, Scenario: s, Mode: mode, RunID: fmt.Sprintf("%s/%s/%s", m.backendID(b), mode, s.Name)})
		}
	}
	return out
}

func (s Step) at(session, repetition int) Step {
	s.Session, s.Repetition = int64(session), int64(repetition)
	s.RunID = fmt.Sprintf("%s/s%d/r%d", s.RunID, s.Session, s.Repetition)
	return s
}

// backendID is the backend's name, followed by a tag of its settings where the matrix has the name more than once.
func (m *Matrix) backendID(b *Backend) string {
	n := 0
	for i := range m.Backends {
		if m.Backends[i].Name == b.Name {
			n++
		}
	}
	if n == 1 {
		return b.Name
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%s", b.Precision, b.Threads, b.SettingsString()))
	return b.Name + "~" + hex.EncodeToString(sum[:4])
}

func hash64(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails, by its contract
	return h.Sum64()
}
