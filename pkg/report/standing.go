package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// opinion is what a test says of the first of a ranking and another.
type opinion int

// The opinions.
const (
	untested opinion = iota
	open             // it does not separate them
	agrees           // the first is the better one
	reversed         // the other is the better one
)

func judged(significant, firstBetter bool) opinion {
	switch {
	case !significant:
		return open
	case firstBetter:
		return agrees
	}
	return reversed
}

// standing is how the first of a ranking stands against one of the others, by a test of the two.
type standing struct {
	other     string
	opinion   opinion
	within    string // what was tested within, as: within 3 scenarios; empty for a test over all runs
	p         float64
	adjusted  string // how p was: Holm or Bonferroni
	better    string // what a better one is: lower or higher
	estimated bool   // a value rests on an estimate of power
	absent    string // why it was not tested
}

// standingWords say how sure a first place is, against everyone: who is next by a mean need not be who is hardest to tell apart
// from the first within cells.
func standingWords(list []standing) string {
	if len(list) == 0 {
		return "the only one with a figure"
	}
	by := map[opinion][]standing{}
	for _, s := range list {
		by[s.opinion] = append(by[s.opinion], s)
	}
	var parts []string
	if ties := by[open]; len(ties) > 0 {
		parts = append(parts, "not separated from "+eachWords(ties, ""))
	}
	if better := by[reversed]; len(better) > 0 {
		said := " is the " + better[0].better + " one"
		if len(better) > 1 {
			said = " are the " + better[0].better + " ones"
		}
		parts = append(parts, eachWords(better, said))
	}
	if behind := by[agrees]; len(behind) > 0 {
		parts = append(parts, "separated from "+behindWords(behind, len(list)))
	}
	parts = append(parts, untestedWords(by[untested])...)
	words := strings.Join(parts, "; ")
	if slices.ContainsFunc(list, func(s standing) bool { return s.estimated && s.opinion != untested }) {
		words += ", by an estimated power"
	}
	return words
}

// eachWords name every one with the p value.
func eachWords(list []standing, said string) string {
	first := list[0]
	if len(list) == 1 {
		return fmt.Sprintf("%s%s%s, p = %.2g after %s", first.other, said, withinWords(list), first.p, first.adjusted)
	}
	named := make([]string, len(list))
	for i, s := range list {
		named[i] = fmt.Sprintf("%s (p = %.2g)", s.other, s.p)
	}
	return strings.Join(named, ", ") + said + withinWords(list) + " after " + first.adjusted
}

// behindWords name those that the first is separated from, with the largest of the p values.
func behindWords(list []standing, all int) string {
	if len(list) == 1 {
		return eachWords(list, "")
	}
	who := strings.Join(others(list), ", ")
	if len(list) == all {
		who = fmt.Sprintf("all %d others", all)
	}
	worst := slices.MaxFunc(list, func(a, b standing) int { return cmp.Compare(a.p, b.p) })
	return fmt.Sprintf("%s%s, largest p = %.2g after %s", who, withinWords(list), worst.p, worst.adjusted)
}

// withinWords say within what all of them were tested, where that is the same.
func withinWords(list []standing) string {
	for _, s := range list {
		if s.within != list[0].within {
			return " within the cells that each pair shares"
		}
	}
	return list[0].within
}

// untestedWords name those that could not be tested, by reason.
func untestedWords(list []standing) []string {
	var parts []string
	for len(list) > 0 {
		var same, rest []standing
		for _, s := range list {
			if s.absent == list[0].absent {
				same = append(same, s)
			} else {
				rest = append(rest, s)
			}
		}
		parts = append(parts, "not tested against "+strings.Join(others(same), ", ")+same[0].absent)
		list = rest
	}
	return parts
}

func others(list []standing) []string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = s.other
	}
	return names
}

// against is how the first of an order stands against each of the others.
func against(order []ranked, test func(first, other string) standing) []standing {
	var list []standing
	for i := 1; i < len(order); i++ {
		list = append(list, test(order[0].label, order[i].label))
	}
	return list
}
