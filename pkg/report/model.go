package report

import "strings"

// Document is a report as data: every output format renders this one value, so no two formats can say different things.
type Document struct {
	Title  string
	Blocks []Block
}

// Block is one piece of a document, in reading order: Heading, Paragraph, List, Table, Figure, Note or Code.
type Block interface{ isBlock() }

// Heading opens a section. Level is 2 for a section and 3 for a subsection; level 1 is the document's title.
type Heading struct {
	Level int
	Text  string
}

// Paragraph is running text.
type Paragraph struct{ Text Line }

// List is a list of short statements, numbered where their order matters.
type List struct {
	Ordered bool
	Items   []Line
}

// Table is a table with its caption and where its numbers come from.
type Table struct {
	Number  int // from 1 through the document; given when it is put together
	Caption string
	Columns []Column
	Rows    [][]Line
	Notes   []Line // printed below: what a mark means, what is missing and why
}

// Column is a column of a table. Numeric columns are set to the right.
type Column struct {
	Name    string
	Numeric bool
}

// Figure is a drawing with its caption. Name is the file name without folder and extension.
type Figure struct {
	Number  int // from 1 through the document; given when it is put together
	Name    string
	Alt     string // what the figure shows, for those who do not see it
	Caption Line
	Drawing *Drawing
}

// NoteKind says how much a note matters.
type NoteKind string

// The kinds of note; the value is the word that opens it.
const (
	Remark  NoteKind = "Note"
	Warning NoteKind = "Warning"
)

// Note is a remark or a warning set apart from the text.
type Note struct {
	Kind NoteKind
	Text Line
}

// Code is literal text: commands.
type Code struct {
	Language string
	Text     string
}

func (Heading) isBlock()   {}
func (Paragraph) isBlock() {}
func (List) isBlock()      {}
func (Table) isBlock()     {}
func (Figure) isBlock()    {}
func (Note) isBlock()      {}
func (Code) isBlock()      {}

// Line is a piece of text made of spans.
type Line []Span

// Style is how a span is set.
type Style int

// The styles.
const (
	Plain Style = iota
	Strong
	Literal // a name of a column, file or command
)

// Span is a piece of text in one style. Source is set where the text is a number: it says where the number came from.
type Span struct {
	Text      string
	Style     Style
	Source    *Source
	Estimated bool // the number rests on an estimate (energy grade D), and is marked wherever it stands
}

// Source is where a number came from: an artifact, the row or rows in it, and what was done with them.
type Source struct {
	Artifact string // file name relative to the report's folder
	Row      string // key of the row or rows, as column=value pairs; empty for a whole file
	Column   string // the column or columns
	How      string // what was computed from them; empty where the number stands in the file as such
}

// String is the one line that the HTML page shows on a number.
func (s *Source) String() string {
	text := s.Artifact
	if s.Row != "" {
		text += ": " + s.Row
	}
	if s.Column != "" {
		text += "; " + s.Column
	}
	if s.How != "" {
		text += "; " + s.How
	}
	return text
}

// EstimateMark follows every number that rests on an estimate.
const EstimateMark = "†"

// EstimateNote explains the mark below a table or in a caption.
const EstimateNote = EstimateMark + " estimate: the power behind this number comes from a model of the processor (energy grade D), not from a sensor."

// plain is the text of the line without styles, with its estimate marks.
func (l Line) plain() string {
	text := ""
	for _, s := range l {
		text += s.Text
		if s.Estimated {
			text += EstimateMark
		}
	}
	return text
}

// estimated reports whether a number in the line rests on an estimate.
func (l Line) estimated() bool {
	for _, s := range l {
		if s.Estimated {
			return true
		}
	}
	return false
}

// phrase is a line of plain text.
func phrase(s string) Line { return Line{{Text: s}} }

// code is a span of literal text.
func code(s string) Span { return Span{Text: s, Style: Literal} }

// strong is a span of strong text.
func strong(s string) Span { return Span{Text: s, Style: Strong} }

// word is a span of plain text.
func word(s string) Span { return Span{Text: s} }

// prose joins text and spans to a line: each `%s` of the pattern stands for the next span. A pattern and spans that do
// not fit each other are a programmer's mistake and panic.
func prose(pattern string, spans ...Span) Line {
	var line Line
	rest, next := pattern, 0
	for {
		before, after, found := strings.Cut(rest, "%s")
		if before != "" {
			line = append(line, word(before))
		}
		if !found {
			break
		}
		if next == len(spans) {
			panic("report: more verbs than spans in " + pattern)
		}
		line = append(line, spans[next])
		next++
		rest = after
	}
	if next != len(spans) {
		panic("report: more spans than verbs in " + pattern)
	}
	return line
}

// list is an unordered list.
func list(items ...Line) List { return List{Items: items} }

// para is a paragraph of prose.
func para(pattern string, spans ...Span) Paragraph { return Paragraph{prose(pattern, spans...)} }
