package compare

import (
	"fmt"
)

// disagreements lists the pairs that the two designs judge differently, in the order of the pairs.
func disagreements(t *TR119Result, d *DefaultResult, alpha float64) []Disagreement {
	type key struct{ a, b string }
	byPair := make(map[key]*PairRatio, len(d.Pairs))
	for i := range d.Pairs {
		byPair[key{d.Pairs[i].A, d.Pairs[i].B}] = &d.Pairs[i]
	}
	out := []Disagreement{}
	for i := range t.Pairs {
		x := &t.Pairs[i]
		y := byPair[key{x.A, x.B}]
		if y == nil {
			continue
		}
		if kind := disagree(x, y); kind != "" {
			out = append(out, Disagreement{
				A: x.A, B: x.B, Kind: kind, DiffUSD: x.DiffUSD, Ratio: y.Ratio, PTR119: x.P, PHolm: y.PHolm,
				Sentence: sentence(kind, x, y, alpha),
			})
		}
	}
	return out
}

// disagree is how the designs disagree about a pair, or "". Opposite directions outweigh significance, and count even
// where neither is significant: mean and ratio then rank the pair differently.
func disagree(x *PairTR119, y *PairRatio) DisagreementKind {
	switch {
	case (x.DiffUSD > 0 && y.Ratio < 1) || (x.DiffUSD < 0 && y.Ratio > 1):
		return Direction
	case x.P == nil || y.PHolm == nil:
		return ""
	case x.Significant && !y.Significant:
		return OnlyTR119
	case y.Significant && !x.Significant:
		return OnlyDefault
	}
	return ""
}

func sentence(kind DisagreementKind, x *PairTR119, y *PairRatio, alpha float64) string {
	pair := x.A + " against " + x.B
	switch kind {
	case OnlyTR119:
		return fmt.Sprintf("%s: tr119 calls the difference significant (p = %s), but within scenarios the ratio of %.3g is not "+
			"once the number of pairs is allowed for (Holm-adjusted p = %s, level %g).", pair, pValue(x.P), y.Ratio, pValue(y.PHolm), alpha)
	case OnlyDefault:
		return fmt.Sprintf("%s: tr119 finds no significant difference (p = %s), as it takes the spread between scenarios for noise, "+
			"but within scenarios the ratio is %.3g (Holm-adjusted p = %s, level %g).", pair, pValue(x.P), y.Ratio, pValue(y.PHolm), alpha)
	}
	dearer, cheaper := x.A, x.B
	if x.DiffUSD < 0 {
		dearer, cheaper = x.B, x.A
	}
	return fmt.Sprintf("%s: by the mean over scenarios %s costs more than %s, by the ratio within scenarios (%.3g) less; "+
		"tr119 p = %s, Holm-adjusted p = %s.", pair, dearer, cheaper, y.Ratio, pValue(x.P), pValue(y.PHolm))
}

// pValue is p with two significant digits.
func pValue(p *float64) string {
	if p == nil {
		return "none"
	}
	return fmt.Sprintf("%.2g", *p)
}
