// Package cell groups runs into cells and summarises each: the runs that share experiment, host, backend, model,
// precision, device, settings, threads, scenario, mode, batch size and token counts become one record.Cell. It also
// fills in what an archived table of cells leaves out. It compares and prices nothing.
package cell

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// ErrDuplicate says that one cell was given twice.
var ErrDuplicate = errors.New("the same cell twice")

// key is what the runs of a cell share. Columns that an archived cell lacks are -1.
type key struct {
	experiment, host, backend, model, precision string
	device                                      record.Device
	settings                                    string
	threads                                     int64
	scenario                                    string
	mode                                        record.Mode
	batchSize                                   int64
	promptTokens, maxNewTokens                  units.Tokens
}

func runKey(r *record.Run) key {
	return key{
		r.Experiment, r.Host, r.Backend, r.Model, r.Precision, r.Device, r.Settings, r.Threads,
		r.Scenario, r.Mode, r.BatchSize, r.PromptTokens, r.MaxNewTokens,
	}
}

func cellKey(c *record.Cell) key {
	return key{
		c.Experiment, c.Host, c.Backend, c.Model, c.Precision, c.Device, c.Settings, orAbsent(c.Threads),
		c.Scenario, c.Mode, orAbsent(c.BatchSize), orAbsent(c.PromptTokens), orAbsent(c.MaxNewTokens),
	}
}

func orAbsent[T ~int64](v *T) T {
	if v == nil {
		return -1
	}
	return *v
}

// compare orders cells as the tables do: backend, mode in the order of record.Modes, scenario; then everything else that
// tells cells apart.
func (k key) compare(l key) int {
	return cmp.Or(
		strings.Compare(k.backend, l.backend),
		cmp.Compare(modeOrder(k.mode), modeOrder(l.mode)),
		strings.Compare(k.scenario, l.scenario),
		strings.Compare(k.host, l.host),
		strings.Compare(k.model, l.model),
		strings.Compare(k.precision, l.precision),
		cmp.Compare(k.device, l.device),
		strings.Compare(k.settings, l.settings),
		cmp.Compare(k.threads, l.threads),
		cmp.Compare(k.batchSize, l.batchSize),
		cmp.Compare(k.promptTokens, l.promptTokens),
		cmp.Compare(k.maxNewTokens, l.maxNewTokens),
		strings.Compare(k.experiment, l.experiment),
	)
}

func modeOrder(m record.Mode) int { return slices.Index(record.Modes(), m) }

// Builder collects runs and cells, in any order, and summarises them. It keeps a few numbers of each run, not the runs.
type Builder struct {
	groups map[key]*group
	cells  []record.Cell
}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder { return &Builder{groups: map[key]*group{}} }

// AddRun adds one valid run, ok or not.
func (b *Builder) AddRun(r *record.Run) {
	k := runKey(r)
	g := b.groups[k]
	if g == nil {
		g = newGroup()
		b.groups[k] = g
	}
	g.add(r)
}

// AddCell adds a group that is a cell already: it comes out as it went in.
func (b *Builder) AddCell(c *record.Cell) { b.cells = append(b.cells, *c) }

// Cells returns the cells of all that was added, sorted by backend, mode, scenario, host, and then by the rest of what
// tells cells apart. The order in which runs were added makes no difference, to the last digit. The error wraps
// ErrDuplicate and names the cell: pooling two summaries of the same runs would count them twice.
func (b *Builder) Cells() ([]record.Cell, error) {
	out := slices.Clone(b.cells)
	for k, g := range b.groups {
		c, err := g.summary(k)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(x, y record.Cell) int { return cellKey(&x).compare(cellKey(&y)) })
	for i := 1; i < len(out); i++ {
		if k := cellKey(&out[i]); k == cellKey(&out[i-1]) {
			return nil, fmt.Errorf("%s: %w", k, ErrDuplicate)
		}
	}
	return out, nil
}

// String names a cell for messages.
func (k key) String() string {
	s := fmt.Sprintf("cell %s %s %s", k.backend, k.mode, k.scenario)
	if k.host != "" {
		s += " on " + k.host
	}
	return s
}

// WorseGrade is the less trustworthy of two energy grades, in the order A, B, C, D. No grade gives way to any: how many
// runs have a figure at all is another column's business.
func WorseGrade(a, b record.Grade) record.Grade { return max(a, b) }
