package telemetry

import (
	"fmt"
	"strings"
	"unicode"
)

// clean makes text from outside (a driver's label, what a tool printed) fit for every output: valid UTF-8, on one line, and
// without what a terminal would obey. What is no character becomes U+FFFD, one for a run of invalid bytes.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r): // controls, and marks that turn the direction of writing round
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, string(unicode.ReplacementChar)))
}

// names gives out names that are all different.
type names map[string]bool

// take is name, with a number behind it where it is taken.
func (n names) take(name string) string {
	free := name
	for i := 2; n[free]; i++ {
		free = fmt.Sprintf("%s#%d", name, i)
	}
	n[free] = true
	return free
}
