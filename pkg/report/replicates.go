package report

import (
	"cmp"
	"fmt"
	"slices"
)

// replicates are the fewest values that an interval of some cells rests on: runs, or sessions where there are several.
type replicates struct {
	n    int64
	unit string
}

// Of what an interval says something in a sentence.
const (
	leastReplicates = 3  // with two, Student's t multiplies by 12.7
	widestInterval  = 10 // times the value that it is of
)

func fewest(list []replicates) replicates {
	if len(list) == 0 {
		return replicates{}
	}
	return slices.MinFunc(list, func(a, b replicates) int { return cmp.Compare(a.n, b.n) })
}

// replicatesIn are those of the cells that have good runs.
func replicatesIn(cells []cellRow) replicates {
	var list []replicates
	for _, c := range cells {
		switch {
		case c.N == 0:
		case c.Sessions != nil && *c.Sessions > 1:
			list = append(list, replicates{*c.Sessions, "session"})
		default:
			list = append(list, replicates{c.N, "run"})
		}
	}
	return fewest(list)
}

// replicatesOf are those of a column, which not every run need have.
func (d *data) replicatesOf(cells []cellRow, col *resourceColumn) replicates {
	var list []replicates
	for _, c := range cells {
		s := d.resources(c)
		if s == nil {
			continue
		}
		sessions := slices.Clone(s.sessions[col.index])
		slices.Sort(sessions)
		if n := len(slices.Compact(sessions)); n > 1 {
			list = append(list, replicates{int64(n), "session"})
		} else {
			list = append(list, replicates{int64(len(s.values[col.index])), "run"})
		}
	}
	return fewest(list)
}

// doubt says why an interval of a value is none to put into a sentence; empty where it is one.
func (r replicates) doubt(value, low, high float64) string {
	switch wide := high-low > widestInterval*max(value, -value); {
	case r.n < leastReplicates:
		return fmt.Sprintf("too few %ss for an interval, n = %d", r.unit, r.n)
	case wide:
		return fmt.Sprintf("its %ss vary too much for an interval, n = %d", r.unit, r.n)
	}
	return ""
}

// intervalWords is the interval of a value in brackets, or why it says nothing; nothing where it is not known.
func intervalWords(value, low, high number, r replicates) Line {
	if !value.known() || !low.known() || !high.known() {
		return nil
	}
	if why := r.doubt(*value.value, *low.value, *high.value); why != "" {
		return prose(" (%s)", word(why))
	}
	return prose(" (95% interval %s to %s)", low.span(), high.span())
}
