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
