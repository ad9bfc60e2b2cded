package report

import (
	"fmt"
	"io"
	"strings"
)

func init() { registerFormat(format{MarkdownFile, writeMarkdown}) }

// FiguresDir is the folder of the figures, beside the report.
const FiguresDir = "figures"

// writeMarkdown renders the document as GitHub-flavoured Markdown. Figures are links to their SVG files.
func writeMarkdown(w io.Writer, doc *Document) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", escapeMarkdown(doc.Title))
	markdownContents(&b, doc)
	for _, block := range doc.Blocks {
		b.WriteByte('\n')
		markdownBlock(&b, block)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownContents lists the headings with links to them.
func markdownContents(b *strings.Builder, doc *Document) {
	b.WriteByte('\n')
	for _, entry := range contents(doc) {
		indent := strings.Repeat("  ", entry.Level-2)
		fmt.Fprintf(b, "%s- [%s](#%s)\n", indent, escapeMarkdown(entry.Text), entry.Anchor)
	}
}

func markdownBlock(b *strings.Builder, block Block) {
	switch v := block.(type) {
	case Heading:
		fmt.Fprintf(b, "%s %s\n", strings.Repeat("#", v.Level), escapeMarkdown(v.Text))
	case Paragraph:
		b.WriteString(markdownLine(v.Text) + "\n")
	case List:
		markdownList(b, v)
	case Table:
		markdownTable(b, v)
	case Figure:
		fmt.Fprintf(b, "![%s](%s/%s.svg)\n\n**Figure %d.** %s\n", escapeMarkdown(v.Alt), FiguresDir, v.Name, v.Number, markdownLine(v.Caption))
	case Note:
		fmt.Fprintf(b, "> **%s.** %s\n", v.Kind, markdownLine(v.Text))
	case Code:
		fmt.Fprintf(b, "```%s\n%s\n```\n", v.Language, strings.TrimRight(v.Text, "\n"))
	}
}

func markdownList(b *strings.Builder, l List) {
	for i, item := range l.Items {
		mark := "-"
		if l.Ordered {
			mark = fmt.Sprintf("%d.", i+1)
		}
		b.WriteString(mark + " " + markdownLine(item) + "\n")
	}
}

func markdownTable(b *strings.Builder, t Table) {
	fmt.Fprintf(b, "**Table %d.** %s\n\n", t.Number, escapeMarkdown(t.Caption))
	names, rules := make([]string, len(t.Columns)), make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i], rules[i] = escapeMarkdown(c.Name), "---"
		if c.Numeric {
			rules[i] = "---:"
		}
	}
	fmt.Fprintf(b, "| %s |\n| %s |\n", strings.Join(names, " | "), strings.Join(rules, " | "))
	for _, row := range t.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = markdownLine(cell)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
	for _, note := range t.Notes {
		b.WriteString("\n" + markdownLine(note) + "\n")
	}
}

func markdownLine(line Line) string {
	var b strings.Builder
	for _, s := range line {
		switch s.Style {
		case Strong:
			b.WriteString("**" + escapeMarkdown(s.Text) + "**")
		case Literal:
			b.WriteString(markdownCode(s.Text))
		case Plain:
			b.WriteString(escapeMarkdown(s.Text))
		}
		if s.Estimated {
			b.WriteString(EstimateMark)
		}
	}
	return b.String()
}

// markdownCode is a code span. Inside a table a pipe ends the cell even in code, so it is escaped; text with backticks is
// fenced by one more than it has in a row, and kept apart from the fence by a space, which readers drop.
func markdownCode(s string) string {
	s = strings.ReplaceAll(s, "|", `\|`)
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence == "`" {
		return fence + s + fence
	}
	return fence + " " + s + " " + fence
}

// escapeMarkdown keeps text from being read as markup, and leaves alone what CommonMark does not read as such: an
// underscore between letters or digits, so that column names can be found with grep, and a star or an angle bracket
// before a space.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\n' || s[i] == '\r':
			b.WriteByte(' ')
			continue
		case isMarkup(s, i):
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// isMarkup reports whether the byte at i would be read as markup, or would make markup of what follows it.
func isMarkup(s string, i int) bool {
	spaced := i+1 < len(s) && s[i+1] == ' '
	switch s[i] {
	case '\\', '`', '[', ']', '|', '~':
		return true
	case '_':
		return !insideWord(s, i)
	case '*', '<':
		return !spaced || i == 0
	case '&':
		return strings.IndexByte(s[i:], ';') > 0 // a character reference
	case '#', '>', '+', '-', '=':
		return i == 0 && (len(s) == 1 || spaced || s[i] != '-' && s[i] != '+' || s[i+1] == s[i])
	case '.', ')':
		return i > 0 && (spaced || i+1 == len(s)) && strings.Trim(s[:i], "0123456789") == "" // a numbered list
	}
	return false
}

func insideWord(s string, i int) bool {
	return i > 0 && i+1 < len(s) && isWord(s[i-1]) && isWord(s[i+1])
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}
