// Package cell groups runs into cells and summarises each: the runs that share experiment, host, backend, model,
// precision, device, settings, threads, scenario, mode, batch size and token counts become one record.Cell. It also
// fills in what an archived table of cells leaves out. It compares and prices nothing.
package cell

import (
	"errors"

	"github.com/banterhearts/bh/pkg/record"
	"github.com/banterhearts/bh/pkg/units"
)

// Builder collects runs and cells, in any order.
type Builder struct {
	cells []record.Cell
}

// NewBuilder returns an empty Builder.
func NewBuilder() *Builder { return new(Builder) }

// AddRun adds one run, ok or not.
func (b *Builder) AddRun(r *record.Run) {}

// AddCell adds a group that is a cell already.
func (b *Builder) AddCell(c *record.Cell) { b.cells = append(b.cells, *c) }

// Cells summarises the groups.
func (b *Builder) Cells() ([]record.Cell, error) { return nil, errors.New("cell: not written yet") }

// Shape is what a scenario means.
type Shape struct {
	Scenario     string
	BatchSize    int64
	PromptTokens units.Tokens // per sequence
	MaxNewTokens units.Tokens // per sequence, in the generate modes
}

// Fill sets what an archive lacks.
func Fill(cells []record.Cell, shapes []Shape, devices map[string]record.Device) {}
