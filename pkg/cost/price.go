package cost

import (
	"errors"

	"github.com/banterhearts/bh/pkg/record"
)

var errUnwritten = errors.New("cost: not written yet")

// LoadBook reads and checks the price book at path.
func LoadBook(path string) (*Book, error) { return nil, errUnwritten }

// Price prices cells.
func Price(cells []record.Cell, b *Book, m Method) ([]record.Cost, error) { return nil, errUnwritten }

// Requests prices Book.Request on every backend, from its rows.
func Requests(costs []record.Cost, b *Book) []RequestCost { return nil }

// TCO prices Book.TCO on every backend and mode, from their rows.
func TCO(costs []record.Cost, b *Book) []TCORow { return nil }
