package report

import (
	"fmt"
	"strings"
	"unicode"
)

// entry is a line of the table of contents.
type entry struct {
	Heading
	Anchor string
}

// contents lists the headings of the document with their anchors, the ones GitHub gives the headings of a Markdown file:
// lower case, punctuation dropped, spaces to hyphens, repeated ones numbered.
func contents(doc *Document) []entry {
	var entries []entry
	seen := map[string]int{}
	for _, block := range doc.Blocks {
		h, ok := block.(Heading)
		if !ok {
			continue
		}
		anchor := slug(h.Text)
		if n := seen[anchor]; n > 0 {
			anchor = fmt.Sprintf("%s-%d", anchor, n)
		}
		seen[slug(h.Text)]++
		entries = append(entries, entry{h, anchor})
	}
	return entries
}

func slug(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ' || r == '-':
			return '-'
		case r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, text)
}
