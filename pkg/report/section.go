package report

import (
	"cmp"
	"fmt"
	"slices"
)

// section is one section or subsection of the report. Its place decides where it stands and its level: multiples of 100
// open a section, what follows them are its subsections, and what comes before 100 stands before the first section
// without a number. Numbers are given when the report is put together, as a section without content is left out.
type section struct {
	place int
	title string
	build func(*data) []Block
}

// The places of the numbered sections, those of spec TR119.
const (
	placeIntroduction = 100 * (iota + 1)
	placeMethodology
	placeEnvironment
	placeResults
	placeStatistics
	placeSynthesis
	placeReproduction
)

// registered is a section and the profiles that have it; none: all have.
type registered struct {
	section
	in []Profile
}

// stands reports whether the section is in the reports of a profile.
func (r *registered) stands(p Profile) bool { return len(r.in) == 0 || slices.Contains(r.in, p) }

// sections are all of them, in the order of registration.
var sections []registered

// register adds a section to every report. Two sections of one report in one place are a programmer's mistake.
func register(s section) { add(registered{section: s}) }

// registerFor adds a section to the reports of a profile.
func registerFor(only Profile, s section) { add(registered{s, []Profile{only}}) }

// registerPriced adds a section to every report with costs.
func registerPriced(s section) { add(registered{s, pricedReports}) }

func add(s registered) {
	for _, o := range sections {
		for p := range titles {
			if o.place == s.place && o.stands(p) && s.stands(p) {
				panic(fmt.Sprintf("report: two sections in place %d", s.place))
			}
		}
	}
	sections = append(sections, s)
}

// Build writes the report about the inputs.
func Build(in *Inputs) *Document {
	d := newData(in)
	doc := &Document{Title: in.Title}
	ordered := slices.SortedFunc(slices.Values(sections), func(a, b registered) int { return cmp.Compare(a.place, b.place) })
	ordered = slices.DeleteFunc(ordered, func(s registered) bool { return !s.stands(d.Profile) })
	chapter, part := 0, 0
	for _, s := range ordered {
		blocks := s.build(d)
		if len(blocks) == 0 {
			continue
		}
		h := Heading{Level: 2, Text: s.title}
		switch {
		case s.place < placeIntroduction:
		case s.place%100 == 0:
			chapter, part = chapter+1, 0
			h.Text = fmt.Sprintf("%d %s", chapter, s.title)
		default:
			part++
			h.Level, h.Text = 3, fmt.Sprintf("%d.%d %s", chapter, part, s.title)
		}
		doc.Blocks = append(append(doc.Blocks, h), blocks...)
	}
	enumerate(doc)
	return doc
}

// enumerate numbers tables and figures in the order of the document.
func enumerate(doc *Document) {
	tables, figures := 0, 0
	for i, block := range doc.Blocks {
		switch v := block.(type) {
		case Table:
			tables++
			v.Number = tables
			doc.Blocks[i] = v
		case Figure:
			figures++
			v.Number = figures
			doc.Blocks[i] = v
		}
	}
}
