package report

import "testing"

// TestTheEndOfAnOrderHasAsManyRows: a backend without the dear mode has a low mean, and is neither the first nor the end.
func TestTheEndOfAnOrderHasAsManyRows(t *testing.T) {
	mean := func(label string, value float64, of int) ranked { return ranked{label, number{value: &value, of: of}} }
	order := rank([]ranked{mean("without a mode", 15.4, 10), mean("middle", 24, 15), mean("best", 17.8, 15), mean("worst", 26.3, 15)}, true)
	if got := last(order); order[0].label != "best" || got.label != "worst" {
		t.Errorf("saw %s to %s, want best to worst", order[0].label, got.label)
	}
	if got := last(order[:1]); got.label != "best" {
		t.Errorf("alone: saw %s", got.label)
	}
}

// TestEndsSayWhoseTheyAre: a backend with fewer cells may be beyond the end that is named.
func TestEndsSayWhoseTheyAre(t *testing.T) {
	mean := func(label string, cells int) ranked { return ranked{label, number{of: cells}} }
	if got := amongComplete([]ranked{mean("a", 15), mean("b", 10)}); got != " of those with all 15 cells" {
		t.Errorf("%q", got)
	}
	if got := amongComplete([]ranked{mean("a", 15), mean("b", 15)}); got != "" {
		t.Errorf("all have all cells: %q", got)
	}
}
